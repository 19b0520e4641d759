import { expect, test } from 'vitest';
import { costOf, simulatedDay } from '../../bench/settlement.ts';

test('a day settles for at most 25 µTON a request at 100,000 requests, and 3 µTON at a million', async () => {
  // Some of the thousand clients and hundred workers: each of them costs the same.
  const unit = await simulatedDay(12, 8, 1_200);
  expect(Object.values(unit).every((cost) => cost > 0)).toBe(true);
  expect(costOf(unit, 100_000).perRequest).toBeLessThanOrEqual(25);
  expect(costOf(unit, 1_000_000).perRequest).toBeLessThanOrEqual(3);
}, 60_000);
