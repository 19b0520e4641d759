import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  hasServiceTd,
  type IntelCollateral,
  loadIntelEndorsements,
  loadPolicy,
  readTdAttributes,
  readXfam,
  type TdxCheckName,
  tdxPolicyChecks,
  verifyTdxQuote,
} from '../../../src/attestation/index.ts';
import { toBase64, toHex } from '../../../src/core/index.ts';
import { WHY_SKIPPED } from '../../vectors.ts';
import {
  anchors,
  atOf,
  cache,
  collateral,
  collateralOf,
  corpus,
  endorsementsOf,
  evaluations,
  quoteOf,
  tdxVectors,
} from '../tdx-corpus.ts';

// Attacks on Intel's own documents: what published verifiers accepted must be refused here by the named check alone.
const folder = corpus ?? '';
const genuine = evaluations.filter(
  ({ vector, evaluation }) => evaluation.verdict === 'valid' && vector.trailingAllZero,
);
const sets = collateral.filter(({ file }) => file.includes('/tdx-'));

describe.skipIf(corpus === null)(`real collateral (${WHY_SKIPPED} otherwise)`, () => {
  const [first] = genuine.filter(({ evaluation }) => evaluation.collateral.includes('2026-03'));
  const good = first === undefined ? {} : collateralOf(first.evaluation.collateral);
  const now = atOf(first?.evaluation.time ?? '');

  async function failedWith(change: IntelCollateral, at = now): Promise<TdxCheckName[]> {
    if (first === undefined) throw new Error('no genuine quote under the set of 2026-03');
    const from = await loadIntelEndorsements({ ...good, ...change }, anchors, cache);
    const { verdict, checks } = await verifyTdxQuote(quoteOf(first.vector), from, anchors, at);
    const failed = Object.entries(checks).filter(([, { outcome }]) => outcome === 'failed');
    expect(verdict).toBe(failed.length === 0 ? 'verified' : 'refused');
    return failed.map(([name]) => name as TdxCheckName);
  }

  const otherSet = (name: string) => {
    const found = sets.find(({ file }) => file.includes(name));
    if (found === undefined) throw new Error(`no set ${name}`);
    return collateralOf(found.file);
  };
  const flipped = (hex: string | undefined, at: number) => {
    const bytes = Buffer.from(hex ?? '', 'hex');
    const index = at < 0 ? bytes.length + at : at;
    bytes[index] = (bytes[index] as number) ^ 1;
    return bytes.toString('hex');
  };
  const processorCrl = () => readFileSync(join(folder, 'collateral/raw/go-tdx-guest-pckcrl')).toString('hex');

  // Every form in which a list may be wrong. An older list of the same CA is not wrong by its bytes: its date says it.
  const LISTS: [title: string, change: () => IntelCollateral, failed: TdxCheckName[]][] = [
    ['as they are', () => ({}), []],
    ['garbage', () => ({ pck_crl: '30deadbeef', root_ca_crl: '30deadbeef' }), ['rootCaCrl', 'pckCrl']],
    ['empty', () => ({ pck_crl: '', root_ca_crl: '' }), ['rootCaCrl', 'pckCrl']],
    ['a flipped bit of the PCK list’s signature', () => ({ pck_crl: flipped(good.pck_crl, -1) }), ['pckCrl']],
    ['a flipped bit in the PCK list', () => ({ pck_crl: flipped(good.pck_crl, 300) }), ['pckCrl']],
    ['a flipped bit in the root’s list', () => ({ root_ca_crl: flipped(good.root_ca_crl, -1) }), ['rootCaCrl']],
    ['the root’s list for the CA’s', () => ({ pck_crl: good.root_ca_crl }), ['pckCrl']],
    ['the CA’s list for the root’s', () => ({ root_ca_crl: good.pck_crl }), ['rootCaCrl']],
    ["the other CA's list", () => ({ pck_crl: processorCrl() }), ['pckCrl']],
    ['the list of 2023', () => ({ pck_crl: otherSet('50806f-2023').pck_crl }), ['pckCrl']],
    ['the list of 2025', () => ({ pck_crl: otherSet('b0c06f-2025').pck_crl }), ['pckCrl']],
    ['bytes after the list', () => ({ pck_crl: `${good.pck_crl}00` }), ['pckCrl']],
    ['the list cut short', () => ({ pck_crl: (good.pck_crl ?? '').slice(0, -2) }), ['pckCrl']],
    ['in base64', () => ({ pck_crl: toBase64(Buffer.from(good.pck_crl ?? '', 'hex')) }), []],
  ];
  test.each(LISTS)('revocation lists: %s', async (_, change, failed) => {
    expect(await failedWith(change())).toEqual(failed);
  });

  const edited = (text: string | undefined, from: string | RegExp, to: string) => {
    const after = (text ?? '').replace(from, to);
    if (after === text) throw new Error('nothing to edit');
    return after;
  };
  const DOCUMENTS: [title: string, change: () => IntelCollateral, failed: TdxCheckName[]][] = [
    ['a status edited', () => ({ tcb_info: edited(good.tcb_info, '"OutOfDate"', '"UpToDate"') }), ['tcbInfoSigned']],
    ['a space added', () => ({ tcb_info: edited(good.tcb_info, ',', ', ') }), ['tcbInfoSigned']],
    [
      'written again',
      () => ({ tcb_info: JSON.stringify(JSON.parse(good.tcb_info ?? ''), null, 1) }),
      ['tcbInfoSigned'],
    ],
    ['a member twice', () => ({ tcb_info: edited(good.tcb_info, '{', '{"id":"TDX",') }), ['tcbInfoSigned']],
    ['a signature of zeros', () => ({ tcb_info_signature: '0'.repeat(128) }), ['tcbInfoSigned']],
    ['a signature cut short', () => ({ tcb_info_signature: good.tcb_info_signature?.slice(2) }), ['tcbInfoSigned']],
    [
      'an edited identity',
      () => ({ qe_identity: edited(good.qe_identity, /"isvprodid":\d/, '"isvprodid":1') }),
      ['qeIdentitySigned'],
    ],
    [
      'an identity’s broken signature',
      () => ({ qe_identity_signature: flipped(good.qe_identity_signature, 3) }),
      ['qeIdentitySigned'],
    ],
    ["the SGX enclave's identity", () => sgxIdentity(), ['qeIdentitySigned']],
    ["another platform's TCB info", () => tcbOf('50806f-2026-04'), ['tcbInfoCurrent', 'tcbInfoMatchesFmspc']],
    ['the signing chain without its root', () => ({ tcb_info_issuer_chain: firstCertificate() }), ['tcbInfoSigned']],
    ['the PCK CA as signer', () => ({ tcb_info_issuer_chain: good.pck_crl_issuer_chain }), ['tcbInfoSigned']],
  ];
  const firstCertificate = () =>
    `${(good.tcb_info_issuer_chain ?? '').split('-----END CERTIFICATE-----')[0]}-----END CERTIFICATE-----`;
  const tcbOf = (name: string): IntelCollateral => {
    const { tcb_info, tcb_info_signature, tcb_info_issuer_chain } = otherSet(name);
    return { tcb_info, tcb_info_signature, tcb_info_issuer_chain };
  };
  const sgxIdentity = (): IntelCollateral => {
    const { qe_identity, qe_identity_signature, qe_identity_issuer_chain } = collateralOf(
      'collateral/sgx-00a067-2025-07.json',
    );
    return { qe_identity, qe_identity_signature, qe_identity_issuer_chain };
  };
  test.each(DOCUMENTS)('signed documents: %s', async (_, change, failed) => {
    const found = await failedWith(change());
    expect(found).toEqual(expect.arrayContaining(failed));
    expect(found.filter((name) => !failed.includes(name) && name !== 'tcbLevel')).toEqual([]);
  });

  const moments = sets.flatMap(({ file, expiryCases }) => expiryCases.map(({ time }) => [file, time] as const));
  test.each(moments)('%s at %s is out of date', async (file, time) => {
    const used = genuine.find(({ evaluation }) => evaluation.collateral === file) ?? first;
    if (used === undefined) throw new Error('no genuine quote');
    const { verdict, checks } = await verifyTdxQuote(
      quoteOf(used.vector),
      await endorsementsOf(file),
      anchors,
      atOf(time),
    );
    expect(verdict).toBe('refused');
    const dated = [checks.tcbInfoCurrent, checks.qeIdentityCurrent, checks.pckCrl, checks.rootCaCrl];
    expect(dated.filter(({ outcome }) => outcome === 'failed').length).toBeGreaterThan(0);
  });

  test('there are sets to judge by', () => {
    expect(moments.length).toBeGreaterThanOrEqual(22);
    expect(genuine.length).toBeGreaterThan(40);
  });

  test('the window of a verdict is the narrowest of all its documents', async () => {
    for (const { vector, evaluation } of genuine) {
      const endorsements = await endorsementsOf(evaluation.collateral);
      const { validity } = await verifyTdxQuote(quoteOf(vector), endorsements, anchors, atOf(evaluation.time));
      if (validity === null) throw new Error('no window');
      for (const [at, expected] of [
        [validity.latestIssue - 1, 'refused'],
        [validity.latestIssue, 'verified'],
        [validity.earliestExpiry, 'verified'],
        [validity.earliestExpiry + 1, 'refused'],
      ] as const) {
        expect((await verifyTdxQuote(quoteOf(vector), endorsements, anchors, at)).verdict).toBe(expected);
      }
    }
  });
});

