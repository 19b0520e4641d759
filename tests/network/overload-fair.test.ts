import { expect, test } from 'vitest';
import { overload } from '../../bench/overload.ts';

/** The minute of it is `npm run bench -- overload`. */
test('many times what the worker can do, one account asking for a hundred times as much as the others: as much is answered, all get their share, and who is refused is told when to come again', {
  timeout: 120_000,
}, async () => {
  const result = await overload({ seconds: 3, slots: 1, warmUpMs: 0, tokens: 5, tokenMs: 40, times: 10, small: 5 });
  expect(result.otherwise).toEqual([]);
  expect(result.refused).toBeGreaterThan(0);
  expect(result.untold).toBe(0);
  // Much room: three seconds are few answers, and the clients run beside the router.
  expect(result.goodput).toBeGreaterThan(0.6 * result.capacity);
  expect(result.fairness).toBeGreaterThanOrEqual(0.9);
  // The router lets nothing wait for more than ten seconds.
  expect(result.longestWaitMs).toBeLessThan(15_000);
});
