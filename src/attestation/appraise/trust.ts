import { CodedError, equalBytes } from '../../core/index.ts';
import {
  AMD_ROOTS,
  INTEL_SGX_ROOT,
  NVIDIA_DEVICE_ROOT,
  NVIDIA_RIM_ROOT,
  type TrustAnchor,
} from '../endorsements/index.ts';
import type { DevelopmentPolicy, Policy, ProductionPolicy } from './policy.ts';

declare const pinned: unique symbol; // not exported: only pinnedAnchor makes the next type
/** A vendor's root whose key is pinned in this source: nothing read from a file or a flag becomes one. */
export type PinnedAnchor = TrustAnchor & { readonly kind: 'vendor'; readonly [pinned]: true };

/** What a production composition trusts. */
export const PINNED_ANCHORS: readonly PinnedAnchor[] = [
  INTEL_SGX_ROOT,
  ...AMD_ROOTS,
  NVIDIA_DEVICE_ROOT,
  NVIDIA_RIM_ROOT,
].map((anchor) => anchor as TrustAnchor as PinnedAnchor);

/**
 * A policy with the anchors it may be used with. Production takes pinned vendor roots alone, so that a simulated root
 * under a production policy does not compile; {@link trustUnder} refuses at run time what a cast would let through.
 */
export type Trust =
  | Readonly<{ policy: ProductionPolicy; trustAnchors: readonly PinnedAnchor[] }>
  | Readonly<{ policy: DevelopmentPolicy; trustAnchors: readonly TrustAnchor[] }>;

/** The pinned anchor with exactly this key and kind, or null: a simulated root that calls itself a vendor's has another key. */
export function pinnedAnchor(anchor: TrustAnchor): PinnedAnchor | null {
  if (anchor.kind !== 'vendor') return null;
  return PINNED_ANCHORS.find((pin) => equalBytes(pin.spkiSha256, anchor.spkiSha256)) ?? null;
}

/**
 * Pairs a policy with anchors.
 * @throws CodedError CONFIG_INVALID for an anchor that is not a pinned vendor's under a production policy, and for a
 *   simulated one under a development policy that refuses it; also for no anchor
 */
export function trustUnder(policy: Policy, anchors: readonly TrustAnchor[]): Trust {
  const refuse = (why: string, anchor?: TrustAnchor) =>
    new CodedError('CONFIG_INVALID', why, {
      policy: policy.id,
      ...(anchor === undefined ? {} : { kind: anchor.kind }),
    });
  if (anchors.length === 0) throw refuse('no trust anchor: nothing could be verified');
  if (policy.environment === 'production') {
    const trustAnchors = anchors.map((anchor) => {
      const pin = pinnedAnchor(anchor);
      if (pin === null) throw refuse('a production policy accepts only roots of vendors that are pinned here', anchor);
      return pin;
    });
    return { policy, trustAnchors };
  }
  const simulated = anchors.find((anchor) => anchor.kind === 'simulated');
  if (policy.simulated === 'refuse' && simulated !== undefined) {
    throw refuse('this development policy refuses simulated vendors', simulated);
  }
  return { policy, trustAnchors: anchors };
}

/** Whether a root may vouch for evidence under this policy. */
export function mayVouch(policy: Policy, anchor: TrustAnchor): boolean {
  if (policy.environment === 'production') return pinnedAnchor(anchor) !== null;
  return anchor.kind !== 'simulated' || policy.simulated === 'accept';
}
