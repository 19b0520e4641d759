import { parentPort, workerData } from 'node:worker_threads';
import { createCheckpointReader, createReappraiser, type Reappraisal } from '../../audit/index.ts';
import type { PoolAnswer, PoolOrder, PoolTrust } from './pool.ts';

/** A thread that works for `pool.ts`. */
const { anchors, policy } = workerData as PoolTrust;
const reappraise = createReappraiser(anchors);
const look = createCheckpointReader(policy);

async function foundBy(order: PoolOrder): Promise<Extract<PoolAnswer, { found: unknown }>['found']> {
  if ('notes' in order) return look(order.notes, order.origin);
  const found: Reappraisal[] = [];
  for (const job of order.jobs) found.push(await reappraise(job));
  return found;
}

parentPort?.on('message', (order: PoolOrder) => {
  foundBy(order).then(
    (found) => parentPort?.postMessage({ id: order.id, found } satisfies PoolAnswer),
    (error: Error) => parentPort?.postMessage({ id: order.id, failed: error.message } satisfies PoolAnswer),
  );
});
