import { ed25519 } from '@noble/curves/ed25519.js';
import { type Bytes, own, withSubtle } from './browser-subtle.ts';
import { isHonestPoint } from './ed25519-point.ts';
import { rsaModulusBytes } from './rsa-spki.ts';
import type { EcdsaCurve, RsaHash, SignatureHash, Where } from './shapes.ts';

const ED25519_PKCS8 = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20);

/** An Ed25519 private key held by the platform. */
export type SigningKey = { readonly handle: Promise<CryptoKey | null>; readonly publicKey: Bytes };

/** @param seed the 32-byte private key of RFC 8032 */
export function ed25519Key(seed: Uint8Array): SigningKey {
  if (seed.length !== 32) throw new RangeError('an Ed25519 seed has 32 bytes');
  const pkcs8 = new Uint8Array(48);
  pkcs8.set(ED25519_PKCS8);
  pkcs8.set(seed, 16);
  const handle = withSubtle((subtle) => subtle.importKey('pkcs8', pkcs8, 'Ed25519', false, ['sign']));
  handle.catch(() => undefined).finally(() => pkcs8.fill(0)); // whoever signs hears of a failure
  return { handle, publicKey: Uint8Array.from(ed25519.getPublicKey(seed)) };
}

/** 64 bytes, deterministic (RFC 8032). */
export async function ed25519Sign(key: SigningKey, message: Uint8Array, _where?: Where): Promise<Bytes> {
  const handle = (await key.handle) as CryptoKey; // any 32 bytes are a key
  const signature = await withSubtle((subtle) => subtle.sign('Ed25519', handle, own(message)));
  return new Uint8Array(signature as ArrayBuffer);
}

/**
 * False for anything that is not a valid signature by this key (RFC 8032, without cofactor): malformed lengths, points
 * that are not canonical or of small order, S out of range.
 */
export async function ed25519Verify(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
  _where?: Where,
): Promise<boolean> {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  if (!isHonestPoint(publicKey) || !isHonestPoint(signature)) return false;
  return holds('raw', publicKey, 'Ed25519', 'Ed25519', message, signature);
}

const CURVE = {
  'P-256': { pointBytes: 65, hash: 'sha256' },
  'P-384': { pointBytes: 97, hash: 'sha384' },
} as const;
const HASH: Readonly<Record<RsaHash, string>> = { sha256: 'SHA-256', sha384: 'SHA-384', sha512: 'SHA-512' };

/**
 * ECDSA, over SHA-256 on P-256 and SHA-384 on P-384 unless another hash is named. False for anything but a valid
 * signature: a point off the curve, r or s out of range, wrong lengths.
 * @param point 0x04 ‖ x ‖ y
 * @param signature r ‖ s, each of the curve's width
 */
export async function ecdsaVerify(
  curve: EcdsaCurve,
  point: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
  hash: SignatureHash = CURVE[curve].hash,
): Promise<boolean> {
  const { pointBytes } = CURVE[curve];
  if (point.length !== pointBytes || point[0] !== 4 || signature.length !== pointBytes - 1) return false;
  const algorithm = { name: 'ECDSA', namedCurve: curve };
  return holds('raw', point, algorithm, { name: 'ECDSA', hash: HASH[hash] }, message, signature);
}

/**
 * RSASSA-PSS (RFC 8017 section 8.1) with MGF1 over the same hash and trailer field 1; false for anything else.
 * @param spki SubjectPublicKeyInfo, DER, with the algorithm rsaEncryption
 * @param saltLength bytes; a signature with another salt length does not verify
 */
export async function rsaPssVerify(
  spki: Uint8Array,
  hash: RsaHash,
  saltLength: number,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const modulusBytes = rsaModulusBytes(spki);
  if (modulusBytes === null || signature.length !== modulusBytes) return false;
  if (!Number.isSafeInteger(saltLength) || saltLength < 0 || saltLength > modulusBytes) return false;
  const algorithm = { name: 'RSA-PSS', hash: HASH[hash] };
  return holds('spki', spki, algorithm, { name: 'RSA-PSS', saltLength }, message, signature);
}

/** RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2), as TPMs sign quotes; false for anything else. Arguments as above. */
export async function rsaPkcs1Verify(
  spki: Uint8Array,
  hash: RsaHash,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const modulusBytes = rsaModulusBytes(spki);
  if (modulusBytes === null || signature.length !== modulusBytes) return false;
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: HASH[hash] };
  return holds('spki', spki, algorithm, algorithm.name, message, signature);
}

type Named = string | (Readonly<Record<string, string | number>> & Readonly<{ name: string }>);

async function holds(
  format: 'raw' | 'spki',
  key: Uint8Array,
  imported: Named,
  verified: Named,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const answer = await withSubtle(async (subtle) => {
    const handle = await subtle.importKey(format, own(key), imported as Algorithm, false, ['verify']);
    return subtle.verify(verified as Algorithm, handle, own(signature), own(message));
  });
  return answer === true;
}
