import { describe, expect, test } from 'vitest';
import {
  AMD_ROOTS,
  amdCollateralOf,
  loadAmdEndorsements,
  parseSnpReport,
  SNP_CHECKS,
  SNP_LINE_NAMES,
  type SnpLine,
  type SnpVerifyOptions,
  type TrustAnchor,
  verifySnpReport,
} from '../../../src/attestation/index.ts';
import {
  type AmdCollateralDefects,
  openSimulatedAmd,
  openSimulatedSnpMachine,
  type SimulatedAmdState,
  type SimulatedSnpHost,
  type SnpReportRequest,
} from '../../../src/attestation/simulate/index.ts';
import { type Bytes, fromBase64, type Json, toHex } from '../../../src/core/index.ts';
import { readVector, vectorsFolder, WHY_SKIPPED } from '../../vectors.ts';
import { sharedAmd as amd, sharedAmdState } from './shared-amd.ts';

const NOW = Date.UTC(2026, 10, 24) / 1000;
const reportData = new Uint8Array(64).fill(9);

type Asked = Readonly<{
  host?: Partial<SimulatedSnpHost>;
  report?: Partial<SnpReportRequest>;
  defects?: AmdCollateralDefects;
  anchors?: readonly TrustAnchor[];
  options?: SnpVerifyOptions;
}>;

function judge({ host = {}, report = {}, defects, anchors = amd.trustAnchors, options }: Asked) {
  const of: SimulatedSnpHost = { name: 'birch', line: 'Genoa', ...host };
  const bytes = amd.machine(of).report({ reportData, ...report });
  const collateral = amdCollateralOf(amd.collateral(of, NOW, defects) as unknown as Json);
  return verifySnpReport(parseSnpReport(bytes), loadAmdEndorsements(collateral), anchors, NOW, options);
}

const VERSIONS = [2, 3, 4, 5] as const;
const good = SNP_LINE_NAMES.flatMap((line) =>
  VERSIONS.flatMap((version) => (['VCEK', 'VLEK'] as const).map((signer) => ({ line, version, signer }))),
);

test.each(good)(
  'a $line report of version $version signed with a $signer is genuine under the simulated root',
  async ({ line, version, signer }) => {
    const verdict = await judge({
      host: { line, signer },
      report: { version },
      options: { expectReportData: reportData },
    });
    const notPassed = SNP_CHECKS.filter((name) => verdict.checks[name].outcome !== 'passed');
    const onRequest = ['tcbMinimum', 'cloudProvider', 'expectedFields'];
    expect(notPassed).toEqual(onRequest);
    expect(verdict.verdict).toBe('verified');
    expect(verdict.anchor).toMatchObject({ kind: 'simulated', name: `Chrysalis simulator, not AMD (${line})` });
  },
);

test("nothing of it is genuine under AMD's roots", async () => {
  const { verdict, checks } = await judge({ anchors: AMD_ROOTS });
  expect(verdict).toBe('refused');
  expect(checks.chainToPinnedArk).toMatchObject({ outcome: 'failed', code: 'EVIDENCE_CHAIN_INVALID' });
});

test("a machine's state holds no key of the vendor, and still reports", () => {
  const state = amd.machineState({ name: 'birch', line: 'Turin' });
  const text = JSON.stringify(state);
  expect(text).not.toContain(sharedAmdState.seed);
  const opened = openSimulatedSnpMachine(JSON.parse(text));
  const report = parseSnpReport(opened.report({ reportData }));
  expect(report.chipId.slice(8)).toEqual(new Uint8Array(56));
  expect(report.reportData).toEqual(reportData);
});

test('a state survives JSON, the same name is the same chip, and another TCB another key', () => {
  const again = openSimulatedAmd(JSON.parse(JSON.stringify(sharedAmdState)) as SimulatedAmdState);
  const chip = (name: string) => toHex(again.machine({ name, line: 'Genoa' }).chipId);
  expect(chip('birch')).toBe(toHex(amd.machine({ name: 'birch', line: 'Genoa' }).chipId));
  expect(chip('birch')).not.toBe(chip('alder'));
  const leaf = (tcb: object) => amd.collateral({ name: 'birch', line: 'Genoa', tcb }, NOW).certs[0];
  expect(leaf({})).not.toBe(leaf({ microcode: 87 }));
});

