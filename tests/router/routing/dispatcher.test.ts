import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { VirtualTime } from '../../../bench/fleet/events.ts';
import { seededRandom } from '../../../bench/fleet/random.ts';
import { type Ask, Dispatcher, type NoPlace, type Place, ROUTING_LIMITS } from '../../../src/router/routing/index.ts';
import { TagIndex } from '../../../src/router/routing/tags.ts';

type Answer = Place<string> | NoPlace;
const isPlace = (answer: Answer | undefined): answer is Place<string> => answer !== undefined && 'worker' in answer;

function setUp(workers: Readonly<Record<string, number>>, limits = {}, warm = true) {
  const time = new VirtualTime();
  const random = seededRandom(1);
  const dispatcher = new Dispatcher<string>(
    { now: time.now, random, schedule: time.schedule },
    { ...ROUTING_LIMITS, ...limits },
  );
  for (const [id, slots] of Object.entries(workers)) dispatcher.add(id, slots);
  const until = (ms: number) => {
    time.schedule(ms - time.now(), () => undefined);
    time.run();
  };
  if (warm) until(20_000);
  const submit = (ask: Partial<Ask<string>> = {}) => {
    const answers: Answer[] = [];
    const withdraw = dispatcher.submit(
      {
        account: 'a',
        work: { tokensIn: 100, tokensOut: 100 },
        priority: 0,
        deadline: time.now() + 60_000,
        tags: null,
        candidates: Object.keys(workers),
        ...ask,
      },
      (answer) => answers.push(answer),
    );
    return { answers, withdraw };
  };
  /** Places a request and ends it at once. */
  const serve = (ask: Partial<Ask<string>>, outcome: Parameters<Place<string>['finish']>[0]) => {
    const [answer] = submit(ask).answers;
    if (!isPlace(answer)) throw new Error('no place');
    answer.finish(outcome, null);
    return answer.worker;
  };
  return { time, dispatcher, submit, serve, until };
}

test('no worker gets more requests than its slots; the first slot that frees takes what waits', () => {
  const { submit } = setUp({ x: 2, y: 1 });
  const placed = Array.from({ length: 3 }, () => submit().answers[0]).filter(isPlace);
  expect(placed.map(({ worker }) => worker).sort()).toEqual(['x', 'x', 'y']);
  const waiting = submit();
  expect(waiting.answers).toEqual([]);
  placed.find(({ worker }) => worker === 'y')?.finish('answered', null);
  expect(waiting.answers).toHaveLength(1);
  expect(isPlace(waiting.answers[0]) && waiting.answers[0].worker).toBe('y');
});

test('a request that is withdrawn takes no slot, and one that nobody serves in time is told when to come again', () => {
  const { time, submit, dispatcher } = setUp({ x: 1 });
  const [running] = submit().answers;
  const gone = submit();
  const late = submit();
  gone.withdraw();
  expect(dispatcher.waiting).toBe(1);
  time.run();
  expect(late.answers).toEqual([{ refused: 'busy', retryAfterMs: expect.any(Number) }]);
  expect(isPlace(running)).toBe(true);
  expect(gone.answers).toEqual([]);
  expect(dispatcher.waiting).toBe(0);
});

test('a deadline that the line is too long for is refused at once', () => {
  const { time, submit } = setUp({ x: 1 });
  submit();
  for (let i = 0; i < 5; i++) submit();
  const { answers } = submit({ deadline: time.now() + 1_500 });
  expect(answers).toEqual([{ refused: 'deadline', retryAfterMs: expect.any(Number) }]);
});

