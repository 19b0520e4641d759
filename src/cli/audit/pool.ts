import { availableParallelism } from 'node:os';
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
import type { Bytes } from '../../core/index.ts';
import type { LogPolicy } from '../../log/index.ts';
import { Threads } from '../threads.ts';

/** Below this many appraisals or checkpoints threads cost more than they give. */
const ALONE_MAX = 64;
/** Each takes some 70 MB. */
const THREADS_MAX = 64;
const HEAP_MIB_MAX = 512;
/** A message costs as much as a tenth of an appraisal, and carries what its jobs have in common once. */
const JOBS_PER_ORDER = 16;
const ORDERS_PER_THREAD = 4;
/** What keeps a thread from an answer for so long is no work of ours. */
const ORDER_MS_MAX = 600_000;

export type PoolTrust = Readonly<{ anchors: readonly TrustAnchor[]; policy: LogPolicy }>;
export type PoolTask =
  | Readonly<{ jobs: readonly ReappraisalJob[] }>
  | Readonly<{ notes: readonly Bytes[]; origin: string }>;
/** As many as were asked for, in their order. */
export type PoolFound = readonly Reappraisal[] | readonly SeenOrNot[];

type Gathered = Readonly<{
  job: ReappraisalJob;
  resolve(found: Reappraisal): void;
  reject(error: Error): void;
}>;

function threadsOf({ anchors, policy }: PoolTrust): Threads<PoolTask, PoolFound> {
  return new Threads({
    file: new URL('./pool-worker.ts', import.meta.url),
    data: { anchors, policy } satisfies PoolTrust, // it may be part of more, and what threads get is copied
    count: Math.min(availableParallelism(), THREADS_MAX),
    heapMiBMax: HEAP_MIB_MAX,
    ordersMax: Number.POSITIVE_INFINITY, // whoever asks keeps no more than `parallel` under way
    orderMsMax: ORDER_MS_MAX,
  });
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
  const threads = threadsOf(trust);
  const alone = { reappraise: createReappraiser(trust.anchors), look: createCheckpointReader(trust.policy) };
  let [appraisals, notesSeen] = [0, 0];
  let gathered: Gathered[] = [];

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
