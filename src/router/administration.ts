import { CodedError, type UnixMs } from '../core/index.ts';
import type { Totals } from './activity.ts';
import type { Fleet, Worker } from './fleet.ts';
import { printable } from './printable.ts';
import type { Dispatcher } from './routing/index.ts';
import type { RouterService, WorkerRow } from './service.ts';
import { snapshotOf } from './snapshot.ts';
import { statusOf } from './status.ts';

export type AdministrationDeps = Readonly<{
  /** The router's name in the log. */
  source: string;
  fleet: Fleet;
  dispatcher: Dispatcher<Worker>;
  now: () => UnixMs;
  policy: () => Readonly<{ text: string; number: number; digest: Uint8Array<ArrayBuffer> }>;
  totals: () => Totals;
  /** Requests that have come and not ended. */
  underWay: () => number;
  /** nanoTON that is vouched for and not claimed. */
  voucherLag: () => bigint;
}>;

/** What operators see of a router and may do to it. */
export function createAdministration(
  deps: AdministrationDeps,
): Pick<RouterService, 'listWorkers' | 'drainWorker' | 'dismissWorkers' | 'policy' | 'snapshot' | 'status'> {
  const { source, fleet, dispatcher, now } = deps;
  const startedAt = now();
  return {
    listWorkers: () => fleet.all().map(workerRow),
    drainWorker(workerId, reason) {
      const worker = fleet.byId(workerId);
      if (worker === undefined) throw new CodedError('NOT_FOUND', 'no such worker');
      worker.state = 'draining';
      dispatcher.remove(worker);
      worker.control.send({ kind: 'drain', reason: printable(reason) });
    },
    dismissWorkers() {
      for (const worker of fleet.all()) worker.control.close();
    },
    policy: () => ({ policy: deps.policy().text, digest: deps.policy().digest }),
    snapshot: () => ({
      underWay: deps.underWay(),
      voucherLag: deps.voucherLag(),
      ...snapshotOf(fleet.all(), dispatcher, now()),
    }),
    status: () => ({
      router: source,
      startedAt,
      policyNumber: deps.policy().number,
      ...statusOf(fleet.all(), dispatcher, now(), deps.totals()),
    }),
  };
}

function workerRow(worker: Worker): WorkerRow {
  const { admission, join } = worker;
  return {
    workerId: admission?.workerId ?? new Uint8Array(0),
    name: join?.name ?? '',
    state: worker.state,
    modelName: join?.modelName ?? '',
    evidenceDigest: admission?.evidenceDigest ?? new Uint8Array(0),
    leaseExpiresAt: admission?.expiresAt ?? 0,
    logIndex: admission?.logIndex ?? 0,
    running: worker.busy,
    appraisal: admission?.appraisal ?? '{}',
    simulated: admission?.simulated ?? false,
    resumed: admission?.resumed ?? false,
  };
}
