import { gzipSync } from 'node:zlib';
import { type Bytes, boundedBody, CodedError, concat, fromUtf8, utf8 } from '../../core/index.ts';
import {
  bundleHolding,
  type Checkpoint,
  consistencyFromTiles,
  type EntryPackage,
  encodeAddEntries,
  formatSignatureLine,
  type HashTileId,
  keysOfPolicy,
  type LogPolicy,
  NOTE_BYTES_MAX,
  PACKAGES_MAX,
  packagesOf,
  parseBundle,
  parseMirrorInfo,
  parseNote,
  subtreeFromTiles,
  TILE_WIDTH,
  type VerifierKey,
  verifyCheckpoint,
  verifyNote,
} from '../index.ts';
import { createWitnessClient } from '../witness/client.ts';
import type { MirrorSource } from './mirror.ts';

const TIMEOUT_MS = 60_000;
/** Checkpoints that another client may have brought meanwhile, and uploads that were cut off. */
const CONFLICTS_MAX = 8;

/** @property line the mirror's cosignature, verified @property uploaded entries that were sent */
export type Pushed = Readonly<{ size: number; uploaded: number; line: string }>;

const unreachable = (why: string, cause?: unknown) =>
  new CodedError('WITNESS_UNREACHABLE', why, {}, cause === undefined ? {} : { cause });

/**
 * Gives a log to a mirror (C2SP tlog-mirror): the newest checkpoint, then all entries it lacks, 8,192 a request.
 * @param key the mirror's own: its cosignature is what this is done for
 * @throws CodedError WITNESS_UNREACHABLE, WITNESS_REFUSED, LOG_INCONSISTENT
 */
export async function pushToMirror(
  deps: Readonly<{ url: string; source: MirrorSource; policy: LogPolicy; key: VerifierKey; fetch: typeof fetch }>,
): Promise<Pushed> {
  const { source, policy } = deps;
  const note = await source.checkpoint();
  const { checkpoint } = await verifyCheckpoint(note, keysOfPolicy(policy));
  await offer(deps, note, checkpoint);
  // An upload of nothing asks what it holds.
  const held = await upload(deps, { ...checkpoint, size: 0 }, 0, []);
  let next = held.outcome === 'done' ? 0 : held.next;
  let uploaded = 0;
  for (let conflicts = 0; conflicts < CONFLICTS_MAX; ) {
    const packages = await packagesFrom(source, next, checkpoint);
    const answer = await upload(deps, checkpoint, next, packages);
    if (answer.outcome === 'done') {
      return {
        size: checkpoint.size,
        uploaded: uploaded + count(packages),
        line: await ownLine(deps, note, answer.lines),
      };
    }
    if (answer.outcome === 'taken') uploaded += answer.next - next;
    else conflicts++;
    if (answer.next > checkpoint.size) break; // it holds more than we were told of
    next = answer.next;
  }
  throw new CodedError('WITNESS_REFUSED', 'the mirror does not take this checkpoint', { size: checkpoint.size });
}

const count = (packages: readonly EntryPackage[]) => packages.reduce((sum, { entries }) => sum + entries.length, 0);

/** Has the mirror take the checkpoint as pending, from whatever size it holds. */
async function offer(
  { url, fetch: fetcher, source }: Parameters<typeof pushToMirror>[0],
  note: Bytes,
  { size }: Checkpoint,
): Promise<void> {
  const client = createWitnessClient(url, fetcher, TIMEOUT_MS);
  let old = 0;
  for (let attempt = 0; attempt < CONFLICTS_MAX; attempt++) {
    const proof = old === 0 || old === size ? [] : await consistencyFromTiles(old, size, tileOf(source));
    const answer = await client.addCheckpoint(old, proof, note);
    if (answer.outcome === 'cosigned') return;
    if (answer.outcome === 'refused') throw new CodedError('WITNESS_REFUSED', answer.why, { status: answer.status });
    if (answer.size > size) throw new CodedError('LOG_INCONSISTENT', 'the mirror knows a newer tree of this log');
    old = answer.size;
  }
  throw new CodedError('WITNESS_REFUSED', 'the mirror keeps naming other sizes');
}

const tileOf = (source: MirrorSource) => async (tile: HashTileId) => {
  const bytes = await source.tile(tile);
  if (bytes === null) throw new CodedError('LOG_INCONSISTENT', 'the log does not give all its tiles');
  return bytes;
};

async function packagesFrom(source: MirrorSource, from: number, { size }: Checkpoint): Promise<EntryPackage[]> {
  return Promise.all(
    packagesOf(from, size)
      .slice(0, PACKAGES_MAX)
      .map(async (range) => {
        const tile = bundleHolding(range.start, size);
        const bytes = await source.tile(tile);
        if (bytes === null) throw new CodedError('LOG_INCONSISTENT', 'the log does not give all its entries');
        const skipped = range.start % TILE_WIDTH;
        const entries = parseBundle(bytes, tile.width).slice(skipped, skipped + range.end - range.start);
        return { ...range, entries, proof: await subtreeFromTiles(range.subtree, size, tileOf(source)) };
      }),
  );
}

type Uploaded =
  | Readonly<{ outcome: 'done'; lines: string }>
  | Readonly<{ outcome: 'taken' | 'conflict'; next: number }>;

async function upload(
  { url, fetch: fetcher }: Parameters<typeof pushToMirror>[0],
  { origin, size }: Checkpoint,
  start: number,
  packages: readonly EntryPackage[],
): Promise<Uploaded> {
  const head = { origin, start, end: size, ticket: new Uint8Array(0) };
  const answer = await fetcher(`${url.replace(/\/+$/, '')}/add-entries`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', 'content-encoding': 'gzip' },
    body: Uint8Array.from(gzipSync(encodeAddEntries(head, packages))),
    signal: AbortSignal.timeout(TIMEOUT_MS),
    redirect: 'error',
  }).catch((cause: unknown) => {
    throw unreachable('the mirror does not answer', cause);
  });
  const body = await boundedBody(answer, NOTE_BYTES_MAX, () => unreachable('the answer of the mirror is too large'));
  const text = fromUtf8(body, 'answer');
  if (answer.status === 200) return { outcome: 'done', lines: text };
  if (answer.status === 202) return { outcome: 'taken', next: parseMirrorInfo(text).next };
  if (answer.status === 409) return { outcome: 'conflict', next: parseMirrorInfo(text).next };
  if (answer.status >= 500) throw unreachable(`the mirror answered HTTP ${answer.status}`);
  throw new CodedError('WITNESS_REFUSED', text.slice(0, 200).trim(), { status: answer.status });
}

/** The mirror's line alone, if it holds. @throws CodedError LOG_SIGNATURE_* where it does not */
async function ownLine({ key }: Parameters<typeof pushToMirror>[0], note: Bytes, lines: string): Promise<string> {
  const { verified } = await verifyNote(concat(utf8(`${parseNote(note).text}\n`), utf8(lines)), [key]);
  return verified.map(({ signature }) => formatSignatureLine(key, signature)).join('');
}
