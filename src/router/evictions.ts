import { asCodedError, type Bytes, toHex } from '../core/index.ts';
import { EVICTION } from '../log/index.ts';
import { WORKERS_MAX } from './fleet.ts';
import type { LeftOver } from './left-over.ts';
import type { LogPort } from './ports.ts';

const RETRY_MS = 2_000;
/** A policy may put out everybody there is, and whoever comes next may be put out before the log has heard of it. */
const WAITING_MAX = 2 * WORKERS_MAX;
/** Entries on their way to the log. */
const AT_ONCE = 32;

/** Why, in words; and the checks that failed, where it was put out. */
type Reason = Readonly<{ cause: string; failedChecks?: readonly string[] }>;
type Eviction = LeftOver & Readonly<{ reason: Reason }>;

export type Evictions = ReturnType<typeof createEvictions>;

/** No entry is there, so no other entry can follow it. */
const NO_INDEX = Number.MAX_SAFE_INTEGER;

/**
 * Enters into the log that workers are gone. While the log is away they wait: an auditor must not read that somebody was
 * still in. Once each, whatever is asked again: the key is the admission that ended.
 * @param deps.leftOver whom an earlier run of this router left in; they come first
 */
export function createEvictions(
  deps: Readonly<{ log: LogPort; source: string; leftOver: () => Promise<readonly LeftOver[]> }>,
) {
  const { log, source } = deps;
  const waiting: Eviction[] = [];
  let running: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let closed = false;
  let begun = false;

  const enter = ({ workerId, admittedAt, reason }: Eviction, prev?: number) => {
    const hex = toHex(workerId);
    const body = { workerKey: `sha256:${hex}` as const, ...reason, by: source, sessionsClosed: 0 };
    const draft = { type: 'evicted', src: source, subject: `worker:${hex}`, body } as const;
    return log.append(prev === undefined ? draft : { ...draft, prev }, {
      idempotencyKey: `evicted:${hex}:${admittedAt}`,
    });
  };
  const flush = async (): Promise<void> => {
    if (!begun) {
      const before = await deps.leftOver();
      waiting.unshift(...before.map((one) => ({ ...one, reason: { cause: EVICTION.routerRestarted } })));
      begun = true;
    }
    while (waiting.length > 0) {
      // None is taken off before it stands in the log; what is asked again is there once.
      const next = waiting.slice(0, AT_ONCE);
      await Promise.all(next.map((one) => enter(one)));
      waiting.splice(0, next.length);
    }
  };
  const run = (): Promise<void> => {
    running ??= flush().finally(() => {
      running = null;
    });
    return running;
  };
  const start = (): void => {
    run().catch(() => {
      if (closed) return;
      if (timer !== null) clearTimeout(timer);
      timer = setTimeout(start, RETRY_MS);
      timer.unref();
    });
  };

  start();
  return {
    /** @param admittedAt index of the entry that admitted it */
    add(workerId: Bytes, admittedAt: number, reason: Reason = { cause: EVICTION.disconnected }): void {
      if (waiting.length < WAITING_MAX) waiting.push({ workerId, admittedAt, reason });
      start();
    },
    /**
     * Until all who are gone stand in the log: what is admitted after that may have their devices.
     * @throws CodedError where the log is away
     */
    async written(): Promise<void> {
      while (!begun || waiting.length > 0) await run();
    },
    /**
     * Index of the entry that ended an admission of a worker that is not here; null where the log has none and gets none.
     * @param isAlone no other router may have the worker: then an admission that ended unseen, as the log grew by more
     *   than is looked through at a start, is entered as ended now, where it is the last entry about the worker. Else this
     *   is asked as an append that can only be a repeated one, so that nothing is added.
     * @throws CodedError where the log is away
     */
    async entryOf(workerId: Bytes, admittedAt: number, isAlone: boolean): Promise<number | null> {
      const ended = { workerId, admittedAt, reason: { cause: EVICTION.routerRestarted } };
      try {
        return (await enter(ended, isAlone ? admittedAt : NO_INDEX)).index;
      } catch (thrown) {
        if (asCodedError(thrown).code === 'LOG_LEAF_INVALID') return null;
        throw thrown;
      }
    },
    async close(): Promise<void> {
      closed = true;
      if (timer !== null) clearTimeout(timer);
      await running?.catch(() => undefined);
      await run().catch(() => undefined); // the log is away, and this process is going
    },
  };
}
