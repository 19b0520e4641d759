import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { VirtualTime } from '../../../bench/fleet/events.ts';
import { exponential, seededRandom } from '../../../bench/fleet/random.ts';
import { Dispatcher, ROUTING_LIMITS } from '../../../src/router/routing/index.ts';

const WORKERS = 8;
const SLOTS = 4;
const SERVICE_MS = 1_000;
const CAPACITY = (WORKERS * SLOTS * 1_000) / SERVICE_MS;
const WARM_UP_MS = 15_000;
const MINUTE_MS = 60_000;
const SMALL = 20;
const GREED = 100;

type Account = { readonly name: string; readonly perSecond: number; asked: number; answered: number };

/** One minute, in virtual time, at twice what the workers can do. One account asks for a hundred times as much. */
function minute(seed: number) {
  const time = new VirtualTime();
  const random = seededRandom(seed);
  const dispatcher = new Dispatcher<number>({ now: time.now, random, schedule: time.schedule });
  for (let worker = 0; worker < WORKERS; worker++) dispatcher.add(worker, SLOTS);
  const seen = { answered: 0, refused: 0, untold: 0, longestWaitMs: 0 };
  const accounts = [GREED, ...Array.from({ length: SMALL }, () => 1)].map(
    (times, i): Account => ({
      name: `account ${i}`,
      perSecond: (times * 2 * CAPACITY) / (GREED + SMALL),
      asked: 0,
      answered: 0,
    }),
  );
  const submit = (account: Account): void => {
    const at = time.now();
    const isCounted = at >= WARM_UP_MS;
    if (isCounted) account.asked += 1;
    const first = Math.floor(random() * WORKERS);
    const ask = {
      account: account.name,
      work: { tokensIn: 200, tokensOut: 50 },
      priority: 0,
      deadline: at + MINUTE_MS,
      tags: null,
      candidates: [first, (first + 1) % WORKERS, (first + 2) % WORKERS],
    };
    dispatcher.submit(ask, (place) => {
      if (!('worker' in place)) {
        seen.refused += 1;
        if (!(place.retryAfterMs > 0)) seen.untold += 1;
        return;
      }
      seen.longestWaitMs = Math.max(seen.longestWaitMs, time.now() - at);
      place.firstPart();
      time.schedule(SERVICE_MS * (0.8 + 0.4 * random()), () => {
        place.finish('answered', { tokensIn: 200, tokensCached: 0, tokensOut: 50 });
        const isInTime = time.now() >= WARM_UP_MS && time.now() < WARM_UP_MS + MINUTE_MS;
        if (isInTime) seen.answered += 1;
        if (isCounted) account.answered += 1;
      });
    });
  };
  for (const account of accounts) {
    const arrive = (): void => {
      if (time.now() >= WARM_UP_MS + MINUTE_MS) return;
      submit(account);
      time.schedule(exponential(random, 1_000 / account.perSecond), arrive);
    };
    time.schedule(exponential(random, 1_000 / account.perSecond), arrive);
  }
  time.run();
  return { ...seen, accounts };
}

test('twice the capacity, one account asking for a hundred times as much: ninety percent are answered, nobody waits for ever or starves, and each refusal says when to come again', () => {
  for (let round = 0; round < 5; round++) {
    const seed = randomInt(2 ** 31);
    const { answered, refused, untold, longestWaitMs, accounts } = minute(seed);
    const [greedy, ...small] = accounts as [Account, ...Account[]];
    const left = (CAPACITY * MINUTE_MS) / 1_000 - small.reduce((sum, { asked }) => sum + asked, 0);
    const got = [greedy.answered / Math.min(greedy.asked, left), ...small.map((one) => one.answered / one.asked)];
    const sum = got.reduce((all, one) => all + one, 0);
    const fairness = sum ** 2 / (got.length * got.reduce((all, one) => all + one * one, 0));
    expect(answered, `seed ${seed}`).toBeGreaterThan((0.9 * CAPACITY * MINUTE_MS) / 1_000);
    expect(refused, `seed ${seed}`).toBeGreaterThan(0);
    expect(untold, `seed ${seed}`).toBe(0);
    expect(longestWaitMs, `seed ${seed}`).toBeLessThanOrEqual(ROUTING_LIMITS.waitMsMax);
    expect(fairness, `seed ${seed}`).toBeGreaterThan(0.9);
  }
});
