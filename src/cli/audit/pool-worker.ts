import { parentPort, workerData } from 'node:worker_threads';
import type { TrustAnchor } from '../../attestation/index.ts';
import { createReappraiser, type ReappraisalJob } from '../../audit/index.ts';
import type { PoolAnswer } from './pool.ts';

/** A thread that makes appraisals again for `pool.ts`. */
const reappraise = createReappraiser((workerData as { anchors: readonly TrustAnchor[] }).anchors);
parentPort?.on('message', ({ id, job }: { id: number; job: ReappraisalJob }) => {
  reappraise(job).then(
    (result) => parentPort?.postMessage({ id, result } satisfies PoolAnswer),
    (error: Error) => parentPort?.postMessage({ id, failed: error.message } satisfies PoolAnswer),
  );
});
