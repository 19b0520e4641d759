import { ml_dsa44 } from '@noble/post-quantum/ml-dsa.js';

type Bytes = Uint8Array<ArrayBuffer>;

export const ML_DSA_44 = { seedBytes: 32, publicKeyBytes: 1312, signatureBytes: 2420 } as const;

/** What `node-ml-dsa.ts` gives, where the platform has no ML-DSA of its own. */
export type MlDsaKey = { readonly handle: Uint8Array; readonly publicKey: Bytes };

/** @param seed the 32 bytes ξ of FIPS 204 algorithm 1 */
export async function mlDsa44Key(seed: Uint8Array): Promise<MlDsaKey> {
  if (seed.length !== ML_DSA_44.seedBytes) throw new RangeError('an ML-DSA seed has 32 bytes');
  const { publicKey, secretKey } = ml_dsa44.keygen(seed);
  return { handle: secretKey, publicKey: Uint8Array.from(publicKey) };
}

/** 2,420 bytes over the message itself with an empty context; randomised, so no two are alike. */
export async function mlDsa44Sign(key: MlDsaKey, message: Uint8Array): Promise<Bytes> {
  return Uint8Array.from(ml_dsa44.sign(message, key.handle));
}

/** False for anything that is not a valid signature by this key, malformed keys and lengths included. */
export async function mlDsa44Verify(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (publicKey.length !== ML_DSA_44.publicKeyBytes || signature.length !== ML_DSA_44.signatureBytes) return false;
  try {
    return ml_dsa44.verify(signature, message, publicKey);
  } catch {
    return false;
  }
}
