import type { AppraisalGroups } from '../attestation/index.ts';
import { type Bytes, toHex, type UnixMs } from '../core/index.ts';
import { keepNewest, WORKERS_MAX } from './fleet.ts';

/** A check that stands in a worker's way. `code` is empty where it could not be run. */
export type OpenCheck = Readonly<{ name: string; code: string; reason: string }>;

/** What a router last told a worker that it does not admit, or not any more. */
export type Refused = Readonly<{
  code: string;
  message: string;
  /** Nothing failed: it could not be found out. */
  isOutage: boolean;
  checks: readonly OpenCheck[];
  /** 0: not with the same image. */
  retryAfterMs: number;
  at: UnixMs;
  policyNumber: number;
  policyDigest: Bytes;
}>;

export type StandingState = 'admitted' | 'draining' | 'refused' | 'unavailable' | 'quarantined' | 'gone';
/** How a worker stands with this router, for its owner to ask: nothing in it is more than the worker was told. */
export type Standing = Readonly<{
  state: StandingState;
  /** It came back and was let in again on the evidence that it was in with before. */
  resumed: boolean;
  /** The last refusal since it was admitted; null where there is none. */
  refused: Refused | null;
  /** 0 where it has no lease. */
  leaseExpiresAt: UnixMs;
  logIndex: number;
  /** What its receipts come to for its payee, in all and after the pool's fee, in nanoTON; null while it is not attached. */
  earned: bigint | null;
}>;

/** Refusals by worker, the newest of each: only of workers that have shown that they hold the identity key. */
export class Standings {
  readonly #refused = new Map<string, Refused>();

  put(workerId: Uint8Array, refused: Refused): void {
    keepNewest(this.#refused, toHex(workerId), refused, WORKERS_MAX);
  }

  admitted(workerId: Uint8Array): void {
    this.#refused.delete(toHex(workerId));
  }

  get(workerId: Uint8Array): Refused | null {
    return this.#refused.get(toHex(workerId)) ?? null;
  }
}

/** The checks of these names with their reasons; a name that is no check of an appraisal stands alone. */
export function openChecks(names: readonly string[], groups: AppraisalGroups | null): OpenCheck[] {
  const all: Readonly<Record<string, AppraisalGroups[keyof AppraisalGroups]>> = groups ?? {};
  return names.map((name) => {
    const [group = '', check = ''] = name.split('.');
    const found = all[group]?.[check];
    if (found === undefined || found.outcome === 'passed') return { name, code: '', reason: '' };
    return { name, code: found.outcome === 'failed' ? found.code : '', reason: found.reason };
  });
}
