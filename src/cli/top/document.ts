import { errorsOf, type History, requestsOf } from './history.ts';
import { workerLines } from './rows.ts';

/** What `top --json` prints: the same facts as the view. Rates are a second, null where nothing can be compared. */
export function documentOf(history: History, { address, policy }: Readonly<{ address: string; policy: string }>) {
  const report = history.newest;
  if (report === null) return null;
  return {
    router: report.router,
    address,
    policy,
    at: new Date(report.now).toISOString(),
    upMs: report.now - report.startedAt,
    requestsPerSecond: history.rate(requestsOf),
    tokensPerSecond: history.rate(({ tokensOut }) => tokensOut),
    errorsPerSecond: history.rate(errorsOf),
    firstTokenMs: report.firstTokenP99Ms === 0 ? null : { p50: report.firstTokenP50Ms, p99: report.firstTokenP99Ms },
    tokens: { in: report.tokensIn, cached: report.tokensCached, out: report.tokensOut },
    ended: Object.fromEntries(report.ended.map(({ code, count }) => [code === '' ? 'answered' : code, count])),
    accountsWaiting: report.accountsWaiting,
    queues: report.queues,
    workers: workerLines(report, history.workerRates()),
  };
}
