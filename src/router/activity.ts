import type { ErrorCode } from '../core/index.ts';
import type { Meter } from './meter.ts';
import type { Usage } from './routing/index.ts';

const REQUESTS_KEPT = 1024;
const ANSWERS_KEPT = 128;

/** Milliseconds at the middle and near the end of the newest samples; 0 where there are none. */
export type Times = Readonly<{ p50Ms: number; p99Ms: number }>;

/** The newest samples, a fixed number of them. */
class Newest {
  readonly #samples: Float64Array;
  #seen = 0;
  /** Kept until the next sample. */
  #times: Times | null = null;

  constructor(kept: number) {
    this.#samples = new Float64Array(kept);
  }

  add(ms: number): void {
    this.#samples[this.#seen++ % this.#samples.length] = ms;
    this.#times = null;
  }

  get times(): Times {
    if (this.#times !== null) return this.#times;
    const sorted = this.#samples.slice(0, Math.min(this.#seen, this.#samples.length)).sort();
    const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
    this.#times = { p50Ms: at(0.5), p99Ms: at(0.99) };
    return this.#times;
  }
}

/** What one worker did since it attached. */
export class WorkerActivity {
  readonly #firstFrames = new Newest(ANSWERS_KEPT);
  requests = 0;
  failed = 0;
  tokensIn = 0;
  tokensCached = 0;
  tokensOut = 0;

  /** From the worker's slot to the first frame of its answer. */
  get firstFrame(): Times {
    return this.#firstFrames.times;
  }

  began(ms: number): void {
    this.#firstFrames.add(ms);
  }

  ended(hasFailed: boolean, usage: Usage | null): void {
    this.requests += 1;
    if (hasFailed) this.failed += 1;
    if (usage === null) return;
    this.tokensIn += usage.tokensIn;
    this.tokensCached += usage.tokensCached;
    this.tokensOut += usage.tokensOut;
  }
}

export type Totals = Readonly<{
  /** By error code; the empty word for those that were answered whole. */
  ended: ReadonlyMap<ErrorCode | '', number>;
  tokensIn: number;
  tokensCached: number;
  tokensOut: number;
  firstToken: Times;
}>;

/** Counts what a router did since it started, beside whatever else counts. */
export function createTally(beside: Meter): Readonly<{ meter: Meter; totals(): Totals }> {
  const ended = new Map<ErrorCode | '', number>();
  const firstTokens = new Newest(REQUESTS_KEPT);
  let [tokensIn, tokensCached, tokensOut] = [0, 0, 0];
  return {
    meter: {
      ...beside,
      requestEnded: (seconds, error) => {
        ended.set(error ?? '', (ended.get(error ?? '') ?? 0) + 1);
        beside.requestEnded(seconds, error);
      },
      firstFrame: (seconds) => {
        firstTokens.add(1000 * seconds);
        beside.firstFrame(seconds);
      },
      answered: (usage) => {
        tokensIn += usage.tokensIn;
        tokensCached += usage.tokensCached;
        tokensOut += usage.tokensOut;
        beside.answered(usage);
      },
    },
    totals: () => ({ ended, tokensIn, tokensCached, tokensOut, firstToken: firstTokens.times }),
  };
}
