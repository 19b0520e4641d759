import { setTimeout as sleep } from 'node:timers/promises';

/** Waits, or until it is stopped. */
export async function sleepUntil(ms: number, stop: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: stop }).catch(() => undefined); // aborted: nothing to wait for any more
}
