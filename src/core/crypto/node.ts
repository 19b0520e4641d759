/**
 * The only door to a cryptographic library. This is the Node implementation of `#crypto`; another platform supplies a
 * module with the same exports. Hashes and AEAD answer at once; signatures and KEMs answer by promise, because a
 * browser's do. Keys are raw bytes at this border (Ed25519, X25519: 32 bytes; P-256, P-384: uncompressed point).
 */
import * as crypto from 'node:crypto';
import { secretBytes } from '../bytes.ts';

export * from './node-ml-dsa.ts';

type Bytes = Uint8Array<ArrayBuffer>;

/** A view of the same memory: Node answers with Buffers of their own allocation. */
function bytes(buffer: Buffer): Bytes {
  return new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.length);
}

/** The other way: no second copy of a secret that nobody would overwrite. */
function sameMemory(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.length);
}

/** Broken for signatures: only for the names by which OCSP answers call certificates and keys. */
export function sha1(data: Uint8Array): Bytes {
  return bytes(crypto.hash('sha1', data, 'buffer'));
}
export function sha256(data: Uint8Array): Bytes {
  return bytes(crypto.hash('sha256', data, 'buffer'));
}
export function sha384(data: Uint8Array): Bytes {
  return bytes(crypto.hash('sha384', data, 'buffer'));
}
export function sha512(data: Uint8Array): Bytes {
  return bytes(crypto.hash('sha512', data, 'buffer'));
}
export function sha3_256(data: Uint8Array): Bytes {
  return bytes(crypto.hash('sha3-256', data, 'buffer'));
}
export function shake256(data: Uint8Array, length: number): Bytes {
  return bytes(crypto.createHash('shake256', { outputLength: length }).update(data).digest());
}

const BLOCK = 64;
/** Longer messages are worth a streaming context; for short ones two one-shot hashes are several times faster. */
const ONE_SHOT_MAX = 4096;

export function hmacSha256(key: Uint8Array, data: Uint8Array): Bytes {
  if (data.length > ONE_SHOT_MAX) {
    return bytes(crypto.createHmac('sha256', crypto.createSecretKey(key)).update(data).digest());
  }
  // RFC 2104: H(key ⊕ opad ‖ H(key ⊕ ipad ‖ data)).
  const short = key.length > BLOCK ? sha256(key) : key;
  const inner = secretBytes(BLOCK + data.length).fill(0x36, 0, BLOCK);
  const outer = secretBytes(BLOCK + 32).fill(0x5c, 0, BLOCK);
  for (let i = 0; i < short.length; i++) {
    const byte = short[i] as number;
    inner[i] = 0x36 ^ byte;
    outer[i] = 0x5c ^ byte;
  }
  inner.set(data, BLOCK);
  outer.set(sha256(inner), BLOCK);
  const mac = sha256(outer);
  inner.fill(0);
  outer.fill(0);
  return mac;
}

/** HMAC-SHA-256 over a message that comes in pieces. */
export type RunningHmac = { update(piece: Uint8Array): void; digest(): Bytes };

export function runningHmacSha256(key: Uint8Array): RunningHmac {
  const hmac = crypto.createHmac('sha256', crypto.createSecretKey(key));
  return { update: (piece) => void hmac.update(piece), digest: () => bytes(hmac.digest()) };
}

/** HKDF-Extract with SHA-256 (RFC 5869 section 2.2). */
export function hkdfExtract(salt: Uint8Array, inputKeyMaterial: Uint8Array): Bytes {
  return hmacSha256(salt.length === 0 ? new Uint8Array(32) : salt, inputKeyMaterial);
}

/** HKDF-Expand with SHA-256 (RFC 5869 section 2.3), at most 255 × 32 bytes. */
export function hkdfExpand(pseudoRandomKey: Uint8Array, info: Uint8Array, length: number): Bytes {
  if (length > 255 * 32) throw new RangeError('HKDF-Expand gives at most 8160 bytes');
  const out = secretBytes(length);
  const message = secretBytes(32 + info.length + 1);
  message.set(info, 32);
  for (let at = 0, counter = 1; at < length; at += 32, counter++) {
    message[message.length - 1] = counter;
    const block = hmacSha256(pseudoRandomKey, counter === 1 ? message.subarray(32) : message);
    out.set(block.subarray(0, Math.min(32, length - at)), at);
    message.set(block);
    block.fill(0);
  }
  message.fill(0);
  return out;
}

