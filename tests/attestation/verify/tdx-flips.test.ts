import { describe, expect, test } from 'vitest';
import {
  noIntelEndorsements,
  parseTdxQuote,
  type TrustAnchor,
  VerificationCache,
  verifyTdxQuote,
} from '../../../src/attestation/index.ts';
import { createSimulatedIntel, openSimulatedIntel } from '../../../src/attestation/simulate/index.ts';
import { CodedError } from '../../../src/core/index.ts';
import { inTime } from '../hostile.ts';
import { atOf, corpus, fileOf, anchors as intelAnchors, vectorOf } from '../tdx-corpus.ts';

// One quote of each version, a real one where the vectors are there: cut anywhere, any bit turned, any length another.
const NOW = 1_780_000_000;
const intel = openSimulatedIntel(createSimulatedIntel((length) => new Uint8Array(length).fill(21)));
const machine = intel.machine({ name: 'alder' });
const reportData = new Uint8Array(64).fill(6);

type Subject = { quote: Uint8Array; anchors: readonly TrustAnchor[]; now: number };
const simulated = (version: 4 | 5): Subject => ({
  quote: machine.quote({ reportData, version }),
  anchors: [intel.trustAnchor],
  now: NOW,
});
const real = (id: string): Subject => {
  const vector = vectorOf(id);
  const quote = fileOf(vector).subarray(0, vector.signedAndAuthLength);
  return { quote, anchors: intelAnchors, now: atOf('2026-03-01T00:00:00Z') };
};
const SUBJECTS: [string, Subject][] =
  corpus === null
    ? [
        ['simulated, version 4', simulated(4)],
        ['simulated, version 5', simulated(5)],
      ]
    : [
        ['real, version 4', real('tdx-v4-dcap-qvl-f1c85033')],
        ['real, version 5', real('tdx-v5-dcap-qvl-4c453ea4')],
      ];

describe.each(SUBJECTS)('%s', (_, { quote, anchors, now }) => {
  const cache = new VerificationCache();
  const none = noIntelEndorsements(cache);
  const body = quote[0] === 5 ? 48 + 6 + 648 : 48 + 584;
  const chainAt = quote.length - parseTdxQuote(quote).certificationData.length;

  async function once(bytes: Uint8Array): Promise<string> {
    try {
      const parsed = parseTdxQuote(bytes);
      return (await verifyTdxQuote(parsed, none, anchors, now, { require: ['signature'] })).verdict;
    } catch (error) {
      if (error instanceof CodedError) return error.code;
      throw error;
    }
  }

  const answerOf = (bytes: Uint8Array) => inTime(() => once(bytes));
  const REFUSED = /^(refused|EVIDENCE_[A-Z_]+)$/;

  test('as it is: verified', async () => {
    expect(await answerOf(quote)).toBe('verified');
  });

  test('every proper prefix', async () => {
    for (let length = 0; length < quote.length; length++) {
      expect(await answerOf(quote.subarray(0, length))).toBe('EVIDENCE_TRUNCATED');
    }
  });

  test('every bit of all that is signed, of the signatures and of the keys', async () => {
    const changed = Uint8Array.from(quote);
    const passed: string[] = [];
    for (let at = 0; at < chainAt; at++) {
      for (let bit = 0; bit < 8; bit++) {
        changed[at] = (quote[at] as number) ^ (1 << bit);
        const answer = await answerOf(changed);
        if (!REFUSED.test(answer)) passed.push(`byte ${at}, bit ${bit}: ${answer}`);
      }
      changed[at] = quote[at] as number;
    }
    expect(passed).toEqual([]);
  }, 60_000);

  test('a bit of every character of the certificates', async () => {
    const changed = Uint8Array.from(quote);
    for (let at = chainAt; at < quote.length; at++) {
      changed[at] = (quote[at] as number) ^ (1 << (at & 7));
      expect(await answerOf(changed), `byte ${at}`).toMatch(REFUSED);
      changed[at] = quote[at] as number;
    }
  }, 60_000);

  const LENGTHS: [name: string, at: number, width: 2 | 4][] = [
    ...(quote[0] === 5 ? ([['body size', 50, 4]] as [string, number, 4][]) : []),
    ['signature section', body, 4],
    ['certification data', body + 4 + 128 + 2, 4],
    ['authentication data', body + 4 + 128 + 6 + 384 + 64, 2],
    ['certificates', body + 4 + 128 + 6 + 384 + 64 + 2 + 32 + 2, 4],
  ];
  test.each(LENGTHS)('length of the %s', async (_, at, width) => {
    const view = new DataView(quote.buffer, quote.byteOffset);
    const declared = width === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
    const max = 2 ** (8 * width) - 1;
    const others = new Set([0, 1, 2 ** 31, 2 ** 31 - 1, max - 1, max, quote.length]);
    for (let near = -70; near <= 70; near++) others.add(declared + near);
    for (let power = 0; power < 8 * width; power++) others.add(2 ** power);
    for (const length of others) {
      if (length === declared || length < 0 || length > max) continue;
      const changed = Uint8Array.from(quote);
      const out = new DataView(changed.buffer);
      if (width === 2) out.setUint16(at, length, true);
      else out.setUint32(at, length, true);
      expect(await answerOf(changed), `${length} for ${declared}`).toMatch(REFUSED);
    }
  });
});
