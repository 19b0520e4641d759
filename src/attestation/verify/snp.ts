import { ecdsaVerify } from '#crypto';
import { CodedError, equalBytes, isCurrent, type UnixSeconds } from '../../core/index.ts';
import {
  type AmdChain,
  type AmdEndorsements,
  type Judged,
  missing,
  type TrustAnchor,
  verifyAmdChain,
} from '../endorsements/index.ts';
import type { ParsedSnpReport } from '../evidence/snp/index.ts';
import { type Check, check, failed, notRun, PASSED } from './check.ts';
import { after, afterAsync, both, checkOf, own } from './judged-checks.ts';
import {
  chipIdMatchesLeaf,
  cloudProvider,
  isLeafOf,
  leafOfProductLine,
  productLineCheck,
  requestedByGuest,
  reservedBits,
  tcbMatchesLeaf,
  tcbMinimum,
  tcbOrder,
  tcbsOf,
} from './snp-leaf.ts';
import { type ArkCrls, arkCrlFloors, arkCrlsOf, chainNotRevoked, crlsCurrent } from './snp-revocation.ts';
import {
  SNP_CHECKS,
  SNP_EXPECTED_FIELDS,
  type SnpCheckName,
  type SnpChecks,
  type SnpTcbs,
  type SnpValidity,
  type SnpVerdict,
  type SnpVerifyOptions,
  type VerifiedSnpReport,
} from './snp-types.ts';

const REVOCATION_CHECKS: readonly SnpCheckName[] = ['arkCrl', 'chainNotRevoked'];
/** Required only where the caller asks the question. */
const CHECKS_ON_REQUEST: readonly SnpCheckName[] = [
  'tcbMinimum',
  'cloudProvider',
  'expectedReportData',
  'expectedFields',
];
const REPORT_DATA_BYTES = 64;

/**
 * Whether an SEV-SNP report is genuine: signed by a chip's VCEK or a provider's VLEK that chains to a pinned ARK, in
 * date and not revoked, about the chip and the TCB that the certificate names (AMD 56860, 57230). Genuineness only: a
 * debug guest, a low VMPL or provisional firmware is verified, with those facts in the report; whether they are
 * acceptable is for the appraisal. Every stage is evaluated and reported, also after one that failed.
 * @param anchors roots the caller trusts; the verdict names the one the report ends at
 * @param now seconds, from the caller's clock
 * @returns 'refused' where a check failed; 'unavailable' where none failed but a required one could not be run
 * @throws CodedError USAGE_INVALID for an expectation of wrong length
 */
export async function verifySnpReport(
  report: ParsedSnpReport,
  from: AmdEndorsements,
  anchors: readonly TrustAnchor[],
  now: UnixSeconds,
  options: SnpVerifyOptions = {},
): Promise<SnpVerdict> {
  refuseUnusableExpectations(report, options);
  const chain = await verifyAmdChain(from, report.signer, anchors, (leaf) => isLeafOf(report, leaf));
  const isOff = options.revocation === 'off';
  const crls = isOff ? missing('the caller switched revocation off') : await arkCrlsOf(from, chain);
  const tcbs = chain.state === 'ok' ? tcbsOf(report, chain.value.line, options) : null;
  const checks: SnpChecks = {
    chainToPinnedArk: checkOf(chain),
    productLine: after(chain, (value) => productLineCheck(report, value, from, options)),
    chainCurrent: after(chain, (value) => chainCurrent(value, now)),
    arkCrl: own(crls, (lists) => after(chain, (value) => crlsCurrent(lists, value, now, options.crlFloors))),
    chainNotRevoked: both(crls, chain, (lists, value) => chainNotRevoked(lists, value)),
    leafOfProductLine: after(chain, leafOfProductLine),
    tcbMatchesLeaf: after(chain, (value) => tcbMatchesLeaf(report, value)),
    chipIdMatchesLeaf: after(chain, (value) => chipIdMatchesLeaf(report, value, options)),
    reportSignature: await afterAsync(chain, async (value) =>
      check(await signedByLeaf(report, value), 'EVIDENCE_SIGNATURE_INVALID', `the ${report.signer} did not sign it`),
    ),
    reservedBits: reservedBits(report),
    requestedByGuest: requestedByGuest(report),
    tcbOrder: after(chain, () => tcbOrder(tcbs)),
    tcbMinimum: after(chain, () => tcbMinimum(tcbs)),
    cloudProvider: after(chain, (value) => cloudProvider(value, options)),
    expectedReportData: expectedReportData(report, options.expectReportData),
    expectedFields: expectedFields(report, options.expect),
  };
  return conclude(report, checks, chain, crls, tcbs, options);
}