describe.skipIf(corpus === null)('facts about real TDs', () => {
  const policy = loadPolicy(
    readFileSync(new URL('../../../attestation-policies/production-tdx.json', import.meta.url), 'utf8'),
  );

  test.each(tdxVectors)('$id: what it states, and what the default policy says to it', (vector) => {
    const quote = quoteOf(vector);
    const { names, debug, septVeDisable, reservedBits } = readTdAttributes(quote.report.tdAttributes);
    expect({
      debug,
      septVeDisable,
      pks: names.includes('PKS'),
      keyLocker: names.includes('KL'),
      perfmon: names.includes('PERFMON'),
      serviceTd: hasServiceTd(quote.report),
    }).toEqual(vector.policyFlags);
    expect(reservedBits).toEqual([]);
    const isReal = vector.expected.verdict === 'valid';
    expect(readXfam(quote.report.xfam)).toMatchObject({ hasRequired: isReal, reservedBits: [] });
    const checks = tdxPolicyChecks(policy.tdx, quote, { tcb: null, platform: null }, 0);
    const refused = [
      ...(checks.debugOff.outcome === 'failed' ? ['debug'] : []),
      ...(checks.septVeDisable.outcome === 'failed' ? ['sept-ve-disable-off'] : []),
      ...(checks.serviceTd.outcome === 'failed' ? ['service-td-bound'] : []),
    ];
    expect(refused.sort()).toEqual([...vector.strictPolicyFailures].sort());
    expect(checks.xfam.outcome).toBe(isReal ? 'passed' : 'failed');
    expect(toHex(quote.report.mrSignerSeam)).toBe('00'.repeat(48));
  });
});
