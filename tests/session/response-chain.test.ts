import fc from 'fast-check';
import { expect, test } from 'vitest';
import { labelledDigest } from '../../src/core/index.ts';
import { ResponseChain } from '../../src/session/index.ts';

const of = {
  headerHash: new Uint8Array(32).fill(1),
  requestDigest: new Uint8Array(32).fill(2),
  certificateDigest: new Uint8Array(32).fill(3),
  dispatch: 1,
  responseNonce: new Uint8Array(32).fill(4),
};

test('whenever frames are hashed, the chain has the value of hashing each as it comes, and keeps no view of a frame', () => {
  const lengths = fc.array(fc.oneof(fc.integer({ min: 21, max: 600 }), fc.integer({ min: 4_000, max: 9_000 })), {
    minLength: 1,
    maxLength: 60,
  });
  fc.assert(
    fc.property(lengths, fc.integer({ min: 0, max: 60 }), (all, asked) => {
      const chain = new ResponseChain(of);
      let expected = chain.value;
      for (const [i, length] of all.entries()) {
        const frame = new Uint8Array(length).fill(i + 5);
        frame[0] = i === all.length - 1 ? 1 : 0;
        expected = labelledDigest('response', expected, frame);
        chain.push(frame);
        frame.fill(0);
        if (i === asked) expect(chain.value).toEqual(expected);
      }
      expect(chain.value).toEqual(expected);
      expect(chain.frames).toBe(all.length);
      expect(chain.ended).toBe(true);
    }),
  );
});
