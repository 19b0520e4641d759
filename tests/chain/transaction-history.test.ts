import { expect, test } from 'vitest';
import { withTransactions } from '../../src/chain/dev/transaction-history.ts';

const done = (address: string, count: number, from = 0) =>
  Array.from({ length: count }, (_, n) => ({ address, boc: `${address}${from + n}` }));

test('newest first, at most so many for each account, the longest unused forgotten first', () => {
  let history = withTransactions(new Map(), done('a', 70));
  expect(history.get('a')?.slice(0, 2)).toEqual(['a69', 'a68']);
  expect(history.get('a')).toHaveLength(64);
  for (let n = 0; n < 31; n++) history = withTransactions(history, done(`b${n}`, 64));
  expect(history.get('a')).toBeUndefined();
  expect([...history.values()].flat().length).toBeLessThanOrEqual(2_000);
  expect(history.get('b30')).toHaveLength(64);
});

test('what it was given stays as it was', () => {
  const before = new Map([['a', ['a0']]]);
  withTransactions(before, done('a', 1, 1));
  expect(before).toEqual(new Map([['a', ['a0']]]));
});
