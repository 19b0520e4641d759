import type { UnixMs } from '../../core/index.ts';
import { type AmdEndorsements, loadAmdEndorsements, type TrustAnchor } from '../endorsements/index.ts';
import { bundleReportData, type EvidenceBundle } from '../evidence/composite/index.ts';
import { parseSnpReport, snpImageDigest } from '../evidence/snp/index.ts';
import { type CrlFloor, type SnpVerdict, verifySnpReport } from '../verify/index.ts';
import { snpBindingChecks } from './binding.ts';
import type { CpuAppraisal } from './cpu.ts';
import { acceptedUntil, earlier, imageReference, snpImageOf } from './images.ts';
import type { Policy } from './policy.ts';
import { snpClaims } from './rule-claims.ts';
import { snpOptionsOf, snpPolicyChecks } from './snp-policy.ts';

/** Appraises the SEV-SNP report of a bundle. @throws CodedError EVIDENCE_* for a report that can't be read */
export async function appraiseSnp(
  bundle: EvidenceBundle,
  policy: Policy,
  trustAnchors: readonly TrustAnchor[],
  now: UnixMs,
  crlFloors: readonly CrlFloor[],
  endorsements: AmdEndorsements = loadAmdEndorsements({}),
): Promise<CpuAppraisal> {
  const report = parseSnpReport(bundle.quote);
  const rules = policy.sevSnp;
  const at = Math.floor(now / 1000);
  const image = snpImageOf(rules.images, report);
  const verdict = await verifySnpReport(report, endorsements, trustAnchors, at, {
    ...snpOptionsOf(rules),
    crlFloors,
    expectReportData: bundleReportData(bundle),
  });
  // What a bundle expects is REPORT_DATA; images are compared as tuples below.
  const { expectedReportData, expectedFields: _, tcbMinimum, cloudProvider, ...cpu } = verdict.checks;
  const isProviders = report.signer === 'VLEK';
  return {
    verdict: verdict.verdict,
    cpu,
    binding: snpBindingChecks(bundle, expectedReportData),
    policy: { tcbMinimum, cloudProvider, ...snpPolicyChecks(rules, report, verdict.tcbs, at) },
    mayStayUnrun: [
      ...(rules.maskedChipId === 'allow' ? ['cpu.chipIdMatchesLeaf'] : []),
      ...(isProviders ? [] : ['policy.cloudProvider']),
    ],
    anchor: verdict.anchor,
    endorsementAnchors: verdict.anchor === null ? [] : [verdict.anchor],
    tdxTcb: null,
    snpTcbs: verdict.tcbs,
    earliestExpiry: earlier(verdict.validity?.earliestExpiry ?? null, acceptedUntil(image)),
    crls: verdict.crls,
    imageDigest: snpImageDigest(report),
    image: imageReference('sev-snp', image),
    platformId: chipOf(verdict),
    identityBinding: rules.identityBinding,
    claims: verdict.verdict === 'verified' ? snpClaims(report, verdict.tcbs) : null,
  };
}

/** Only a VCEK's HWID makes a CHIP_ID a fact. */
function chipOf(verdict: SnpVerdict): CpuAppraisal['platformId'] {
  return verdict.verdict === 'verified' && verdict.report.boundTo === 'chip' ? verdict.report.chipId : null;
}
