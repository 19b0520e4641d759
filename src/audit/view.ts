import { CodedError, equalBytes, leafHash, verifyInclusion } from '../core/index.ts';
import {
  type Checkpoint,
  CompactRange,
  formatLogProof,
  inclusionFromTiles,
  keysOfPolicy,
  type LogPolicy,
  policyHolds,
  requireIndex,
  verifyCheckpoint,
} from '../log/index.ts';
import { type Entry, entriesOf, type LogSource, mustTile } from './source.ts';

/** A log as one cosigned checkpoint shows it. */
export type LogView = Readonly<{ source: LogSource; checkpoint: Checkpoint; note: Uint8Array<ArrayBuffer> }>;

/** @throws CodedError LOG_NOT_WITNESSED, LOG_SIGNATURE_*, LOG_CHECKPOINT_MALFORMED */
export async function openView(source: LogSource, policy: LogPolicy): Promise<LogView> {
  const note = await source.checkpoint();
  const verified = await verifyCheckpoint(note, keysOfPolicy(policy));
  if (!policyHolds(policy, verified)) {
    throw new CodedError('LOG_NOT_WITNESSED', 'the newest checkpoint lacks the quorum of the policy');
  }
  return { source, checkpoint: verified.checkpoint, note };
}

/** One entry and its `.tlog-proof`, checked. @throws CodedError INDEX_OUT_OF_RANGE, LOG_INCONSISTENT */
export async function provenEntry(
  { source, checkpoint, note }: LogView,
  index: number,
): Promise<Entry & { proof: string }> {
  const { size, root } = checkpoint;
  requireIndex(index, size);
  let entry: Entry | undefined;
  for await (const [first] of entriesOf(source, index, index + 1, size)) entry = first;
  const path = await inclusionFromTiles(index, size, (tile) => mustTile(source, tile));
  if (entry === undefined || !verifyInclusion(index, size, leafHash(entry.entry), path, root)) {
    throw new CodedError('LOG_INCONSISTENT', `entry ${index} is not the one that the checkpoint signs`, { index });
  }
  return { ...entry, proof: formatLogProof({ index, path, extra: null, checkpoint: note }) };
}

/**
 * Every entry from the first, each given out as it is read; only when all were read is it known that they are those of
 * the checkpoint, so rely on nothing before this ends.
 * @throws CodedError LOG_INCONSISTENT where they are not
 */
export async function replay(
  { source, checkpoint }: LogView,
  visit: (entry: Entry) => void,
  progress?: (done: number, of: number) => void,
): Promise<void> {
  const range = new CompactRange();
  for await (const entries of entriesOf(source, 0, checkpoint.size, checkpoint.size)) {
    for (const one of entries) {
      range.append(leafHash(one.entry));
      visit(one);
    }
    progress?.(range.size, checkpoint.size);
  }
  if (!equalBytes(range.root(), checkpoint.root)) {
    throw new CodedError('LOG_INCONSISTENT', 'the entries do not lead to the root of the checkpoint');
  }
}
