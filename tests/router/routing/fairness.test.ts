import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jain, maxMinShares, slowdown, withinShare } from '../../../bench/fleet/fairness.ts';
import { makePattern, type Pattern, SHAPES } from '../../../bench/fleet/patterns.ts';

test('max-min sharing gives all that there is, nobody more than asked for, and nobody less than another got who asked no more', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1_000), { minLength: 1, maxLength: 20 }), fc.nat(10_000), (asked, total) => {
      const shares = maxMinShares(Float64Array.from(asked), total);
      const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);
      expect(sum(shares)).toBeCloseTo(Math.min(total, sum(asked)), 6);
      for (const [i, share] of shares.entries()) {
        expect(share).toBeLessThanOrEqual((asked[i] as number) + 1e-9);
        const isShort = share < (asked[i] as number) - 1e-6;
        if (isShort) expect(share).toBeGreaterThanOrEqual(Math.max(...shares) - 1e-6);
      }
    }),
  );
});

test('jain is 1 for equals and 1/n where one has all', () => {
  expect(jain([3, 3, 3])).toBeCloseTo(1);
  expect(jain([0, 0, 0, 8])).toBeCloseTo(0.25);
});

test('a wait is measured by what it would be alone, and not below what anybody notices', () => {
  expect(slowdown(50, 1)).toBe(1);
  expect(slowdown(1_000, 10)).toBe(10);
  expect(slowdown(4_000, 2_000)).toBe(2);
  expect(slowdown(1_000, 2_000)).toBe(1);
});

test('in sustained overload the account that causes it is not within its share, the others are', () => {
  const greedy = SHAPES.find(({ name }) => name === 'greedy');
  if (greedy === undefined) throw new Error('no such pattern');
  const within = withinShare(makePattern(greedy, 10, 20_000, 3));
  expect(within[0]).toBe(false);
  expect(within.slice(1).every((one) => one)).toBe(true);
});

test('an account that asks for nothing is not within anything', () => {
  const pattern = { conversations: [], accounts: 2, tokensPerSecond: 10 } as unknown as Pattern;
  expect(withinShare(pattern)).toEqual([false, false]);
});