test('a crowd that is over in time is served in order; of one that is not, who came last is served, and the others are told when to come', () => {
  const crowd = (size: number) => {
    const { time, submit } = setUp({ x: 1 });
    const served: number[] = [];
    const told: number[] = [];
    const began = time.now();
    // One a second is served, and two come.
    for (let i = 0; i < size; i++) {
      time.schedule(500 * i, () => {
        const ask = { deadline: Number.POSITIVE_INFINITY };
        const { answers } = submit(ask);
        const poll = (): void => {
          const [answer] = answers;
          if (answer === undefined) time.schedule(50, poll);
          else if (isPlace(answer)) {
            served.push(i);
            time.schedule(1_000, () => answer.finish('answered', null));
          } else {
            told.push(answer.retryAfterMs);
          }
        };
        poll();
      });
    }
    time.run();
    return { served, told, lastedMs: time.now() - began };
  };
  const short = crowd(12);
  expect(short.served).toEqual(Array.from({ length: 12 }, (_, i) => i));
  const long = crowd(200);
  expect(long.told.length).toBeGreaterThan(0);
  expect(long.served.length + long.told.length).toBe(200);
  for (const retryAfterMs of long.told) expect(retryAfterMs).toBeGreaterThan(0);
  // Two come in the time that one is served, so that every other is served as soon as it has come.
  const late = long.served.slice(40, -12);
  const steps = late.slice(1).map((one, i) => one - (late[i] as number));
  expect(steps.filter((step) => step > 0 && step <= 4).length / steps.length).toBeGreaterThan(0.9);
});

test('a worker that just came gets a growing share', () => {
  const { submit, until, dispatcher } = setUp({ x: 10 }, { slowStartMs: 10_000 }, false);
  const count = () => {
    for (let i = 0; i < 20; i++) submit({ deadline: 1e9 }).withdraw();
    return dispatcher.load('x')?.running;
  };
  expect(count()).toBe(1);
  until(5_000);
  expect(count()).toBe(5);
  until(10_000);
  expect(count()).toBe(10);
});

test('a worker that says BUSY below its word is believed to have fewer slots', () => {
  const { submit } = setUp({ x: 8 });
  const placed = Array.from({ length: 3 }, () => submit().answers[0]).filter(isPlace);
  placed[2]?.finish('busy', null);
  expect(submit().answers).toEqual([]);
});

describe('a worker that fails', () => {
  test('gets nothing after three failures, then one request to see, then all again', () => {
    const { serve, submit, until, dispatcher, time } = setUp({ x: 4, y: 4 });
    for (let i = 0; i < 3; i++) serve({ candidates: ['x'] }, 'failed');
    expect(dispatcher.breakerState('x')).toBe('open');
    for (let i = 0; i < 4; i++) expect(serve({}, 'answered')).toBe('y');
    until(time.now() + 5_000);
    expect(dispatcher.breakerState('x')).toBe('half-open');
    const [probe] = submit({ candidates: ['x'] }).answers;
    expect(dispatcher.breakerState('x')).toBe('open');
    expect(serve({}, 'answered')).toBe('y');
    if (isPlace(probe)) probe.finish('answered', null);
    expect(dispatcher.breakerState('x')).toBe('closed');
  });

  test('is asked where it is all there is', () => {
    const { serve } = setUp({ x: 4 });
    for (let i = 0; i < 3; i++) serve({}, 'failed');
    expect(serve({}, 'answered')).toBe('x');
  });

  test('is not blamed for what clients do', () => {
    const { serve, dispatcher } = setUp({ x: 4 });
    for (let i = 0; i < 20; i++) serve({}, 'undecided');
    expect(dispatcher.breakerState('x')).toBe('closed');
  });
});

