import {
  AMD_ROOTS,
  AmdCache,
  type AmdEndorsements,
  type AzureVerifyOptions,
  amdCollateralOf,
  type Check,
  isHclReport,
  loadAmdEndorsements,
  type ParsedSnpReport,
  type Policy,
  parseHclReport,
  parseSnpReport,
  readGuestPolicy,
  readPlatformInfo,
  requiredAzureChecks,
  requiredSnpChecks,
  SNP_EXPECTED_FIELDS,
  type SnpExpectedField,
  type SnpVerdict,
  type SnpVerifyOptions,
  snpOptionsOf,
  snpPolicyChecks,
  snpStrictViolations,
  type VerifiedSnpReport,
  type VtpmEvidence,
  verifyAzureGuest,
  verifySnpReport,
} from '../../attestation/index.ts';
import { CodedError, fromHex, type Json, toHex, type UnixSeconds } from '../../core/index.ts';
import { azureClaims, takeVtpm } from './azure-guest.ts';
import { type Appraised, policyOf, type ShippedPolicies, underPolicy } from './policy.ts';
import type { VerifyRequest } from './request.ts';
import { checkReport, errorOfChecks, type VerifyResponse } from './response.ts';
import { snpTcbDocument } from './snp-tcb.ts';

/**
 * Answers requests of kind `snp-report`: a bare report, or the blob that an Azure guest's vTPM holds, with `vtpm` in the
 * collateral. Certificates that come again are parsed and verified once.
 */
export function createSnpReportVerifier(
  policies: ShippedPolicies,
): (request: VerifyRequest) => Promise<VerifyResponse> {
  const cache = new AmdCache();
  return async (request) => {
    const { evidence, collateral } = request;
    const policy = policyOf(request, policies);
    const { vtpm, rest } = takeVtpm(collateral);
    const { nonce, ...expect } = request.expect;
    const options = {
      ...(policy === null ? {} : snpOptionsOf(policy.sevSnp)),
      ...{ revocation: request.revocation, require: request.require, ...expectationsOf(expect) },
    };
    const judge = (load: () => AmdEndorsements) =>
      isHclReport(evidence)
        ? judgeAzure(request, vtpm, load, { ...options, expectNonce: expectedNonce(nonce) })
        : judgeBare(request, load, options, vtpm !== null || nonce !== undefined);
    const judged = await judge(() => loadAmdEndorsements(amdCollateralOf(rest), cache));
    const { snp } = judged;
    const { verdict, checks, isRequired, appraisal } = appraised(judged, policy, request.at);
    return {
      id: request.id,
      verdict,
      error: errorOfChecks(verdict, checks, isRequired),
      checks: Object.fromEntries(Object.entries(checks).map(([name, check]) => [name, checkReport(check)])),
      tcb: snpTcbDocument(snp),
      claims: verdict === 'verified' && snp.verdict === 'verified' ? { ...claimsOf(snp.report), ...judged.more } : {},
      appraisal,
    };
  };
}

/** What the verifier compared for the policy stands among the policy's checks. */
function appraised(judged: Judgement, policy: Policy | null, at: UnixSeconds): Appraised {
  const { verdict, checks, isRequired, snp, report } = judged;
  if (policy === null) return { verdict, checks, isRequired, appraisal: null };
  const { tcbMinimum, cloudProvider, ...genuine } = checks as Record<string, Check> & SnpVerdict['checks'];
  const ofPolicy = { ...snpPolicyChecks(policy.sevSnp, report, snp.tcbs, at), tcbMinimum, cloudProvider };
  const mayStayUnrun = report.signer === 'VLEK' ? [] : ['cloudProvider'];
  const evidence = { tee: 'sev-snp', ofPolicy, mayStayUnrun } as const;
  // A report's list is signed by the root of its chain.
  const endorsementAnchors = snp.anchor === null ? [] : [snp.anchor];
  return underPolicy(
    { verdict, checks: genuine, isRequired, anchor: snp.anchor, endorsementAnchors },
    policy,
    evidence,
    at,
  );
}

type Judgement = Readonly<{
  verdict: SnpVerdict['verdict'];
  checks: Readonly<Record<string, Check>>;
  snp: SnpVerdict;
  report: ParsedSnpReport;
  isRequired: (name: string) => boolean;
  /** Claims beyond the report's. */
  more: Readonly<Record<string, Json>>;
}>;

