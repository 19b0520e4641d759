import type { UnixMs } from '../../core/index.ts';
import type { Work, WorkerLoad } from './load.ts';

/** A slot taken by an answer costs a new one this share of a token's time for each token it may still write. */
const SLOT_WAIT_SHARE = 0.5;

/**
 * Seconds until this worker would answer the work's first token: what waits before it, its own prompt, and, where every
 * slot is taken, the wait for one. Only what the router counted and timed itself goes in; attestation is a filter that
 * came before and no part of it.
 * @param matched prompt tokens expected in the worker's cache
 */
export function predictFirstToken(
  load: WorkerLoad,
  work: Work,
  matched: number,
  now: UnixMs,
  slowStartMs: number,
): number {
  const { prefillPerSecond, secondsPerToken } = load.rates;
  const ahead = load.queuedTokens + Math.max(0, work.tokensIn - matched);
  const slots = load.slots(now, slowStartMs);
  const over = load.running + load.reserved(now) - slots + 1;
  const wait = over > 0 ? (over / slots) * work.tokensOut * secondsPerToken * SLOT_WAIT_SHARE : 0;
  const crowd = (load.answering / slots) * secondsPerToken;
  return ahead / prefillPerSecond + wait + crowd + load.rttMs / 1000;
}
