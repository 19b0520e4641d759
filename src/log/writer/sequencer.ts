import { sha256 } from '#crypto';
import { asCodedError, type Bytes, type Clock, CodedError, utf8 } from '../../core/index.ts';
import {
  checkpointMessage,
  encodeLeaf,
  formatCheckpoint,
  formatNote,
  formatSignatureLine,
  type Leaf,
  type LeafDraft,
  SILENCE_MS,
  tilePath,
  type VerifierKey,
} from '../index.ts';
import { errorCode } from './durable-files.ts';
import type { GrowingTree, Growth } from './growing-tree.ts';
import type { Head, LockStore } from './lock-store.ts';
import { CHECKPOINT_FILE } from './recovery.ts';
import type { LogSigner } from './signer.ts';
import { encodeStaging, stagingPath } from './staging.ts';
import type { LogFiles } from './storage.ts';

export const QUEUE_MAX = 4096;
export const BATCH_ENTRIES_MAX = 1024;
const OWN_SUBJECT = 'log';

/** @property size of a published checkpoint that covers the entry @property repeated the key was known: nothing was added */
export type Appended = Readonly<{ index: number; size: number; repeated: boolean }>;

/** Where a batch is; a crash between any two of them must lose nothing. */
export type BatchStep = 'staged' | 'committed' | 'applied' | 'published';

type Waiting = Readonly<{
  draft: LeafDraft;
  key: Bytes | null;
  resolve(appended: Appended): void;
  reject(error: CodedError): void;
}>;
type Sequenced = Readonly<{ waiting: Waiting; index: number; repeated: boolean }>;
type Batch = Readonly<{
  entries: readonly Bytes[];
  sequenced: readonly Sequenced[];
  keys: ReadonlyMap<string, Readonly<{ key: Bytes; index: number }>>;
  subjects: ReadonlyMap<string, number>;
  /** Newest time of an entry up to and with this batch. */
  latestAt: number;
}>;
/** A batch while it is made. */
type Draft = { readonly subjects: Map<string, number>; latestAt: number };

export type SequencerDeps = Readonly<{
  files: LogFiles;
  store: LockStore;
  signer: LogSigner;
  key: VerifierKey;
  clock: Clock;
  /** Who this process is in the leaves it writes itself. */
  src: string;
  /** Milliseconds an idle log waits for company before it writes a batch. */
  lingerMs: number;
  onStep?: (step: BatchStep) => void;
}>;

/**
 * The one writer of a log. Batches go through staging → signature → commit in the lock store → tile files → published
 * checkpoint, in that order (transparency-log section 8); a waiter learns its index after the last step. Any error
 * from the commit on ends the writing: only a restart can tell what happened.
 */
export class Sequencer {
  readonly #deps: SequencerDeps;
  readonly #queue: Waiting[] = [];
  #tree: GrowingTree;
  #head: Head;
  #latestAt: number;
  #running: Promise<void> | null = null;
  #tidying: Promise<void> = Promise.resolve();
  #closed = false;
  #failure: CodedError | null = null;
  readonly #failed = Promise.withResolvers<CodedError>();
  readonly #listeners = new Set<() => void>();

  constructor(deps: SequencerDeps, head: Head, tree: GrowingTree, latestAt: number) {
    this.#deps = deps;
    this.#head = head;
    this.#tree = tree;
    this.#latestAt = latestAt;
  }

