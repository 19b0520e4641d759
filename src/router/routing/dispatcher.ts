import type { UnixMs } from '../../core/index.ts';
import { Breaker } from './breaker.ts';
import { FairQueue, type Waiting } from './fair-queue.ts';
import { RATES_AT_FIRST, type Rates, type Running, type Usage, type Work, WorkerLoad } from './load.ts';
import { predictFirstToken } from './score.ts';
import { type Match, TagIndex } from './tags.ts';
import { WaitingRoom } from './waiting-room.ts';

export type RoutingLimits = Readonly<{
  waitingMax: number;
  /** Nothing waits longer for a slot. */
  waitMsMax: number;
  /** A worker that just came gets to its full share of requests within this. */
  slowStartMs: number;
  /** An offer holds a place in its worker's score for this long. */
  reservationMs: number;
  /** Prefix tags remembered. */
  tagsMax: number;
  /** A prefix match counts only where its worker has at most this many more requests than the average one. */
  matchLeadMax: number;
}>;

export const ROUTING_LIMITS: RoutingLimits = {
  waitingMax: 8_192,
  waitMsMax: 10_000,
  slowStartMs: 10_000,
  reservationMs: 2_000,
  tagsMax: 262_144,
  matchLeadMax: 8,
};

export type Ask<Id> = Readonly<{
  account: string;
  work: Work;
  /** 0 to 255; more is a larger share of the turns, never all of them. */
  priority: number;
  deadline: UnixMs;
  tags: Uint8Array | null;
  /** Workers that can open the request; not empty. */
  candidates: readonly Id[];
}>;

/** `undecided`: ended by the client, its deadline or what it sent, which says nothing about the worker. */
export type Outcome = 'answered' | 'failed' | 'busy' | 'undecided';
/** A slot of one worker; `finish` once. */
export type Place<Id> = Readonly<{
  worker: Id;
  /** Tokens of the prompt that this worker is expected to have read. */
  matched: number;
  /** Something of the answer came: from here on it is not reading the prompt any more. */
  firstPart(): void;
  finish(outcome: Outcome, usage: Usage | null): void;
}>;
export type NoPlace = Readonly<{ refused: 'busy' | 'deadline'; retryAfterMs: number }>;
type Settle<Id> = (answer: Place<Id> | NoPlace) => void;
type Entry<Id> = Ask<Id> & Waiting & { settle: Settle<Id> | null; stopTimer: () => void };
type Known<Id> = Readonly<{ load: WorkerLoad; breaker: Breaker; queue: FairQueue<Entry<Id>> }>;

export type DispatcherDeps = Readonly<{
  now: () => UnixMs;
  /** Uniform in [0, 1). */
  random: () => number;
  /** Calls back after `ms`; answers how to stop it. */
  schedule: (ms: number, run: () => void) => () => void;
}>;

const SERVICE_MS_AT_FIRST = 1_000;
const WEIGHT_OF_NEWEST = 0.05;
const DRAWS = 8;
/** Turns that a priority of 255 gets for one of priority 0. */
const WEIGHT_MAX = 4;

/**
 * Decides which worker runs a request and when. A request that finds no free slot waits in the fair queue of each of its
 * candidates, and the first slot that frees takes it: the choice among candidates is made as late as it can be. Holds no
 * request, key or promise, so that a simulation runs the very same code.
 */
export class Dispatcher<Id> {
  readonly #deps: DispatcherDeps;
  readonly #limits: RoutingLimits;
  readonly #workers = new Map<Id, Known<Id>>();
  readonly #tags: TagIndex<Id>;
  readonly #waiting: WaitingRoom<Entry<Id>>;
  readonly #ratesOfAll: Rates = { ...RATES_AT_FIRST };
  #serviceMs = SERVICE_MS_AT_FIRST;
  #timed = 0;
  #running = 0;

