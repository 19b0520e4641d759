import type { UnixMs } from '../../core/index.ts';

export type BreakerLimits = Readonly<{
  /** Failures one after another that open it. */
  failuresMax: number;
  /** How long the first opening lasts; each that follows lasts twice as long, up to `openMsMax`. */
  openMs: number;
  openMsMax: number;
}>;

export const BREAKER_LIMITS: BreakerLimits = { failuresMax: 3, openMs: 5_000, openMsMax: 300_000 };

/**
 * Keeps requests from a worker that fails, and lets one through after a while to see. What a client causes (a cancel, a
 * request that does not open, its deadline) is no failure of the worker.
 */
export class Breaker {
  readonly #limits: BreakerLimits;
  #failures = 0;
  #openUntil: UnixMs | null = null;
  #openMs: number;
  #probing = false;

  constructor(limits: BreakerLimits = BREAKER_LIMITS) {
    this.#limits = limits;
    this.#openMs = limits.openMs;
  }

  state(now: UnixMs): 'closed' | 'open' | 'half-open' {
    if (this.#openUntil === null) return 'closed';
    return now < this.#openUntil || this.#probing ? 'open' : 'half-open';
  }

  /** A request goes to the worker: the one that may, while half-open, is the probe. */
  placed(now: UnixMs): void {
    if (this.state(now) === 'half-open') this.#probing = true;
  }

  /** It answered. */
  succeeded(): void {
    this.#failures = 0;
    this.#openUntil = null;
    this.#openMs = this.#limits.openMs;
    this.#probing = false;
  }

  failed(now: UnixMs): void {
    this.#failures += 1;
    const wasOpen = this.#openUntil !== null;
    this.#probing = false;
    if (!wasOpen && this.#failures < this.#limits.failuresMax) return;
    this.#openUntil = now + this.#openMs;
    this.#openMs = Math.min(this.#openMs * 2, this.#limits.openMsMax);
  }

  /** The request ended by no doing of the worker's: a probe has to be sent again. */
  undecided(): void {
    this.#probing = false;
  }
}
