import { CodedError, type UnixMs } from '../core/index.ts';
import type { Header } from '../session/index.ts';
import type { Cut } from './cut.ts';
import { type Fleet, keepNewest, type Worker } from './fleet.ts';
import type { ServeLink } from './links.ts';
import type { Meter } from './meter.ts';
import type { Reviews } from './reviews.ts';
import {
  Buckets,
  type Dispatcher,
  type NoPlace,
  type Outcome,
  type Place,
  type Rate,
  type Usage,
  type Work,
} from './routing/index.ts';

export type AccountLimits = Readonly<{ requests: Rate; tokens: Rate }>;

/** What one channel may ask for: far above what a person or a service does, below what stops the others. */
export const ACCOUNT_LIMITS: AccountLimits = {
  requests: { perSecond: 100, burst: 1_000 },
  tokens: { perSecond: 1_000_000, burst: 16_000_000 },
};
const ACCOUNTS_MAX = 16_384;
/** Sealed bytes for a token of plain text; images and padding make it an upper guess. */
const BYTES_PER_TOKEN = 4;
/** Of the output limit, before an account's receipts say better. */
const OUTPUT_SHARE_AT_FIRST = 0.5;
const WEIGHT_OF_NEWEST = 0.2;
/** A request waits so long at most until one of its workers has been judged again. */
const REVIEW_WAIT_MS = 5_000;

/** A slot at a candidate, and an idle stream to it. `place` is its position among the header's candidates. */
export type Taken = Readonly<{
  worker: Worker;
  link: ServeLink;
  place: number;
  slot: Place<Worker>;
  /** Nothing was asked of the worker: slot and stream are for others. */
  giveBack(): void;
}>;
export type Placing = ReturnType<typeof createPlacing>;

type PlacingDeps = Readonly<{
  fleet: Fleet;
  dispatcher: Dispatcher<Worker>;
  reviews: Pick<Reviews, 'wait'>;
  now: () => UnixMs;
  meter: Meter;
}>;

