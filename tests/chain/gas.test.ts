import { expect, test } from 'vitest';
import { benchChain } from '../../bench/chain.ts';

test('no operation takes over a fifth more gas than the contracts document says', async () => {
  const compared = (await benchChain()).filter(({ ratio }) => ratio !== undefined);
  expect(compared.length).toBeGreaterThan(15);
  for (const { name, ratio } of compared) expect(ratio, name).toBeLessThanOrEqual(1.2);
});
