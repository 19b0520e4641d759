import type { Tee } from '../attestation/index.ts';
import type { Bytes, UnixMs } from '../core/index.ts';
import type { Times, Totals } from './activity.ts';
import type { Worker, WorkerState } from './fleet.ts';
import type { Dispatcher } from './routing/index.ts';

/** One worker in numbers; nothing of what it is asked. */
export type WorkerLoadRow = Readonly<{
  workerId: Bytes;
  name: string;
  state: WorkerState;
  tee: Tee | null;
  simulated: boolean;
  resumed: boolean;
  modelName: string;
  /** 0 without a lease. */
  leaseExpiresAt: UnixMs;
  running: number;
  /** Used of them now, and declared by the worker. */
  slots: number;
  slotsDeclared: number;
  /** Null where nothing is sent there. */
  breaker: 'closed' | 'open' | 'half-open' | null;
  requests: number;
  failed: number;
  tokensIn: number;
  tokensCached: number;
  tokensOut: number;
  firstFrame: Times;
}>;

export type QueueRow = Readonly<{ modelName: string; priority: number; waiting: number; oldestMs: number }>;

/** How a router stands now and what it did since it started: numbers and closed words. */
export type RouterStatus = Totals &
  Readonly<{
    router: string;
    startedAt: UnixMs;
    now: UnixMs;
    policyNumber: number;
    workers: readonly WorkerLoadRow[];
    /** The longest lines first. */
    queues: readonly QueueRow[];
    accountsWaiting: number;
  }>;

const QUEUES_MAX = 64;

export function statusOf(
  workers: readonly Worker[],
  dispatcher: Dispatcher<Worker>,
  now: UnixMs,
  totals: Totals,
): Omit<RouterStatus, 'router' | 'startedAt' | 'policyNumber'> {
  return {
    ...totals,
    now,
    workers: workers.map((worker) => loadRow(worker, dispatcher)),
    ...waitingIn(dispatcher, now),
  };
}

function loadRow(worker: Worker, dispatcher: Dispatcher<Worker>): WorkerLoadRow {
  const { admission, join, activity } = worker;
  const { requests, failed, tokensIn, tokensCached, tokensOut, firstFrame } = activity;
  return {
    workerId: admission?.workerId ?? new Uint8Array(0),
    name: join?.name ?? '',
    state: worker.state,
    tee: admission?.tee ?? null,
    simulated: admission?.simulated ?? false,
    resumed: admission?.resumed ?? false,
    modelName: join?.modelName ?? '',
    leaseExpiresAt: admission?.expiresAt ?? 0,
    running: worker.busy,
    slots: dispatcher.slots(worker),
    slotsDeclared: join?.concurrencyMax ?? 0,
    breaker: dispatcher.breakerState(worker) ?? null,
    ...{ requests, failed, tokensIn, tokensCached, tokensOut, firstFrame },
  };
}

/** Requests that wait, by the model of their first candidate and by priority; of accounts only how many there are. */
function waitingIn(dispatcher: Dispatcher<Worker>, now: UnixMs): Pick<RouterStatus, 'queues' | 'accountsWaiting'> {
  const rows = new Map<string, { modelName: string; priority: number; waiting: number; oldestMs: number }>();
  const accounts = new Set<string>();
  for (const { account, priority, since, candidates } of dispatcher.inLine()) {
    accounts.add(account);
    const modelName = candidates[0]?.join?.modelName ?? '';
    const key = `${priority} ${modelName}`;
    const row = rows.get(key) ?? { modelName, priority, waiting: 0, oldestMs: 0 };
    row.waiting += 1;
    row.oldestMs = Math.max(row.oldestMs, now - since);
    rows.set(key, row);
  }
  const queues = [...rows.values()].sort((a, b) => b.waiting - a.waiting).slice(0, QUEUES_MAX);
  return { queues, accountsWaiting: accounts.size };
}
