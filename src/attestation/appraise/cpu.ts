import type { Bytes, UnixSeconds } from '../../core/index.ts';
import type { TrustAnchor } from '../endorsements/index.ts';
import type { Check, CrlFloor, SnpTcbs, TdxTcb } from '../verify/index.ts';
import type { CpuClaims } from './rule-claims.ts';

export type CheckGroup = Readonly<Record<string, Check>>;

/**
 * How the keyset is tied to the boot (AIS/1 section 3, item 4): by an event in a register that cannot be taken back, or by
 * the rule that the measured image gives the report device to the attester alone.
 */
export type IdentityBinding = 'register' | 'image-rule';

/** What one kind of CPU evidence comes to under a policy: the same shape for every kind. */
export type CpuAppraisal = Readonly<{
  verdict: 'verified' | 'refused' | 'unavailable';
  /** Is it genuine? */
  cpu: CheckGroup;
  /** Do evidence and bundle belong together? */
  binding: CheckGroup;
  /** Is it what the policy wants? */
  policy: CheckGroup;
  /** `group.check` of checks that this evidence cannot have and the policy does not need; each says why in its reason. */
  mayStayUnrun: readonly string[];
  /** The root that vouches for the evidence, or null where it leads to none. */
  anchor: TrustAnchor | null;
  /** The roots behind the endorsements that were used. */
  endorsementAnchors: readonly TrustAnchor[];
  tdxTcb: TdxTcb | null;
  snpTcbs: SnpTcbs | null;
  earliestExpiry: UnixSeconds | null;
  /** The revocation lists that were used. */
  crls: readonly CrlFloor[];
  /** Of the image, as the registry on chain names it, 32 bytes. */
  imageDigest: Bytes;
  /** The policy's name of that image, `TEE:NAME@VERSION`; null where it names none like it. */
  image: string | null;
  /** PPID (16 bytes) or CHIP_ID (64 bytes); null where it is not established. */
  platformId: Bytes | null;
  identityBinding: IdentityBinding;
  /** What a policy's rules may ask; null where the evidence is not genuine. */
  claims: CpuClaims | null;
}>;
