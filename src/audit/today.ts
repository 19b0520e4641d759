import {
  appraise,
  loadPolicy,
  loadVendorEndorsements,
  parseEvidenceBundle,
  parseRecordedInputs,
  type TrustAnchor,
  trustUnder,
} from '../attestation/index.ts';
import { type Bytes, fromUtf8, type UnixMs } from '../core/index.ts';
import type { AppraisalMaterial } from './reappraise.ts';

/** What changes with time alone: evidence grows old, keys end, and the worker answers for that with new evidence. */
const OF_TIME: ReadonlySet<string> = new Set([
  'policy.evidenceAge',
  'policy.keysetCurrent',
  'binding.beaconBlock',
  'binding.nonce',
]);

/**
 * What today's collateral says about evidence that was affirmed before: names of checks that fail now, none where it
 * still stands. @param collateral today's, as it travels beside a bundle
 * @throws CodedError where it cannot be judged
 */
export async function failsToday(
  material: AppraisalMaterial,
  collateral: Uint8Array,
  anchors: readonly TrustAnchor[],
  now: UnixMs,
): Promise<readonly string[]> {
  const found = await failsUnder(material.policyText, { ...material, collateral: collateral as Bytes }, anchors, now);
  return found.filter((name) => !OF_TIME.has(name));
}

/**
 * What a policy says of recorded evidence: names of checks that stand in the way, none where it accepts it.
 * @param now the instant to judge at; by default the one at which the evidence was judged
 * @throws CodedError where it cannot be judged
 */
export async function failsUnder(
  policyText: string,
  { evidence, collateral, inputs }: AppraisalMaterial,
  anchors: readonly TrustAnchor[],
  now?: UnixMs,
): Promise<readonly string[]> {
  const policy = loadPolicy(policyText);
  const usable = policy.environment === 'production' ? anchors.filter(({ kind }) => kind === 'vendor') : anchors;
  const recorded = parseRecordedInputs(inputs);
  const { tee } = parseEvidenceBundle(evidence);
  const made = await appraise({
    ...trustUnder(policy, usable),
    bundle: evidence,
    endorsements: await loadVendorEndorsements(tee, fromUtf8(collateral, 'collateral'), usable),
    now: now ?? recorded.judgedAt,
    expectedNonce: recorded.nonce,
    knownBlocks: recorded.knownBlocks,
  });
  return made.status === 'affirming' ? [] : made.because;
}
