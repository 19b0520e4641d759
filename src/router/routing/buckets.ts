import type { UnixMs } from '../../core/index.ts';

/** A bucket holds up to `burst`, and gains `perSecond`. */
export type Rate = Readonly<{ perSecond: number; burst: number }>;
type Bucket = { level: number; at: UnixMs };

/** Token buckets by account. Of more accounts than `most`, the one unused longest is forgotten: it starts full again. */
export class Buckets {
  readonly #rate: Rate;
  readonly #most: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: Rate, most: number) {
    this.#rate = rate;
    this.#most = most;
  }

  /**
   * Takes `amount` and answers 0, or takes nothing and answers the milliseconds after which it is there. An amount above
   * the burst is taken from a full bucket, which then owes the rest.
   */
  take(account: string, amount: number, now: UnixMs): number {
    const { perSecond, burst } = this.#rate;
    const known = this.#buckets.get(account);
    const level =
      known === undefined ? burst : Math.min(burst, known.level + (Math.max(0, now - known.at) / 1000) * perSecond);
    const missing = Math.min(amount, burst) - level;
    const left = missing > 0 ? level : level - amount;
    if (known === undefined) this.#add(account, { level: left, at: now });
    else {
      known.level = left;
      known.at = now;
      // The order of use matters only where somebody may soon be forgotten.
      if (this.#buckets.size > this.#most / 2) this.#add(account, known);
    }
    return missing > 0 ? Math.ceil((missing / perSecond) * 1000) : 0;
  }

  /** As the one used last. */
  #add(account: string, bucket: Bucket): void {
    this.#buckets.delete(account);
    this.#buckets.set(account, bucket);
    if (this.#buckets.size > this.#most) this.#buckets.delete(this.#buckets.keys().next().value as string);
  }

  /** Gives back what was taken for work that was not done. */
  giveBack(account: string, amount: number): void {
    const known = this.#buckets.get(account);
    if (known !== undefined) known.level = Math.min(this.#rate.burst, known.level + amount);
  }
}
