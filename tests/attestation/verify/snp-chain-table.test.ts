import { expect, test } from 'vitest';
import { AMD_ROOTS, SNP_LINE_NAMES } from '../../../src/attestation/index.ts';
import { issueAmdCrl, pssIssuing } from '../../../src/attestation/simulate/amd/certificates.ts';
import { amdInteger } from '../../../src/attestation/simulate/index.ts';
import { openRsaKey } from '../../../src/attestation/simulate/rsa-keys.ts';
import { extension } from '../../../src/attestation/simulate/x509.ts';
import { concat, fromHex } from '../../../src/core/index.ts';
import { sharedAmd as amd, sharedAmdState } from '../simulate/shared-amd.ts';

import { type Case, collateralOf, DAY, fill, judge, more, NOW, type Row, table, vlek } from './snp-cases.ts';

const critical = extension('1.3.6.1.4.1.99999.1', true, Uint8Array.of(5, 0));
const basicConstraints = extension('2.5.29.19', true, fromHex('30030101ff'));
const otherLines = SNP_LINE_NAMES.filter((line) => line !== 'Genoa');

table('chain', [
  ["AMD's roots alone", { anchors: AMD_ROOTS }, 'chainToPinnedArk'],
  ['no root at all', { anchors: [] }, 'chainToPinnedArk'],
  ['no leaf', more({ missing: ['leaf'] }), 'unavailable'],
  ['no ASK', more({ missing: ['intermediate'] }), 'unavailable'],
  ['no ARK', more({ missing: ['root'] }), 'unavailable'],
  ['nothing at all', more({ missing: ['leaf', 'intermediate', 'root', 'crl'] }), 'unavailable'],
  ['an ARK of the right name and another key', more({ wronglySigned: ['root'] }), 'chainToPinnedArk'],
  ['an ASK that the ARK did not sign', more({ wronglySigned: ['intermediate'] }), 'chainToPinnedArk'],
  ['a leaf that the ASK did not sign', more({ wronglySigned: ['leaf'] }), 'chainToPinnedArk'],
  ['a VCEK below the ASVK', more({ crossed: true }), 'chainToPinnedArk'],
  ['a VLEK below the ASK', { ...vlek, ...more({ crossed: true }) }, 'chainToPinnedArk'],
  ['a VLEK for a report that a VCEK signed', more({ otherKind: true }), 'chainToPinnedArk'],
  ['a VCEK for a report that a VLEK signed', { ...vlek, ...more({ otherKind: true }) }, 'chainToPinnedArk'],
  ['a leaf called VCEK', more({ leaf: { commonName: 'VCEK' } }), 'unavailable'],
  ['a leaf of another organisation', more({ leaf: { organisation: 'Advanced Micro Devices' } }), 'chainToPinnedArk'],
  ['an ASK named for another line', more({ intermediate: { commonName: 'SEV-Milan' } }), 'chainToPinnedArk'],
  ['an ASK called ASVK', more({ intermediate: { commonName: 'SEV-VLEK-Genoa' } }), 'chainToPinnedArk'],
  ['an ASK that may issue CAs', more({ intermediate: { pathLength: null } }), 'chainToPinnedArk'],
  ['an ASK with path length 1', more({ intermediate: { pathLength: 1 } }), 'chainToPinnedArk'],
  ['an ASK that may not sign certificates', more({ intermediate: { keyUsage: 0x02 } }), 'chainToPinnedArk'],
  ['an ARK that may not sign certificates', more({ root: { keyUsage: 0x02 } }), 'chainToPinnedArk'],
  ['an ARK that may not sign CRLs', more({ root: { keyUsage: 0x04 } }), 'arkCrl'],
  ['an ARK that names another as its issuer', more({ root: { commonName: 'ARK-Rome' } }), 'unavailable'],
  ['an unknown critical extension', more({ leaf: { others: [critical] } }), 'chainToPinnedArk'],
  ['a leaf with basic constraints', more({ leaf: { others: [basicConstraints] } }), 'chainToPinnedArk'],
  ['a level twice', more({ leaf: { others: [amdInteger('3.3', 27)] } }), 'CERTIFICATE_MALFORMED'],
  ...(['leaf', 'intermediate', 'root'] as const).flatMap((document): Row[] => [
    [`the ${document} signed over SHA-256`, more({ pss: { [document]: 'sha256' } }), 'chainToPinnedArk'],
    [`the ${document} with a salt of 32 bytes`, more({ pss: { [document]: 'shortSalt' } }), 'chainToPinnedArk'],
    [
      `the ${document} with the trailer written out`,
      more({ pss: { [document]: 'sha384ExplicitTrailer' } }),
      'verified',
    ],
  ]),
  [
    'certificates in another order',
    { collateral: (good) => ({ ...good, certs: [...good.certs!].reverse() }) },
    'verified',
  ],
  [
    'certificates of other lines beside them',
    {
      collateral: (good) => ({
        ...good,
        certs: [...otherLines.flatMap((line) => collateralOf({ name: 'birch', line }).certs!), ...good.certs!],
      }),
    },
    'verified',
  ],
  [
    'leaves of the same chip at other levels beside it',
    {
      collateral: (good) => ({
        ...good,
        certs: [
          ...[24, 25].map((snp) => collateralOf({ name: 'birch', line: 'Genoa', tcb: { snp } }).certs![0]!),
          ...good.certs!,
        ],
      }),
    },
    'verified',
  ],
  [
    'leaves of other chips beside it',
    {
      collateral: (good) => ({
        ...good,
        certs: [...['alder', 'cedar'].map((name) => collateralOf({ name, line: 'Genoa' }).certs![0]!), ...good.certs!],
      }),
    },
    'verified',
  ],
  [
    'garbage beside them',
    { collateral: (good) => ({ ...good, certs: [...good.certs!, fill(0x30, 40)] }) },
    'CERTIFICATE_MALFORMED',
  ],
  [
    'a byte after a certificate',
    { collateral: (good) => ({ ...good, certs: [concat(good.certs![0]!, fill(0, 1)), ...good.certs!.slice(1)] }) },
    'CERTIFICATE_MALFORMED',
  ],
  [
    'too many certificates',
    { collateral: (good) => ({ ...good, certs: Array.from({ length: 17 }, () => good.certs![0]!) }) },
    'EVIDENCE_TOO_LARGE',
  ],
]);

