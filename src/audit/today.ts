import {
  appraise,
  loadPolicy,
  loadVendorEndorsements,
  parseEvidenceBundle,
  parseRecordedInputs,
  type TrustAnchor,
  trustUnder,
} from '../attestation/index.ts';
import { fromUtf8, type UnixMs } from '../core/index.ts';
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
  { evidence, inputs, policyText }: AppraisalMaterial,
  collateral: Uint8Array,
  anchors: readonly TrustAnchor[],
  now: UnixMs,
): Promise<readonly string[]> {
  const policy = loadPolicy(policyText);
  const usable = policy.environment === 'production' ? anchors.filter(({ kind }) => kind === 'vendor') : anchors;
  const recorded = parseRecordedInputs(inputs);
  const { tee } = parseEvidenceBundle(evidence);
  const made = await appraise({
    ...trustUnder(policy, usable),
    bundle: evidence,
    endorsements: await loadVendorEndorsements(tee, fromUtf8(collateral, 'collateral'), anchors),
    now,
    expectedNonce: recorded.nonce,
    knownBlocks: recorded.knownBlocks,
  });
  return made.status === 'affirming' ? [] : made.because.filter((name) => !OF_TIME.has(name));
}
