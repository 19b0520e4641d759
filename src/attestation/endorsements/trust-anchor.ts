import { type Bytes, equalBytes, fromHex } from '../../core/index.ts';

/**
 * A root key that a caller trusts, pinned by the SHA-256 of its SubjectPublicKeyInfo (DER). The kind travels with every
 * verdict: what a simulated root vouches for is never mistaken for what a vendor vouches for.
 */
export type TrustAnchor = Readonly<{
  spkiSha256: Bytes;
  /** SHA-256 of the root certificate itself (DER), where it is known: these very bytes need no signature by themselves. */
  certificateSha256?: Bytes | undefined;
  kind: 'vendor' | 'simulated' | 'caller';
  name: string;
  /** What it may vouch for, apart from CPUs: NVIDIA has one root for devices and one for manifests. */
  purpose?: 'nvidia-device' | 'nvidia-manifest' | undefined;
}>;

/**
 * Intel SGX Root CA, as data in attestation-policies/trust-anchors/intel-sgx-root-ca.json: source, certificate hash,
 * validity until 2049-12-31. A pre-production root with the same subject exists; hence the pin by key.
 */
export const INTEL_SGX_ROOT: TrustAnchor = {
  spkiSha256: fromHex('a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e'),
  certificateSha256: fromHex('44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3'),
  kind: 'vendor',
  name: 'Intel SGX Root CA',
};

/** Those of `anchors` that may vouch for this, and for nothing else. */
export function anchorsFor(purpose: TrustAnchor['purpose'], anchors: readonly TrustAnchor[]): readonly TrustAnchor[] {
  return anchors.filter((anchor) => anchor.purpose === purpose);
}

/** The anchor that pins this key, or null. An empty list trusts nothing. */
export function anchorFor(spkiSha256: Uint8Array, anchors: readonly TrustAnchor[]): TrustAnchor | null {
  return anchors.find((anchor) => equalBytes(anchor.spkiSha256, spkiSha256)) ?? null;
}
