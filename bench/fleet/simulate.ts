import { VirtualTime } from './events.ts';
import { jain, maxMinShares, PATIENCE_MS, slowdown, withinShare } from './fairness.ts';
import type { Conversation, Pattern, Turn } from './patterns.ts';
import type { MakePolicy } from './policies.ts';
import { seededRandom } from './random.ts';
import { SimulatedWorker } from './worker.ts';

const BACKOFF_MS = { least: 500, most: 8_000 };

export type Outcome = Readonly<{
  /** Milliseconds to the first token of each request that got one in time, sorted. */
  firstTokenMs: Float64Array;
  offered: number;
  /** Requests that got their first token in time, of those offered. */
  servedShare: number;
  /** Jain's index over accounts, of what each got against its max-min fair share. */
  fairness: number;
  /** The worst account's part of its fair share. */
  worstAccount: number;
  /** Of accounts that ask for no more than their share; null where there is none. */
  within: Readonly<{
    /** Mean slowdown of the one that has the greatest. */
    slowdownOfWorst: number;
    /** Jain's index of one over each one's mean slowdown. */
    evenness: number;
    /** 99 % of what they ask has its first token within so many ms. */
    p99Ms: number;
  }> | null;
  /** Worker time spent on prompts that were cached elsewhere or again, per prompt token: what a token costs. */
  readShare: number;
}>;

/** Runs a pattern through a policy in virtual time. */
export function simulate(pattern: Pattern, make: MakePolicy, seed: number): Outcome {
  const time = new VirtualTime();
  const random = seededRandom(seed);
  const workers = pattern.workers.map((truth) => new SimulatedWorker(truth, time, random));
  const policy = make(pattern, time, random);
  const firstTokenMs: number[] = [];
  const offered = new Float64Array(pattern.accounts);
  const served = new Float64Array(pattern.accounts);
  const waits = new Waits(pattern);
  let [asked, read] = [0, 0];

  const start = (conversation: number, account: number, turn: Turn): void => {
    const deadline = turn.at + PATIENCE_MS;
    const request = { conversation, account, turn, deadline };
    let tries = 0;
    const again = (retryAfterMs: number | null) => {
      const backoff = Math.min(BACKOFF_MS.most, BACKOFF_MS.least * 2 ** tries) * (0.5 + random());
      tries += 1;
      const wait = retryAfterMs === null ? backoff : retryAfterMs * (1 + 0.2 * random());
      if (time.now() + wait < deadline) time.schedule(wait, attempt);
    };
    const attempt = () =>
      policy.submit(request, {
        refuse: again,
        place: ({ worker, firstToken, ended }) =>
          workers[worker]?.run({
            ...turn,
            conversation,
            firstToken: () => {
              firstToken();
              if (time.now() > deadline) return;
              firstTokenMs.push(time.now() - turn.at);
              waits.ended(account, turn, time.now() - turn.at);
              served[account] = (served[account] as number) + turn.tokensIn + turn.tokensOut;
            },
            done: (tokensCached) => {
              asked += turn.tokensIn;
              read += turn.tokensIn - tokensCached;
              ended(tokensCached);
            },
            failed: () => ended(null),
          }),
      });
    attempt();
  };

  for (const { account, turns } of pattern.conversations) {
    for (const turn of turns) {
      offered[account] = (offered[account] as number) + turn.tokensIn + turn.tokensOut;
      waits.begun(account, turn);
    }
  }
  // One arrival makes the next: a million of them at once would be a heap of a million events.
  const arrivals = inOrder(pattern);
  let next = 0;
  const arrive = (): void => {
    const { conversation, turn } = arrivals(next++);
    if (next < pattern.requests) time.schedule(arrivals(next).turn.at - time.now(), arrive);
    start(conversation, (pattern.conversations[conversation] as Conversation).account, turn);
  };
  if (pattern.requests > 0) time.schedule(arrivals(0).turn.at, arrive);
  time.run();
  const fair = maxMinShares(
    offered,
    served.reduce((sum, tokens) => sum + tokens, 0),
  );
  const shares = [...fair.keys()].filter((account) => (fair[account] as number) > 0);
  const parts = shares.map((account) => (served[account] as number) / (fair[account] as number));
  return {
    firstTokenMs: Float64Array.from(firstTokenMs).sort(),
    offered: pattern.requests,
    servedShare: firstTokenMs.length / pattern.requests,
    fairness: jain(parts),
    worstAccount: Math.min(...parts),
    within: waits.summary(),
    readShare: read / asked,
  };
}

