import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  INTEL_SGX_ROOT,
  type IntelEndorsements,
  loadIntelEndorsements,
  noIntelEndorsements,
  parseIntelCollateral,
  parseTdxQuote,
  VerificationCache,
  verifyTdxQuote,
} from '../../../src/attestation/index.ts';
import { toHex } from '../../../src/core/index.ts';
import { readVector, readVectorJson, vectorsFolder, WHY_SKIPPED } from '../../vectors.ts';

type Evaluation = {
  collateral: string;
  time: string;
  verdict: string;
  tcbStatus: string;
  advisoryIDs: string[];
  tcbDate?: string | null;
  reason?: string;
};
type Vector = {
  id: string;
  tee: string;
  signedAndAuthLength: number;
  quoteSha256: string;
  trailingBytes: number;
  trailingAllZero: boolean;
  expected: { verdict: string };
  pck: { fmspc: string; ppid: string } | null;
  fields: Record<string, string>;
  files: { quote: string };
  evaluations?: Evaluation[];
};

const found = vectorsFolder('tdx');
const folder = found ?? '';
const vectors = found === null ? [] : readVectorJson<{ vectors: Vector[] }>(folder, 'vectors.json').vectors;
const anchors = [INTEL_SGX_ROOT];
const atOf = (time: string) => Date.parse(time) / 1000;
const WHEN_ALL_ARE_CURRENT = atOf('2026-03-01T00:00:00Z');
const cache = new VerificationCache();
const loaded = new Map<string, Promise<IntelEndorsements>>();

function endorsements(file: string): Promise<IntelEndorsements> {
  const held =
    loaded.get(file) ??
    loadIntelEndorsements(parseIntelCollateral(readFileSync(join(folder, file), 'utf8')), anchors, cache);
  loaded.set(file, held);
  return held;
}

test('the pinned root is the one kept as data', () => {
  const file = new URL('../../../attestation-policies/trust-anchors/intel-sgx-root-ca.json', import.meta.url);
  const data = JSON.parse(readFileSync(file, 'utf8')) as Record<'spkiSha256' | 'certificateSha256' | 'name', string>;
  expect(toHex(INTEL_SGX_ROOT.spkiSha256)).toBe(data.spkiSha256);
  expect(toHex(INTEL_SGX_ROOT.certificateSha256 ?? new Uint8Array())).toBe(data.certificateSha256);
  expect(INTEL_SGX_ROOT.name).toBe(data.name);
});

