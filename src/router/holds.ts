import { type Bytes, equalBytes, type UnixMs } from '../core/index.ts';
import type { Fleet, Worker } from './fleet.ts';

/** After a change of policy, workers may serve for so long on the word of the old one. */
const HOLD_AFTER_MS = 1_000;

/** It was judged under this policy, or what it takes could not be found out now, which changes nothing. */
export function judgedUnder(worker: Worker, policyDigest: Bytes): void {
  worker.judgedUnder = policyDigest;
  worker.isHeld = false;
}

/**
 * However long it takes to judge a whole fleet again under another policy: soon after the change nothing new goes to
 * whoever has not been judged under it yet.
 */
export function createHolds(deps: Readonly<{ fleet: Fleet; policy: () => Bytes; now: () => UnixMs }>) {
  let inForce = deps.policy();
  let since = Number.NEGATIVE_INFINITY;
  return {
    look(): void {
      const digest = deps.policy();
      if (!equalBytes(digest, inForce)) {
        inForce = digest;
        since = deps.now();
      }
      if (deps.now() - since < HOLD_AFTER_MS) return;
      for (const worker of deps.fleet.all()) {
        worker.isHeld = worker.judgedUnder !== null && !equalBytes(worker.judgedUnder, inForce);
      }
    },
  };
}