  /** The newest published head. */
  get head(): Head {
    return this.#head;
  }
  get queued(): number {
    return this.#queue.length;
  }
  /** Calls back after each published head, until the answer is called. */
  readonly onPublished = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };
  /** Answers once the log can't write any more, with why. */
  get failed(): Promise<CodedError> {
    return this.#failed.promise;
  }

  /** @throws CodedError LOG_QUEUE_FULL, LOG_CLOSED, LOG_WRITE_FAILED, LOG_LEAF_INVALID */
  append(draft: LeafDraft, idempotencyKey: string | null): Promise<Appended> {
    const refusal = this.#refusal();
    if (refusal !== null) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      this.#queue.push({ draft, key: idempotencyKey === null ? null : sha256(utf8(idempotencyKey)), resolve, reject });
      this.#running ??= this.#run();
    });
  }

  #refusal(): CodedError | null {
    if (this.#failure !== null) return this.#failure;
    if (this.#closed) return new CodedError('LOG_CLOSED', 'the log is closing');
    if (this.#queue.length < QUEUE_MAX) return null;
    return new CodedError('LOG_QUEUE_FULL', 'too many entries are waiting', { queued: this.#queue.length });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    await this.#tidying.catch(() => {}); // what is left over is removed at the next start
  }

  async #run(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, this.#deps.lingerMs));
    while (this.#queue.length > 0 && this.#failure === null) {
      const taken = this.#queue.splice(0, BATCH_ENTRIES_MAX);
      try {
        await this.#write(taken);
      } catch (thrown) {
        this.#stopOrRefuse(thrown, taken);
      }
    }
    this.#running = null;
  }

  /** A full disk before the commit refuses one batch; every other error stops the log. */
  #stopOrRefuse(thrown: unknown, taken: readonly Waiting[]): void {
    const full = thrown instanceof StagingError && errorCode(thrown.cause) === 'ENOSPC';
    const error = full
      ? new CodedError('STORAGE_FULL', 'no room for the entry', {}, { cause: thrown })
      : new CodedError('LOG_WRITE_FAILED', 'the log could not be written and has stopped', {}, { cause: thrown });
    for (const { reject } of taken) reject(error);
    if (full) return;
    this.#failure = error;
    for (const { reject } of this.#queue.splice(0)) reject(error);
    this.#failed.resolve(error);
  }

  async #write(taken: readonly Waiting[]): Promise<void> {
    const batch = await this.#sequence(taken);
    if (batch.entries.length > 0) await this.#commit(batch);
    for (const { waiting, index, repeated } of batch.sequenced) {
      waiting.resolve({ index, size: this.#head.size, repeated });
    }
  }

  /** Gives indexes; refuses, each alone, the drafts that make no leaf. */
  async #sequence(taken: readonly Waiting[]): Promise<Batch> {
    const entries: Bytes[] = [];
    const sequenced: Sequenced[] = [];
    const keys = new Map<string, { key: Bytes; index: number }>();
    const batch: Draft = { subjects: new Map<string, number>(), latestAt: this.#latestAt };
    const before = await this.#known(taken);
    const resumed = this.#resumed();
    if (resumed !== null) {
      entries.push(encodeLeaf(this.#complete(resumed, batch, before.subjects)));
      batch.subjects.set(resumed.subject, this.#tree.size);
    }
    for (const waiting of taken) {
      const { draft, key } = waiting;
      const keyText = key === null ? null : key.join();
      const known = keyText === null ? null : (keys.get(keyText)?.index ?? before.keys.get(keyText) ?? null);
      if (known !== null) {
        sequenced.push({ waiting, index: known, repeated: true });
        continue;
      }
      const index = this.#tree.size + entries.length;
      try {
        entries.push(encodeLeaf(this.#complete(draft, batch, before.subjects)));
      } catch (thrown) {
        waiting.reject(asCodedError(thrown));
        continue;
      }
      if (keyText !== null) keys.set(keyText, { key: key as Bytes, index });
      batch.subjects.set(draft.subject, index);
      sequenced.push({ waiting, index, repeated: false });
    }
    return { entries, sequenced, keys, ...batch };
  }

  /** A log that was away says so itself, before anything else: an outage without a trace is a finding. */
  #resumed(): LeafDraft<'heartbeat'> | null {
    if (this.#tree.size === 0 || this.#deps.clock() - this.#latestAt <= SILENCE_MS) return null;
    const body = { queueDepth: this.#queue.length, awaySince: this.#latestAt };
    return { type: 'heartbeat', src: this.#deps.src, subject: OWN_SUBJECT, body };
  }

  /** What the lock store has of keys and subjects. Nobody else writes: it stays so until the commit. */
  async #known(taken: readonly Waiting[]) {
    const { store } = this.#deps;
    const asked = [...new Map(taken.flatMap(({ key }) => (key === null ? [] : [[key.join(), key] as const])))];
    const names = taken.map(({ draft }) => draft.subject).filter((subject) => typeof subject === 'string');
    const [indexes, subjects] = await Promise.all([
      store.indexesOfKeys(asked.map(([, key]) => key)),
      store.lastOfSubjects([...new Set([...names, OWN_SUBJECT])]),
    ]);
    const keys = new Map(asked.flatMap(([text], i) => (indexes[i] == null ? [] : [[text, indexes[i]] as const])));
    return { keys, subjects };
  }

  #complete(draft: LeafDraft, batch: Draft, before: ReadonlyMap<string, number>): Leaf {
    if (typeof draft.subject !== 'string') throw new CodedError('LOG_LEAF_INVALID', 'leaf.subject: not a name');
    const last = batch.subjects.get(draft.subject) ?? before.get(draft.subject) ?? null;
    if (draft.prev !== undefined && draft.prev !== last) {
      throw new CodedError('LOG_LEAF_INVALID', `leaf.prev: the last entry about the subject is ${last}`, {
        field: 'prev',
      });
    }
    // A clock set back must not make the log's own times decrease.
    batch.latestAt = Math.max(batch.latestAt, draft.at ?? this.#deps.clock());
    return {
      v: 1,
      type: draft.type,
      at: draft.at ?? batch.latestAt,
      src: draft.src,
      subject: draft.subject,
      prev: last,
      body: draft.body,
      blobs: draft.blobs ?? [],
      sig: draft.sig ?? [],
    };
  }

  async #commit(batch: Batch): Promise<void> {
    const { files, store, onStep } = this.#deps;
    const growth = this.#tree.grow(batch.entries);
    const root = growth.tree.root();
    const staging = stagingPath(growth.tree.size, root);
    await files.replace(staging, encodeStaging(growth.files)).catch((cause: unknown) => {
      throw new StagingError('staging failed', { cause });
    });
    onStep?.('staged');
    const next = await signHead(this.#deps.signer, this.#deps.key, growth.tree.size, root);
    await store.replace(this.#head, next, { idempotency: [...batch.keys.values()], subjects: batch.subjects });
    onStep?.('committed');
    await files.createAll(growth.files);
    onStep?.('applied');
    await files.replace(CHECKPOINT_FILE, next.checkpoint);
    onStep?.('published');
    this.#tree = growth.tree;
    this.#head = next;
    this.#latestAt = batch.latestAt;
    for (const listener of this.#listeners) listener();
    await this.#tidying;
    this.#tidying = this.#tidy(staging, growth);
    this.#tidying.catch(() => {}); // whoever waits for it hears of it
  }

  /** Partial tiles go once the full one is there and published; nobody waits for that but the batch after the next. */
  async #tidy(staging: string, { filled }: Growth): Promise<void> {
    await this.#deps.files.remove(staging);
    for (const tile of filled) await this.#deps.files.removeFolder(`${tilePath(tile)}.p`);
  }
}

class StagingError extends Error {}

/** Signs the checkpoint of a tree. */
export async function signHead(signer: LogSigner, key: VerifierKey, size: number, root: Bytes): Promise<Head> {
  const checkpoint = { origin: key.name, size, root, extensions: [] };
  const signature = await signer.sign(checkpointMessage(checkpoint));
  const note = formatNote(formatCheckpoint(checkpoint), [formatSignatureLine(key, signature)]);
  return { origin: key.name, size, root, checkpoint: note };
}
