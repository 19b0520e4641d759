import {
  loadPolicy,
  PINNED_ANCHORS,
  type Policy,
  policyDigest,
  type Trust,
  type TrustAnchor,
  trustUnder,
} from '../../attestation/index.ts';
import { type Bytes, CodedError, fromHex, parseStrictJson } from '../../core/index.ts';
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
  if (simulated !== undefined) anchors.push(...simulatedAnchors(simulated));
  return { policy, text, digest: policyDigest(policy), trust: trustUnder(policy, anchors) };
}

/** Roots to judge a log's past appraisals with: each policy in it still takes only those that it may. */
export function auditAnchors(simulated: string | undefined): readonly TrustAnchor[] {
  return [...PINNED_ANCHORS, ...(simulated === undefined ? [] : simulatedAnchors(simulated))];
}

/** Whatever the file says of their kind: roots that come from a file are simulated ones here. */
function simulatedAnchors(path: string): TrustAnchor[] {
  const value = parseStrictJson(readText(path), 'trust anchors');
  const invalid = () =>
    new CodedError('CONFIG_INVALID', `${path} is no list of trust anchors ({spkiSha256, name, purpose})`);
  if (!Array.isArray(value) || value.length === 0 || value.length > 16) throw invalid();
  return value.map((item) => {
    const { spkiSha256, name, purpose } = (item ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof spkiSha256 !== 'string' || spkiSha256.length !== 64) throw invalid();
    if (purpose !== undefined && purpose !== 'nvidia-device' && purpose !== 'nvidia-manifest') throw invalid();
    return {
      spkiSha256: fromHex(spkiSha256, 'spkiSha256'),
      kind: 'simulated',
      name: `simulated: ${String(name ?? '')}`,
      purpose,
    };
  });
}
