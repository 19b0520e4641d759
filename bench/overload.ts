import { CodedError } from '../src/core/index.ts';
import { ask, echoEngine, type InProcess, startInProcess } from '../tests/network/in-process.ts';
import type { BenchLine } from './report.ts';

export type OverloadOptions = Readonly<{
  seconds: number;
  /** Of the one worker. Sessions are with a worker: with several, the fleet's balance would be measured too. */
  slots: number;
  /** A worker that just came is given its slots little by little. */
  warmUpMs: number;
  /** Of one answer: tokens, and the time that the engine takes for each. */
  tokens: number;
  tokenMs: number;
  /** Asked for, over what the slots can do. */
  times: number;
  /** Accounts that ask for little; one more asks for a hundred times as much as each of them. */
  small: number;
}>;

export type Overload = Readonly<{
  /** Answers a second with every slot taken and nobody waiting. */
  capacity: number;
  /** Whole answers a second when so many times as much is asked for. */
  goodput: number;
  asked: number;
  answered: number;
  refused: number;
  /** Refused, and not told when to come again. */
  untold: number;
  /** Ended neither with an answer nor with a refusal. */
  otherwise: readonly string[];
  /** From asking to the answer's end, less the time that the engine takes. */
  longestWaitMs: number;
  longestQueue: number;
  /** Jain's index over what each account got of what a fair share gives it. */
  fairness: number;
}>;

const GREED = 100;
const DEADLINE_MS = 15_000;
const CAPACITY_MS = 5_000;
const REFUSALS: ReadonlySet<string> = new Set(['ROUTER_BUSY', 'TOO_MANY_REQUESTS', 'DEADLINE_EXCEEDED']);
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

type Account = { readonly client: InProcess['client']; readonly perSecond: number; asked: number; answered: number };

/** Whole answers a second where each slot is given a request as soon as it is free. */
async function capacityOf(client: InProcess['client'], lanes: number, ms: number): Promise<number> {
  let answered = 0;
  const started = performance.now();
  const lane = async () => {
    while (performance.now() - started < ms) {
      await ask(client, 'as fast as it can be', { deadlineMs: DEADLINE_MS });
      answered += 1;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return (answered * 1_000) / (performance.now() - started);
}

/**
 * What each account is due of the capacity: all it asks for, or an equal part of what those leave who ask for less
 * (max-min fairness).
 */
function fairShares(demands: readonly number[], capacity: number): number[] {
  const shares = demands.map(() => 0);
  let left = capacity;
  const byDemand = demands.map((demand, i) => ({ demand, i })).sort((a, b) => a.demand - b.demand);
  for (const [place, { demand, i }] of byDemand.entries()) {
    const share = Math.min(demand, left / (byDemand.length - place));
    shares[i] = share;
    left -= share;
  }
  return shares;
}

/** One account sends a hundred times as much as the others, all together several times what the worker can do. */
export async function overload(options: OverloadOptions): Promise<Overload> {
  const { slots, tokens, tokenMs, warmUpMs } = options;
  const network = await startInProcess({
    engine: echoEngine({ delayMs: tokenMs, tokens }),
    slots,
  });
  try {
    await capacityOf(network.client, slots, warmUpMs);
    const capacity = await capacityOf(network.client, slots, CAPACITY_MS);
    const unit = (options.times * capacity) / (options.small + GREED);
    const accounts: Account[] = [GREED, ...Array.from({ length: options.small }, () => 1)].map((times) => ({
      client: network.newClient(),
      perSecond: times * unit,
      asked: 0,
      answered: 0,
    }));
    for (const { client } of accounts) await ask(client, 'a session', { deadlineMs: DEADLINE_MS });
    return await loaded(network, accounts, capacity, options);
  } finally {
    await network.close();
  }
}

async function loaded(
  network: InProcess,
  accounts: readonly Account[],
  capacity: number,
  { seconds, tokens, tokenMs }: OverloadOptions,
): Promise<Overload> {
  const asked: Promise<void>[] = [];
  const otherwise: string[] = [];
  let refused = 0;
  let untold = 0;
  let longestWaitMs = 0;
  let longestQueue = 0;
  let inTime = 0;
  const started = performance.now();
  const elapsed = () => (performance.now() - started) / 1_000;
  const one = async (account: Account): Promise<void> => {
    const at = performance.now();
    try {
      await ask(account.client, 'one of many', { deadlineMs: DEADLINE_MS });
      account.answered += 1;
      if (elapsed() <= seconds) inTime += 1;
      longestWaitMs = Math.max(longestWaitMs, performance.now() - at - tokens * tokenMs);
    } catch (error) {
      const { code, facts } = error as CodedError;
      if (!(error instanceof CodedError) || !REFUSALS.has(code)) otherwise.push(String(error));
      else {
        refused += 1;
        if (!(Number(facts.retryAfterMs) > 0)) untold += 1;
      }
    }
  };
  for (; elapsed() < seconds; await pause(5)) {
    longestQueue = Math.max(longestQueue, network.router.snapshot().waiting);
    for (const account of accounts) {
      for (; account.asked < account.perSecond * elapsed(); account.asked += 1) asked.push(one(account));
    }
  }
  await Promise.all(asked);
  const shares = fairShares(
    accounts.map((account) => account.asked),
    capacity * seconds,
  );
  const got = accounts.map(({ answered }, i) => Math.min(1, answered / Math.max(1, shares[i] as number)));
  const sum = got.reduce((all, one) => all + one, 0);
  const squares = got.reduce((all, one) => all + one * one, 0);
  return {
    capacity,
    goodput: inTime / seconds,
    asked: asked.length,
    answered: accounts.reduce((all, { answered }) => all + answered, 0),
    refused,
    untold,
    otherwise,
    longestWaitMs,
    longestQueue,
    fairness: (sum * sum) / (got.length * squares),
  };
}

/** A minute at twice what the workers can do. */
export async function benchOverload(): Promise<BenchLine[]> {
  const result = await overload({
    seconds: 60,
    slots: 4,
    warmUpMs: 11_000,
    tokens: 10,
    tokenMs: 40,
    times: 2,
    small: 9,
  });
  const { capacity, goodput, otherwise, ...rest } = result;
  const floor = { name: 'capacity', value: capacity };
  for (const line of otherwise.slice(0, 5)) console.error(line);
  return [
    { name: 'goodput at twice the capacity', value: goodput, unit: '/s', floor, ratio: goodput / capacity },
    { name: 'requests in a minute', value: rest.asked, unit: 'requests' },
    { name: 'answered', value: rest.answered, unit: 'requests' },
    { name: 'refused', value: rest.refused, unit: 'requests' },
    { name: 'refused without a time to come again', value: rest.untold, unit: 'requests' },
    { name: 'ended otherwise', value: otherwise.length, unit: 'requests' },
    { name: 'longest wait of an answered request', value: rest.longestWaitMs, unit: 'ms' },
    { name: 'longest queue', value: rest.longestQueue, unit: 'requests' },
    { name: 'fairness over accounts (Jain), one asks for 100 times as much', value: rest.fairness, unit: 'of 1' },
  ];
}