test('a vendor that lacks a line says so', () => {
  const milanOnly = openSimulatedAmd({ ...sharedAmdState, lines: { Milan: sharedAmdState.lines.Milan! } });
  expect(milanOnly.lines).toEqual(['Milan']);
  expect(() => milanOnly.machineState({ name: 'birch', line: 'Turin' })).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID' }),
  );
});

const found = vectorsFolder('snp');

/** Tags, object identifiers and lengths that do not depend on values: what two documents of one profile share. */
function skeleton(der: Uint8Array, depth = 0): string[] {
  const out: string[] = [];
  for (let at = 0; at < der.length; ) {
    const tag = der[at] as number;
    const first = der[at + 1] as number;
    const octets = first < 0x80 ? 0 : first & 0x7f;
    let length = octets === 0 ? first : 0;
    for (let i = 0; i < octets; i++) length = length * 256 + (der[at + 2 + i] as number);
    const start = at + 2 + octets;
    const content = der.subarray(start, start + length);
    const isConstructed = (tag & 0x20) !== 0;
    const shown = tag === 0x06 ? toHex(content) : tag === 0x03 ? String(content[0]) : '';
    out.push(`${'.'.repeat(depth)}${tag.toString(16)} ${shown}`);
    if (isConstructed) out.push(...skeleton(content, depth + 1));
    at = start + length;
  }
  return out;
}

describe.skipIf(found === null)(`beside real certificates (${WHY_SKIPPED} otherwise)`, () => {
  const folder = found ?? '';
  const of = (line: SnpLine, signer: 'VCEK' | 'VLEK', defects?: AmdCollateralDefects) =>
    amd.collateral({ name: 'birch', line, signer }, NOW, defects).certs.map((text) => fromBase64(text, 'cert'));
  const pairs: [string, string, () => Bytes | undefined][] = SNP_LINE_NAMES.flatMap((line) => [
    [line, `ark-${line.toLowerCase()}.der`, () => of(line, 'VCEK')[2]],
    [line, `ask-${line.toLowerCase()}.der`, () => of(line, 'VCEK')[1]],
    [line, `asvk-${line.toLowerCase()}.der`, () => of(line, 'VLEK')[1]],
  ]);
  pairs.push(
    ['Genoa', 'vcek-genoa-1b40c122.der', () => of('Genoa', 'VCEK')[0]],
    ['Milan', 'vcek-milan-176f84a0.der', () => of('Milan', 'VCEK')[0]],
    [
      'early Milan',
      'vcek-milan-0d057f9b.der',
      () => of('Milan', 'VCEK', { pss: { leaf: 'sha384ExplicitTrailer' } })[0],
    ],
    ['Turin', 'vcek-turin-49d521f0.der', () => of('Turin', 'VCEK')[0]],
    ['Milan', 'vlek-milan-296a7c99.der', () => of('Milan', 'VLEK')[0]],
  );
  test.each(pairs)('%s: %s has the same structure', (_, file, simulated) => {
    expect(skeleton(simulated() ?? new Uint8Array(0))).toEqual(skeleton(readVector(folder, `certs/${file}`)));
  });

  test('so has the CRL of an ARK, with and without a revoked certificate', () => {
    const crl = (line: SnpLine, defects?: AmdCollateralDefects) =>
      fromBase64(amd.collateral({ name: 'birch', line }, NOW, defects).crls[0] as string, 'crl');
    expect(skeleton(crl('Genoa', { revoked: ['ask'] }))).toEqual(
      skeleton(readVector(folder, 'crls/crl-ark-genoa-04.der')),
    );
    expect(skeleton(crl('Turin'))).toEqual(skeleton(readVector(folder, 'crls/crl-ark-milan-06.der')));
  });
});
