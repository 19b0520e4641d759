import type { UnixMs } from '../core/index.ts';
import type { Worker, WorkerState } from './fleet.ts';
import type { Dispatcher } from './routing/index.ts';

/** How the router stands now, in numbers. */
export type RouterSnapshot = Readonly<{
  workers: Readonly<Record<WorkerState, number>>;
  /** Requests that have come and not ended, wherever they are; of them */
  underWay: number;
  /** those that run at workers, and that wait for a slot. */
  running: number;
  waiting: number;
  /** Of those that wait: their tokens, in and out, and the age of the oldest. */
  waitingTokens: number;
  oldestWaitMs: number;
  /** Used now, over all workers. */
  slots: number;
  breakers: Readonly<Record<'closed' | 'open' | 'half-open', number>>;
  /** nanoTON that is vouched for and not claimed on chain, when it was looked at last. */
  voucherLag: bigint;
  /** Milliseconds to the first lease that ends; null where nobody serves. */
  nextLeaseEndsInMs: number | null;
}>;

export function snapshotOf(
  workers: readonly Worker[],
  dispatcher: Dispatcher<Worker>,
  now: UnixMs,
): Omit<RouterSnapshot, 'underWay' | 'voucherLag'> {
  const states = { joining: 0, admitted: 0, draining: 0, quarantined: 0, refused: 0, gone: 0 };
  const breakers = { closed: 0, open: 0, 'half-open': 0 };
  let [running, slots, waitingTokens, oldestWaitMs] = [0, 0, 0, 0];
  let ends: number | null = null;
  for (const worker of workers) {
    states[worker.state] += 1;
    running += dispatcher.load(worker)?.running ?? 0;
    slots += dispatcher.slots(worker);
    const breaker = dispatcher.breakerState(worker);
    if (breaker !== undefined) breakers[breaker] += 1;
    if (worker.state === 'admitted' && worker.admission !== null) {
      ends = Math.min(ends ?? Number.POSITIVE_INFINITY, worker.admission.expiresAt - now);
    }
  }
  for (const { cost, since } of dispatcher.inLine()) {
    waitingTokens += cost;
    oldestWaitMs = Math.max(oldestWaitMs, now - since);
  }
  const { waiting } = dispatcher;
  return { workers: states, running, slots, waiting, waitingTokens, oldestWaitMs, breakers, nextLeaseEndsInMs: ends };
}