table('time', [
  ...(['leaf', 'intermediate', 'root'] as const).flatMap((document): Row[] => [
    [`the ${document} past its end`, more({ expired: [document] }), 'chainCurrent'],
    [`the ${document} of the day after tomorrow`, more({ notYetValid: [document] }), 'chainCurrent'],
  ]),
  ['everything past its end', more({ expired: ['leaf', 'intermediate', 'root', 'crl'] }), 'chainCurrent arkCrl'],
  ['a VCEK after six years', { now: NOW + 6 * 365 * DAY, options: { revocation: 'off' } }, 'verified'],
  ['a VLEK after a year and a day', { ...vlek, now: NOW + 366 * DAY, options: { revocation: 'off' } }, 'chainCurrent'],
  ['the last second of a VLEK', { ...vlek, now: NOW + 365 * DAY, options: { revocation: 'off' } }, 'verified'],
  ['a leaf issued after the report', { now: NOW }, 'verified'],
  ['the list past its nextUpdate', more({ expired: ['crl'] }), 'arkCrl'],
  ['the list before its thisUpdate', more({ notYetValid: ['crl'] }), 'arkCrl'],
  ['the list at its nextUpdate', { now: NOW + 376 * DAY }, 'arkCrl'],
  ['the list a second before its nextUpdate', { now: NOW + 376 * DAY - 1 }, 'verified'],
  ['the list a second before its thisUpdate', { now: NOW - 1 }, 'chainCurrent arkCrl'],
]);

const ark = openRsaKey(sharedAmdState.lines.Genoa!.ark.privateKey);
const crlOf = (number: number, revoked: readonly number[][] = [], from = NOW) =>
  issueAmdCrl(
    {
      issuer: 'ARK-Genoa',
      issuerKey: ark,
      window: { from, to: from + 30 * DAY },
      number,
      revoked: revoked.map((one) => Uint8Array.from(one)),
    },
    pssIssuing(ark, 'sha384'),
  );
const crls = (...lists: Uint8Array[]): Pick<Case, 'collateral'> => ({
  collateral: (good) => ({ ...good, crls: lists }),
});
const ASK = [2, 0, 1];
const ASVK = [2, 1, 1];
const ARK = [2, 0, 0];
const issuerSpkiSha256 = amd.trustAnchors.find(({ name }) => name.includes('Genoa'))!.spkiSha256;
const seen = (thisUpdate: number, crlNumber: string, of = issuerSpkiSha256): Pick<Case, 'options'> => ({
  options: { crlFloors: [{ issuerSpkiSha256: of, thisUpdate, crlNumber }] },
});

