import { sha256 } from '#crypto';
import { type Bytes, CodedError, canonicalJsonBytes, concat, rfc3339, toBase64, toHex, utf8 } from '../core/index.ts';
import {
  type Checkpoint,
  cosignatureTimestamp,
  type Digest,
  KEY_TYPE,
  keysOfPolicy,
  type LogPolicy,
  parseLeaf,
  policyHolds,
  rightEdgeFromTiles,
  rootFromTiles,
  tilePath,
  type VerifiedCheckpoint,
  verifyCheckpoint,
} from '../log/index.ts';
import {
  BUNDLE_FORMAT,
  blobPath,
  type ListedFile,
  MANIFEST,
  MANIFEST_NOTE,
  RANGE,
  README,
  stampPath,
} from './bundle.ts';
import { type Exporter, signManifest } from './manifest-note.ts';
import { entriesOf, type LogSource, mustTile, tilesCovering } from './source.ts';
import { type TarFile, tarEnd, tarFile } from './tar.ts';

/**
 * @property from entries before it are left out; must be the size of a kept cosigned checkpoint, or 0
 * @property by who makes it @property tool name and version
 */
export type ExportOptions = Readonly<{
  policy: LogPolicy;
  from?: number;
  by: string;
  purpose: string;
  tool: string;
  /** Signs for the manifest. */
  exporter?: Exporter;
  /** RFC 3161 time stamps (application/timestamp-reply) of kept checkpoints, by the size of the checkpoint. */
  timestamps?: ReadonlyMap<number, Bytes>;
  progress?: (done: number, of: number) => void;
  /** Told of the bundle before it ends. */
  made?: (bundle: Readonly<{ manifestSha256: Bytes; from: number; size: number }>) => void;
}>;

type Plan = Readonly<{
  from: number;
  to: Checkpoint;
  note: Bytes;
  at: number;
  checkpoints: ReadonlyMap<number, Bytes>;
  blobs: readonly Digest[];
  range: Bytes;
}>;

const README_TEXT = `A bundle of a transparency log for auditors: every entry of a range, none left out, with all it names.

Check it without us:
1. log/ is C2SP tlog-tiles; any tool that reads it will do. log/checkpoint is signed by the log and its witnesses.
2. Append the leaf hashes of the entries to the right edge in range-a.json: the root must be that of log/checkpoint.
3. blobs/ are files by their SHA-256: evidence, the vendors' collateral of that day, inputs, policies.
4. chrysalis audit verify BUNDLE --policy POLICY does all of it, and makes each appraisal again at its instant.

The keys come from you, not from here: bring the log policy (keys of log and witnesses) and the vendors' roots.
`;

/**
 * The files of a bundle in the order of the archive. The same log and options always give the same bytes. The log is
 * checked as far as the exporter can, so that nobody carries away what an auditor must refuse.
 * @throws CodedError LOG_* where the log does not hold together, AUDIT_RANGE_INVALID
 */
export async function* exportFiles(source: LogSource, options: ExportOptions): AsyncGenerator<TarFile> {
  const plan = await makePlan(source, options);
  const { from, to, note, checkpoints, blobs, range } = plan;
  const listed: ListedFile[] = [];
  const absent: Digest[] = [];
  const list = (file: TarFile): TarFile => {
    listed.push({ path: file.path, bytes: file.bytes.length, sha256: toHex(sha256(file.bytes)) });
    return file;
  };
  const rangeFile = { path: RANGE, bytes: range };
  const stamps = stampFiles(checkpoints, options.timestamps ?? new Map());
  yield list({ path: README, bytes: utf8(README_TEXT) });
  for (const [done, digest] of blobs.entries()) {
    const bytes = await source.blob(digest);
    if (bytes === null) absent.push(digest);
    else yield list({ path: blobPath(digest), bytes });
    options.progress?.(done + 1, blobs.length);
  }
  const paths = new Map<string, () => Promise<Bytes>>([['log/checkpoint', async () => note]]);
  for (const [size, bytes] of checkpoints) paths.set(`checkpoints/${size}`, async () => bytes);
  for (const tile of tilesCovering(from, to.size)) paths.set(`log/${tilePath(tile)}`, () => mustTile(source, tile));
  for (const path of [...paths.keys()].sort())
    yield list({ path, bytes: await (paths.get(path) as () => Promise<Bytes>)() });
  for (const file of [rangeFile, ...stamps]) list(file);
  const manifest = {
    format: BUNDLE_FORMAT,
    origin: to.origin,
    from,
    to: to.size,
    filters: 'none',
    made: { at: rfc3339(plan.at), tool: options.tool, by: options.by },
    purpose: options.purpose,
    files: listed,
    absent: absent.sort(),
  };
  const bytes = canonicalJsonBytes(manifest);
  options.made?.({ manifestSha256: sha256(bytes), from, size: to.size });
  yield { path: MANIFEST, bytes };
  if (options.exporter !== undefined) {
    yield { path: MANIFEST_NOTE, bytes: await signManifest(manifest, bytes, options.exporter) };
  }
  yield rangeFile;
  yield* stamps;
}

