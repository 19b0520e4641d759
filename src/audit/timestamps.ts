import { CodedError, rfc3339, type UnixMs, utf8, type X509Certificate } from '../core/index.ts';
import { parseLeaf, parseNote } from '../log/index.ts';
import type { BundleFiles, Manifest } from './bundle.ts';
import type { Tally } from './checks.ts';
import { SKEW_MS } from './skew.ts';
import { entriesOf, type LogSource } from './source.ts';
import { rootName, verifyTimeStamp } from './timestamp/authority.ts';

const NO_ROOTS = 'no roots of stamping authorities were brought: who signed the time stamps is not checked';

/**
 * V16: an RFC 3161 time stamp beside a checkpoint is over its body, by an authority under a root that the auditor brought,
 * and nothing that was there then is dated later.
 * @param roots null where none were brought: who signed is then not checked
 */
export async function verifyTimestamps(
  files: BundleFiles,
  source: LogSource,
  manifest: Pick<Manifest, 'from' | 'to'>,
  roots: readonly X509Certificate[] | null,
  tally: Tally,
): Promise<void> {
  for (const path of files.list.keys()) {
    if (!path.startsWith('timestamps/')) continue;
    const size = Number(path.slice('timestamps/'.length, -'.tsr'.length));
    const checkpoint = `checkpoints/${size}`;
    tally.require(files.list.has(checkpoint), `${path} is of a checkpoint that is not there`);
    if (!files.list.has(checkpoint)) continue;
    const body = parseNote(await files.read(checkpoint)).text;
    const verdict = await verifyTimeStamp(await files.read(path), utf8(body), roots ?? []);
    if (verdict.outcome === 'refused') tally.fail(`${path}: ${verdict.why}`);
    if (verdict.outcome === 'unknown') tally.skip(roots === null ? NO_ROOTS : `${path}: ${verdict.why}`);
    if (verdict.outcome !== 'holds') continue;
    tally.note(`${checkpoint} was there at ${rfc3339(verdict.at)}, says an authority under ${rootName(verdict.root)}`);
    tally.note('whether certificates of stamping authorities were revoked is not looked at');
    const last = await dateOf(source, manifest, size - 1);
    const isLater = last !== null && last > verdict.at * 1000 + SKEW_MS;
    if (isLater) tally.fail(`${path}: the last entry under ${checkpoint} is dated after the time stamp`);
  }
}

/** Null where the entry is not in the bundle, or cannot be read: other checks say that. */
async function dateOf(
  source: LogSource,
  { from, to }: Pick<Manifest, 'from' | 'to'>,
  index: number,
): Promise<UnixMs | null> {
  if (index < from || index >= to) return null;
  try {
    for await (const [one] of entriesOf(source, index, index + 1, to)) {
      if (one !== undefined) return parseLeaf(one.entry).leaf.at;
    }
    return null;
  } catch (error) {
    if (error instanceof CodedError) return null;
    throw error;
  }
}
