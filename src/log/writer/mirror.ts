import { join } from 'node:path';
import { type Bytes, CodedError, concat, equalBytes, merkleRoot, type UnixSeconds, utf8 } from '../../core/index.ts';
import {
  bundleHolding,
  type Checkpoint,
  type Cosigner,
  type Digest,
  hashesAtLevel,
  keysOfPolicy,
  type LogPolicy,
  NOTE_BYTES_MAX,
  parseBundle,
  parseLeaf,
  parseNote,
  policyHolds,
  TILE_WIDTH,
  type TileId,
  verifyCheckpoint,
} from '../index.ts';
import { createBlobStore } from './blobs.ts';
import { openCosignedStore } from './cosigned-store.ts';
import { DurableFiles } from './durable-files.ts';
import type { GrowingTree } from './growing-tree.ts';
import { TileFiles } from './reader.ts';
import { CHECKPOINT_FILE, loadTree } from './recovery.ts';
import type { ReadableLog } from './server.ts';

/** Where a mirror copies from; nothing it gives is believed. */
export type MirrorSource = Readonly<{
  checkpoint(): Promise<Bytes>;
  tile(tile: TileId): Promise<Bytes | null>;
  blob(digest: Digest): Promise<Bytes | null>;
}>;
/** @property missingBlobs files that entries name and that the log did not give; asked for again next time */
export type Synced = Readonly<{ size: number; added: number; missingBlobs: number }>;

export type Mirror = ReadableLog &
  Readonly<{
    /** The newest checkpoint whose every entry is held here, with the mirror's own cosignature; null before the first. */
    checkpoint(): Bytes | null;
    covering(index: number): Promise<Bytes | null>;
    /** Index of the first entry that is not held here: some may be, and wait for a checkpoint to be committed under. */
    next(): number;
    /** Keeps the next entries; the caller has proven that they belong to a checkpoint of the log. */
    append(entries: readonly Bytes[]): Promise<void>;
    /** Entries [from, to) of what is held, committed or not. */
    held(from: number, to: number): Promise<readonly Bytes[]>;
    /**
     * Makes a checkpoint whose every entry is held the newest one. @returns the mirror's cosignature line, or null where
     * it has a newer one already
     */
    commit(note: Bytes, checkpoint: Checkpoint, at: UnixSeconds): Promise<string | null>;
    /** Copies what is new. @throws CodedError LOG_INCONSISTENT where the log contradicts what is held here, LOG_NOT_WITNESSED */
    sync(source: MirrorSource, at: UnixSeconds): Promise<Synced>;
    close(): Promise<void>;
  }>;

const GROW_ENTRIES = 1024;
const MISSING_MAX = 100_000;

/**
 * A copy of somebody else's log: every tile, entry and archived file, each checked before it is kept. Its cosignature
 * says more than a witness's: the data is held here too.
 * @param cosigner the mirror's own key, or null for a silent copy
 * @throws CodedError LOG_INCONSISTENT where the folder does not hold together
 */
