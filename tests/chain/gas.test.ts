import { expect, test } from 'vitest';
import { benchChain } from '../../bench/chain.ts';

/** Said in docs/contracts.md: what is parsed to its end, stores the books it derived, or varies with the key. */
const DEVIATIONS: Readonly<Record<string, number>> = {
  'pool channel_paid': 1.5,
  'pool post': 1.25,
  'pool challenge': 1.7,
  'court, signature of a TDX quote': 1.25,
};

test('no operation takes over a fifth more gas than the contracts document says, but for those it names', async () => {
  const lines = await benchChain();
  expect(lines.length).toBeGreaterThan(0);
  for (const { name, ratio } of lines) {
    if (ratio !== undefined) expect(ratio, name).toBeLessThanOrEqual(DEVIATIONS[name] ?? 1.2);
  }
});
