import { workerData } from 'node:worker_threads';
import { createCheckpointReader, createReappraiser, type Reappraisal } from '../../audit/index.ts';
import { serveOrders } from '../threads.ts';
import type { PoolFound, PoolTask, PoolTrust } from './pool.ts';

/** A thread that works for `pool.ts`. */
const { anchors, policy } = workerData as PoolTrust;
const reappraise = createReappraiser(anchors);
const look = createCheckpointReader(policy);

serveOrders(async (task: PoolTask): Promise<PoolFound> => {
  if ('notes' in task) return look(task.notes, task.origin);
  const found: Reappraisal[] = [];
  for (const job of task.jobs) found.push(await reappraise(job));
  return found;
});
