import { describe, expect, test } from 'vitest';
import { makePattern, SHAPES } from '../../../bench/fleet/patterns.ts';
import { POLICIES } from '../../../bench/fleet/policies.ts';
import { quantileOfOffered, simulate } from '../../../bench/fleet/simulate.ts';

/** Small, so that it takes a second; the numbers of a thousand workers come from `npm run bench -- fleet`. */
const WORKERS = 40;
const REQUESTS = 8_000;
const OURS = ['Chrysalis, no tags', 'Chrysalis, prefix tags'];

describe.each(SHAPES)('$name', (shape) => {
  const pattern = makePattern(shape, WORKERS, REQUESTS, 11);
  const outcomes = new Map(Object.entries(POLICIES).map(([name, make]) => [name, simulate(pattern, make, 5)]));
  const of = (name: string) => outcomes.get(name) as NonNullable<ReturnType<typeof outcomes.get>>;
  const others = [...outcomes.keys()].filter((name) => !OURS.includes(name));

  test.each(OURS)(
    '%s: first tokens come sooner than under any other rule, and no account gets less than its share',
    (name) => {
      const ours = of(name);
      expect(others.length).toBe(3);
      for (const other of others) {
        expect(quantileOfOffered(ours, 0.5), other).toBeLessThan(quantileOfOffered(of(other), 0.5));
        expect(quantileOfOffered(ours, 0.99), other).toBeLessThanOrEqual(quantileOfOffered(of(other), 0.99));
        expect(ours.fairness, other).toBeGreaterThanOrEqual(of(other).fairness - 0.001);
        const [own, theirs] = [ours.within, of(other).within];
        if (own === null || theirs === null) throw new Error('nobody is within their share');
        expect(own.slowdownOfWorst, other).toBeLessThan(theirs.slowdownOfWorst);
        // Where one account takes everything, a rule that makes all wait as long as they can bear is even too.
        if (shape.greedy === 0) expect(own.evenness, other).toBeGreaterThan(theirs.evenness - 0.001);
      }
      expect(ours.fairness).toBeGreaterThan(0.95);
      expect(ours.worstAccount).toBeGreaterThan(0.9);
    },
  );
});
