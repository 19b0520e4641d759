import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  argmax,
  createSampler,
  logProbabilities,
  seedBytes,
  seededNumbers,
} from '../../../src/worker/engines/sampler.ts';

const logits = fc.array(fc.float({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 60 });
const probabilities = (values: readonly number[], temperature: number): number[] => {
  const most = Math.max(...values);
  const weights = values.map((value) => Math.exp((value - most) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
};

test('argmax is the first of the largest, inside its window', () => {
  fc.assert(
    fc.property(logits, fc.nat(5), (values, before) => {
      const padded = Float32Array.from([...Array(before).fill(1000), ...values]);
      expect(argmax(padded, before, values.length)).toBe(values.indexOf(Math.max(...values)));
    }),
  );
});

test('temperature 0, top-p 0 and top-k 1 take the likeliest', () => {
  const values = Float32Array.of(0.1, 3, 2.9, 3);
  const never = () => {
    throw new Error('drew a number');
  };
  for (const sampling of [
    { temperature: 0, topP: 1, topK: 0 },
    { temperature: 1, topP: 0, topK: 0 },
    { temperature: 1, topP: 1, topK: 1 },
  ]) {
    expect(createSampler(4, sampling, never)(values, 0)).toBe(1);
  }
});

test('top-k and top-p never take a token outside their sets', () => {
  fc.assert(
    fc.property(
      logits,
      fc.integer({ min: 0, max: 8 }),
      fc.double({ min: 0.05, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 0.999999, noNaN: true }),
      (values, topK, topP, number) => {
        const chosen = createSampler(
          values.length,
          { temperature: 1, topP, topK },
          () => number,
        )(Float32Array.from(values), 0);
        const shares = probabilities(values, 1);
        const above = shares.filter((share) => share > (shares[chosen] as number) * (1 + 1e-9));
        if (topK > 0) expect(above.length).toBeLessThan(Math.max(topK, 1));
        const sorted = [...shares].sort((a, b) => b - a);
        const least = topK > 0 ? (sorted[Math.min(topK, sorted.length) - 1] as number) : 0;
        const kept = shares.filter((share) => share >= least * (1 - 1e-9)); // tokens as likely as the k-th stay
        const all = kept.reduce((sum, share) => sum + share, 0);
        expect(above.reduce((sum, share) => sum + share, 0)).toBeLessThan(topP * all + 1e-9);
      },
    ),
  );
});

test('tokens come as often as their probability says', () => {
  const values = [1, 0, -1, 2, 0.5];
  const random = seededNumbers(seedBytes(42));
  const sample = createSampler(5, { temperature: 0.8, topP: 1, topK: 0 }, random);
  const counts = [0, 0, 0, 0, 0];
  const rounds = 20_000;
  for (let i = 0; i < rounds; i++) counts[sample(Float32Array.from(values), 0)]! += 1;
  const expected = probabilities(values, 0.8);
  for (const [i, share] of expected.entries()) expect((counts[i] as number) / rounds).toBeCloseTo(share, 1.7);
});

test('seeds that differ in one bit give different numbers, the same seed the same', () => {
  const first = (seed: number) => {
    const next = seededNumbers(seedBytes(seed));
    return [next(), next(), next(), next()];
  };
  expect(first(5)).toEqual(first(5));
  const seen = new Set([0, 1, 2, 4, 2 ** 32, 2 ** 52, Number.MAX_SAFE_INTEGER].map((seed) => first(seed).join()));
  expect(seen.size).toBe(7);
  for (const number of first(9)) expect(number >= 0 && number < 1).toBe(true);
});

test('the numbers are xoshiro128**: its first outputs for the state 1, 2, 3, 4', () => {
  const next = seededNumbers(Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4));
  expect([next(), next(), next()].map((number) => number * 2 ** 32)).toEqual([11520, 0, 5927040]);
});

test('penalties count what was chosen: once for its presence, and again for each time', () => {
  const logits = Float32Array.of(0, 1, 0.6, 0.1);
  const greedy = { temperature: 0, topP: 1, topK: 0 };
  const chosen = (more: object) => {
    const sample = createSampler(3, { ...greedy, ...more }, () => 0);
    return [1, 2, 3, 4].map(() => sample(logits, 1));
  };
  expect(chosen({})).toEqual([0, 0, 0, 0]);
  expect(chosen({ presencePenalty: 2 })).toEqual([0, 1, 2, 0]);
  expect(chosen({ frequencyPenalty: 0.5 })).toEqual([0, 1, 0, 1]);
  expect(chosen({ logitBias: { 2: 5, 99: 100 } })).toEqual([2, 2, 2, 2]);
});

test('log-probabilities sum to one and come in order, the first among equals first', () => {
  const logits = Float32Array.of(9, 1, 3, 3, 0);
  const { chosen, top } = logProbabilities(logits, 1, 4, 3, 4);
  expect(top.map(([id]) => id)).toEqual([1, 2, 0, 3]);
  expect(top.reduce((sum, [, logprob]) => sum + Math.exp(logprob), 0)).toBeCloseTo(1, 12);
  expect(chosen).toBe(top[3]?.[1]);
  expect(logProbabilities(logits, 1, 4, 0, 0).top).toEqual([]);
});
