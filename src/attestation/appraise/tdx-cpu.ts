import type { Bytes, UnixMs } from '../../core/index.ts';
import {
  type IntelEndorsements,
  intelAnchorsOf,
  noIntelEndorsements,
  type TrustAnchor,
} from '../endorsements/index.ts';
import { bundleReportData, type EvidenceBundle } from '../evidence/composite/index.ts';
import { parseTdxQuote, tdxImageDigest } from '../evidence/tdx/index.ts';
import { type CrlFloor, verifyTdxQuote } from '../verify/index.ts';
import { tdxBindingChecks } from './binding.ts';
import type { CpuAppraisal } from './cpu.ts';
import { acceptedUntil, earlier, imageReference, tdxImageOf } from './images.ts';
import type { Policy } from './policy.ts';
import { tdxClaims } from './rule-claims.ts';
import { tdxPolicyChecks } from './tdx-policy.ts';

/**
 * Appraises the TDX quote of a bundle.
 * @param deviceIds of the bundle's devices, which an event must name
 * @throws CodedError EVIDENCE_* for a quote that can't be read
 */
export async function appraiseTdx(
  bundle: EvidenceBundle,
  policy: Policy,
  trustAnchors: readonly TrustAnchor[],
  now: UnixMs,
  deviceIds: readonly Bytes[],
  crlFloors: readonly CrlFloor[],
  endorsements: IntelEndorsements = noIntelEndorsements(),
): Promise<CpuAppraisal> {
  const quote = parseTdxQuote(bundle.quote);
  const at = Math.floor(now / 1000);
  const verdict = await verifyTdxQuote(quote, endorsements, trustAnchors, at, {
    revocation: 'require',
    crlFloors,
    collateralAgeSecondsMax: policy.tdx.collateralAgeSecondsMax,
    expectReportData: bundleReportData(bundle),
  });
  const { expectedReportData, ...cpu } = verdict.checks;
  const platform = verdict.verdict === 'verified' ? verdict.quote.platform : null;
  const image = tdxImageOf(policy.tdx.images, quote.report);
  return {
    verdict: verdict.verdict,
    cpu,
    binding: tdxBindingChecks(bundle, quote, expectedReportData, deviceIds),
    policy: tdxPolicyChecks(policy.tdx, quote, { tcb: verdict.tcb, platform }, at),
    mayStayUnrun: [],
    anchor: verdict.anchor,
    endorsementAnchors: intelAnchorsOf(endorsements),
    tdxTcb: verdict.tcb,
    snpTcbs: null,
    earliestExpiry: earlier(verdict.validity?.earliestExpiry ?? null, acceptedUntil(image)),
    crls: verdict.crls,
    imageDigest: tdxImageDigest(quote.report),
    image: imageReference('tdx', image),
    platformId: platform?.ppid ?? null,
    identityBinding: 'register',
    claims: verdict.verdict === 'verified' ? tdxClaims(quote, verdict.tcb) : null,
  };
}