export async function openMirror(directory: string, policy: LogPolicy, cosigner: Cosigner | null): Promise<Mirror> {
  const files = await DurableFiles.at(directory);
  const reader = new TileFiles(files);
  const blobs = createBlobStore(files);
  const kept = openCosignedStore(join(directory, 'cosigned.db'));
  const missing = new Set<Digest>();
  let note = await files.read(CHECKPOINT_FILE, NOTE_BYTES_MAX);
  let head: Checkpoint | null = note === null ? null : await witnessed(note, policy);
  let tree: GrowingTree = await loadTree(files, head ?? { size: 0, root: merkleRoot([]) });
  /** With what was given since, and is under no checkpoint yet; after a restart it is given again. */
  let ahead: GrowingTree = tree;
  let last: Promise<unknown> = Promise.resolve();
  /** One after the other: copying and being given entries change the same tree. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work);
    last = done.catch(() => undefined);
    return done;
  };

  const copy = async (source: MirrorSource, to: Checkpoint): Promise<void> => {
    // Twice over the entries: nothing is kept before all of them are known to lead to the signed root.
    if (!equalBytes((await grown(source, tree, to, async () => {})).root(), to.root)) {
      throw new CodedError('LOG_INCONSISTENT', 'the entries of the log do not lead to its signed root', {
        size: to.size,
      });
    }
    tree = await grown(source, tree, to, keep);
    if (ahead.size < tree.size) ahead = tree;
  };

  const keep = async (growth: Growth, entries: readonly Bytes[]): Promise<void> => {
    await files.createAll(growth.files);
    for (const entry of entries) for (const digest of blobsNamedBy(entry)) missing.add(digest);
    if (missing.size > MISSING_MAX) throw new CodedError('STORAGE_UNUSABLE', 'too many archived files are missing');
  };

  /** Publishes a checkpoint whose entries are all held. @returns the mirror's own line */
  const publish = async (given: Bytes, to: Checkpoint, at: UnixSeconds): Promise<string> => {
    const line = cosigner === null ? '' : await cosigner.cosign(parseNote(given).text, at);
    note = concat(given, utf8(line));
    await files.replace(CHECKPOINT_FILE, note);
    await kept.keep(to.size, note);
    head = to;
    return line;
  };

  const fetchBlobs = async (source: MirrorSource): Promise<void> => {
    for (const digest of missing) {
      const bytes = (await blobs.get(digest)) ?? (await source.blob(digest));
      if (bytes === null || (await blobs.put(bytes)) !== digest) continue;
      missing.delete(digest);
    }
  };

  return {
    vkey: policy.logs.map(({ key }) => `${key.name}+${key.keyId}`).join(' '),
    blobs,
    checkpoint: () => note,
    covering: (index) => kept.covering(index),
    entries: (from, to) => reader.entries(from, to, head?.size ?? 0),
    tile: async (tile) => (isHeld(tile, head?.size ?? 0) ? reader.read(tile) : null),
    next: () => ahead.size,
    append: (entries) =>
      inTurn(async () => {
        const growth = ahead.grow(entries);
        await keep(growth, entries);
        ahead = growth.tree;
      }),
    held: async (from, to) => (await reader.entries(from, to, ahead.size)).map(({ entry }) => entry),
    commit: (given, to, at) =>
      inTurn(async () => {
        if (to.size !== ahead.size) return null; // somebody gave more meanwhile, under a newer checkpoint
        if (!equalBytes(ahead.root(), to.root)) {
          throw new CodedError('LOG_INCONSISTENT', 'what is held does not lead to this checkpoint', { size: to.size });
        }
        tree = ahead;
        return publish(given, to, at);
      }),
    sync: (source, at) =>
      inTurn(async () => {
        const given = await source.checkpoint();
        const to = await witnessed(given, policy);
        const size = head?.size ?? 0;
        if (to.size < size) throw new CodedError('LOG_INCONSISTENT', 'the log shows an older tree than is held here');
        if (to.size === size && head !== null && !equalBytes(to.root, head.root)) {
          throw new CodedError('LOG_INCONSISTENT', 'the log shows another tree of the size held here', { size });
        }
        if (to.size > size) await copy(source, to);
        await fetchBlobs(source);
        await publish(given, to, at);
        return { size: to.size, added: to.size - size, missingBlobs: missing.size };
      }),
    close: () => kept.close(),
  };
}

async function witnessed(note: Uint8Array, policy: LogPolicy): Promise<Checkpoint> {
  const verified = await verifyCheckpoint(note, keysOfPolicy(policy));
  if (!policyHolds(policy, verified)) throw new CodedError('LOG_NOT_WITNESSED', 'the head lacks the quorum');
  return verified.checkpoint;
}

type Growth = ReturnType<GrowingTree['grow']>;

/** The tree after the entries up to a checkpoint's size, piece by piece. */
async function grown(
  source: MirrorSource,
  from: GrowingTree,
  to: Checkpoint,
  take: (growth: Growth, entries: readonly Bytes[]) => Promise<void>,
): Promise<GrowingTree> {
  let tree = from;
  let waiting: Bytes[] = [];
  const flush = async () => {
    const growth = tree.grow(waiting);
    await take(growth, waiting);
    tree = growth.tree;
    waiting = [];
  };
  for (let at = from.size; at < to.size; ) {
    const tile = bundleHolding(at, to.size);
    const bytes = await source.tile(tile);
    if (bytes === null) throw new CodedError('LOG_INCONSISTENT', 'the log does not give all its entries', { at });
    waiting.push(...parseBundle(bytes, tile.width).slice(at % TILE_WIDTH));
    at = tile.index * TILE_WIDTH + tile.width;
    if (waiting.length >= GROW_ENTRIES || at >= to.size) await flush();
  }
  return tree;
}

function blobsNamedBy(entry: Bytes): readonly Digest[] {
  try {
    return parseLeaf(entry).leaf.blobs;
  } catch {
    return []; // kept all the same: a mirror holds what the log holds
  }
}

function isHeld({ level, index, width }: TileId, size: number): boolean {
  return index * TILE_WIDTH + width <= hashesAtLevel(size, level === 'entries' ? 0 : level);
}
