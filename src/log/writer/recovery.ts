import { CodedError, equalBytes, merkleRoot } from '../../core/index.ts';
import {
  CompactRange,
  NOTE_BYTES_MAX,
  parseTilePath,
  rightEdgeFromTiles,
  TILE_WIDTH,
  type VerifierKey,
  verifyCheckpoint,
} from '../index.ts';
import { GrowingTree } from './growing-tree.ts';
import type { Head } from './lock-store.ts';
import { TileFiles } from './reader.ts';
import { decodeStaging, STAGING_BYTES_MAX, stagingPath } from './staging.ts';
import type { LogFiles } from './storage.ts';

export const CHECKPOINT_FILE = 'checkpoint';
/** Up to this size every entry and tile is recomputed at start; above it, the right edge (which leads to the root). */
export const VERIFIED_AT_START_MAX = 131_072;

/** A tree that somebody else remembers of this log: a witness, an anchor on chain. */
export type KnownHead = Readonly<{ size: number; root: Uint8Array }>;

const inconsistent = (why: string, facts: CodedError['facts'] = {}) => new CodedError('LOG_INCONSISTENT', why, facts);

async function publishedHead(files: LogFiles, key: VerifierKey): Promise<Omit<Head, 'checkpoint'> | null> {
  const note = await files.read(CHECKPOINT_FILE, NOTE_BYTES_MAX);
  return note === null ? null : (await verifyCheckpoint(note, [key], key.name)).checkpoint;
}

/**
 * Brings the files of a log in line with its lock store, or refuses (transparency-log section 8, "Start"): equal heads
 * go on, an older published checkpoint has its batch applied again from staging, anything else stops the log.
 * @returns the right edge to append to
 * @throws CodedError LOG_INCONSISTENT and what verifying the checkpoints throws
 */
export async function recover(
  files: LogFiles,
  head: Head,
  key: VerifierKey,
  knownHeads: readonly KnownHead[],
): Promise<GrowingTree> {
  await requireOwnHead(head, key);
  const published = await publishedHead(files, key);
  if (published === null && head.size > 0) throw inconsistent('the published checkpoint is gone', { size: head.size });
  if (published !== null && published.size > head.size) {
    throw inconsistent('the published checkpoint is ahead of the lock store: was a backup restored?', {
      published: published.size,
      size: head.size,
    });
  }
  if (published !== null && published.size === head.size && !equalBytes(published.root, head.root)) {
    throw inconsistent('the published checkpoint and the lock store hold different trees', { size: head.size });
  }
  if (published === null || published.size < head.size) await applyStaged(files, head);
  const tree = await loadTree(files, head);
  const reader = new TileFiles(files);
  for (const known of [...knownHeads, ...(published === null ? [] : [published])]) {
    await requireExtends(reader, known, head);
  }
  if (published?.size !== head.size) await files.replace(CHECKPOINT_FILE, head.checkpoint);
  for (const name of await files.list('staging')) await files.remove(`staging/${name}`);
  return tree;
}

async function requireOwnHead(head: Head, key: VerifierKey): Promise<void> {
  const { checkpoint } = await verifyCheckpoint(head.checkpoint, [key], key.name);
  if (head.origin !== key.name || checkpoint.size !== head.size || !equalBytes(checkpoint.root, head.root)) {
    throw inconsistent('the lock store and the checkpoint in it differ', { size: head.size });
  }
}

async function applyStaged(files: LogFiles, head: Head): Promise<void> {
  if (head.size === 0) return;
  const staged = await files.read(stagingPath(head.size, head.root), STAGING_BYTES_MAX);
  if (staged === null) throw inconsistent('a batch was committed and its staging file is gone', { size: head.size });
  const batch = decodeStaging(staged);
  for (const { path } of batch) parseTilePath(path);
  await files.createAll(batch);
}

/** The right edge of a log's files, checked against a head. @throws CodedError LOG_INCONSISTENT */
export async function loadTree(files: LogFiles, head: Pick<Head, 'size' | 'root'>): Promise<GrowingTree> {
  const { size, root } = head;
  if (size === 0) {
    if (!equalBytes(root, merkleRoot([]))) throw inconsistent('an empty log with the root of another');
    return GrowingTree.empty();
  }
  const reader = new TileFiles(files);
  const mustRead = async (tile: Parameters<TileFiles['read']>[0]) => {
    const bytes = await reader.read(tile);
    if (bytes === null) throw inconsistent('a tile of the right edge is missing', { level: tile.level });
    return bytes;
  };
  if (size <= VERIFIED_AT_START_MAX) await reader.verifyAll(size);
  const range = new CompactRange(size, await rightEdgeFromTiles(size, mustRead));
  if (!equalBytes(range.root(), root)) throw inconsistent('the right edge does not hash to the signed root', { size });
  const bundle = size % TILE_WIDTH === 0 ? [] : await reader.bundle(size - 1, size);
  return new GrowingTree(range, await reader.rightEdge(size), bundle);
}

async function requireExtends(reader: TileFiles, known: KnownHead, head: Head): Promise<void> {
  if (known.size > head.size) {
    throw inconsistent('somebody holds a newer tree of this log: was a backup restored?', {
      known: known.size,
      size: head.size,
    });
  }
  const root = known.size === 0 ? merkleRoot([]) : await reader.root(known.size, head.size);
  if (!equalBytes(root, known.root)) {
    throw inconsistent('this log does not extend a tree that somebody holds', { known: known.size, size: head.size });
  }
}
