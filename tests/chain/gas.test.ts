import { expect, test } from 'vitest';
import { benchChain } from '../../bench/chain.ts';

test('no operation takes over a fifth more gas than the contracts document says', async () => {
  const lines = await benchChain();
  expect(lines.length).toBeGreaterThan(0);
  for (const { name, ratio } of lines) expect(ratio, name).toBeLessThanOrEqual(1.2);
});
