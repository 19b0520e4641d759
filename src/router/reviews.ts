import type { UnixMs } from '../core/index.ts';
import type { Admissions } from './admission.ts';
import type { Cut } from './cut.ts';
import type { Fleet, Knowledge, Worker } from './fleet.ts';
import { every } from './rounds.ts';

/** What is known is looked at this often, where no request asks for it sooner; */
const LOOK_SECONDS = 0.2;
/** and everybody who is in this often, whatever is known. */
const LOOK_AT_ALL_MS = 1_000;
/** Workers that are judged at the same time. */
const AT_ONCE = 4;
/** Entries of reviews that are on their way to the log: it takes more, from others too. */
const LOGGED_AT_ONCE = 32;
/** Whoever could not be judged is tried again after this, */
const RETRY_MS = 5_000;
/** and whoever was is judged again after this, if what it is judged by is not the same any more. */
const ANYHOW_MS = 60_000;

export type Reviews = ReturnType<typeof createReviews>;

/**
 * Judges workers again once policy or collateral have changed. From that moment on nothing new goes to whoever was not
 * judged by what is known now ({@link Fleet.serves}), so a whole fleet may be waiting for its turn: workers that requests
 * ask for come first, and each serves, if it still may, as soon as it alone is judged.
 */
export function createReviews(
  deps: Readonly<{
    fleet: Fleet;
    admission: Pick<Admissions, 'review'>;
    now: () => UnixMs;
    failed: (error: unknown) => void;
  }>,
) {
  const { fleet, now } = deps;
  const entries = entriesInOrder(deps.failed);
  /** Whom requests wait for, and what is called when it has been judged. */
  const wanted = new Map<Worker, Set<() => void>>();
  const inLine = new Set<Worker>();
  const underWay = new Set<Worker>();
  const tried = new WeakMap<Worker, Readonly<{ judgedBy: Knowledge; until: UnixMs }>>();
  let closed = false;

  const judge = async (worker: Worker): Promise<void> => {
    const judgedBy = fleet.knowledge();
    let isSettled = false;
    try {
      const reviewed = await deps.admission.review(worker);
      isSettled = reviewed.isSettled;
      if (reviewed.rest !== null) entries.add(worker, reviewed.rest);
    } catch (error) {
      if (!closed) deps.failed(error);
    }
    tried.set(worker, { judgedBy, until: now() + (isSettled ? ANYHOW_MS : RETRY_MS) });
  };
  const next = (): Worker | null => {
    for (const worker of wanted.keys()) if (!underWay.has(worker)) return worker;
    for (const worker of inLine) {
      inLine.delete(worker);
      if (!underWay.has(worker) && fleet.has(worker)) return worker;
    }
    return null;
  };
  const goOn = (): void => {
    while (underWay.size < AT_ONCE && !closed) {
      const worker = next();
      if (worker === null) return;
      inLine.delete(worker);
      underWay.add(worker);
      void judge(worker).then(() => {
        underWay.delete(worker);
        const told = wanted.get(worker) ?? [];
        wanted.delete(worker);
        for (const tell of told) tell();
        setImmediate(goOn); // requests go on between them
      });
    }
  };

  /** Whether it should be judged now: not twice by the same, unless some time has passed. */
  const isDue = (worker: Worker): boolean => {
    if (worker.state !== 'admitted') return false;
    const last = tried.get(worker);
    if (last !== undefined && fleet.isJudged(last)) return last.until <= now();
    if (!fleet.isJudged(worker)) return true;
    tried.set(worker, { judgedBy: worker.judgedBy as Knowledge, until: now() + ANYHOW_MS });
    return false;
  };
  let seen: Knowledge | null = null;
  let lookedAt = Number.NEGATIVE_INFINITY;
  const look = async (): Promise<void> => {
    if (fleet.isJudged({ judgedBy: seen }) && now() - lookedAt < LOOK_AT_ALL_MS) return;
    seen = fleet.knowledge();
    lookedAt = now();
    for (const worker of fleet.all()) {
      // Everything that it had has ended, uploads under way included: now it may go.
      if (worker.state === 'draining' && worker.busy === 0) worker.control.close();
      else if (isDue(worker)) inLine.add(worker);
    }
    goOn();
  };
  const looking = every(LOOK_SECONDS, look, deps.failed);

  return {
    /**
     * Judges these workers before all others, where they are to be judged.
     * @param until one of them may have something new; or all have been judged
     * @returns then, or when there is nothing more to wait for: the time is over, the cut came, none could be judged
     */
    wait(workers: readonly Worker[], until: 'one' | 'all', waitMs: number, cut: Cut | null): Promise<void> {
      const left = new Set(workers.filter((worker) => !fleet.isJudged(worker) && isDue(worker)));
      if (left.size === 0 || closed || cut?.error != null) return Promise.resolve();
      return new Promise((resolve) => {
        const listening = new Map<Worker, () => void>();
        const end = (): void => {
          clearTimeout(timer);
          uncut?.();
          for (const [worker, tell] of listening) wanted.get(worker)?.delete(tell);
          resolve();
        };
        const timer = setTimeout(end, waitMs);
        const uncut = cut?.on(end);
        for (const worker of left) {
          const tell = (): void => {
            left.delete(worker);
            if (left.size === 0 || (until === 'one' && fleet.serves(worker, now()))) end();
          };
          listening.set(worker, tell);
          wanted.set(worker, (wanted.get(worker) ?? new Set()).add(tell));
        }
        goOn();
      });
    },
    async close(): Promise<void> {
      closed = true;
      await looking.close();
      for (const told of [...wanted.values()]) for (const tell of [...told]) tell();
      await entries.close();
    },
  };
}

/** A few entries at the same time, of one worker one after the other. */
function entriesInOrder(failed: (error: unknown) => void) {
  const waiting: (() => Promise<void>)[] = [];
  const last = new WeakMap<Worker, Promise<void>>();
  const running = new Set<Promise<void>>();
  let closed = false;
  const goOn = (): void => {
    while (running.size < LOGGED_AT_ONCE) {
      const enter = waiting.shift();
      if (enter === undefined) return;
      const entered = enter().then(() => {
        running.delete(entered);
        goOn();
      });
      running.add(entered);
    }
  };
  return {
    add(worker: Worker, enter: () => Promise<void>): void {
      const before = last.get(worker) ?? Promise.resolve();
      const entered = before.then(
        () =>
          new Promise<void>((done) => {
            if (closed) return done(); // what is not entered is made up for by whoever starts next
            waiting.push(() => enter().catch(failed).finally(done));
            goOn();
          }),
      );
      last.set(worker, entered);
    },
    async close(): Promise<void> {
      closed = true;
      waiting.length = 0;
      await Promise.all(running);
    },
  };
}