table('revocation', [
  ['a revoked ASK', crls(crlOf(1, [ASK])), 'chainNotRevoked'],
  ['a revoked ASVK', { ...vlek, ...crls(crlOf(1, [ASVK])) }, 'chainNotRevoked'],
  ['a revoked ARK', crls(crlOf(1, [ARK])), 'chainNotRevoked'],
  ['a revoked VCEK', crls(crlOf(1, [[0]])), 'chainNotRevoked'],
  ['a revoked VLEK', { ...vlek, ...crls(crlOf(1, [[0]])) }, 'chainNotRevoked'],
  ['an ASVK is revoked, the chain is of the ASK', crls(crlOf(1, [ASVK])), 'verified'],
  ['an ASK is revoked, the chain is of the ASVK', { ...vlek, ...crls(crlOf(1, [ASK])) }, 'verified'],
  ['the ASK of another line has that serial', crls(crlOf(1, [[1, 0, 1]])), 'verified'],
  ['an older list beside one that revokes', crls(crlOf(1), crlOf(2, [ASK])), 'chainNotRevoked'],
  [
    'a revoked ASK, the chain alone asked for',
    { ...crls(crlOf(1, [ASK])), options: { require: ['signature'] } },
    'chainNotRevoked',
  ],
  ['a revoked ASK, preferred', { ...crls(crlOf(1, [ASK])), options: { revocation: 'prefer' } }, 'chainNotRevoked'],
  ['a revoked ASK, off', { ...crls(crlOf(1, [ASK])), options: { revocation: 'off' } }, 'verified'],
  ['no list', crls(), 'unavailable'],
  ['no list, preferred', { ...crls(), options: { revocation: 'prefer' } }, 'verified'],
  ['no list, the chain alone asked for', { ...crls(), options: { require: ['signature'] } }, 'verified'],
  ['the list of another line', more({ crlOf: 'Turin' }), 'arkCrl'],
  ['the list of another line, preferred', { ...more({ crlOf: 'Turin' }), options: { revocation: 'prefer' } }, 'arkCrl'],
  [
    'the lists of all lines',
    {
      collateral: (good) => ({
        ...good,
        crls: [...otherLines.flatMap((line) => collateralOf({ name: 'birch', line }).crls!), ...good.crls!],
      }),
    },
    'verified',
  ],
  ['a list that the ARK did not sign', more({ wronglySigned: ['crl'] }), 'arkCrl'],
  [
    'such a list beside a good one',
    {
      collateral: (good) => ({
        ...good,
        crls: [...good.crls!, ...collateralOf({ name: 'birch', line: 'Genoa' }, { wronglySigned: ['crl'] }).crls!],
      }),
    },
    'arkCrl',
  ],
  ['a list signed over SHA-256', more({ pss: { crl: 'sha256' } }), 'arkCrl'],
  ['a list with a salt of 32 bytes', more({ pss: { crl: 'shortSalt' } }), 'arkCrl'],
  ['garbage for a list', crls(fill(0x30, 40)), 'CRL_MALFORMED'],
  ['an empty list of bytes', crls(new Uint8Array(0)), 'CRL_MALFORMED'],
  ['a list with a byte behind it', crls(concat(crlOf(1), fill(0, 1))), 'CRL_MALFORMED'],
  [
    'a list with a changed entry',
    { collateral: (good) => ({ ...good, crls: [changedEntry(crlOf(1, [[2, 9, 9]]))] }) },
    'arkCrl',
  ],
  ['a serial number twice', crls(crlOf(1, [ASK, ASK])), 'CRL_MALFORMED'],
  ['too many lists', crls(...Array.from({ length: 9 }, () => crlOf(1))), 'EVIDENCE_TOO_LARGE'],
  ['rolled back by number', { ...crls(crlOf(4)), ...seen(NOW, '05') }, 'arkCrl'],
  ['rolled back by date', { ...crls(crlOf(5, [], NOW - DAY)), ...seen(NOW, '05') }, 'arkCrl'],
  ['a number that is longer, not less', { ...crls(crlOf(256)), ...seen(NOW, 'ff') }, 'verified'],
  ['the list that was seen', { ...crls(crlOf(5)), ...seen(NOW, '05') }, 'verified'],
  ['a newer one', { ...crls(crlOf(6, [], NOW)), ...seen(NOW - DAY, '05') }, 'verified'],
  ['a rolled back one beside a newer one', { ...crls(crlOf(6), crlOf(4)), ...seen(NOW, '05') }, 'arkCrl'],
  ['one of another ARK was seen', { ...crls(crlOf(4)), ...seen(NOW, '05', fill(7, 32)) }, 'verified'],
]);

/** Another serial number in the list, whose signature stays. */
function changedEntry(crl: Uint8Array): Uint8Array {
  const at = Buffer.from(crl).indexOf(Buffer.from([2, 3, 2, 9, 9]));
  crl.set(ASK, at + 2);
  return crl;
}

test('the lists of a verdict are the floors of the next one', async () => {
  const newer = await judge(crls(crlOf(6)));
  expect(newer.crls).toEqual([{ issuerSpkiSha256, thisUpdate: NOW, crlNumber: '06' }]);
  const older = await judge({ ...crls(crlOf(5)), options: { crlFloors: newer.crls } });
  expect([older.verdict, older.checks.arkCrl]).toMatchObject(['refused', { code: 'ENDORSEMENT_ROLLED_BACK' }]);
  const stranger = await judge(more({ wronglySigned: ['crl'] }));
  expect(stranger.crls).toEqual([]);
});
