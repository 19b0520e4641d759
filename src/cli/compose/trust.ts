import {
  loadPolicy,
  PINNED_ANCHORS,
  type Policy,
  parseSimulatedAnchors,
  policyDigest,
  type Trust,
  type TrustAnchor,
  trustUnder,
} from '../../attestation/index.ts';
import type { Bytes } from '../../core/index.ts';
import { readText } from './files.ts';

export type TrustOptions = Readonly<{
  policy: string;
  /** File with simulated vendors' roots; only a development policy takes them. */
  dangerouslyAllowSimulatedVendor?: string;
}>;

/**
 * The policy in a file and the roots that may vouch under it: the vendors' that are pinned here, and simulated vendors'
 * where the flag names their file and the policy is for development.
 * @throws CodedError CONFIG_INVALID, POLICY_INVALID
 */
export function loadTrust(
  options: TrustOptions,
): Readonly<{ policy: Policy; text: string; digest: Bytes; trust: Trust }> {
  const text = readText(options.policy);
  const policy = loadPolicy(text);
  const simulated = options.dangerouslyAllowSimulatedVendor;
  const anchors: TrustAnchor[] = [...PINNED_ANCHORS];
  if (simulated !== undefined) anchors.push(...parseSimulatedAnchors(readText(simulated)));
  return { policy, text, digest: policyDigest(policy), trust: trustUnder(policy, anchors) };
}

/** Roots to judge a log's past appraisals with: each policy in it still takes only those that it may. */
export function auditAnchors(simulated: string | undefined): readonly TrustAnchor[] {
  return [...PINNED_ANCHORS, ...(simulated === undefined ? [] : parseSimulatedAnchors(readText(simulated)))];
}
