import type { UnixMs } from '../../core/index.ts';

/** What the router knows of a request's size without reading it. All in tokens. */
export type Work = Readonly<{
  /** From the padded size of the sealed frames. */
  tokensIn: number;
  /** Its limit, times the share of the limit that its account's answers used so far. */
  tokensOut: number;
}>;

/** What a signed receipt says of a finished request; counts are rounded up by the worker. */
export type Usage = Readonly<{ tokensIn: number; tokensCached: number; tokensOut: number }>;

/** One request on its way through one worker. */
export type Running = {
  readonly work: Work;
  /** Tokens of its prompt that the worker is expected to have in its cache. */
  readonly matched: number;
  readonly placedAt: UnixMs;
  /** Whether a slot was free of other prompts, so that its first part times the prefill alone. */
  readonly alone: boolean;
  firstPartAt: UnixMs | null;
};

/** What is assumed of a worker that served nothing yet, until its model's other workers say better. */
export type Rates = { prefillPerSecond: number; secondsPerToken: number };
export const RATES_AT_FIRST: Readonly<Rates> = { prefillPerSecond: 2_000, secondsPerToken: 0.02 };

const WEIGHT_OF_NEWEST = 0.2;
/** A receipt's count is too coarse to time anything shorter. */
const TOKENS_TIMED_LEAST = 32;
const RATE_BOUNDS = { least: 1, most: 10_000_000 };
const RTT_MS_MAX = 10_000;

/**
 * The load of one worker as the router itself counts and times it: nothing here is what the worker says of itself but the
 * greatest number of slots, and that is corrected when it answers BUSY below it.
 */
export class WorkerLoad {
  /** What the worker declared when it joined. */
  readonly slotsDeclared: number;
  readonly servesSince: UnixMs;
  readonly rates: Rates;
  rttMs = 1;
  readonly #running = new Set<Running>();
  /** Ends of the short reservations that offers make. */
  #reservedUntil: UnixMs[] = [];
  #slotsLearned: number;
  #goodSinceChange = 0;
  /** Prompt tokens of requests whose first part has not come. */
  queuedTokens = 0;
  /** Requests whose answer has begun. */
  answering = 0;

  constructor(slotsDeclared: number, servesSince: UnixMs, rates: Readonly<Rates>) {
    this.slotsDeclared = Math.max(1, slotsDeclared);
    this.#slotsLearned = this.slotsDeclared;
    this.servesSince = servesSince;
    this.rates = { ...rates };
  }

  get running(): number {
    return this.#running.size;
  }

  /** Slots to use now: a worker that just came gets a growing share of its own. */
  slots(now: UnixMs, slowStartMs: number): number {
    const share = Math.min(1, Math.max(0, (now - this.servesSince) / slowStartMs));
    return Math.max(1, Math.ceil(Math.min(this.#slotsLearned, this.slotsDeclared) * Math.max(share, 0.1)));
  }

  reserve(until: UnixMs, most: number): void {
    if (this.#reservedUntil.length < most) this.#reservedUntil.push(until);
  }

  /** Offers out whose requests have not come. */
  reserved(now: UnixMs): number {
    if (this.#reservedUntil.some((until) => until <= now)) {
      this.#reservedUntil = this.#reservedUntil.filter((until) => until > now);
    }
    return this.#reservedUntil.length;
  }

  place(work: Work, matched: number, now: UnixMs): Running {
    this.#reservedUntil.shift();
    const running: Running = { work, matched, placedAt: now, alone: this.queuedTokens === 0, firstPartAt: null };
    this.#running.add(running);
    this.queuedTokens += prefill(running);
    return running;
  }

  firstPart(running: Running, now: UnixMs): void {
    if (running.firstPartAt !== null || !this.#running.has(running)) return;
    running.firstPartAt = now;
    this.queuedTokens -= prefill(running);
    this.answering += 1;
  }

  /** @param usage null where no final receipt came */
  finish(running: Running, now: UnixMs, usage: Usage | null): void {
    if (!this.#running.delete(running)) return;
    if (running.firstPartAt === null) {
      this.queuedTokens -= prefill(running);
      return;
    }
    this.answering -= 1;
    if (usage === null) return;
    const read = usage.tokensIn - usage.tokensCached;
    const firstSeconds = Math.max(0.0005, (running.firstPartAt - running.placedAt - this.rttMs) / 1000);
    if (running.alone && read >= TOKENS_TIMED_LEAST) {
      this.rates.prefillPerSecond = blend(this.rates.prefillPerSecond, read / firstSeconds);
    }
    if (usage.tokensOut >= TOKENS_TIMED_LEAST) {
      const perToken = Math.max(1e-6, (now - running.firstPartAt) / 1000 / usage.tokensOut);
      this.rates.secondsPerToken = 1 / blend(1 / this.rates.secondsPerToken, 1 / perToken);
    }
    this.#grow();
  }

  /** It refused a request as one too many: it has fewer slots than it says. */
  busy(): void {
    this.#slotsLearned = Math.max(1, Math.min(this.#slotsLearned, this.running));
    this.#goodSinceChange = 0;
  }

  timedRoundTrip(ms: number): void {
    this.rttMs += WEIGHT_OF_NEWEST * (Math.min(Math.max(ms, 0), RTT_MS_MAX) - this.rttMs);
  }

  #grow(): void {
    this.#goodSinceChange += 1;
    if (this.#goodSinceChange < this.#slotsLearned || this.#slotsLearned >= this.slotsDeclared) return;
    this.#slotsLearned += 1;
    this.#goodSinceChange = 0;
  }
}

function prefill({ work, matched }: Running): number {
  return Math.max(0, work.tokensIn - matched);
}

function blend(known: number, sample: number): number {
  const next = known + WEIGHT_OF_NEWEST * (sample - known);
  return Math.min(RATE_BOUNDS.most, Math.max(RATE_BOUNDS.least, next));
}