/** @throws CodedError AUDIT_RANGE_INVALID for one of a checkpoint that is not in the bundle */
function stampFiles(checkpoints: Plan['checkpoints'], timestamps: ReadonlyMap<number, Bytes>): TarFile[] {
  const files = [...timestamps].map(([size, bytes]) => {
    if (!checkpoints.has(size)) {
      throw new CodedError('AUDIT_RANGE_INVALID', `a time stamp is of size ${size}, which no kept checkpoint has`, {
        size,
        todo: 'stamp checkpoints that the log keeps: it answers them under /cosigned/ENTRY',
      });
    }
    return { path: stampPath(size), bytes };
  });
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function makePlan(source: LogSource, options: ExportOptions): Promise<Plan> {
  const { policy } = options;
  const from = options.from ?? 0;
  const verified = await witnessed(await source.checkpoint(), policy);
  const { checkpoint: to } = verified;
  if (from > to.size) throw new CodedError('AUDIT_RANGE_INVALID', `the log has ${to.size} entries`, { from });
  const keys = new Map<number, Bytes>();
  for (const { checkpoint, note } of await keptCheckpoints(source, policy, from, to.size))
    keys.set(checkpoint.size, note);
  if (from > 0) keys.set(from, await checkpointAt(source, from, policy));
  const tile = (id: Parameters<LogSource['tile']>[0]) => mustTile(source, id);
  const blobs = new Set<Digest>();
  for await (const entries of entriesOf(source, from, to.size, to.size)) {
    for (const { entry } of entries) for (const digest of blobsNamedBy(entry)) blobs.add(digest);
  }
  // Of a tree of `from` entries, read from the tiles of the newest: the tiles of then may be gone.
  const hashes = from === 0 ? [] : await rightEdgeFromTiles(from, tile, to.size);
  const root = await rootFromTiles(to.size, tile);
  if (toBase64(root) !== toBase64(to.root)) throw new CodedError('LOG_INCONSISTENT', 'the tiles have another root');
  return {
    from,
    to,
    note: verified.note,
    at: witnessTime(verified, policy),
    checkpoints: keys,
    blobs: [...blobs].sort(),
    range: canonicalJsonBytes({ size: from, hashes: hashes.map(toBase64) }),
  };
}

/** An entry that cannot be read is carried as it is: the auditor must see it. */
function blobsNamedBy(entry: Bytes): readonly Digest[] {
  try {
    return parseLeaf(entry).leaf.blobs;
  } catch {
    return [];
  }
}

type Kept = Readonly<{ checkpoint: Checkpoint; note: Bytes; witnessedAt: number }>;

/** The cosigned checkpoints that are kept over entries [from, to), ascending. @throws CodedError LOG_INCONSISTENT, LOG_SIGNATURE_* */
export async function keptCheckpoints(
  source: LogSource,
  policy: LogPolicy,
  from: number,
  to: number,
): Promise<readonly Kept[]> {
  const kept: Kept[] = [];
  for (let at = from; at < to; ) {
    const note = await source.covering(at);
    if (note === null) break;
    const verified = await verifyCheckpoint(note, keysOfPolicy(policy));
    // Only what the quorum cosigned is ever kept: this is no outage.
    if (!policyHolds(policy, verified)) throw new CodedError('LOG_INCONSISTENT', 'a kept checkpoint lacks its quorum');
    const { checkpoint } = verified;
    if (checkpoint.size <= at || checkpoint.size > to) break;
    kept.push({ checkpoint, note, witnessedAt: witnessTime(verified, policy) });
    at = checkpoint.size;
  }
  return kept;
}

async function witnessed(note: Bytes, policy: LogPolicy): Promise<VerifiedCheckpoint & { note: Bytes }> {
  const verified = await verifyCheckpoint(note, keysOfPolicy(policy));
  if (!policyHolds(policy, verified)) throw new CodedError('LOG_NOT_WITNESSED', 'a checkpoint lacks its quorum');
  return { ...verified, note };
}

async function checkpointAt(source: LogSource, size: number, policy: LogPolicy): Promise<Bytes> {
  const note = await source.covering(size - 1);
  const found = note === null ? null : await witnessed(note, policy);
  if (found === null || found.checkpoint.size !== size) {
    throw new CodedError('AUDIT_RANGE_INVALID', `no cosigned checkpoint of size ${size} is kept`, {
      size,
      todo: `start at 0, or at ${found?.checkpoint.size ?? 'the size of a kept checkpoint'}`,
    });
  }
  return found.note;
}

/** Seconds at which the first of the policy's witnesses cosigned; 0 where none is asked for. */
export function witnessTime({ verified }: VerifiedCheckpoint, policy: LogPolicy): number {
  const witnesses = [...policy.witnesses.values()].filter(({ key }) => key.type !== KEY_TYPE.ed25519);
  const times = verified
    .filter(({ name, keyId }) => witnesses.some(({ key }) => key.name === name && key.keyId === keyId))
    .map(({ signature }) => cosignatureTimestamp(signature));
  return times.length === 0 ? 0 : Math.min(...times);
}

/** A bundle as a stream: ustar in gzip. */
export function exportBundle(source: LogSource, options: ExportOptions): ReadableStream<Uint8Array> {
  const files = exportFiles(source, options);
  let ended = false;
  const archive = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await files.next();
      if (done !== true) controller.enqueue(tarFile(value.path, value.bytes));
      else if (!ended) {
        ended = true;
        controller.enqueue(tarEnd());
        controller.close();
      }
    },
  });
  return archive.pipeThrough(new CompressionStream('gzip') as TransformStream<Uint8Array, Uint8Array>);
}

/** A bundle in memory, for small logs. */
export async function exportInMemory(source: LogSource, options: ExportOptions): Promise<Bytes> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of exportBundle(source, options)) chunks.push(chunk);
  return concat(...chunks);
}
