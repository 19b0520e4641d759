import { VirtualTime } from './events.ts';
import type { Conversation, Pattern, Turn } from './patterns.ts';
import type { MakePolicy } from './policies.ts';
import { seededRandom } from './random.ts';
import { SimulatedWorker } from './worker.ts';

/** Whoever waits this long for the first token is gone. */
export const PATIENCE_MS = 30_000;
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
    for (const turn of turns) offered[account] = (offered[account] as number) + turn.tokensIn + turn.tokensOut;
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
  const shares = fairShares(offered, served);
  return {
    firstTokenMs: Float64Array.from(firstTokenMs).sort(),
    offered: pattern.requests,
    servedShare: firstTokenMs.length / pattern.requests,
    fairness: jain(shares),
    worstAccount: Math.min(...shares),
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

/** What each account got, as a part of its max-min fair share of what was served in all. */
function fairShares(offered: Float64Array, served: Float64Array): number[] {
  let left = served.reduce((sum, tokens) => sum + tokens, 0);
  const order = [...offered.keys()].filter((account) => (offered[account] as number) > 0);
  order.sort((a, b) => (offered[a] as number) - (offered[b] as number));
  return order.map((account, place) => {
    const fair = Math.min(offered[account] as number, left / (order.length - place));
    left -= fair;
    return (served[account] as number) / fair;
  });
}

function jain(values: readonly number[]): number {
  const sum = values.reduce((a, b) => a + b, 0);
  const squares = values.reduce((a, b) => a + b * b, 0);
  return sum ** 2 / (values.length * squares);
}

/** Over all requests offered; one that got no token in time counts as the time it waited for it. */
export function quantileOfOffered({ firstTokenMs, offered }: Outcome, share: number): number {
  return firstTokenMs[Math.floor(share * offered)] ?? PATIENCE_MS;
}
