import { describe, expect, test } from 'vitest';
import { sha256 } from '#crypto';
import {
  AMD_CERTIFICATE_PROFILE,
  AMD_ROOTS,
  AmdCache,
  encodeSnpReport,
  loadAmdEndorsements,
  parseCertificateTable,
  parseSnpReport,
  readGuestPolicy,
  readPlatformInfo,
  snpStrictViolations,
  verifySnpReport,
} from '../../../src/attestation/index.ts';
import { CodedError, parseCertificate, toHex } from '../../../src/core/index.ts';
import { readVector, readVectorJson, vectorsFolder, WHY_SKIPPED } from '../../vectors.ts';

type Leaf = {
  struct_version: number;
  product_name: string;
  spl: Record<string, number | null>;
  hwid: string | null;
  csp_id: string | null;
};
type Vector = {
  id: string;
  report_version: number;
  product: string | null;
  signer: string;
  verification_time: string;
  parse_only?: boolean;
  expected: { verdict: string; checks?: Record<string, boolean | null>; strict_policy_violations?: string[] };
  fields: Record<string, unknown> & { platform_info_bits: Record<string, boolean> };
  leaf: Leaf;
  files: { report: string; leaf: string; intermediate: string; root: string };
};
type CrlCase = { id: string; crl: string; certificate: string; at: string; expected: string };
type Table = {
  file: string;
  expected: { verdict: string; entries?: { guid: string; kind: string; length: number; sha256: string }[] };
};
type Manifest = {
  vectors: Vector[];
  crl_cases: CrlCase[];
  cert_tables: Table[];
  trust_anchors: Record<string, { ark: { spki_sha256: string; cert_sha256: string } }>;
};

const found = vectorsFolder('snp');
const folder = found ?? '';
const seconds = (time: string) => Math.floor(Date.parse(time) / 1000);
const cache = new AmdCache();

