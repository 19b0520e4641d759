import { describe, expect, test } from 'vitest';
import {
  AmdCache,
  type AmdCollateral,
  amdCollateralOf,
  loadAmdEndorsements,
  parseSnpReport,
  SNP_CHECKS,
  type SnpVerdict,
  type SnpVerifyOptions,
  type TrustAnchor,
  verifySnpReport,
} from '../../../src/attestation/index.ts';
import type {
  AmdCollateralDefects,
  SimulatedSnpHost,
  SnpReportRequest,
} from '../../../src/attestation/simulate/index.ts';
import { CodedError, type Json, toHex } from '../../../src/core/index.ts';
import { sharedAmd as amd } from '../simulate/shared-amd.ts';

// What no real report shows: one line a case, judged by the same verifier as AMD's. A case says 'verified', or the whole
// list of failed checks, or 'unavailable', or the code that is thrown.
export const NOW = Date.UTC(2026, 10, 24) / 1000;
export const DAY = 86_400;
export const reportData = new Uint8Array(64).fill(9);
export const SIGNED = 0x2a0;
export const fill = (value: number, length: number) => new Uint8Array(length).fill(value);

export type Case = Readonly<{
  host?: Partial<SimulatedSnpHost>;
  report?: Partial<SnpReportRequest>;
  /** Changes the report after it was signed. */
  after?: (report: Uint8Array) => Uint8Array;
  defects?: AmdCollateralDefects;
  collateral?: (good: AmdCollateral) => AmdCollateral;
  anchors?: readonly TrustAnchor[];
  now?: number;
  options?: SnpVerifyOptions;
}>;

/** Certificates are issued with RSA, which takes its time: once for each host and defect. */
const issued = new Map<string, AmdCollateral>();
const cache = new AmdCache();
export function collateralOf(host: SimulatedSnpHost, defects?: AmdCollateralDefects): AmdCollateral {
  const key = JSON.stringify([host, defects], (_, value) => (value instanceof Uint8Array ? toHex(value) : value));
  const known = issued.get(key) ?? amdCollateralOf(amd.collateral(host, NOW, defects) as unknown as Json);
  issued.set(key, known);
  const { line: _, ...documents } = known; // which line it is the case says
  return documents;
}

export async function judge(given: Case): Promise<SnpVerdict> {
  const { after = (report) => report, collateral = (good) => good, now = NOW, anchors = amd.trustAnchors } = given;
  const host: SimulatedSnpHost = { name: 'birch', line: 'Genoa', ...given.host };
  const report = after(amd.machine(host).report({ reportData, ...given.report }));
  const from = loadAmdEndorsements(collateral(collateralOf(host, given.defects)), cache);
  return verifySnpReport(parseSnpReport(report), from, anchors, now, given.options);
}

async function said(given: Case): Promise<string> {
  try {
    const { verdict, checks } = await judge(given);
    const failed = SNP_CHECKS.filter((name) => checks[name].outcome === 'failed');
    expect(failed.length > 0).toBe(verdict === 'refused');
    return verdict === 'refused' ? failed.join(' ') : verdict;
  } catch (error) {
    if (error instanceof CodedError) return error.code;
    throw error;
  }
}

export type Row = [title: string, given: Case, expected: string];
export const table = (name: string, rows: readonly Row[]) =>
  describe(name, () => {
    test.each(rows)('%s', async (_, given, expected) => expect(await said(given)).toBe(expected));
  });

export const put = (at: number, ...bytes: number[]): Pick<Case, 'report'> => ({
  report: { rewrite: (report) => report.set(bytes, at) },
});
export const set = (at: number, ...bytes: number[]): Pick<Case, 'after'> => ({
  after: (report) => {
    report.set(bytes, at);
    return report;
  },
});
export const fields = (changes: NonNullable<SnpReportRequest['fields']>): Pick<Case, 'report'> => ({
  report: { fields: changes },
});
export const vlek = { host: { signer: 'VLEK' } } as const;
export const turin = { host: { line: 'Turin' } } as const;

export const more = (who: AmdCollateralDefects): Pick<Case, 'defects'> => ({ defects: who });
