import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Buckets } from '../../../src/router/routing/buckets.ts';
import { Chain } from '../../../src/router/routing/chain.ts';
import { FairQueue, type Waiting } from '../../../src/router/routing/fair-queue.ts';
import { WaitingRoom } from '../../../src/router/routing/waiting-room.ts';

const item = (account: string, cost = 1_000, weight = 1, since = 0): Waiting => ({ account, cost, weight, since });

test('an account that asks for a hundred times as much gets its turn and no more', () => {
  const queue = new FairQueue<Waiting>();
  for (let i = 0; i < 1_000; i++) queue.push(item('greedy'));
  for (let i = 0; i < 10; i++) queue.push(item('small'));
  const first = Array.from({ length: 24 }, () => queue.shift()?.account);
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
    const next = queue.shift() as Waiting;
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
  const served = Array.from({ length: 2_000 }, () => queue.shift()?.account);
  const high = served.filter((account) => account === 'high').length / served.length;
  expect(high).toBeGreaterThan(0.75);
  expect(high).toBeLessThan(0.85);
});

test('a line that somebody had to leave is served from its newest end until nobody is left in it; other lines are not', () => {
  const queue = new FairQueue<Waiting>();
  const items = Array.from({ length: 4 }, (_, i) => item('a', 10, 1, i));
  const other = Array.from({ length: 2 }, (_, i) => item('b', 10, 1, i));
  for (const one of [...items, ...other]) queue.push(one);
  expect(queue.ahead('a')).toBe(6);
  expect(queue.shift()).toBe(items[0]);
  queue.shed('a');
  queue.shed('c'); // nobody waits for it
  expect(queue.ahead('a')).toBe(1);
  const rest = Array.from({ length: 5 }, () => queue.shift());
  expect(rest.filter((one) => one?.account === 'a')).toEqual([items[3], items[2], items[1]]);
  expect(rest.filter((one) => one?.account === 'b')).toEqual(other);
  const [again, newer] = [item('a', 10, 1, 20), item('a', 10, 1, 21)];
  queue.push(again);
  queue.push(newer);
  expect(queue.shift()).toBe(again);
});

test('a chain keeps the order of coming, whatever leaves it', () => {
  const step = fc.record({ add: fc.boolean(), item: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const chain = new Chain<number>();
      const same = new Set<number>();
      for (const { add, item: one } of steps) {
        if (add) {
          chain.add(one);
          same.add(one);
        } else expect(chain.delete(one)).toBe(same.delete(one));
        expect([...chain]).toEqual([...same]);
        expect([chain.size, chain.first, chain.last]).toEqual([
          same.size,
          [...same][0] ?? null,
          [...same].at(-1) ?? null,
        ]);
      }
    }),
  );
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
          const got = queue.shift();
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
      while (queue.shift() !== null) inside.delete(inside.values().next().value as Waiting);
      expect(inside.size).toBe(0);
    }),
  );
});

test('a full room makes place for an account that has fewer waiting, at the cost of the one that has most: its oldest', () => {
  const room = new WaitingRoom<Waiting>(6);
  const crowd = Array.from({ length: 6 }, () => item('crowd'));
  for (const one of crowd) expect(room.enter(one)).toEqual({ admitted: true, displaced: null });
  expect(room.enter(item('crowd'))).toEqual({ admitted: true, displaced: crowd[0] });
  expect(room.enter(item('a'))).toEqual({ admitted: true, displaced: crowd[1] });
  expect(room.enter(item('b'))).toEqual({ admitted: true, displaced: crowd[2] });
  expect(room.size).toBe(6);
});

test('where each account has one place, nobody is displaced', () => {
  const room = new WaitingRoom<Waiting>(2);
  for (const account of ['a', 'b']) expect(room.enter(item(account)).admitted).toBe(true);
  expect(room.enter(item('c'))).toEqual({ admitted: false, displaced: null });
});

test('a room stays within its bounds, and whoever has to leave it is the oldest of an account that has most', () => {
  const step = fc.record({ account: fc.constantFrom('a', 'b', 'c', 'd'), leaves: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const room = new WaitingRoom<Waiting>(12);
      const inside: Waiting[] = [];
      const count = (account: string) => inside.filter((one) => one.account === account).length;
      for (const { account, leaves } of steps) {
        if (leaves) {
          const gone = inside.find((one) => one.account === account);
          if (gone === undefined) continue;
          room.leave(gone);
          inside.splice(inside.indexOf(gone), 1);
          expect(room.size).toBe(inside.length);
          continue;
        }
        const most = Math.max(...['a', 'b', 'c', 'd'].map(count));
        const one = item(account);
        const { admitted, displaced } = room.enter(one);
        if (displaced !== null) {
          expect(displaced).toBe(inside.find((other) => other.account === displaced.account));
          if (displaced.account !== account) expect(count(displaced.account)).toBe(most);
          else expect(count(account) + 1).toBeGreaterThanOrEqual(most);
          inside.splice(inside.indexOf(displaced), 1);
        }
        if (admitted) inside.push(one);
        else expect(most).toBeLessThanOrEqual(1);
        expect(room.size).toBe(inside.length);
        expect(inside.length).toBeLessThanOrEqual(12);
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
