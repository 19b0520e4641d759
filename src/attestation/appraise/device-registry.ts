import type { UnixMs } from '../../core/index.ts';
import type { AttestedDevice } from './gpu.ts';

export const DEVICE_CLAIMS_MAX = 65_536;

/** Null holds a device in quarantine: two workers have claimed it. */
type Claim = Readonly<{ worker: string | null; until: UnixMs }>;

/** A device that is claimed. @property worker null in quarantine */
export type DeviceClaimed = Readonly<{ serial: string; worker: string | null; until: UnixMs }>;

export type DeviceClaim = Readonly<
  | { outcome: 'claimed' }
  /** @property holders other workers that these devices back already; neither they nor the claimant keep them. */
  | { outcome: 'twin'; holders: readonly string[]; until: UnixMs }
  | { outcome: 'quarantined'; until: UnixMs }
  | { outcome: 'full' }
>;

/**
 * Which live worker each device backs. A report says nothing of the machine that a device sits in, so that a device could
 * be lent; but it can't back two workers at the same time without that being seen. Then nobody knows which of them has
 * it, and neither is believed until both leases are over.
 */
export class DeviceRegistry {
  readonly #claims = new Map<string, Claim>();
  readonly #claimsMax: number;

  /** @param claims of an earlier registry, to go on from */
  constructor(claimsMax: number = DEVICE_CLAIMS_MAX, claims: readonly DeviceClaimed[] = []) {
    this.#claimsMax = claimsMax;
    for (const { serial, worker, until } of claims) this.#claims.set(serial, { worker, until });
  }

  /** What is claimed. */
  claims(): DeviceClaimed[] {
    return [...this.#claims].map(([serial, claim]) => ({ serial, ...claim }));
  }

  /**
   * Claims devices for a worker, or prolongs what it holds.
   * @param worker worker id, hexadecimal
   * @param until end of the worker's lease
   */
  claim(worker: string, devices: readonly Pick<AttestedDevice, 'serial'>[], until: UnixMs, now: UnixMs): DeviceClaim {
    for (const [serial, { until: end }] of this.#claims) if (end <= now) this.#claims.delete(serial);
    const held = devices.flatMap(({ serial }) => {
      const claim = this.#claims.get(serial);
      return claim === undefined || claim.worker === worker ? [] : [{ serial, ...claim }];
    });
    if (held.length === 0) {
      const added = devices.filter(({ serial }) => !this.#claims.has(serial)).length;
      if (this.#claims.size + added > this.#claimsMax) return { outcome: 'full' };
      for (const { serial } of devices) this.#claims.set(serial, { worker, until });
      return { outcome: 'claimed' };
    }
    const holders = [...new Set(held.flatMap((one) => (one.worker === null ? [] : [one.worker])))];
    const end = Math.max(...held.map((one) => one.until));
    if (holders.length === 0) return { outcome: 'quarantined', until: end };
    const latest = Math.max(until, end);
    for (const one of [worker, ...holders]) this.release(one);
    for (const { serial } of held) this.#claims.set(serial, { worker: null, until: latest });
    return { outcome: 'twin', holders, until: latest };
  }

  /** Whether a worker may claim these devices and take none of them from anybody. */
  isFree(worker: string, devices: readonly Pick<AttestedDevice, 'serial'>[], now: UnixMs): boolean {
    return devices.every(({ serial }) => {
      const claim = this.#claims.get(serial);
      return claim === undefined || claim.until <= now || claim.worker === worker;
    });
  }

  /** A worker that is gone holds nothing; a quarantine stands. */
  release(worker: string): void {
    for (const [serial, claim] of this.#claims) if (claim.worker === worker) this.#claims.delete(serial);
  }
}