async function judgeBare(
  { evidence, trustAnchors, at }: VerifyRequest,
  load: () => AmdEndorsements,
  options: SnpVerifyOptions,
  hasVtpmQuestions: boolean,
): Promise<Judgement> {
  const report = parseSnpReport(evidence);
  // A question that this evidence can't answer must not look answered.
  if (hasVtpmQuestions)
    throw new CodedError('USAGE_INVALID', 'vtpm and expect.nonce are for a blob of Azure, not for a report', {});
  const snp = await verifySnpReport(report, load(), trustAnchors ?? AMD_ROOTS, at, options);
  const required: ReadonlySet<string> = requiredSnpChecks(report, options);
  const isRequired = (name: string) => required.has(name);
  return { verdict: snp.verdict, checks: snp.checks, snp, report, isRequired, more: {} };
}

async function judgeAzure(
  { evidence, trustAnchors, at }: VerifyRequest,
  vtpm: VtpmEvidence | null,
  load: () => AmdEndorsements,
  options: AzureVerifyOptions,
): Promise<Judgement> {
  const hcl = parseHclReport(evidence);
  const found = await verifyAzureGuest(hcl, vtpm, load(), trustAnchors ?? AMD_ROOTS, at, options);
  const report = parseSnpReport(hcl.report);
  const required: ReadonlySet<string> = requiredAzureChecks(report, options);
  return { ...found, report, isRequired: (name) => required.has(name), more: azureClaims(hcl, found) };
}

function expectedNonce(value: Json | undefined): Uint8Array | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && /^(?:[0-9a-fA-F]{2}){1,64}$/.test(value)) return fromHex(value);
  throw new CodedError('REQUEST_MALFORMED', 'request.expect.nonce: not 1 to 64 bytes in hexadecimal', {
    field: 'nonce',
  });
}

function expectationsOf(expect: VerifyRequest['expect']): Pick<SnpVerifyOptions, 'expectReportData' | 'expect'> {
  const wrong = (field: string, why: string) =>
    new CodedError('REQUEST_MALFORMED', `request.expect.${field}: ${why}`, { field });
  const values = new Map<string, Uint8Array>();
  for (const [name, value] of Object.entries(expect)) {
    const isKnown = name === 'reportData' || (SNP_EXPECTED_FIELDS as readonly string[]).includes(name);
    if (!isKnown) throw wrong(name, 'not known for an SNP report');
    if (typeof value !== 'string' || !/^(?:[0-9a-fA-F]{2})+$/.test(value)) throw wrong(name, 'not hexadecimal');
    if (name === 'reportData' && value.length !== 128) throw wrong(name, 'not 64 bytes in hexadecimal');
    values.set(name, fromHex(value));
  }
  const expectReportData = values.get('reportData');
  values.delete('reportData');
  const fields = Object.fromEntries(values) as Partial<Record<SnpExpectedField, Uint8Array>>;
  return { expectReportData, expect: values.size === 0 ? undefined : fields };
}

const hexOf64 = (value: bigint) => value.toString(16).padStart(16, '0');

/** What the report establishes, bytes in hexadecimal; given for verified reports alone. */
function claimsOf(report: VerifiedSnpReport): Readonly<Record<string, Json>> {
  const policy = readGuestPolicy(report.policy);
  const platform = readPlatformInfo(report.platformInfo);
  const { anchor, leaf, mitigations } = report;
  const fields = Object.fromEntries(SNP_EXPECTED_FIELDS.map((name) => [name, toHex(report[name])]));
  return {
    reportVersion: report.version,
    reportData: toHex(report.reportData),
    ...fields,
    guestSvn: report.guestSvn,
    vmpl: report.vmpl,
    line: report.line,
    cpuid: report.cpuid,
    signer: report.signer,
    boundTo: report.boundTo,
    cspId: leaf.cspId,
    policy: hexOf64(report.policy),
    policyAbi: `${policy.abiMajor}.${policy.abiMinor}`,
    policyNames: policy.names,
    debug: policy.debug,
    migratable: policy.migrateMa,
    platformInfo: hexOf64(report.platformInfo),
    platformInfoNames: platform.names,
    unknownPlatformInfoBits: platform.reservedBits,
    authorKeyEnabled: report.authorKeyEnabled,
    firmware: `${report.current.major}.${report.current.minor}.${report.current.build}`,
    committedFirmware: `${report.committed.major}.${report.committed.minor}.${report.committed.build}`,
    reportedTcb: toHex(report.reportedTcb),
    currentTcb: toHex(report.currentTcb),
    committedTcb: toHex(report.committedTcb),
    launchTcb: toHex(report.launchTcb),
    launchMitigations: mitigations === null ? null : hexOf64(mitigations.launch),
    currentMitigations: mitigations === null ? null : hexOf64(mitigations.current),
    strictPolicyViolations: snpStrictViolations(report, report.tcbs),
    leafSpkiSha256: toHex(report.leafSpkiSha256),
    revocation: report.revocation,
    trustAnchor: { name: anchor.name, kind: anchor.kind, spkiSha256: toHex(anchor.spkiSha256) },
  };
}
