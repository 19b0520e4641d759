import type { StatusReport } from '../../rpc/index.ts';

/** Rates are over this long, where the view has been open so long. */
const WINDOW_MS = 10_000;
/** Points of a sparkline. */
const POINTS_MAX = 60;

type WorkerReport = StatusReport['workers'][number];

/** One point of time in rates a second. */
export type Point = Readonly<{ requests: number; tokensOut: number; errors: number }>;

export const requestsOf = ({ ended }: StatusReport): number => ended.reduce((sum, { count }) => sum + count, 0);
export const errorsOf = ({ ended }: StatusReport): number =>
  ended.reduce((sum, { code, count }) => (code === '' ? sum : sum + count), 0);
export const countOf = ({ ended }: StatusReport, code: string): number =>
  ended.find((one) => one.code === code)?.count ?? 0;

/** What a router said of itself lately: its counts only grow, so that rates are differences. */
export class History {
  #reports: StatusReport[] = [];
  #points: Point[] = [];

  get newest(): StatusReport | null {
    return this.#reports.at(-1) ?? null;
  }

  /** The newest last. */
  get points(): readonly Point[] {
    return this.#points;
  }

  push(report: StatusReport): void {
    const last = this.newest;
    if (last !== null && (last.startedAt !== report.startedAt || report.now < last.now)) {
      // Another process answers by now, or its clock was set: nothing before it can be compared.
      this.#reports = [];
      this.#points = [];
    }
    const from = this.newest;
    this.#reports.push(report);
    while (this.#reports.length > 2 && report.now - (this.#reports[1] as StatusReport).now >= WINDOW_MS) {
      this.#reports.shift();
    }
    if (from === null || report.now === from.now) return;
    const a = (count: (of: StatusReport) => number) => rate(from, report, count);
    this.#points.push({ requests: a(requestsOf), tokensOut: a(({ tokensOut }) => tokensOut), errors: a(errorsOf) });
    if (this.#points.length > POINTS_MAX) this.#points.shift();
  }

  /** A second, over the last ten seconds at most; null where there is one report alone. */
  rate(count: (of: StatusReport) => number): number | null {
    const [first] = this.#reports;
    const { newest } = this;
    return first === undefined || newest === null || first === newest ? null : rate(first, newest, count);
  }

  /** Tokens a second of each worker that was there ten seconds ago already, by its id. */
  workerRates(): ReadonlyMap<string, number> {
    const [first] = this.#reports;
    const { newest } = this;
    if (first === undefined || newest === null || first === newest) return new Map();
    const before = new Map(first.workers.map((worker): [string, WorkerReport] => [worker.workerId, worker]));
    const seconds = (newest.now - first.now) / 1000;
    return new Map(
      newest.workers.flatMap(({ workerId, tokensOut }) => {
        const then = before.get(workerId);
        // One that attached anew counts from nothing.
        return then === undefined || tokensOut < then.tokensOut
          ? []
          : [[workerId, (tokensOut - then.tokensOut) / seconds]];
      }),
    );
  }
}

function rate(from: StatusReport, to: StatusReport, count: (of: StatusReport) => number): number {
  return Math.max(0, (1000 * (count(to) - count(from))) / Math.max(1, to.now - from.now));
}