  constructor(deps: DispatcherDeps, limits: RoutingLimits = ROUTING_LIMITS) {
    this.#deps = deps;
    this.#limits = limits;
    this.#tags = new TagIndex(limits.tagsMax);
    this.#waiting = new WaitingRoom(limits.waitingMax);
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  load(id: Id): WorkerLoad | undefined {
    return this.#workers.get(id)?.load;
  }

  breakerState(id: Id): 'closed' | 'open' | 'half-open' | undefined {
    return this.#workers.get(id)?.breaker.state(this.#deps.now());
  }

  /** Slots of it that are used now; 0 where nothing is sent there. */
  slots(id: Id): number {
    return this.#workers.get(id)?.load.slots(this.#deps.now(), this.#limits.slowStartMs) ?? 0;
  }

  /** What waits for a slot, in no order. */
  inLine(): Iterable<Pick<Entry<Id>, 'account' | 'cost' | 'priority' | 'since' | 'candidates'>> {
    return this.#waiting.all();
  }

  add(id: Id, slots: number): void {
    this.#workers.set(id, {
      load: new WorkerLoad(slots, this.#deps.now(), this.#ratesOfAll),
      breaker: new Breaker(),
      queue: new FairQueue(),
    });
  }

  /** What waits for this worker alone is refused; what runs on it ends by itself. */
  remove(id: Id): void {
    const known = this.#workers.get(id);
    if (known === undefined) return;
    this.#workers.delete(id);
    for (let entry = known.queue.shift(); entry !== null; entry = known.queue.shift()) {
      if (!entry.candidates.some((other) => this.#workers.has(other))) this.#refuse(entry, 'busy', 0);
    }
  }

  /**
   * Up to `count` of the workers, the likely fastest first, and a short reservation with each: better of two drawn at
   * random, so that requests that come together don't all go to the one that looks best; where a worker is known for the
   * prompt's prefix, that one first, if it is faster and not ahead of the others in requests.
   * @param may which of them may be asked at all
   */
  rank(
    workers: readonly Id[],
    work: Work,
    tags: Uint8Array | null,
    count: number,
    may: (id: Id) => boolean = () => true,
  ): Id[] {
    const now = this.#deps.now();
    const picked: Id[] = [];
    const isGood = (id: Id) =>
      this.#workers.get(id)?.breaker.state(now) === 'closed' && !picked.includes(id) && may(id);
    const scoreOf = (id: Id, matched: number) => this.#predict(id, work, matched, now);
    while (picked.length < count) {
      const [first, second] = [this.#draw(workers, isGood), this.#draw(workers, isGood)];
      if (first === null || second === null) break;
      let best: Id = scoreOf(second, 0) < scoreOf(first, 0) ? second : first;
      const match = picked.length === 0 ? this.#matchOf(tags, now) : null;
      if (
        match !== null &&
        may(match.worker) &&
        workers.includes(match.worker) &&
        scoreOf(match.worker, match.tokens) < scoreOf(best, 0)
      ) {
        best = match.worker;
      }
      picked.push(best);
    }
    for (const id of workers) {
      // Fewer whose breaker is closed than asked for: the others are better than none.
      if (picked.length >= count) break;
      if (this.#workers.has(id) && !picked.includes(id) && may(id)) picked.push(id);
    }
    for (const id of picked) {
      const { load } = this.#workers.get(id) as Known<Id>;
      load.reserve(now + this.#limits.reservationMs, load.slotsDeclared);
    }
    return picked;
  }

  /** Round trips that the router timed to the worker. */
  timedRoundTrip(id: Id, ms: number): void {
    this.#workers.get(id)?.load.timedRoundTrip(ms);
  }

  /**
   * Places the request now or when a slot frees; `settle` is called once, perhaps before this returns.
   * @returns how to withdraw it while it waits
   */
  submit(ask: Ask<Id>, settle: Settle<Id>): () => void {
    const now = this.#deps.now();
    const entry: Entry<Id> = {
      ...ask,
      cost: ask.work.tokensIn + ask.work.tokensOut,
      weight: 1 + (Math.min(255, ask.priority) / 255) * (WEIGHT_MAX - 1),
      since: now,
      settle,
      stopTimer: nothing,
    };
    const match = this.#matchOf(entry.tags, now);
    const best = this.#fastestFree(entry, match, now);
    if (best !== null) {
      this.#place(best, entry, match, now);
      return nothing;
    }
    const able = this.#able(entry, now);
    let waitMs = this.#expectedWait(able, entry.account, now);
    if (waitMs > this.#limits.waitMsMax) {
      // Its account has more here than can be served in time: who comes last goes first, and that is this one.
      this.#shed(entry);
      waitMs = this.#expectedWait(able, entry.account, now);
    }
    const mayWait = Math.min(this.#limits.waitMsMax, entry.deadline - now);
    if (waitMs > mayWait) {
      this.#refuse(entry, entry.deadline - now < waitMs ? 'deadline' : 'busy', waitMs - mayWait);
      return nothing;
    }
    const { admitted, displaced } = this.#waiting.enter(entry);
    if (displaced !== null) {
      this.#shed(displaced);
      this.#refuse(displaced, 'busy', this.#limits.waitMsMax);
    }
    if (!admitted) {
      this.#refuse(entry, 'busy', waitMs);
      return nothing;
    }
    for (const id of able) this.#workers.get(id)?.queue.push(entry);
    entry.stopTimer = this.#deps.schedule(mayWait, () => {
      const isLate = entry.deadline <= this.#deps.now();
      if (!isLate) this.#shed(entry);
      this.#refuse(entry, isLate ? 'deadline' : 'busy', this.#serviceMs);
    });
    for (const id of able) this.#fill(id);
    return () => void this.#take(entry);
  }

  /** Not all that waits where this entry does can be served in time. */
  #shed({ account, candidates }: Entry<Id>): void {
    for (const id of candidates) this.#workers.get(id)?.queue.shed(account);
  }

  /** Whatever the entry's end, it comes by here: it stops waiting everywhere. Null where that was before. */
  #take(entry: Entry<Id>): Settle<Id> | null {
    const { settle } = entry;
    if (settle === null) return null;
    entry.settle = null;
    entry.stopTimer();
    this.#waiting.leave(entry);
    for (const id of entry.candidates) this.#workers.get(id)?.queue.remove(entry);
    return settle;
  }

  #predict(id: Id, work: Work, matched: number, now: UnixMs): number {
    const { load } = this.#workers.get(id) as Known<Id>;
    return predictFirstToken(load, work, matched, now, this.#limits.slowStartMs);
  }

  /** One of the list at random that is good, or null where there is none. */
  #draw(workers: readonly Id[], isGood: (id: Id) => boolean): Id | null {
    if (workers.length === 0) return null;
    for (let i = 0; i < DRAWS; i++) {
      const id = workers[Math.min(workers.length - 1, Math.floor(this.#deps.random() * workers.length))] as Id;
      if (isGood(id)) return id;
    }
    return workers.find(isGood) ?? null;
  }

  /** A prefix match whose worker is not far ahead of the others already. */
  #matchOf(tags: Uint8Array | null, now: UnixMs): Match<Id> | null {
    const match = this.#tags.longest(tags);
    if (match === null) return null;
    const known = this.#workers.get(match.worker);
    if (known === undefined || known.breaker.state(now) !== 'closed') return null;
    const average = this.#running / Math.max(1, this.#workers.size);
    return known.load.running - average > this.#limits.matchLeadMax ? null : match;
  }

  /** Candidates still here whose breaker lets a request through; all of them where it lets none. */
  #able(ask: Ask<Id>, now: UnixMs): Id[] {
    const anyway = this.#letsNone(ask, now);
    return ask.candidates.filter((id) => this.#takes(id, anyway, now));
  }

  #letsNone({ candidates }: Ask<Id>, now: UnixMs): boolean {
    for (const id of candidates) if (this.#takes(id, false, now)) return false;
    return true;
  }

  /** @param anyway whatever its breaker says */
  #takes(id: Id, anyway: boolean, now: UnixMs): boolean {
    const known = this.#workers.get(id);
    return known !== undefined && (anyway || known.breaker.state(now) !== 'open');
  }

  #isFree(id: Id, now: UnixMs): boolean {
    const load = this.load(id);
    return load !== undefined && load.running < load.slots(now, this.#limits.slowStartMs);
  }

  /** Of those that are able and have a free slot with nobody in line for it. */
  #fastestFree(ask: Ask<Id>, match: Match<Id> | null, now: UnixMs): Id | null {
    const anyway = this.#letsNone(ask, now);
    let best: Id | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (const id of ask.candidates) {
      if (!this.#takes(id, anyway, now) || !this.#isFree(id, now)) continue;
      if ((this.#workers.get(id) as Known<Id>).queue.size > 0) continue;
      const seconds = this.#predict(id, ask.work, match?.worker === id ? match.tokens : 0, now);
      if (seconds < least) {
        least = seconds;
        best = id;
      }
    }
    return best;
  }

  #expectedWait(ids: readonly Id[], account: string, now: UnixMs): number {
    let least = Number.POSITIVE_INFINITY;
    for (const id of ids) {
      const { load, queue } = this.#workers.get(id) as Known<Id>;
      const turns = queue.ahead(account) / load.slots(now, this.#limits.slowStartMs);
      // What waits here waits with as many other workers: each of them takes its part of the line.
      least = Math.min(least, (turns * this.#serviceMs) / ids.length);
    }
    return Number.isFinite(least) ? least : this.#limits.waitMsMax + 1;
  }

  #refuse(entry: Entry<Id>, refused: NoPlace['refused'], retryAfterMs: number): void {
    const settle = this.#take(entry);
    settle?.({ refused, retryAfterMs: Math.ceil(Math.min(Math.max(retryAfterMs, 50), this.#limits.waitMsMax)) });
  }

  #fill(id: Id): void {
    const known = this.#workers.get(id);
    if (known === undefined) return;
    const now = this.#deps.now();
    while (this.#isFree(id, now)) {
      const entry = known.queue.shift();
      if (entry === null) return;
      this.#place(id, entry, this.#matchOf(entry.tags, now), now);
    }
  }

  #place(id: Id, entry: Entry<Id>, match: Match<Id> | null, now: UnixMs): void {
    const { load, breaker } = this.#workers.get(id) as Known<Id>;
    const settle = this.#take(entry);
    const matched = match?.worker === id ? Math.min(match.tokens, entry.work.tokensIn) : 0;
    const running = load.place(entry.work, matched, now);
    breaker.placed(now);
    this.#running += 1;
    let finished = false;
    settle?.({
      worker: id,
      matched,
      firstPart: () => {
        load.firstPart(running, this.#deps.now());
        this.#tags.served(entry.tags, id);
      },
      finish: (outcome, usage) => {
        if (finished) return;
        finished = true;
        this.#running -= 1;
        this.#finish(id, entry, running, outcome, usage);
      },
    });
  }

  #finish(id: Id, entry: Entry<Id>, running: Running, outcome: Outcome, usage: Usage | null): void {
    const known = this.#workers.get(id);
    if (known === undefined) return;
    const now = this.#deps.now();
    const { load, breaker } = known;
    load.finish(running, now, usage);
    if (outcome === 'answered') {
      breaker.succeeded();
      this.#timed += 1;
      const weight = Math.max(WEIGHT_OF_NEWEST, 1 / this.#timed);
      this.#serviceMs += weight * (now - running.placedAt - this.#serviceMs);
      this.#learnRates(load.rates);
    } else if (outcome === 'failed') breaker.failed(now);
    else breaker.undecided();
    if (outcome === 'busy') load.busy();
    if (usage !== null && running.matched > 0) {
      this.#tags.corrected(entry.tags, id, running.matched, usage.tokensCached);
    }
    this.#fill(id);
  }

  #learnRates({ prefillPerSecond, secondsPerToken }: Rates): void {
    const all = this.#ratesOfAll;
    all.prefillPerSecond += WEIGHT_OF_NEWEST * (prefillPerSecond - all.prefillPerSecond);
    all.secondsPerToken += WEIGHT_OF_NEWEST * (secondsPerToken - all.secondsPerToken);
  }
}

const nothing = (): void => undefined;
