import fc from 'fast-check';
import { expect, test } from 'vitest';
import { labelledDigest } from '../../src/core/index.ts';
import { ResponseChain } from '../../src/session/index.ts';

const chainOf = (dispatch: number) =>
  new ResponseChain({
    headerHash: new Uint8Array(32).fill(1),
    requestDigest: new Uint8Array(32).fill(2),
    certificateDigest: new Uint8Array(32).fill(3),
    dispatch,
    responseNonce: new Uint8Array(32).fill(4),
  });

test('whenever frames of whichever chains are hashed, each chain has the value of hashing its own as they come, and keeps no view of a frame', () => {
  const frame = fc.record({
    of: fc.integer({ min: 0, max: 2 }),
    length: fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 21, max: 600 }) },
      { weight: 3, arbitrary: fc.integer({ min: 4_000, max: 17_000 }) },
      { weight: 1, arbitrary: fc.integer({ min: 65_500, max: 65_557 }) },
    ),
    /** What stands before it in the message that it came in. */
    before: fc.integer({ min: 0, max: 12 }),
    isAsked: fc.boolean(),
  });
  const full = Array.from({ length: 500 }, (_, i) => ({ of: i % 2, length: 280, before: 8, isAsked: false }));
  fc.assert(
    fc.property(fc.array(frame, { minLength: 1, maxLength: 60 }), (all) => {
      const chains = [chainOf(1), chainOf(2), chainOf(3)];
      const expected = chains.map((chain) => chain.value);
      const frames = [0, 0, 0];
      for (const [i, { of, length, before, isAsked }] of all.entries()) {
        const chain = chains[of] as ResponseChain;
        const bytes = new Uint8Array(before + length).fill(i + 5);
        bytes[before] = 0;
        expected[of] = labelledDigest('response', expected[of] as Uint8Array, bytes.subarray(before));
        frames[of] = (frames[of] as number) + 1;
        chain.push(bytes, before);
        bytes.fill(0);
        if (isAsked) expect(chain.value).toEqual(expected[of]);
      }
      expect(chains.map((chain) => chain.value)).toEqual(expected);
      expect(chains.map((chain) => chain.frames)).toEqual(frames);
      expect(chains.every((chain) => !chain.ended)).toBe(true);
    }),
    { examples: [[full]] },
  );
});

test('a chain ends with the frame that says so, and takes no other', () => {
  const chain = chainOf(1);
  chain.push(new Uint8Array(30));
  expect(chain.ended).toBe(false);
  chain.push(new Uint8Array(30).fill(1));
  expect(chain.ended).toBe(true);
  expect(() => chain.push(new Uint8Array(30))).toThrow(expect.objectContaining({ code: 'STREAM_ENDED' }));
  expect(chain.frames).toBe(2);
});
