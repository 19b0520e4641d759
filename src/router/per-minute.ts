import type { UnixMs } from '../core/index.ts';

/** Counts by the minute of the clock: false from the one after `most` on, until the minute is over. */
export function perMinute(most: number) {
  let minute = 0;
  let taken = 0;
  return {
    take(now: UnixMs): boolean {
      const current = Math.floor(now / 60_000);
      if (current !== minute) {
        minute = current;
        taken = 0;
      }
      taken += 1;
      return taken <= most;
    },
  };
}