/** An AES-256-GCM key, imported once and used many times. */
export type AeadKey = { readonly handle: crypto.KeyObject };

/** @param key 32 bytes */
export function aeadKey(key: Uint8Array): AeadKey {
  if (key.length !== 32) throw new RangeError('AES-256-GCM takes a 32-byte key');
  return { handle: crypto.createSecretKey(key) };
}

/** AES-256-GCM: ciphertext ‖ 16-byte tag. @param nonce 12 bytes, never used twice with one key */
export function aeadSeal(key: AeadKey, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Bytes {
  const out = new Uint8Array(plaintext.length + 16);
  aeadSealInto(key, nonce, aad, plaintext, out, 0);
  return out;
}

/** As {@link aeadSeal}, written into `out` from `at`: `plaintext.length + 16` bytes. */
export function aeadSealInto(
  key: AeadKey,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
  out: Uint8Array,
  at: number,
): void {
  const cipher = crypto.createCipheriv('aes-256-gcm', key.handle, nonce);
  cipher.setAAD(aad);
  out.set(cipher.update(plaintext), at);
  cipher.final();
  out.set(cipher.getAuthTag(), at + plaintext.length);
}

/** The plaintext, or null where the tag does not hold (nothing of the plaintext is given out). */
export function aeadOpen(key: AeadKey, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Bytes | null {
  if (sealed.length < 16) return null;
  const decipher = crypto.createDecipheriv('aes-256-gcm', key.handle, nonce, { authTagLength: 16 });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(sealed.length - 16));
  const body = decipher.update(sealed.subarray(0, sealed.length - 16));
  try {
    decipher.final();
  } catch {
    body.fill(0);
    return null;
  }
  return bytes(body);
}

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
export async function ed25519Sign(key: SigningKey, message: Uint8Array): Promise<Bytes> {
  return bytes(crypto.sign(null, message, key.handle));
}

/** False for anything that is not a valid signature by this key, malformed keys and lengths included. */
export async function ed25519Verify(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  try {
    const key = crypto.createPublicKey({ key: Buffer.concat([ED25519_SPKI, publicKey]), format: 'der', type: 'spki' });
    return crypto.verify(null, message, key, signature);
  } catch {
    return false;
  }
}

export type EcdsaCurve = 'P-256' | 'P-384';
const SPKI_OF_CURVE = {
  'P-256': {
    prefix: Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex'),
    point: 65,
    hash: 'sha256',
  },
  'P-384': { prefix: Buffer.from('3076301006072a8648ce3d020106052b81040022036200', 'hex'), point: 97, hash: 'sha384' },
} as const;

/** Roots, CAs and signers come again and again, and importing a key costs a fifth of a verification. */
const EC_KEYS_HELD_MAX = 256;
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
 * ECDSA, over SHA-256 on P-256 and SHA-384 on P-384 unless another hash is named. False for anything but a valid signature: a point off the curve, r or
 * s out of range, wrong lengths.
 * @param point 0x04 ‖ x ‖ y
 * @param signature r ‖ s, each of the curve's width
 */
export async function ecdsaVerify(
  curve: EcdsaCurve,
  point: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
  hash: 'sha256' | 'sha384' = SPKI_OF_CURVE[curve].hash,
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

export type RsaHash = 'sha256' | 'sha384' | 'sha512';
/** RSA moduli outside these bounds never verify: shorter ones are forgeable, longer ones are a way to waste time. */
export const RSA_MODULUS_BITS = { min: 2048, max: 4096 } as const;

const RSA_KEYS_HELD_MAX = 64;
const rsaKeysHeld = new Map<string, crypto.KeyObject>();

/** @throws for what is not an RSA key of acceptable size */
function rsaPublicKey(spki: Uint8Array): crypto.KeyObject {
  const name = sameMemory(spki).toString('latin1');
  const held = rsaKeysHeld.get(name);
  if (held !== undefined) return held;
  const key = crypto.createPublicKey({ key: sameMemory(spki), format: 'der', type: 'spki' });
  const bits = key.asymmetricKeyType === 'rsa' ? (key.asymmetricKeyDetails?.modulusLength ?? 0) : 0;
  if (bits < RSA_MODULUS_BITS.min || bits > RSA_MODULUS_BITS.max)
    throw new RangeError('not an RSA key of this profile');
  if (rsaKeysHeld.size >= RSA_KEYS_HELD_MAX) {
    const oldest = rsaKeysHeld.keys().next();
    if (!oldest.done) rsaKeysHeld.delete(oldest.value);
  }
  rsaKeysHeld.set(name, key);
  return key;
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
  try {
    const key = rsaPublicKey(spki);
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
    const key = rsaPublicKey(spki);
    return crypto.verify(hash, message, { key, padding: crypto.constants.RSA_PKCS1_PADDING }, signature);
  } catch {
    return false;
  }
}

/** KEMs by their HPKE id: X-Wing (X25519 with ML-KEM-768) and DHKEM(X25519, HKDF-SHA256). */
export type KemId = 0x647a | 0x0020;

/** A decapsulation key held by the library until {@link kemErase}. */
export type KemPrivateKey = { readonly kem: KemId; readonly publicKey: Bytes; handles: KemHandles | null };
type KemHandles = { readonly x25519: crypto.KeyObject; readonly mlKem: crypto.KeyObject | null };

/** X-Wing's label, `\.//^\` in ASCII. */
const XWING_LABEL = Uint8Array.of(0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c);
const MLKEM_PUBLIC_BYTES = 1184;
const MLKEM_CIPHERTEXT_BYTES = 1088;

function rawPublic(type: 'x25519' | 'ml-kem-768', key: Uint8Array): crypto.KeyObject {
  return crypto.createPublicKey({ key: sameMemory(key), format: 'raw-public', asymmetricKeyType: type });
}

function publicBytes(key: crypto.KeyObject): Bytes {
  return bytes((key.type === 'public' ? key : crypto.createPublicKey(key)).export({ format: 'raw-public' }));
}

function x25519Private(key: Uint8Array): crypto.KeyObject {
  return crypto.createPrivateKey({ key: sameMemory(key), format: 'raw-private', asymmetricKeyType: 'x25519' });
}

/** X25519 (RFC 7748), or null for a key of wrong length and for the all-zero result of a point of small order. */
export async function x25519(privateKey: Uint8Array, publicKey: Uint8Array): Promise<Bytes | null> {
  if (privateKey.length !== 32 || publicKey.length !== 32) return null;
  return agree(x25519Private(privateKey), publicKey);
}

function agree(privateKey: crypto.KeyObject, publicKey: Uint8Array): Bytes | null {
  try {
    const secret = bytes(crypto.diffieHellman({ privateKey, publicKey: rawPublic('x25519', publicKey) }));
    return secret.every((byte) => byte === 0) ? null : secret;
  } catch {
    return null;
  }
}

/** ML-KEM-768 (FIPS 203) from its 64-byte seed d ‖ z. */
export type MlKemPrivateKey = { readonly handle: crypto.KeyObject; readonly publicKey: Bytes };

export async function mlKem768Key(seed: Uint8Array): Promise<MlKemPrivateKey> {
  if (seed.length !== 64) throw new RangeError('an ML-KEM seed has 64 bytes');
  const handle = crypto.createPrivateKey({
    key: sameMemory(seed),
    format: 'raw-seed',
    asymmetricKeyType: 'ml-kem-768',
  });
  return { handle, publicKey: publicBytes(handle) };
}

/** Null for an encapsulation key of wrong length or out of range (FIPS 203 section 7.2). */
export async function mlKem768Encapsulate(
  publicKey: Uint8Array,
): Promise<{ ciphertext: Bytes; sharedSecret: Bytes } | null> {
  return mlKemEncapsulate(publicKey);
}

function mlKemEncapsulate(publicKey: Uint8Array): { ciphertext: Bytes; sharedSecret: Bytes } | null {
  if (publicKey.length !== MLKEM_PUBLIC_BYTES) return null;
  try {
    const { ciphertext, sharedKey } = crypto.encapsulate(rawPublic('ml-kem-768', publicKey));
    return { ciphertext: bytes(ciphertext as Buffer), sharedSecret: bytes(sharedKey as Buffer) };
  } catch {
    return null;
  }
}

/** 32 bytes; null only for a ciphertext of wrong length: a wrong one gives another secret (implicit rejection). */
export async function mlKem768Decapsulate(key: MlKemPrivateKey, ciphertext: Uint8Array): Promise<Bytes | null> {
  if (ciphertext.length !== MLKEM_CIPHERTEXT_BYTES) return null;
  return bytes(crypto.decapsulate(key.handle, ciphertext));
}

/**
 * A KEM key pair from 32 bytes: X-Wing's seed (expanded by SHAKE256), or the X25519 private key itself. The caller
 * draws them at random and overwrites them afterwards.
 */
export async function kemPrivateKey(kem: KemId, seed: Uint8Array): Promise<KemPrivateKey> {
  if (seed.length !== 32) throw new RangeError('a KEM seed has 32 bytes');
  if (kem === 0x0020) {
    const handle = x25519Private(seed);
    return { kem, publicKey: publicBytes(handle), handles: { x25519: handle, mlKem: null } };
  }
  const expanded = shake256(seed, 96);
  const mlKem = await mlKem768Key(expanded.subarray(0, 64));
  const x = x25519Private(expanded.subarray(64));
  expanded.fill(0);
  const publicKey = new Uint8Array(MLKEM_PUBLIC_BYTES + 32);
  publicKey.set(mlKem.publicKey);
  publicKey.set(publicBytes(x), MLKEM_PUBLIC_BYTES);
  return { kem, publicKey, handles: { x25519: x, mlKem: mlKem.handle } };
}

/** Lets go of the key: the library frees and overwrites its memory. Decapsulation answers null from now on. */
export function kemErase(key: KemPrivateKey): void {
  key.handles = null;
}

function xwingSecret(mlKem: Uint8Array, x: Uint8Array, ciphertext: Uint8Array, publicKey: Uint8Array): Bytes {
  const input = secretBytes(128 + XWING_LABEL.length);
  [mlKem, x, ciphertext, publicKey].forEach((part, i) => {
    input.set(part, 32 * i);
  });
  input.set(XWING_LABEL, 128);
  const secret = sha3_256(input);
  for (const used of [input, mlKem, x]) used.fill(0);
  return secret;
}

/**
 * A fresh secret for the holder of `publicKey`, with the library's own randomness.
 * @param publicKey 1216 bytes (X-Wing) or 32 (X25519)
 * @returns enc (1120 or 32 bytes) and 32 secret bytes; null for a key that is malformed or leads to an all-zero result
 */
export async function kemEncapsulate(
  kem: KemId,
  publicKey: Uint8Array,
): Promise<{ enc: Bytes; sharedSecret: Bytes } | null> {
  if (kem === 0x0020) {
    if (publicKey.length !== 32) return null;
    try {
      const { ciphertext, sharedKey } = crypto.encapsulate(rawPublic('x25519', publicKey));
      return { enc: bytes(ciphertext as Buffer), sharedSecret: bytes(sharedKey as Buffer) };
    } catch {
      return null;
    }
  }
  if (publicKey.length !== MLKEM_PUBLIC_BYTES + 32) return null;
  const inner = mlKemEncapsulate(publicKey.subarray(0, MLKEM_PUBLIC_BYTES));
  const recipient = publicKey.subarray(MLKEM_PUBLIC_BYTES);
  const ephemeral = crypto.generateKeyPairSync('x25519');
  const x = agree(ephemeral.privateKey, recipient);
  if (inner === null || x === null) return null;
  const enc = new Uint8Array(MLKEM_CIPHERTEXT_BYTES + 32);
  enc.set(inner.ciphertext);
  enc.set(publicBytes(ephemeral.publicKey), MLKEM_CIPHERTEXT_BYTES);
  const sharedSecret = xwingSecret(inner.sharedSecret, x, enc.subarray(MLKEM_CIPHERTEXT_BYTES), recipient);
  return { enc, sharedSecret };
}

/** 32 bytes; null where the key is erased, `enc` has a wrong length or the X25519 result is all zero. */
export async function kemDecapsulate(key: KemPrivateKey, enc: Uint8Array): Promise<Bytes | null> {
  if (key.handles === null) return null;
  const { x25519: own, mlKem } = key.handles;
  if (mlKem === null) {
    if (enc.length !== 32) return null;
    try {
      return bytes(crypto.decapsulate(own, enc));
    } catch {
      return null;
    }
  }
  if (enc.length !== MLKEM_CIPHERTEXT_BYTES + 32) return null;
  const x = agree(own, enc.subarray(MLKEM_CIPHERTEXT_BYTES));
  if (x === null) return null;
  const inner = bytes(crypto.decapsulate(mlKem, enc.subarray(0, MLKEM_CIPHERTEXT_BYTES)));
  return xwingSecret(inner, x, enc.subarray(MLKEM_CIPHERTEXT_BYTES), key.publicKey.subarray(MLKEM_PUBLIC_BYTES));
}
