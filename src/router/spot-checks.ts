import type { Bytes, UnixMs } from '../core/index.ts';
import type { Fleet, Worker } from './fleet.ts';
import { every } from './rounds.ts';

const LOOK_SECONDS = 1;
/** An epoch. Workers ask by themselves after half of it: about every second time they are asked before. */
const SPAN_MS = 10 * 60_000;

/**
 * Asks workers that are in for new evidence at instants that neither they nor their hosts can know, beside the renewals
 * that they ask for themselves. Drawn anew with each piece of evidence.
 * @param deps.random in [0, 1)
 */
export function createSpotChecks(
  deps: Readonly<{
    fleet: Pick<Fleet, 'all'>;
    challenge: (worker: Worker) => Promise<void>;
    now: () => UnixMs;
    random: () => number;
    failed: (error: unknown) => void;
  }>,
) {
  const drawn = new WeakMap<Worker, Readonly<{ evidence: Bytes; at: UnixMs }>>();
  const look = async (): Promise<void> => {
    for (const worker of deps.fleet.all()) {
      const evidence = worker.admission?.evidenceDigest;
      if (worker.state !== 'admitted' || evidence === undefined) continue;
      const last = drawn.get(worker);
      const isOver = last !== undefined && last.at <= deps.now();
      if (last?.evidence === evidence && !isOver) continue;
      drawn.set(worker, { evidence, at: deps.now() + Math.floor(deps.random() * SPAN_MS) });
      if (last?.evidence === evidence) void deps.challenge(worker);
    }
  };
  return every(LOOK_SECONDS, look, deps.failed);
}
