import { fromHex } from '../../../core/index.ts';
import type { TrustAnchor } from '../trust-anchor.ts';

/**
 * NVIDIA Device Identity CA, as data in attestation-policies/trust-anchors/nvidia-device-identity-ca.json. Two
 * certificates exist over this one key; hence the pin by key.
 */
export const NVIDIA_DEVICE_ROOT: TrustAnchor = {
  spkiSha256: fromHex('a90c4eb5acfd3e3d03a25db6a26b84f720ad0503196c627c21ddd48dd85b06a4'),
  certificateSha256: fromHex('102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48'),
  kind: 'vendor',
  name: 'NVIDIA Device Identity CA',
  purpose: 'nvidia-device',
};

/** NVIDIA CoRIM signing Root CA, as data in attestation-policies/trust-anchors/nvidia-corim-signing-root-ca.json. */
export const NVIDIA_RIM_ROOT: TrustAnchor = {
  spkiSha256: fromHex('dec1dc316477aa851eebdf51327ae9f864bc8d89254657ed1e7eb9168af1e1a3'),
  certificateSha256: fromHex('12977b5115acb0381179279fffeb5a8c4d264971ebb32298023a465fa41df5d1'),
  kind: 'vendor',
  name: 'NVIDIA CoRIM signing Root CA',
  purpose: 'nvidia-manifest',
};
