import { type Bytes, type Clock, CodedError, merkleRoot, type Randomness } from '../../core/index.ts';
import {
  formatVkey,
  hashesAtLevel,
  KEY_TYPE,
  type LeafDraft,
  type LeafType,
  parseLeaf,
  TILE_WIDTH,
  type TileId,
  type VerifierKey,
  verifierKey,
} from '../index.ts';
import { type BlobStore, createBlobStore, digestOf } from './blobs.ts';
import type { CosignedStore } from './cosigned-store.ts';
import type { FileSystem } from './durable-files.ts';
import type { Head, LockStore } from './lock-store.ts';
import { type LogEntry, TileFiles } from './reader.ts';
import { CHECKPOINT_FILE, type KnownHead, recover } from './recovery.ts';
import { type Appended, type BatchStep, Sequencer, signHead } from './sequencer.ts';
import { type LogSigner, openSeedSigner } from './signer.ts';
import { type LogFiles, type LogStorage, openDiskStorage } from './storage.ts';

/** The anchor contract rebuilds the checkpoint's body within 127 bytes (audit-log-design section 5). */
const ORIGIN_BYTES_MAX = 60;
const IDEMPOTENCY_KEY_CHARACTERS_MAX = 256;
const LINGER_MS = 5;

/** @property idempotencyKey an event's own id: appending it again gives the first index back, whatever the leaf */
export type AppendOptions = Readonly<{ idempotencyKey?: string; blobs?: readonly Uint8Array[] }>;

/** Something that appends durably: a log of this process, or one reached over HTTP. */
export type LogAppender = Readonly<{
  append<Type extends LeafType>(draft: LeafDraft<Type>, options?: AppendOptions): Promise<Appended>;
}>;

export type Log = LogAppender &
  Readonly<{
    origin: string;
    /** The log's C2SP verifier key; its name is the origin. */
    vkey: string;
    blobs: BlobStore;
    /** Checkpoints that its witnesses cosigned, kept beside it. */
    cosigned: CosignedStore;
    /** Newest published tree. */
    head(): Readonly<{ size: number; root: Bytes }>;
    /** Its signed checkpoint. */
    checkpoint(): Bytes;
    /** `.tlog-proof` of an entry under the newest checkpoint. @throws CodedError INDEX_OUT_OF_RANGE */
    proof(index: number): Promise<string>;
    /** Audit path of an entry in the tree of the first `size` entries. @throws CodedError INDEX_OUT_OF_RANGE */
    inclusion(index: number, size: number): Promise<Bytes[]>;
    /** Proof that the tree of `size` is a prefix of the newest one, or of that of `newer`. @throws CodedError INDEX_OUT_OF_RANGE */
    consistency(size: number, newer?: number): Promise<Bytes[]>;
    /** Calls back after each published head, until the answer is called. */
    onPublished(listener: () => void): () => void;
    /** Entries [from, to), at most 4,096. @throws CodedError INDEX_OUT_OF_RANGE */
    entries(from: number, to: number): Promise<LogEntry[]>;
    /** A tile or bundle within the published tree, or null. */
    tile(tile: TileId): Promise<Bytes | null>;
    queued(): number;
    /** Index of the last entry about a subject, or null. */
    lastAbout(subject: string): Promise<number | null>;
    /** Answers, with why, when the log had to stop writing: end the process and start again. */
    failed: Promise<CodedError>;
    /** Writes what waits, then lets go of the folder. */
    close(): Promise<void>;
  }>;

export type LogOptions = Readonly<{
  /** Where its key is, and all it keeps unless there is a storage of another kind. */
  directory: string;
  storage?: LogStorage;
  /** Schema-less URL, at most 60 bytes; the name of the log's key. */
  origin: string;
  randomness: Randomness;
  clock: Clock;
  /** Without it, an Ed25519 seed file in the directory, made at the first start. */
  signer?: LogSigner;
  /** What witnesses and anchors hold, asked before this call: a restored backup must not fork the log. */
  knownHeads?: readonly KnownHead[];
  /** Who this process is in the leaves it writes itself. */
  src?: string;
  lingerMs?: number;
  /** For tests of disks that fail. The lock store is SQLite's own and is not behind it. */
  fileSystem?: FileSystem;
  /** For tests of crashes: called after each step of a batch; throwing there stops the log. */
  onStep?: (step: BatchStep) => void;
}>;

/**
 * Opens a log for appending, making it (with its first entry, `log-opened`) where the directory is empty.
 * @throws CodedError LOG_IN_USE while another process has it; LOG_INCONSISTENT where lock store, checkpoint, tiles and
 * known heads do not agree; CONFIG_INVALID for an origin or key file that will not do
 */
