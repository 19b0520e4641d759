import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  AMD_ROOTS,
  AmdCache,
  type AmdCollateral,
  amdCollateralOf,
  encodeSnpReport,
  loadAmdEndorsements,
  parseSnpReport,
  type TrustAnchor,
  verifySnpReport,
} from '../../../src/attestation/index.ts';
import { CodedError, type Json, toHex } from '../../../src/core/index.ts';
import { readVector, readVectorJson, vectorsFolder } from '../../vectors.ts';
import { inTime } from '../hostile.ts';
import { sharedAmd as amd } from '../simulate/shared-amd.ts';

// One report of each version, a real one where the vectors have it: cut anywhere, any bit turned, anything written over.
const NOW = Date.UTC(2026, 10, 24) / 1000;
const MILLISECONDS_MAX = 50;
const REPORT_BYTES = 1184;
const HOST = { name: 'alder', line: 'Genoa' } as const;

type Subject = { report: Uint8Array; collateral: AmdCollateral; anchors: readonly TrustAnchor[]; now: number };
const simulated = (version: 2 | 3 | 4 | 5): Subject => ({
  report: amd.machine(HOST).report({ reportData: new Uint8Array(64).fill(6), version }),
  collateral: amdCollateralOf(amd.collateral(HOST, NOW) as unknown as Json),
  anchors: amd.trustAnchors,
  now: NOW,
});

type Vector = {
  id: string;
  verification_time: string;
  files: Record<'report' | 'leaf' | 'intermediate' | 'root', string>;
};
const folder = vectorsFolder('snp');
const vectors = folder === null ? [] : readVectorJson<{ vectors: Vector[] }>(folder, 'vectors.json').vectors;
function real(id: string): Subject {
  const { files, verification_time } = vectors.find((vector) => vector.id === id)!;
  const [report, ...certs] = [files.report, files.leaf, files.intermediate, files.root].map((file) =>
    readVector(folder as string, file),
  );
  return { report: report!, collateral: { certs }, anchors: AMD_ROOTS, now: Date.parse(verification_time) / 1000 };
}

const isReal = folder !== null;
const SUBJECTS: [string, Subject][] = [
  ['version 2', isReal ? real('milan-v2-virtee') : simulated(2)],
  ['version 3', isReal ? real('genoa-v3-ms') : simulated(3)],
  ['version 4, simulated: no real one is known', simulated(4)],
  ['version 5', isReal ? real('turin-v5-ms') : simulated(5)],
];

