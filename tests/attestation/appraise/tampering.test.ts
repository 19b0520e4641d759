import fc from 'fast-check';
import { expect, test } from 'vitest';
import { appraise, parseEvidenceBundle, parseTdxQuote, trustUnder } from '../../../src/attestation/index.ts';
import { CodedError } from '../../../src/core/index.ts';
import { block, development, evidence, goodEndorsements, intel, NOW, nonce } from './scene.ts';

/** Appraises a changed bundle: fails the test where the change goes unnoticed or unnamed. */
async function refusedBy(changed: Uint8Array): Promise<string> {
  try {
    const appraisal = await appraise({
      ...trustUnder(development, [intel.trustAnchor]),
      bundle: changed,
      endorsements: goodEndorsements,
      now: NOW,
      expectedNonce: nonce,
      knownBlocks: [block],
    });
    if (appraisal.status === 'affirming') return 'affirming';
    return appraisal.because.length > 0 ? appraisal.status : 'no reason';
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return error.code === 'INVARIANT_BROKEN' ? 'a bug' : 'coded';
  }
}

const intact = evidence();

test('a flipped bit anywhere in a bundle is refused with a named check or a coded error', async () => {
  expect(await refusedBy(intact)).toBe('affirming');
  await fc.assert(
    fc.asyncProperty(fc.nat(intact.length - 1), fc.nat(7), async (at, bit) => {
      const changed = Uint8Array.from(intact);
      changed[at] = (changed[at] as number) ^ (1 << bit);
      expect(['refused', 'coded']).toContain(await refusedBy(changed));
    }),
    { numRuns: 400 },
  );
});

test('every byte of header, body, signatures and QE report matters', async () => {
  const { quote } = parseEvidenceBundle(intact);
  const start = Buffer.from(intact).indexOf(quote);
  expect(parseTdxQuote(quote).trailingBytes).toBe(0);
  for (let at = 0; at < 1258; at++) {
    const changed = Uint8Array.from(intact);
    changed[start + at] = (changed[start + at] as number) ^ 0x10;
    expect([at, ['refused', 'coded'].includes(await refusedBy(changed))]).toEqual([at, true]);
  }
});

test('every proper prefix of a bundle is refused', async () => {
  for (let length = 0; length < intact.length; length += 7) {
    expect(await refusedBy(intact.subarray(0, length))).toBe('coded');
  }
});