describe.skipIf(found === null)(`real SEV-SNP reports (${WHY_SKIPPED} otherwise)`, () => {
  const manifest =
    found === null
      ? { vectors: [], crl_cases: [], cert_tables: [], trust_anchors: {} }
      : readVectorJson<Manifest>(folder, 'vectors.json');
  const { vectors } = manifest;
  const signed = vectors.filter((vector) => vector.parse_only !== true);
  const read = (file: string) => readVector(folder, file);
  const endorsementsOf = ({ files }: Vector, crls: Uint8Array[] = []) =>
    loadAmdEndorsements({ certs: [files.leaf, files.intermediate, files.root].map(read), crls }, cache);

  test('the set is as large as it was', () => {
    expect([vectors.length, signed.length, manifest.crl_cases.length, manifest.cert_tables.length]).toEqual([
      35, 30, 7, 11,
    ]);
  });

  test('the pinned roots are the ones that every source agrees on', () => {
    const pinned = AMD_ROOTS.map(({ line, spkiSha256, certificateSha256 }) => [
      line,
      toHex(spkiSha256),
      toHex(certificateSha256),
    ]);
    const listed = Object.entries(manifest.trust_anchors).map(([line, { ark }]) => [
      line,
      ark.spki_sha256,
      ark.cert_sha256,
    ]);
    expect(pinned).toEqual(listed);
  });

  for (const vector of vectors) {
    test(`${vector.id}: parses as the manifest says`, () => {
      const bytes = read(vector.files.report);
      if (vector.expected.verdict.startsWith('rejected')) {
        expect(() => parseSnpReport(bytes)).toThrow(expect.objectContaining({ code: 'EVIDENCE_UNSUPPORTED' }));
        return;
      }
      const report = parseSnpReport(bytes);
      expect(encodeSnpReport(report)).toEqual(bytes);
      expect(report.version).toBe(vector.report_version);
      expect(report.signer).toBe(vector.signer);
      const { fields } = vector;
      expect({
        policy: `0x${report.policy.toString(16)}`,
        vmpl: report.vmpl,
        guest_svn: report.guestSvn,
        measurement: toHex(report.measurement),
        report_data: toHex(report.reportData),
        host_data: toHex(report.hostData),
        chip_id: toHex(report.chipId),
        reported_tcb_raw: toHex(report.reportedTcb),
        current_version: `${report.current.major}.${report.current.minor}.${report.current.build}`,
      }).toEqual({
        policy: fields.policy,
        vmpl: fields.vmpl,
        guest_svn: fields.guest_svn,
        measurement: fields.measurement,
        report_data: fields.report_data,
        host_data: fields.host_data,
        chip_id: fields.chip_id,
        reported_tcb_raw: fields.reported_tcb_raw,
        current_version: fields.current_version,
      });
      const { names } = readPlatformInfo(report.platformInfo);
      expect(names.includes('IOMMU_WRITE_SAFE')).toBe(fields.platform_info_bits.bit6);
      expect(readGuestPolicy(report.policy).wellFormed).toBe(true);
    });
  }

  for (const vector of signed) {
    test(`${vector.id}: ${vector.expected.verdict}`, async () => {
      const report = parseSnpReport(read(vector.files.report));
      const at = seconds(vector.verification_time);
      const verdict = await verifySnpReport(report, endorsementsOf(vector), AMD_ROOTS, at, { revocation: 'off' });
      expect(verdict.verdict).toBe(vector.expected.verdict === 'valid' ? 'verified' : 'refused');
      if (verdict.verdict !== 'verified') {
        expect(Object.values(verdict.checks).some(({ outcome }) => outcome === 'failed')).toBe(true);
        return;
      }
      expect(verdict.report.line).toBe(vector.product);
      expect(verdict.report.boundTo).toBe(vector.signer === 'VLEK' ? 'provider' : 'chip');
      const { leaf } = verdict.report;
      const levels = Object.fromEntries(Object.entries(vector.leaf.spl).filter(([, level]) => level !== null));
      expect({
        struct_version: leaf.structVersion,
        product_name: leaf.productName,
        spl: leaf.tcb,
        hwid: leaf.hwid === null ? null : toHex(leaf.hwid),
        csp_id: leaf.cspId,
      }).toEqual({
        struct_version: vector.leaf.struct_version,
        product_name: vector.leaf.product_name,
        spl: levels,
        hwid: vector.leaf.hwid,
        csp_id: vector.leaf.csp_id,
      });
      expect(snpStrictViolations(report, verdict.report.tcbs)).toEqual(vector.expected.strict_policy_violations);
      const withoutCrl = await verifySnpReport(report, endorsementsOf(vector), AMD_ROOTS, at);
      expect(withoutCrl.verdict).toBe('unavailable');
    });
  }

  for (const { id, crl, certificate, at, expected } of manifest.crl_cases) {
    test(`${id}: ${expected}`, async () => {
      // A report of the certificate's line; where its leaf hangs below another CA, the revoked one comes from the bag.
      const line = parseCertificate(read(certificate), AMD_CERTIFICATE_PROFILE).subject.commonName?.split('-').at(-1);
      const isAsvk = certificate.includes('asvk');
      const vector = signed.find((one) => one.product === line && one.expected.verdict === 'valid') as Vector;
      const ark = parseCertificate(read(vector.files.root), AMD_CERTIFICATE_PROFILE);
      const { arkCrlsOf, chainNotRevoked, crlsCurrent } = await import(
        '../../../src/attestation/verify/snp-revocation.ts'
      );
      const from = endorsementsOf(vector, [read(crl)]);
      const chain = {
        leaf: parseCertificate(read(vector.files.leaf), AMD_CERTIFICATE_PROFILE),
        signer: isAsvk ? ('VLEK' as const) : ('VCEK' as const),
        intermediate: parseCertificate(read(certificate), AMD_CERTIFICATE_PROFILE),
        root: ark,
      };
      const judged = await arkCrlsOf(from, { state: 'ok', value: chain as never });
      if (expected.includes('issuer')) {
        expect(judged).toMatchObject({ state: 'failed', code: 'ENDORSEMENT_CHAIN_INVALID' });
        return;
      }
      if (judged.state !== 'ok') throw new Error(judged.reason);
      const current = crlsCurrent(judged.value, chain as never, seconds(at), undefined);
      if (expected.startsWith('error')) {
        expect(current).toMatchObject({ outcome: 'failed', code: 'ENDORSEMENT_NOT_CURRENT' });
        return;
      }
      expect(current.outcome).toBe('passed');
      const outcome = chainNotRevoked(judged.value, chain as never).outcome;
      expect(outcome).toBe(expected === 'revoked' ? 'failed' : 'passed');
    });
  }

  test('with AMD’s CRL of the time: verified, and revocation is said to be checked', async () => {
    const checked = signed.filter(({ expected, verification_time, product }) => {
      const crl = product === 'Genoa' ? ['2024-10-23', '2025-11-03'] : ['2025-05-07', '2026-05-11'];
      const [from, until] = crl as [string, string];
      return (
        expected.verdict === 'valid' && from < verification_time && verification_time < until && product !== 'Turin'
      );
    });
    expect(checked.length).toBeGreaterThan(2);
    for (const vector of checked) {
      const file = vector.product === 'Genoa' ? 'crls/crl-ark-genoa-04.der' : 'crls/crl-ark-milan-06.der';
      const report = parseSnpReport(read(vector.files.report));
      const at = seconds(vector.verification_time);
      const verdict = await verifySnpReport(report, endorsementsOf(vector, [read(file)]), AMD_ROOTS, at);
      expect(verdict).toMatchObject({ verdict: 'verified', report: { revocation: 'checked' } });
      expect(verdict.crls.length).toBe(1);
    }
  });

  for (const { file, expected } of manifest.cert_tables) {
    test(`${file}: ${expected.verdict}`, () => {
      const table = read(file);
      if (expected.verdict === 'invalid') {
        expect(() => parseCertificateTable(table)).toThrow(CodedError);
        return;
      }
      const entries = parseCertificateTable(table).map(({ guid, kind, data }) => ({
        guid,
        kind,
        length: data.length,
        sha256: toHex(sha256(data)),
      }));
      if (expected.entries !== undefined) expect(entries).toEqual(expected.entries);
      if (file.includes('big-endian')) expect(entries.map(({ kind }) => kind)).toEqual(['VLEK']);
    });
  }
});
