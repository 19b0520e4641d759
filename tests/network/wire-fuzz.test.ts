import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { fuzz } from '../../bench/fuzz/main.ts';

/** The long run is `node bench/fuzz/main.ts --seconds 300`. */
const SECONDS = 10;

test('hostile clients and workers neither end the router, nor stop it, nor mix its streams', {
  timeout: 240_000,
}, async () => {
  const seed = Number(process.env.FUZZ_SEED ?? randomInt(2 ** 31));
  // biome-ignore lint/suspicious/noConsole: whoever sees it fail needs the seed
  console.log(`wire fuzz: seed ${seed} (FUZZ_SEED=${seed} draws the same again)`);
  const { wrong, actions, probes, last } = await fuzz(SECONDS, seed);
  expect(wrong).toEqual([]);
  expect(actions).toBeGreaterThan(0);
  expect(probes).toBeGreaterThan(0);
  expect(last.answered).toBeGreaterThan(0);
});