export async function openLog(options: LogOptions): Promise<Log> {
  const { directory, origin } = options;
  requireOrigin(origin);
  const storage = options.storage ?? (await openDiskStorage(directory, options.fileSystem));
  const { files, store } = storage;
  try {
    const stored = await store.head();
    const signer = options.signer ?? (await openSeedSigner(directory, options.randomness, stored === null));
    const key = verifierKey(origin, KEY_TYPE.ed25519, signer.publicKey);
    const known = options.knownHeads ?? [];
    if (stored === null && known.some(({ size }) => size > 0)) {
      throw new CodedError('LOG_INCONSISTENT', 'somebody holds a tree of this log, and this folder has none');
    }
    const head = stored ?? (await createHead(files, store, signer, key));
    const tree = await recover(files, head, key, known);
    const reader = new TileFiles(files);
    const { clock, lingerMs = LINGER_MS, src = 'log', onStep } = options;
    const deps = { files, store, signer, key, clock, src, lingerMs, ...(onStep === undefined ? {} : { onStep }) };
    const sequencer = new Sequencer(deps, head, tree, await latestTime(reader, head.size));
    const log = composeLog(key, storage, reader, sequencer);
    if (head.size === 0) await log.append(openingLeaf(log, src));
    return log;
  } catch (error) {
    await storage.close();
    throw error;
  }
}

function requireOrigin(origin: string): void {
  if (!/^[\x21-\x2a\x2c-\x7e]+$/.test(origin) || origin.length > ORIGIN_BYTES_MAX) {
    throw new CodedError(
      'CONFIG_INVALID',
      `an origin has 1 to ${ORIGIN_BYTES_MAX} printable characters, no space, no +`,
    );
  }
}

/** A folder without a lock store may hold nothing that a log published. */
async function createHead(files: LogFiles, store: LockStore, signer: LogSigner, key: VerifierKey): Promise<Head> {
  const checkpoint = await files.list('.').then((names) => names.includes(CHECKPOINT_FILE));
  if (checkpoint || (await files.list('tile')).length > 0) {
    throw new CodedError('LOG_INCONSISTENT', 'the folder holds a log whose lock store is gone');
  }
  const head = await signHead(signer, key, 0, merkleRoot([]));
  await store.create(head);
  return head;
}

async function latestTime(reader: TileFiles, size: number): Promise<number> {
  if (size === 0) return 0;
  const last = (await reader.bundle(size - 1, size)).at(-1) as Bytes;
  return parseLeaf(last).leaf.at;
}

function openingLeaf(log: Log, src: string): LeafDraft<'log-opened'> {
  const body = { origin: log.origin, vkeys: [log.vkey], predecessor: null };
  return { type: 'log-opened', src, subject: 'log', body };
}

function isPublished({ level, index, width }: TileId, size: number): boolean {
  return index * TILE_WIDTH + width <= hashesAtLevel(size, level === 'entries' ? 0 : level);
}

function composeLog(key: VerifierKey, storage: LogStorage, reader: TileFiles, sequencer: Sequencer): Log {
  const blobs = createBlobStore(storage.files);
  /** Blobs are durable before the leaf that names them. */
  const storeBlobs = async (draft: LeafDraft, given: readonly Uint8Array[]): Promise<void> => {
    const named = new Set(draft.blobs ?? []);
    for (const bytes of given) {
      if (!named.has(digestOf(bytes))) throw new CodedError('LOG_LEAF_INVALID', 'a blob that the leaf does not name');
    }
    for (const bytes of given) named.delete(await blobs.put(bytes));
    for (const digest of named) {
      if ((await blobs.get(digest)) === null) throw new CodedError('LOG_BLOB_MISSING', `${digest} is not stored`);
    }
  };
  return {
    origin: key.name,
    vkey: formatVkey(key),
    blobs,
    async append(draft, { idempotencyKey, blobs: given = [] } = {}) {
      if (
        idempotencyKey !== undefined &&
        !/^[\x21-\x7e]+$/.test(idempotencyKey.slice(0, IDEMPOTENCY_KEY_CHARACTERS_MAX + 1))
      ) {
        throw new CodedError('USAGE_INVALID', 'an idempotency key has 1 to 256 printable characters');
      }
      if (idempotencyKey !== undefined && idempotencyKey.length > IDEMPOTENCY_KEY_CHARACTERS_MAX) {
        throw new CodedError('USAGE_INVALID', 'an idempotency key has 1 to 256 printable characters');
      }
      if (given.length > 0 || (draft.blobs?.length ?? 0) > 0) await storeBlobs(draft, given);
      return sequencer.append(draft, idempotencyKey ?? null);
    },
    head: () => ({ size: sequencer.head.size, root: sequencer.head.root }),
    checkpoint: () => sequencer.head.checkpoint,
    proof: (index) => reader.proof(index, sequencer.head),
    inclusion: (index, size) => reader.inclusion(index, size, sequencer.head.size),
    consistency: (size, newer = sequencer.head.size) => reader.consistency(size, newer, sequencer.head.size),
    onPublished: sequencer.onPublished,
    entries: (from, to) => reader.entries(from, to, sequencer.head.size),
    tile: async (tile) => (isPublished(tile, sequencer.head.size) ? reader.read(tile) : null),
    queued: () => sequencer.queued,
    lastAbout: async (subject) => (await storage.store.lastOfSubjects([subject])).get(subject) ?? null,
    failed: Promise.race([sequencer.failed, storage.lost]),
    cosigned: storage.cosigned,
    async close() {
      await sequencer.close();
      await storage.close();
    },
  };
}