/** Who may ask now, and which worker runs it: account limits in front of the dispatcher. */
export function createPlacing(deps: PlacingDeps, linkWaitMs: number, limits: AccountLimits = ACCOUNT_LIMITS) {
  const { dispatcher, now } = deps;
  const requests = new Buckets(limits.requests, ACCOUNTS_MAX);
  const tokens = new Buckets(limits.tokens, ACCOUNTS_MAX);
  /** Tokens that an account's answers had, as a share of what they might have had. */
  const outputShares = new Map<string, number>();

  const workOf = (header: Header, account: string): Work => ({
    tokensIn: Math.ceil(header.sealedBytes / BYTES_PER_TOKEN),
    tokensOut: Math.ceil(header.outputTokensMax * (outputShares.get(account) ?? OUTPUT_SHARE_AT_FIRST)),
  });

  /** A place at once where there is one free; null where the cut came first. */
  const slotFor = (
    header: Header,
    account: string,
    deadline: UnixMs,
    workers: readonly Worker[],
    cut: Cut,
  ): Place<Worker> | NoPlace | Promise<Place<Worker> | NoPlace | null> => {
    const { priority, tags } = header;
    const ask = { account, work: workOf(header, account), priority, deadline, tags, candidates: workers };
    let answer: Place<Worker> | NoPlace | null = null;
    let settle = (given: Place<Worker> | NoPlace): void => {
      answer = given;
    };
    const withdraw = dispatcher.submit(ask, (given) => settle(given));
    if (answer !== null) return answer;
    return new Promise((resolve) => {
      const uncut = cut.on(() => {
        withdraw();
        resolve(null);
      });
      settle = (given) => {
        uncut();
        resolve(given);
      };
    });
  };

  /** Candidates that were not tried, and are as asked, with their places in the header. */
  const candidatesOf = (header: Header, tried: readonly Worker[], is: (worker: Worker, now: UnixMs) => boolean) => {
    const workers: Worker[] = [];
    const places: number[] = [];
    for (let place = 0; place < header.candidates.length; place++) {
      const worker = deps.fleet.byCertificate(
        (header.candidates[place] as Header['candidates'][number]).certificateDigest,
      );
      if (worker === undefined || !is(worker, now()) || tried.includes(worker) || workers.includes(worker)) continue;
      workers.push(worker);
      places.push(place);
    }
    return { workers, places };
  };
  const isIn = (worker: Worker, at: UnixMs) => worker.isIn(at);
  const serves = (worker: Worker, at: UnixMs) => deps.fleet.serves(worker, at);

  /**
   * Where all candidates that are in have to be judged first, they are, before others; then those that may have the
   * request. @throws CodedError ROUTER_BUSY where that could not be done
   */
  const judged = async (header: Header, deadline: UnixMs, tried: readonly Worker[], cut: Cut) => {
    const { workers } = candidatesOf(header, tried, isIn);
    if (workers.length === 0) return NOBODY;
    const waitMs = Math.max(1, Math.min(deadline - now(), REVIEW_WAIT_MS));
    await deps.reviews.wait(workers, 'one', waitMs, cut);
    const serving = candidatesOf(header, tried, serves);
    if (serving.workers.length > 0 || cut.error !== null || !workers.some((worker) => worker.isIn(now())))
      return serving;
    const retryAfterMs = REVIEW_WAIT_MS;
    throw new CodedError('ROUTER_BUSY', 'the workers of this request are judged again first: try again', {
      retryAfterMs,
    });
  };

  return {
    /** Takes one request out of its account's limits. @throws CodedError TOO_MANY_REQUESTS with `retryAfterMs` */
    admit(header: Header, account: string): void {
      const { tokensIn, tokensOut } = workOf(header, account);
      const retryAfterMs = requests.take(account, 1, now()) || tokens.take(account, tokensIn + tokensOut, now());
      if (retryAfterMs === 0) return;
      throw new CodedError('TOO_MANY_REQUESTS', `this channel asks for too much: try again in ${retryAfterMs} ms`, {
        retryAfterMs,
      });
    },

    /** A receipt says how long the answer really was. */
    learn(header: Header, account: string, { tokensOut }: Usage): void {
      const share = Math.min(1, tokensOut / Math.max(1, header.outputTokensMax));
      const known = outputShares.get(account) ?? OUTPUT_SHARE_AT_FIRST;
      keepNewest(outputShares, account, known + WEIGHT_OF_NEWEST * (share - known), ACCOUNTS_MAX);
    },

    /** Whether what was taken may still be begun: a worker may have gone out, or have to be judged again, meanwhile. */
    mayBegin: ({ worker }: Taken): boolean => deps.fleet.serves(worker, now()),

    /**
     * Waits for a slot at one of the header's candidates that serve now and were not tried before, and for a stream to it.
     * Null where none is left or the cut came. @throws CodedError ROUTER_BUSY with `retryAfterMs`, DEADLINE_EXCEEDED
     */
    async take(
      header: Header,
      account: string,
      deadline: UnixMs,
      tried: readonly Worker[],
      cut: Cut,
    ): Promise<Taken | null> {
      const atOnce = candidatesOf(header, tried, serves);
      const { workers, places } = atOnce.workers.length > 0 ? atOnce : await judged(header, deadline, tried, cut);
      if (workers.length === 0 || cut.error !== null) return null;
      const answer = slotFor(header, account, deadline, workers, cut);
      const slot = answer instanceof Promise ? await answer : answer;
      if (slot === null) return null;
      if (!('worker' in slot)) throw noPlace(slot);
      const { worker } = slot;
      if (!deps.fleet.serves(worker, now())) {
        slot.finish('undecided', null);
        return this.take(header, account, deadline, tried, cut);
      }
      const held = new HeldPlace(slot, deps);
      const taken = worker.takeLink(cut, linkWaitMs);
      const link = taken instanceof Promise ? await taken : taken;
      if (link !== null) {
        const giveBack = () => {
          held.finish('undecided', null);
          if (!worker.park(link)) link.cancel();
        };
        return { worker, link, place: places[workers.indexOf(worker)] as number, slot: held, giveBack };
      }
      held.finish(cut.error === null ? 'failed' : 'undecided', null);
      return null;
    },
  };
}

const NOBODY = { workers: [], places: [] };

/** A slot that its worker counts until it is given back, wherever the worker stands by then. */
class HeldPlace implements Place<Worker> {
  readonly worker: Worker;
  readonly matched: number;
  readonly #slot: Place<Worker>;
  readonly #deps: Pick<PlacingDeps, 'now' | 'meter'>;
  readonly #placedAt: UnixMs;
  #hasBegun = false;

  constructor(slot: Place<Worker>, deps: Pick<PlacingDeps, 'now' | 'meter'>) {
    this.worker = slot.worker;
    this.matched = slot.matched;
    this.#slot = slot;
    this.#deps = deps;
    this.#placedAt = deps.now();
    this.worker.busy += 1;
  }

  firstPart(): void {
    this.#hasBegun = true;
    this.worker.activity.began(this.#deps.now() - this.#placedAt);
    this.#slot.firstPart();
  }

  finish(outcome: Outcome, usage: Usage | null): void {
    this.worker.busy -= 1;
    // What was given back, or cut before anything came, says nothing of the worker.
    if (this.#hasBegun || outcome !== 'undecided') this.worker.activity.ended(outcome === 'failed', usage);
    if (usage !== null) this.#deps.meter.answered(usage);
    this.#slot.finish(outcome, usage);
  }
}

function noPlace({ refused, retryAfterMs }: NoPlace): CodedError {
  if (refused === 'deadline') {
    return new CodedError('DEADLINE_EXCEEDED', 'no worker would have been free before the deadline', { retryAfterMs });
  }
  const message = `every worker of this request is taken: try again in ${retryAfterMs} ms`;
  return new CodedError('ROUTER_BUSY', message, { retryAfterMs });
}