describe.skipIf(found === null)(`real quotes (${WHY_SKIPPED} otherwise)`, () => {
  const tdx = vectors.filter(({ tee }) => tee === 'TDX');
  const sgx = vectors.filter(({ tee }) => tee === 'SGX');

  test('there are vectors', () => {
    expect(tdx.length).toBeGreaterThanOrEqual(40);
    expect(sgx.length).toBeGreaterThan(0);
    expect(tdx.flatMap(({ evaluations }) => evaluations ?? []).length).toBeGreaterThan(70);
  });

  test.each(sgx)('$id is refused by name', ({ files }) => {
    expect(() => parseTdxQuote(readVector(folder, files.quote))).toThrow(
      expect.objectContaining({ code: 'EVIDENCE_UNSUPPORTED' }),
    );
  });

  test('bytes after the end are refused where the caller does not ask to have them reported', () => {
    const filled = tdx.filter(({ trailingAllZero }) => !trailingAllZero);
    expect(filled.length).toBeGreaterThan(0);
    for (const { files } of filled) {
      expect(() => parseTdxQuote(readVector(folder, files.quote))).toThrow(
        expect.objectContaining({ code: 'EVIDENCE_TRAILING_BYTES' }),
      );
    }
  });

  test.each(tdx)('$id: signatures, and every evaluation', async (vector) => {
    const quote = parseTdxQuote(readVector(folder, vector.files.quote), { trailingBytes: 'report' });
    const { trailingBytes, trailingAllZero } = quote;
    expect({ trailingBytes, trailingAllZero }).toEqual({
      trailingBytes: vector.trailingBytes,
      trailingAllZero: vector.trailingAllZero,
    });
    expect(toHex(quote.quoteSha256)).toBe(vector.quoteSha256);
    for (const [name, hex] of Object.entries(vector.fields)) {
      const value = (quote.report as unknown as Record<string, Uint8Array | null>)[name];
      if (hex !== null) expect(toHex(value ?? new Uint8Array()), name).toBe(hex);
    }
    const bare = await verifyTdxQuote(quote, noIntelEndorsements(cache), anchors, WHEN_ALL_ARE_CURRENT, {
      require: ['signature'],
    });
    expect(bare.verdict).toBe(vector.expected.verdict === 'valid' ? 'verified' : 'refused');
    if (bare.verdict === 'verified') {
      expect(bare.quote.revocation).toBe('notChecked');
      expect(bare.quote.anchor).toBe(INTEL_SGX_ROOT);
      expect(toHex(bare.quote.platform.fmspc)).toBe(vector.pck?.fmspc);
      expect(toHex(bare.quote.platform.ppid)).toBe(vector.pck?.ppid);
    }
    const without = await verifyTdxQuote(quote, noIntelEndorsements(cache), anchors, WHEN_ALL_ARE_CURRENT);
    const isWhole = vector.expected.verdict === 'valid' && trailingAllZero;
    expect(without.verdict).toBe(isWhole ? 'unavailable' : 'refused');
    expect(without.checks.noTrailingBytes.outcome).toBe(trailingAllZero ? 'passed' : 'failed');
    for (const evaluation of vector.evaluations ?? []) {
      const verdict = await verifyTdxQuote(
        quote,
        await endorsements(evaluation.collateral),
        anchors,
        atOf(evaluation.time),
      );
      expect(verdict.verdict, evaluation.reason).toBe(evaluation.verdict === 'valid' ? 'verified' : 'refused');
      const status = evaluation.tcbStatus === 'NOT_SUPPORTED' ? 'NotSupported' : evaluation.tcbStatus;
      expect(verdict.tcb?.status).toBe(status);
      expect(verdict.tcb?.advisoryIds).toEqual([...evaluation.advisoryIDs].sort());
      if (typeof evaluation.tcbDate === 'string') expect(verdict.tcb?.tcbDate).toBe(atOf(evaluation.tcbDate));
    }
  });

  test('an OutOfDate platform is not hidden by an UpToDate module', async () => {
    const hidden: string[] = [];
    for (const vector of tdx) {
      for (const { collateral, time } of vector.evaluations ?? []) {
        const quote = parseTdxQuote(readVector(folder, vector.files.quote), { trailingBytes: 'report' });
        const { tcb } = await verifyTdxQuote(quote, await endorsements(collateral), anchors, atOf(time));
        if (tcb?.platform.status !== 'OutOfDate' || tcb.module?.status !== 'UpToDate') continue;
        hidden.push(vector.id);
        expect(tcb.status).toBe('OutOfDate');
      }
    }
    expect(hidden.length).toBeGreaterThan(10);
  });

  test.each(['tdx-v4-dcap-qvl-f1c85033', 'tdx-v5-dcap-qvl-4c453ea4'])(
    '%s: every changed byte is refused',
    async (id) => {
      const vector = vectors.find((candidate) => candidate.id === id);
      if (vector === undefined) throw new Error(`no vector ${id}`);
      const file = readVector(folder, vector.files.quote).subarray(0, vector.signedAndAuthLength);
      const none = noIntelEndorsements(cache);
      const chainStart = file.length - parseTdxQuote(file).certificationData.length;
      // Every byte before the certificates; of the PEM, whose text is covered by tests of its own, every 37th.
      for (let at = 0; at < file.length; at += at < chainStart ? 1 : 37) {
        const changed = Uint8Array.from(file);
        changed[at] = (changed[at] as number) ^ 0x10;
        let verdict: string;
        try {
          verdict = (
            await verifyTdxQuote(parseTdxQuote(changed), none, anchors, WHEN_ALL_ARE_CURRENT, {
              require: ['signature'],
            })
          ).verdict;
        } catch (error) {
          expect(error).toMatchObject({ name: 'CodedError' });
          continue;
        }
        expect(verdict, `byte ${at}`).toBe('refused');
      }
    },
  );

  test.each(['tdx-v4-dcap-qvl-f1c85033', 'tdx-v5-dcap-qvl-4c453ea4'])('%s: every proper prefix is refused', (id) => {
    const vector = vectors.find((candidate) => candidate.id === id);
    if (vector === undefined) throw new Error(`no vector ${id}`);
    const file = readVector(folder, vector.files.quote).subarray(0, vector.signedAndAuthLength);
    expect(createHash('sha256').update(file).digest('hex')).toBe(vector.quoteSha256);
    for (let length = 0; length < file.length; length++) {
      expect(() => parseTdxQuote(file.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'EVIDENCE_TRUNCATED' }),
      );
    }
  });
});
