import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { TrustAnchor } from '../../attestation/index.ts';
import { createReappraiser, type Reappraisal, type Reappraise } from '../../audit/index.ts';
import { CodedError } from '../../core/index.ts';

/** Below this many appraisals threads cost more than they give. */
const ALONE_MAX = 64;
const WORKERS_MAX = 64;
const JOBS_PER_WORKER = 4;

export type PoolAnswer = Readonly<{ id: number; result: Reappraisal } | { id: number; failed: string }>;

/** Makes appraisals again on all cores. @property parallel how many to keep under way @property threads that were started */
export function createReappraisalPool(
  anchors: readonly TrustAnchor[],
): Readonly<{ reappraise: Reappraise; parallel: number; threads(): number; close(): Promise<void> }> {
  const cores = Math.min(availableParallelism(), WORKERS_MAX);
  const alone = createReappraiser(anchors);
  const workers: Worker[] = [];
  const waiting = new Map<number, { resolve(result: Reappraisal): void; reject(error: Error): void }>();
  let jobs = 0;

  const start = (): Worker => {
    const worker = new Worker(new URL('./pool-worker.ts', import.meta.url), { workerData: { anchors } });
    worker.on('message', (answer: PoolAnswer) => {
      const job = waiting.get(answer.id);
      waiting.delete(answer.id);
      if ('result' in answer) job?.resolve(answer.result);
      else job?.reject(new CodedError('INVARIANT_BROKEN', answer.failed));
    });
    worker.on('error', (error) => {
      for (const { reject } of waiting.values()) reject(error as Error);
      waiting.clear();
    });
    return worker;
  };

  return {
    parallel: cores * JOBS_PER_WORKER,
    threads: () => workers.length,
    reappraise(job) {
      const id = jobs++;
      if (id < ALONE_MAX || cores === 1) return alone(job);
      while (workers.length < cores) workers.push(start());
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        (workers[id % cores] as Worker).postMessage({ id, job });
      });
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}
