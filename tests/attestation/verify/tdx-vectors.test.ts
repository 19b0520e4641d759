import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { INTEL_SGX_ROOT, noIntelEndorsements, parseTdxQuote, verifyTdxQuote } from '../../../src/attestation/index.ts';
import { toHex } from '../../../src/core/index.ts';
import { WHY_SKIPPED } from '../../vectors.ts';
import {
  anchors,
  atOf,
  cache,
  corpus,
  endorsementsOf,
  evaluations,
  fileOf,
  quoteOf,
  sgxVectors,
  statusOf,
  tdxVectors,
} from '../tdx-corpus.ts';

const WHEN_ALL_ARE_CURRENT = atOf('2026-03-01T00:00:00Z');

test('the pinned root is the one kept as data', () => {
  const file = new URL('../../../attestation-policies/trust-anchors/intel-sgx-root-ca.json', import.meta.url);
  const data = JSON.parse(readFileSync(file, 'utf8')) as Record<'spkiSha256' | 'certificateSha256' | 'name', string>;
  expect(toHex(INTEL_SGX_ROOT.spkiSha256)).toBe(data.spkiSha256);
  expect(toHex(INTEL_SGX_ROOT.certificateSha256 ?? new Uint8Array())).toBe(data.certificateSha256);
  expect(INTEL_SGX_ROOT.name).toBe(data.name);
});

describe.skipIf(corpus === null)(`real quotes (${WHY_SKIPPED} otherwise)`, () => {
  test('there are vectors', () => {
    expect(tdxVectors.length).toBeGreaterThanOrEqual(40);
    expect(sgxVectors.length).toBeGreaterThan(0);
    expect(evaluations.length).toBeGreaterThan(70);
  });

  test.each(sgxVectors)('$id is refused by name', (vector) => {
    expect(() => parseTdxQuote(fileOf(vector))).toThrow(
      expect.objectContaining({ code: 'EVIDENCE_UNSUPPORTED', message: expect.stringContaining('an SGX quote') }),
    );
  });

  test('bytes after the end are refused where the caller does not ask to have them reported', () => {
    const filled = tdxVectors.filter(({ trailingAllZero }) => !trailingAllZero);
    expect(filled.length).toBeGreaterThan(0);
    for (const vector of filled) {
      expect(() => parseTdxQuote(fileOf(vector))).toThrow(expect.objectContaining({ code: 'EVIDENCE_TRAILING_BYTES' }));
    }
  });

  test.each(tdxVectors)('$id: signatures, and every evaluation', async (vector) => {
    const quote = quoteOf(vector);
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
        await endorsementsOf(evaluation.collateral),
        anchors,
        atOf(evaluation.time),
      );
      expect(verdict.verdict, evaluation.reason).toBe(evaluation.verdict === 'valid' ? 'verified' : 'refused');
      expect(verdict.tcb?.status).toBe(statusOf(evaluation.tcbStatus));
      expect(verdict.tcb?.advisoryIds).toEqual([...evaluation.advisoryIDs].sort());
      if (typeof evaluation.tcbDate === 'string') expect(verdict.tcb?.tcbDate).toBe(atOf(evaluation.tcbDate));
    }
  });

  test.each(evaluations)('$id: each source has its own status and advisories', async ({ vector, evaluation }) => {
    const { components } = evaluation;
    if (components === undefined) throw new Error('the manifest does not say');
    const { platform, module, qe } = components;
    const endorsements = await endorsementsOf(evaluation.collateral);
    const { tcb } = await verifyTdxQuote(quoteOf(vector), endorsements, anchors, atOf(evaluation.time));
    expect(tcb?.platform.status).toBe(statusOf(platform));
    expect(tcb?.platform.advisoryIds).toEqual(components.platformAdvisoryIDs);
    expect(tcb?.qe).toMatchObject({ isvSvn: qe.isvsvn, status: statusOf(qe.status) });
    expect(tcb?.module === null).toBe(module === null);
    if (module !== null) {
      expect(tcb?.module).toMatchObject({ id: module.id, status: statusOf(module.status) });
      expect(tcb?.module?.advisoryIds).toEqual(module.advisoryIDs);
    }
    // Whatever is not at the newest level says by how much.
    for (const part of [tcb?.platform, tcb?.module, tcb?.qe]) {
      if (part?.status === 'OutOfDate' || part?.status === 'NotSupported') expect(part.behind).not.toEqual([]);
      if (part?.tcbDate === part?.newestTcbDate) expect(part?.behind ?? []).toEqual([]);
      for (const { measured, newest } of part?.behind ?? []) expect(measured).toBeLessThan(newest);
    }
  });

  test('an OutOfDate platform is not hidden by an UpToDate module', async () => {
    const hidden: string[] = [];
    for (const { vector, evaluation } of evaluations) {
      const endorsements = await endorsementsOf(evaluation.collateral);
      const { tcb } = await verifyTdxQuote(quoteOf(vector), endorsements, anchors, atOf(evaluation.time));
      if (tcb?.platform.status !== 'OutOfDate' || tcb.module?.status !== 'UpToDate') continue;
      hidden.push(vector.id);
      expect(tcb.status).toBe('OutOfDate');
    }
    expect(hidden.length).toBeGreaterThan(10);
  });
});
