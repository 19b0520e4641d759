import * as crypto from 'node:crypto';

type Bytes = Uint8Array<ArrayBuffer>;

export const ML_DSA_44 = { seedBytes: 32, publicKeyBytes: 1312, signatureBytes: 2420 } as const;

/** An ML-DSA-44 private key (FIPS 204) held by the library. */
export type MlDsaKey = { readonly handle: crypto.KeyObject; readonly publicKey: Bytes };

const NAME = 'ml-dsa-44';

/** @param seed the 32 bytes ξ of FIPS 204 algorithm 1 */
export async function mlDsa44Key(seed: Uint8Array): Promise<MlDsaKey> {
  if (seed.length !== ML_DSA_44.seedBytes) throw new RangeError('an ML-DSA seed has 32 bytes');
  const handle = crypto.createPrivateKey({ key: Buffer.from(seed), format: 'raw-seed', asymmetricKeyType: NAME });
  const publicKey = Uint8Array.from(crypto.createPublicKey(handle).export({ format: 'raw-public' }));
  return { handle, publicKey };
}

/** 2,420 bytes over the message itself with an empty context; randomised, so no two are alike. */
export async function mlDsa44Sign(key: MlDsaKey, message: Uint8Array): Promise<Bytes> {
  return Uint8Array.from(crypto.sign(null, message, key.handle));
}

/** False for anything that is not a valid signature by this key, malformed keys and lengths included. */
export async function mlDsa44Verify(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (publicKey.length !== ML_DSA_44.publicKeyBytes || signature.length !== ML_DSA_44.signatureBytes) return false;
  try {
    const key = crypto.createPublicKey({
      key: Buffer.from(publicKey),
      format: 'raw-public',
      asymmetricKeyType: NAME,
    });
    return crypto.verify(null, message, key, signature);
  } catch {
    return false;
  }
}