describe.each(SUBJECTS)(isReal ? '%s' : '%s, simulated', (_, { report, collateral, anchors, now }) => {
  const from = loadAmdEndorsements(collateral, new AmdCache());

  async function once(bytes: Uint8Array): Promise<string> {
    try {
      return (await verifySnpReport(parseSnpReport(bytes), from, anchors, now, { require: ['signature'] })).verdict;
    } catch (error) {
      if (error instanceof CodedError) return error.code;
      throw error;
    }
  }

  const answerOf = (bytes: Uint8Array) => inTime(() => once(bytes));

  const REFUSED = /^(refused|EVIDENCE_[A-Z_]+)$/;

  test('as it is: verified, and it writes back as it was', async () => {
    expect(report.length).toBe(REPORT_BYTES);
    expect(await answerOf(report)).toBe('verified');
    expect(toHex(encodeSnpReport(parseSnpReport(report)))).toBe(toHex(report));
  });

  test('every proper prefix, and every other length', async () => {
    for (let length = 0; length < REPORT_BYTES; length++) {
      expect(await answerOf(report.subarray(0, length))).toBe('EVIDENCE_TRUNCATED');
    }
    for (const more of [1, 24, 72, REPORT_BYTES, 65_536]) {
      const longer = new Uint8Array(REPORT_BYTES + more);
      longer.set(report);
      expect(await answerOf(longer)).toBe('EVIDENCE_TRAILING_BYTES');
    }
  });

  test('every bit of what is signed, and of the signature', async () => {
    const changed = Uint8Array.from(report);
    const passed: string[] = [];
    for (let at = 0; at < REPORT_BYTES; at++) {
      for (let bit = 0; bit < 8; bit++) {
        changed[at] = (report[at] as number) ^ (1 << bit);
        const answer = await answerOf(changed);
        if (!REFUSED.test(answer)) passed.push(`byte ${at}, bit ${bit}: ${answer}`);
      }
      changed[at] = report[at] as number;
    }
    expect(passed).toEqual([]);
  }, 300_000);

  test('anything written over it: a coded refusal, or a report that writes back as the very bytes', async () => {
    const change = fc.tuple(fc.nat(REPORT_BYTES - 1), fc.uint8Array({ minLength: 1, maxLength: 16 }));
    const check = (bytes: Uint8Array) => {
      try {
        expect(toHex(encodeSnpReport(parseSnpReport(bytes)))).toBe(toHex(bytes));
      } catch (error) {
        if (!(error instanceof CodedError) || error.code === 'INVARIANT_BROKEN') throw error;
      }
    };
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const changed = Uint8Array.from(report);
        for (const [at, by] of changes) changed.set(by.subarray(0, REPORT_BYTES - at), at);
        check(changed);
      }),
      { numRuns: 300 },
    );
    fc.assert(fc.property(fc.uint8Array({ minLength: REPORT_BYTES, maxLength: REPORT_BYTES }), check));
    fc.assert(fc.property(fc.uint8Array({ maxLength: 4096 }), check));
  });
});

test('a bit of every byte of the certificates and of the list', async () => {
  const { report, collateral } = simulated(5);
  const parsed = parseSnpReport(report);
  const [certs, crls] = [collateral.certs!, collateral.crls!];
  const answer = async (changed: AmdCollateral) => {
    try {
      return (await verifySnpReport(parsed, loadAmdEndorsements(changed, cache), amd.trustAnchors, NOW)).verdict;
    } catch (error) {
      if (error instanceof CodedError) return error.code;
      throw error;
    }
  };
  const cache = new AmdCache();
  expect(await answer(collateral)).toBe('verified');
  const passed: string[] = [];
  for (const [index, der] of [...certs, ...crls].entries()) {
    for (let at = 0; at < der.length; at++) {
      const changed = Uint8Array.from(der);
      changed[at] = (der[at] as number) ^ (1 << (at & 7));
      const all = [...certs, ...crls].with(index, changed);
      const found = await answer({ certs: all.slice(0, certs.length), crls: all.slice(certs.length) });
      if (found === 'verified') passed.push(`document ${index}, byte ${at}`);
    }
  }
  expect(passed).toEqual([]);
}, 60_000);

test('a bag full of certificates that fit almost is searched in time', async () => {
  const host = { name: 'alder', line: 'Genoa' } as const;
  const good = amdCollateralOf(amd.collateral(host, NOW) as unknown as Json).certs!;
  const forged = (document: 'leaf' | 'intermediate', index: number) =>
    amdCollateralOf(amd.collateral(host, NOW, { wronglySigned: [document] }) as unknown as Json).certs![index]!;
  const leaves = Array.from({ length: 7 }, () => forged('leaf', 0));
  const intermediates = Array.from({ length: 8 }, () => forged('intermediate', 1));
  const report = parseSnpReport(amd.machine(host).report({ reportData: new Uint8Array(64) }));
  let fastest = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 20 && fastest > MILLISECONDS_MAX; attempt++) {
    const from = loadAmdEndorsements({ certs: [...leaves, ...intermediates, good[2]!] }, new AmdCache());
    const start = performance.now();
    expect((await verifySnpReport(report, from, amd.trustAnchors, NOW)).verdict).toBe('refused');
    fastest = Math.min(fastest, performance.now() - start);
  }
  expect(fastest).toBeLessThan(MILLISECONDS_MAX);
});
