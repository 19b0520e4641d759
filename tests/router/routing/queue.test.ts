import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Buckets } from '../../../src/router/routing/buckets.ts';
import { FairQueue, type Waiting } from '../../../src/router/routing/fair-queue.ts';
import { WaitingRoom } from '../../../src/router/routing/waiting-room.ts';

const item = (account: string, cost = 1_000, weight = 1, since = 0): Waiting => ({ account, cost, weight, since });

test('an account that asks for a hundred times as much gets its turn and no more', () => {
  const queue = new FairQueue<Waiting>();
  for (let i = 0; i < 1_000; i++) queue.push(item('greedy'));
  for (let i = 0; i < 10; i++) queue.push(item('small'));
  const first = Array.from({ length: 24 }, () => queue.shift(0)?.account);
  expect(first.filter((account) => account === 'small')).toHaveLength(10);
});

test('turns are worth tokens, not requests', () => {
  const queue = new FairQueue<Waiting>();
  for (let i = 0; i < 400; i++) {
    queue.push(item('long', 8_000));
    for (let j = 0; j < 4; j++) queue.push(item('short', 1_000));
  }
  const tokens = { long: 0, short: 0 };
  for (let i = 0; i < 900; i++) {
    const next = queue.shift(0) as Waiting;
    tokens[next.account as 'long' | 'short'] += next.cost;
  }
  expect(tokens.long / tokens.short).toBeGreaterThan(0.9);
  expect(tokens.long / tokens.short).toBeLessThan(1.1);
});

test('a higher priority has a larger share and never all', () => {
  const queue = new FairQueue<Waiting>();
  for (let i = 0; i < 4_000; i++) {
    queue.push(item('high', 1_000, 4));
    queue.push(item('low', 1_000, 1));
  }
  const served = Array.from({ length: 2_000 }, () => queue.shift(0)?.account);
  const high = served.filter((account) => account === 'high').length / served.length;
  expect(high).toBeGreaterThan(0.75);
  expect(high).toBeLessThan(0.85);
});

test('a line that has grown too long is served from its newest end', () => {
  const queue = new FairQueue<Waiting>();
  const items = Array.from({ length: 5 }, (_, i) => item('a', 10, 1, i));
  for (const one of items) queue.push(one);
  expect(queue.shift(500)).toBe(items[0]);
  expect(queue.shift(5_000)).toBe(items[4]);
});

test('everything that goes in comes out once, whatever is taken out between', () => {
  const step = fc.oneof(
    fc.record({ push: fc.constantFrom('a', 'b', 'c'), cost: fc.integer({ min: 1, max: 50_000 }) }),
    fc.record({ remove: fc.nat(200) }),
    fc.constant('shift' as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const queue = new FairQueue<Waiting>();
      const inside = new Set<Waiting>();
      const all: Waiting[] = [];
      for (const one of steps) {
        if (one === 'shift') {
          const got = queue.shift(0);
          expect(got === null).toBe(inside.size === 0);
          if (got !== null) expect(inside.delete(got)).toBe(true);
        } else if ('push' in one) {
          const made = item(one.push, one.cost);
          all.push(made);
          inside.add(made);
          queue.push(made);
        } else if (all.length > 0) {
          const gone = all[one.remove % all.length] as Waiting;
          queue.remove(gone);
          inside.delete(gone);
        }
        expect(queue.size).toBe(inside.size);
      }
      while (queue.shift(0) !== null) inside.delete(inside.values().next().value as Waiting);
      expect(inside.size).toBe(0);
    }),
  );
});

test('a full room makes place for an account that has fewer waiting, at the cost of the one that has most', () => {
  const room = new WaitingRoom<Waiting>(6, 5);
  const crowd = Array.from({ length: 5 }, () => item('crowd'));
  for (const one of crowd) expect(room.enter(one)).toEqual({ admitted: true, displaced: null });
  expect(room.enter(item('crowd'))).toEqual({ admitted: false, displaced: null });
  expect(room.enter(item('a')).admitted).toBe(true);
  expect(room.enter(item('b'))).toEqual({ admitted: true, displaced: crowd[4] });
  expect(room.size).toBe(6);
});

test('a room stays within its bounds, and whoever is turned away has at least as many waiting as anybody', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 100 }), (accounts) => {
      const room = new WaitingRoom<Waiting>(12, 8);
      const counts = new Map<string, number>();
      for (const account of accounts) {
        const { admitted, displaced } = room.enter(item(account));
        if (displaced !== null) counts.set(displaced.account, (counts.get(displaced.account) ?? 0) - 1);
        if (admitted) counts.set(account, (counts.get(account) ?? 0) + 1);
        const own = counts.get(account) ?? 0;
        if (!admitted && own < 8) expect(Math.max(...counts.values())).toBeLessThanOrEqual(own + 1);
        expect(room.size).toBe([...counts.values()].reduce((sum, count) => sum + count, 0));
        expect(room.size).toBeLessThanOrEqual(12);
        expect(own).toBeLessThanOrEqual(8);
      }
    }),
  );
});

test('a bucket gives its burst, then its rate, and says when to come again', () => {
  const buckets = new Buckets({ perSecond: 10, burst: 20 }, 2);
  for (let i = 0; i < 20; i++) expect(buckets.take('a', 1, 0)).toBe(0);
  expect(buckets.take('a', 1, 0)).toBe(100);
  expect(buckets.take('a', 1, 99)).toBeGreaterThan(0);
  expect(buckets.take('a', 1, 100)).toBe(0);
  expect(buckets.take('b', 1, 100)).toBe(0);
  // An amount above the burst goes through a full bucket, and is owed.
  expect(buckets.take('c', 50, 0)).toBe(0);
  expect(buckets.take('c', 1, 1_000)).toBe(2_100);
});