/** The checks that must have passed for 'verified' under these options. */
export function requiredSnpChecks(report: ParsedSnpReport, options: SnpVerifyOptions): ReadonlySet<SnpCheckName> {
  const required = new Set<SnpCheckName>(SNP_CHECKS);
  const isRequired = (options.revocation ?? 'require') === 'require' && options.require?.includes('signature') !== true;
  if (!isRequired) for (const name of REVOCATION_CHECKS) required.delete(name);
  for (const name of CHECKS_ON_REQUEST) required.delete(name);
  if (options.expectReportData !== undefined) required.add('expectedReportData');
  if (options.expect !== undefined) required.add('expectedFields');
  if (options.cloudProviders !== undefined && report.signer === 'VLEK') required.add('cloudProvider');
  // A masked chip fails this check unless it is allowed; then there is nothing to compare.
  if (options.dangerouslyAllowMaskedChipId === true) required.delete('chipIdMatchesLeaf');
  return required;
}

function chainCurrent({ leaf, intermediate, root }: AmdChain, now: UnixSeconds): Check {
  const outside = [leaf, intermediate, root].find((one) => !isCurrent(one.notBefore, one.notAfter, now));
  const why = `${outside?.subject.commonName ?? ''} is not valid at the given time`;
  return check(outside === undefined, 'EVIDENCE_CHAIN_NOT_CURRENT', why);
}

function signedByLeaf(report: ParsedSnpReport, { leaf }: AmdChain): Promise<boolean> {
  if (leaf.publicKey?.curve !== 'P-384') return Promise.resolve(false);
  return ecdsaVerify('P-384', leaf.publicKey.point, report.signedBytes, report.signature);
}

function conclude(
  report: ParsedSnpReport,
  checks: SnpChecks,
  judged: Judged<AmdChain>,
  crls: Judged<ArkCrls>,
  tcbs: SnpTcbs | null,
  options: SnpVerifyOptions,
): SnpVerdict {
  const chain = judged.state === 'ok' ? judged.value : null;
  const validity = chain === null ? null : validityOf(chain, crls.state === 'ok' ? crls.value : []);
  const said = { checks, anchor: chain?.anchor ?? null, tcbs, validity, crls: arkCrlFloors(crls, judged) };
  if (SNP_CHECKS.some((name) => checks[name].outcome === 'failed')) return { ...said, verdict: 'refused' };
  const required = requiredSnpChecks(report, options);
  const isOpen = SNP_CHECKS.some((name) => required.has(name) && checks[name].outcome !== 'passed');
  if (isOpen || chain === null || validity === null || tcbs === null) return { ...said, verdict: 'unavailable' };
  const isChecked = REVOCATION_CHECKS.every((name) => checks[name].outcome === 'passed');
  const isChip = checks.chipIdMatchesLeaf.outcome === 'passed';
  const established = {
    anchor: chain.anchor,
    line: chain.line,
    leaf: chain.facts,
    tcbs,
    revocation: isChecked ? 'checked' : 'notChecked',
    boundTo: report.signer === 'VLEK' ? 'provider' : isChip ? 'chip' : 'signatureAlone',
    validity,
    leafSpkiSha256: chain.leaf.spkiSha256,
  };
  return { ...said, verdict: 'verified', report: { ...report, ...established } as VerifiedSnpReport };
}

function validityOf({ leaf, intermediate, root }: AmdChain, crls: ArkCrls): SnpValidity {
  const certificates = [leaf, intermediate, root];
  return {
    latestIssue: Math.max(...certificates.map((one) => one.notBefore), ...crls.map((one) => one.thisUpdate)),
    earliestExpiry: Math.min(...certificates.map((one) => one.notAfter), ...crls.map((one) => one.nextUpdate)),
  };
}

/** An expectation that can never hold, or that would be compared in part, is a mistake of the caller's. */
function refuseUnusableExpectations(report: ParsedSnpReport, options: SnpVerifyOptions): void {
  const wrongLength = (field: string, length: number) =>
    new CodedError('USAGE_INVALID', `expected ${field} does not have ${length} bytes`, { field });
  if (options.expectReportData !== undefined && options.expectReportData.length !== REPORT_DATA_BYTES) {
    throw wrongLength('reportData', REPORT_DATA_BYTES);
  }
  for (const field of SNP_EXPECTED_FIELDS) {
    const expected = options.expect?.[field];
    if (expected !== undefined && expected.length !== report[field].length)
      throw wrongLength(field, report[field].length);
  }
}

function expectedReportData(report: ParsedSnpReport, expected: Uint8Array | undefined): Check {
  if (expected === undefined) return notRun('the caller expects no particular REPORT_DATA');
  return check(
    equalBytes(expected, report.reportData),
    'EVIDENCE_EXPECTATION_MISMATCH',
    'REPORT_DATA is not what the caller expects',
  );
}

function expectedFields(report: ParsedSnpReport, expect: SnpVerifyOptions['expect']): Check {
  if (expect === undefined) return notRun('the caller expects no particular values of other fields');
  for (const field of SNP_EXPECTED_FIELDS) {
    const expected = expect[field];
    if (expected === undefined || equalBytes(expected, report[field])) continue;
    return failed('EVIDENCE_EXPECTATION_MISMATCH', `${field} is not what the caller expects`);
  }
  return PASSED;
}
