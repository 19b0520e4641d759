import { type CrlFloor, raiseCrlFloors } from '../attestation/index.ts';
import type { UnixMs } from '../core/index.ts';

/**
 * A router hands out what each worker was last appraised with: for that long after a vendor's new list, workers that
 * have been appraised with it and workers that are about to be stand side by side. Longer than any lease.
 */
export const CRL_SETTLES_MS = 60 * 60_000;
const WAITING_MAX = 64;

/** The revocation lists that a client has been shown; an hour after one, no older one of that CA is taken any more. */
export type SeenCrls = Readonly<{
  floors: (now: UnixMs) => readonly CrlFloor[];
  saw: (crls: readonly CrlFloor[], now: UnixMs) => void;
}>;

export function createSeenCrls(): SeenCrls {
  let settled: readonly CrlFloor[] = [];
  let waiting: readonly Readonly<{ crls: readonly CrlFloor[]; from: UnixMs }>[] = [];
  const key = (crls: readonly CrlFloor[]) =>
    JSON.stringify(crls.map((crl) => ({ ...crl, issuerSpkiSha256: [...crl.issuerSpkiSha256] })));
  return {
    floors(now) {
      const due = waiting.filter(({ from }) => from <= now);
      if (due.length > 0) {
        settled = raiseCrlFloors(
          settled,
          due.flatMap(({ crls }) => crls),
        );
        waiting = waiting.filter(({ from }) => from > now);
      }
      return settled;
    },
    saw(crls, now) {
      const isNew = crls.length > 0 && !waiting.some((known) => key(known.crls) === key(crls));
      // Full: lists come and go faster than any vendor makes them; those that wait are enough.
      if (isNew && waiting.length < WAITING_MAX) waiting = [...waiting, { crls, from: now + CRL_SETTLES_MS }];
    },
  };
}
