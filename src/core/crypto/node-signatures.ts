import * as crypto from 'node:crypto';
import { isHonestPoint } from './ed25519-point.ts';
import { type Bytes, bytes, sameMemory } from './node-buffer.ts';
import { rsaModulusBytes } from './rsa-spki.ts';
import type { EcdsaCurve, RsaHash, SignatureHash, Where } from './shapes.ts';

const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const ED25519_PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** An Ed25519 private key held by the library. */
export type SigningKey = { readonly handle: crypto.KeyObject; readonly publicKey: Bytes };

/** @param seed the 32-byte private key of RFC 8032 */
export function ed25519Key(seed: Uint8Array): SigningKey {
  if (seed.length !== 32) throw new RangeError('an Ed25519 seed has 32 bytes');
  const pkcs8 = Buffer.concat([ED25519_PKCS8, seed]);
  const handle = crypto.createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  pkcs8.fill(0);
  const spki = crypto.createPublicKey(handle).export({ format: 'der', type: 'spki' });
  return { handle, publicKey: Uint8Array.from(spki.subarray(spki.length - 32)) };
}

/** 64 bytes, deterministic (RFC 8032). */
export async function ed25519Sign(key: SigningKey, message: Uint8Array, where: Where = 'here'): Promise<Bytes> {
  if (where === 'here') return bytes(crypto.sign(null, message, key.handle));
  return new Promise((resolve, reject) =>
    crypto.sign(null, message, key.handle, (error, signature) => (error ? reject(error) : resolve(bytes(signature)))),
  );
}

/** Session and receipt keys come again and again. */
const ED25519_KEYS_HELD_MAX = 4096;
const ed25519KeysHeld = new Map<string, crypto.KeyObject>();

/** @throws where the bytes are no point of the curve; such a key is never held */
function ed25519PublicKey(publicKey: Uint8Array): crypto.KeyObject {
  const name = sameMemory(publicKey).toString('latin1');
  const held = ed25519KeysHeld.get(name);
  if (held !== undefined) return held;
  const key = crypto.createPublicKey({ key: Buffer.concat([ED25519_SPKI, publicKey]), format: 'der', type: 'spki' });
  if (ed25519KeysHeld.size >= ED25519_KEYS_HELD_MAX) {
    ed25519KeysHeld.delete(ed25519KeysHeld.keys().next().value as string);
  }
  ed25519KeysHeld.set(name, key);
  return key;
}

/**
 * False for anything that is not a valid signature by this key (RFC 8032, without cofactor): malformed lengths, points
 * that are not canonical or of small order, S out of range.
 */
export async function ed25519Verify(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
  where: Where = 'here',
): Promise<boolean> {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  if (!isHonestPoint(publicKey) || !isHonestPoint(signature)) return false;
  try {
    const key = ed25519PublicKey(publicKey);
    if (where === 'here') return crypto.verify(null, message, key, signature);
    return await new Promise((resolve) =>
      crypto.verify(null, message, key, signature, (error, holds) => resolve(error === null && holds)),
    );
  } catch {
    return false;
  }
}

const SPKI_OF_CURVE = {
  'P-256': {
    prefix: Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex'),
    point: 65,
    hash: 'sha256',
  },
  'P-384': { prefix: Buffer.from('3076301006072a8648ce3d020106052b81040022036200', 'hex'), point: 97, hash: 'sha384' },
} as const;

/** Roots, signers and two keys of each host come again and again, and importing one costs a fifth of a verification. */
const EC_KEYS_HELD_MAX = 1024;
const ecKeysHeld = new Map<string, crypto.KeyObject>();

/** @throws where the point is not on the curve; such a key is never held */
function ecPublicKey(curve: EcdsaCurve, point: Uint8Array): crypto.KeyObject {
  const name = sameMemory(point).toString('latin1'); // P-256 and P-384 points differ in length
  const held = ecKeysHeld.get(name);
  if (held !== undefined) {
    ecKeysHeld.delete(name);
    ecKeysHeld.set(name, held); // now the one that was used last
    return held;
  }
  const { prefix } = SPKI_OF_CURVE[curve];
  const key = crypto.createPublicKey({ key: Buffer.concat([prefix, point]), format: 'der', type: 'spki' });
  if (ecKeysHeld.size >= EC_KEYS_HELD_MAX) {
    const oldest = ecKeysHeld.keys().next();
    if (!oldest.done) ecKeysHeld.delete(oldest.value);
  }
  ecKeysHeld.set(name, key);
  return key;
}

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
  hash: SignatureHash = SPKI_OF_CURVE[curve].hash,
): Promise<boolean> {
  const { point: pointLength } = SPKI_OF_CURVE[curve];
  if (point.length !== pointLength || point[0] !== 4 || signature.length !== pointLength - 1) return false;
  try {
    const key = ecPublicKey(curve, point);
    return crypto.verify(hash, message, { key, dsaEncoding: 'ieee-p1363' }, signature);
  } catch {
    return false;
  }
}

const RSA_KEYS_HELD_MAX = 64;
type RsaKey = Readonly<{ key: crypto.KeyObject; modulusBytes: number }>;
const rsaKeysHeld = new Map<string, RsaKey>();

/** The key, where it is an RSA key of acceptable size and the signature as long as its modulus; else null. */
function rsaKeyFor(spki: Uint8Array, signature: Uint8Array): crypto.KeyObject | null {
  const name = sameMemory(spki).toString('latin1');
  let held = rsaKeysHeld.get(name);
  if (held === undefined) {
    const modulusBytes = rsaModulusBytes(spki);
    if (modulusBytes === null) return null;
    held = { key: crypto.createPublicKey({ key: sameMemory(spki), format: 'der', type: 'spki' }), modulusBytes };
    if (rsaKeysHeld.size >= RSA_KEYS_HELD_MAX) {
      const oldest = rsaKeysHeld.keys().next();
      if (!oldest.done) rsaKeysHeld.delete(oldest.value);
    }
    rsaKeysHeld.set(name, held);
  }
  return signature.length === held.modulusBytes ? held.key : null;
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
  if (!Number.isSafeInteger(saltLength) || saltLength < 0) return false; // negative ones mean "whatever it has"
  try {
    const key = rsaKeyFor(spki, signature);
    if (key === null) return false;
    return crypto.verify(
      hash,
      message,
      { key, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength },
      signature,
    );
  } catch {
    return false;
  }
}

/** RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2), as TPMs sign quotes; false for anything else. Arguments as above. */
export async function rsaPkcs1Verify(
  spki: Uint8Array,
  hash: RsaHash,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  try {
    const key = rsaKeyFor(spki, signature);
    if (key === null) return false;
    return crypto.verify(hash, message, { key, padding: crypto.constants.RSA_PKCS1_PADDING }, signature);
  } catch {
    return false;
  }
}
