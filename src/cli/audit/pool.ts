import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { TrustAnchor } from '../../attestation/index.ts';
import {
  createCheckpointReader,
  createReappraiser,
  type LookAtCheckpoints,
  type Reappraisal,
  type ReappraisalJob,
  type Reappraise,
  type SeenOrNot,
} from '../../audit/index.ts';
import { type Bytes, CodedError } from '../../core/index.ts';
import type { LogPolicy } from '../../log/index.ts';

/** Below this many appraisals or checkpoints threads cost more than they give. */
const ALONE_MAX = 64;
/** Each takes some 70 MB. */
const THREADS_MAX = 64;
/** A message costs as much as a tenth of an appraisal, and carries what its jobs have in common once. */
const JOBS_PER_ORDER = 16;
const ORDERS_PER_THREAD = 4;

export type PoolTrust = Readonly<{ anchors: readonly TrustAnchor[]; policy: LogPolicy }>;
type Task = Readonly<{ jobs: readonly ReappraisalJob[] }> | Readonly<{ notes: readonly Bytes[]; origin: string }>;
export type PoolOrder = Readonly<{ id: number }> & Task;
type Found = readonly Reappraisal[] | readonly SeenOrNot[];
/** @property found as many as were asked for, in their order */
export type PoolAnswer = Readonly<{ id: number; found: Found } | { id: number; failed: string }>;

type Waiter<Value> = Readonly<{ resolve(value: Value): void; reject(error: Error): void }>;

/** Threads that are started when first asked; each order goes to the one with the least to do. */
class Threads {
  readonly count = Math.min(availableParallelism(), THREADS_MAX);
  readonly #trust: PoolTrust;
  readonly #threads: { worker: Worker; orders: number }[] = [];
  readonly #waiting = new Map<number, Waiter<Found> & Readonly<{ thread: { orders: number } }>>();
  #ids = 0;
  #broken: Error | null = null;

  constructor({ anchors, policy }: PoolTrust) {
    this.#trust = { anchors, policy }; // it may be part of more, and what threads get is copied
  }

  get started(): number {
    return this.#threads.length;
  }

  ask(task: Task): Promise<Found> {
    while (this.#threads.length < this.count) this.#threads.push({ worker: this.#start(), orders: 0 });
    const thread = this.#threads.reduce((least, one) => (one.orders < least.orders ? one : least));
    const id = this.#ids++;
    return new Promise((resolve, reject) => {
      if (this.#broken !== null) return reject(this.#broken);
      this.#waiting.set(id, { resolve, reject, thread });
      thread.orders++;
      thread.worker.postMessage({ id, ...task } satisfies PoolOrder);
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #start(): Worker {
    const worker = new Worker(new URL('./pool-worker.ts', import.meta.url), { workerData: this.#trust });
    worker.on('message', (answer: PoolAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      if (waiting === undefined) return;
      this.#waiting.delete(answer.id);
      waiting.thread.orders--;
      if ('found' in answer) waiting.resolve(answer.found);
      else waiting.reject(new CodedError('INVARIANT_BROKEN', answer.failed));
    });
    worker.on('error', (error) => {
      this.#broken = error as Error;
      for (const { reject } of this.#waiting.values()) reject(this.#broken);
      this.#waiting.clear();
    });
    return worker;
  }
}

/**
 * Makes appraisals again, and looks at signatures of checkpoints, on all cores.
 * @property parallel how many appraisals to keep under way @property threads that were started
 */
export function createAuditPool(trust: PoolTrust): Readonly<{
  reappraise: Reappraise;
  checkpoints: LookAtCheckpoints;
  parallel: number;
  threads(): number;
  close(): Promise<void>;
}> {
  const threads = new Threads(trust);
  const alone = { reappraise: createReappraiser(trust.anchors), look: createCheckpointReader(trust.policy) };
  let [appraisals, notesSeen] = [0, 0];
  let gathered: (Waiter<Reappraisal> & Readonly<{ job: ReappraisalJob }>)[] = [];

  const send = (): void => {
    const batch = gathered;
    if (batch.length === 0) return;
    gathered = [];
    threads.ask({ jobs: batch.map(({ job }) => job) }).then(
      (found) => {
        for (const [i, { resolve }] of batch.entries()) resolve(found[i] as Reappraisal);
      },
      (error: Error) => {
        for (const { reject } of batch) reject(error);
      },
    );
  };

  return {
    parallel: threads.count * ORDERS_PER_THREAD * JOBS_PER_ORDER,
    threads: () => threads.started,
    reappraise(job) {
      if (appraisals++ < ALONE_MAX || threads.count === 1) return alone.reappraise(job);
      return new Promise((resolve, reject) => {
        // What was gathered goes when the one who asks has to wait for an answer, if not before.
        if (gathered.push({ job, resolve, reject }) === 1) setImmediate(send);
        if (gathered.length >= JOBS_PER_ORDER) send();
      });
    },
    async checkpoints(notes, origin) {
      notesSeen += notes.length;
      if (notesSeen <= ALONE_MAX || threads.count === 1) return alone.look(notes, origin);
      return (await threads.ask({ notes, origin })) as readonly SeenOrNot[];
    },
    close: () => threads.close(),
  };
}
