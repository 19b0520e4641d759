import { describe, expect, test } from 'vitest';
import { toBase64 } from '../../src/core/index.ts';
import { readVector, readVectorJson, vectorsFolder, WHY_SKIPPED } from '../vectors.ts';
import { batch } from './batch.ts';

type Vector = {
  id: string;
  product: string | null;
  signer: string;
  parse_only?: boolean;
  verification_time: string;
  expected: { verdict: string; strict_policy_violations?: string[] };
  fields: { measurement: string; report_data: string; chip_id: string };
  files: { report: string; leaf: string; intermediate: string; root: string };
};

const found = vectorsFolder('snp');
const folder = found ?? '';

describe.skipIf(found === null)(`the command on all real SNP reports (${WHY_SKIPPED} otherwise)`, () => {
  const vectors = found === null ? [] : readVectorJson<{ vectors: Vector[] }>(folder, 'vectors.json').vectors;
  const base64 = (file: string) => toBase64(readVector(folder, file));
  const requestOf = ({ id, files, ...vector }: Vector, more: object) => ({
    id,
    kind: 'snp-report',
    evidence: base64(files.report),
    at: vector.verification_time ?? '2026-03-01T00:00:00Z',
    collateral: vector.parse_only ? null : { certs: [files.leaf, files.intermediate, files.root].map(base64) },
    ...more,
  });
  const expected = ({ id, expected: { verdict } }: Vector) => [
    id,
    verdict === 'valid' ? 'verified' : verdict === 'parses' ? 'unavailable' : 'refused',
  ];

  test('the verdict of the manifest for every report, in one batch', async () => {
    expect(vectors.length).toBe(35);
    const answers = await batch(vectors.map((vector) => requestOf(vector, { require: ['signature'] })));
    expect(answers.map(({ id, verdict }) => [id, verdict])).toEqual(vectors.map(expected));
    for (const [index, { expected: want, fields, product, signer }] of vectors.entries()) {
      if (want.verdict !== 'valid') continue;
      expect(answers[index]).toMatchObject({
        error: null,
        tcb: { status: 'NoMinimumEnforced', platform: { line: product } },
        claims: {
          measurement: fields.measurement,
          reportData: fields.report_data,
          chipId: fields.chip_id,
          line: product,
          signer,
          strictPolicyViolations: want.strict_policy_violations,
          revocation: 'notChecked',
        },
      });
    }
  });

  test('certificates as a table, as DER and as PEM are one and the same; a wrong line and expectation refuse', async () => {
    const one = vectors.find(({ files }) => files.leaf === 'certs/vcek-milan-34309875.der');
    if (one === undefined) throw new Error('no report for the certificate table');
    const crls = [base64('crls/crl-ark-milan-06.der')];
    const certTable = base64('tables/milan-vcek-ask-ark.bin');
    const pem = [one.files.root, one.files.leaf, one.files.intermediate]
      .map((file) => base64(file).replace(/.{1,64}/g, '$&\n'))
      .map((text) => `-----BEGIN CERTIFICATE-----\n${text}-----END CERTIFICATE-----\n`)
      .join('');
    const at = '2025-06-01T00:00:00Z';
    const answers = await batch([
      requestOf(one, { at, collateral: { certTable, crls } }),
      requestOf(one, { at, collateral: { certs: [pem], crls, line: 'Milan' } }),
      requestOf(one, { at, collateral: { certTable, crls, line: 'Genoa' } }),
      requestOf(one, { at, collateral: { certTable }, revocation: 'prefer' }),
      requestOf(one, { at, collateral: { certTable, crls }, expect: { measurement: '00'.repeat(48) } }),
      requestOf(one, { at, collateral: { certTable, crl: crls } }),
      requestOf(one, { at: '2026-06-01T00:00:00Z', collateral: { certTable, crls } }),
      requestOf(one, { at, collateral: null }),
    ]);
    expect(answers.map(({ verdict, error }) => [verdict, error?.code ?? null])).toEqual([
      ['verified', null],
      ['verified', null],
      ['refused', 'EVIDENCE_EXPECTATION_MISMATCH'],
      ['verified', null],
      ['refused', 'EVIDENCE_EXPECTATION_MISMATCH'],
      ['refused', 'ENDORSEMENT_MALFORMED'],
      ['refused', 'ENDORSEMENT_NOT_CURRENT'],
      ['unavailable', 'ENDORSEMENT_MISSING'],
    ]);
    expect(answers.slice(0, 2).map(({ claims }) => claims.revocation)).toEqual(['checked', 'checked']);
  });

  test('the blob of an Azure guest: the boot is genuine, and a nonce needs the vTPM', async () => {
    const azure = vectors.find(({ id }) => id === 'milan-v2-azure-hcl');
    if (azure === undefined) throw new Error('no report of an Azure guest');
    const blob = { evidence: base64('azure/hcl-report.bin'), require: ['signature'] };
    const answers = await batch([
      requestOf(azure, blob),
      requestOf(azure, { ...blob, expect: { nonce: '00' } }),
      requestOf(azure, { require: ['signature'], expect: { nonce: '00' } }),
    ]);
    expect(answers.map(({ verdict, error }) => [verdict, error?.code ?? null])).toEqual([
      ['verified', null],
      ['unavailable', 'ENDORSEMENT_MISSING'],
      ['refused', 'USAGE_INVALID'],
    ]);
    expect(answers[0]?.claims.azure).toMatchObject({ pcrs: null, runtimeData: { keys: [{ kid: 'HCLAkPub' }, {}] } });
  });
});