describe('prefix tags', () => {
  const tags = Uint8Array.from({ length: 48 }, (_, i) => i);
  const usage = (tokensCached: number) => ({ tokensIn: 4_000, tokensCached, tokensOut: 10 });
  const work = { tokensIn: 4_000, tokensOut: 10 };

  test('bring a prompt back to the worker that has read it', () => {
    const { submit, serve } = setUp({ x: 8, y: 8, z: 8 });
    const [first] = submit({ tags, work }).answers;
    if (!isPlace(first)) throw new Error('no place');
    first.firstPart();
    first.finish('answered', usage(0));
    for (let i = 0; i < 8; i++) expect(serve({ tags, work }, 'undecided')).toBe(first.worker);
  });

  test('a receipt that shows less was cached takes the longer matches back', () => {
    const index = new TagIndex<string>(1_000);
    index.served(tags, 'x');
    expect(index.longest(tags)).toEqual({ worker: 'x', tokens: 131_072 });
    index.corrected(tags, 'x', 131_072, 3_000);
    expect(index.longest(tags)).toEqual({ worker: 'x', tokens: 2_048 });
    index.corrected(tags, 'y', 2_048, 0);
    expect(index.longest(tags)).toEqual({ worker: 'x', tokens: 2_048 });
    index.corrected(tags, 'x', 2_048, 0);
    expect(index.longest(tags)).toBeNull();
  });

  test('are forgotten in the end, those not seen again first', () => {
    const index = new TagIndex<string>(160);
    const other = (i: number) => Uint8Array.from({ length: 48 }, (_, at) => (at % 6 === 0 ? i : at));
    index.served(tags, 'x');
    for (let i = 1; i < 100; i++) {
      index.served(other(i), 'y');
      index.served(tags, 'x');
      expect(index.size).toBeLessThanOrEqual(160 + 8);
    }
    expect(index.longest(tags)?.worker).toBe('x');
    expect(index.longest(other(1))).toBeNull();
  });

  test('count for nothing where the worker is far ahead of the others already', () => {
    const { submit } = setUp({ x: 64, y: 64 }, { matchLeadMax: 2 });
    const [first] = submit({ tags, work }).answers;
    if (!isPlace(first)) throw new Error('no place');
    first.firstPart();
    const workers = Array.from({ length: 20 }, () => submit({ tags, work }).answers[0]).filter(isPlace);
    const other = workers.filter(({ worker }) => worker !== first.worker).length;
    expect(other).toBeGreaterThan(5);
  });
});

test('offers rank distinct workers and spread over the fleet', () => {
  const workers = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`w${i}`, 4]));
  const { dispatcher } = setUp(workers);
  const counts = new Map<string, number>();
  for (let i = 0; i < 400; i++) {
    const ranked = dispatcher.rank(Object.keys(workers), { tokensIn: 100, tokensOut: 100 }, null, 3);
    expect(new Set(ranked).size).toBe(3);
    for (const id of ranked) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  expect(counts.size).toBe(20);
  expect(Math.max(...counts.values())).toBeLessThan(400);
});

test('whatever happens, slots hold, bounds hold and every request gets one answer', () => {
  const event = fc.oneof(
    fc.record({ ask: fc.subarray(['x', 'y', 'z'], { minLength: 1 }), account: fc.constantFrom('a', 'b', 'c') }),
    fc.record({ finish: fc.nat(50), outcome: fc.constantFrom('answered', 'failed', 'busy', 'undecided') }),
    fc.record({ withdraw: fc.nat(50) }),
    fc.record({ wait: fc.integer({ min: 1, max: 4_000 }) }),
    fc.record({ lose: fc.constantFrom('x', 'y', 'z') }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 150 }), (events) => {
      const slots = { x: 2, y: 3, z: 1 };
      const { submit, dispatcher, time } = setUp(slots, { waitingMax: 10 });
      const asked: { answers: Answer[]; withdraw: () => void; withdrawn: boolean }[] = [];
      for (const one of events) {
        if ('ask' in one) asked.push({ ...submit({ candidates: one.ask, account: one.account }), withdrawn: false });
        else if ('finish' in one) {
          const [answer] = asked[one.finish % Math.max(1, asked.length)]?.answers ?? [];
          if (isPlace(answer)) answer.finish(one.outcome as 'answered', null);
        } else if ('withdraw' in one) {
          const target = asked[one.withdraw % Math.max(1, asked.length)];
          if (target?.answers.length === 0) target.withdrawn = true;
          target?.withdraw();
        } else if ('lose' in one) dispatcher.remove(one.lose);
        else time.schedule(one.wait, () => undefined);
        for (const [id, most] of Object.entries(slots))
          expect(dispatcher.load(id)?.running ?? 0).toBeLessThanOrEqual(most);
        expect(dispatcher.waiting).toBeLessThanOrEqual(10);
      }
      time.run();
      for (const { answers, withdrawn } of asked) expect(answers).toHaveLength(withdrawn ? 0 : 1);
      expect(dispatcher.waiting).toBe(0);
    }),
  );
});