/** All turns of a pattern by the time of their arrival. */
function inOrder({ conversations, requests }: Pattern): (place: number) => { conversation: number; turn: Turn } {
  const at = new Float64Array(requests);
  const [whose, which] = [new Uint32Array(requests), new Uint8Array(requests)];
  let made = 0;
  for (const [conversation, { turns }] of conversations.entries()) {
    for (const [i, turn] of turns.entries()) {
      at[made] = turn.at;
      whose[made] = conversation;
      which[made] = i;
      made += 1;
    }
  }
  const order = new Uint32Array(requests)
    .map((_, i) => i)
    .sort((a, b) => (at[a] as number) - (at[b] as number) || a - b);
  return (place) => {
    const one = order[place] as number;
    const conversation = whose[one] as number;
    return { conversation, turn: (conversations[conversation] as Conversation).turns[which[one] as number] as Turn };
  };
}

/** How long each account waits, beside what it would wait alone. */
class Waits {
  readonly #within: readonly boolean[];
  readonly #prefillPerMs: number;
  readonly #slowdowns: Float64Array;
  readonly #requests: Float64Array;
  readonly #waitedWithin: number[] = [];

  constructor(pattern: Pattern) {
    this.#within = withinShare(pattern);
    const rates = pattern.workers.map(({ prefillPerSecond }) => prefillPerSecond).sort((a, b) => a - b);
    this.#prefillPerMs = (rates[Math.floor(rates.length / 2)] as number) / 1000;
    this.#slowdowns = new Float64Array(pattern.accounts);
    this.#requests = new Float64Array(pattern.accounts);
  }

  /** Until it has a first token, a request counts as one that had none for as long as anybody waits. */
  begun(account: number, turn: Turn): void {
    this.#requests[account] = (this.#requests[account] as number) + 1;
    this.#add(account, slowdown(PATIENCE_MS, this.#alone(turn)));
  }

  ended(account: number, turn: Turn, waitedMs: number): void {
    const alone = this.#alone(turn);
    this.#add(account, slowdown(waitedMs, alone) - slowdown(PATIENCE_MS, alone));
    if (this.#within[account]) this.#waitedWithin.push(waitedMs);
  }

  summary(): Outcome['within'] {
    const accounts = [...this.#within.keys()].filter((account) => this.#within[account]);
    if (accounts.length === 0) return null;
    const means = accounts.map((account) => (this.#slowdowns[account] as number) / (this.#requests[account] as number));
    const asked = accounts.reduce((sum, account) => sum + (this.#requests[account] as number), 0);
    const waited = Float64Array.from(this.#waitedWithin).sort();
    return {
      slowdownOfWorst: Math.max(...means),
      evenness: jain(means.map((mean) => 1 / mean)),
      p99Ms: waited[Math.floor(0.99 * asked)] ?? PATIENCE_MS,
    };
  }

  #alone({ tokensIn, prefix }: Turn): number {
    return (tokensIn - prefix) / this.#prefillPerMs;
  }

  #add(account: number, amount: number): void {
    this.#slowdowns[account] = (this.#slowdowns[account] as number) + amount;
  }
}

/** Over all requests offered; one that got no token in time counts as the time it waited for it. */
export function quantileOfOffered({ firstTokenMs, offered }: Outcome, share: number): number {
  return firstTokenMs[Math.floor(share * offered)] ?? PATIENCE_MS;
}
