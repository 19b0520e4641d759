import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { hkdfExpand, hkdfExtract, sha3_256, shake256 } from './browser-hash.ts';
import { type Bytes, own, withSubtle } from './browser-subtle.ts';
import type { KemId } from './shapes.ts';
import { createXwingSecret, MLKEM_CIPHERTEXT_BYTES, MLKEM_PUBLIC_BYTES, X25519_BYTES } from './xwing.ts';

/** A decapsulation key held here until {@link kemErase}. */
export type KemPrivateKey = { readonly kem: KemId; readonly publicKey: Bytes; handles: KemHandles | null };
type KemHandles = { readonly x25519: CryptoKey; readonly mlKem: Uint8Array | null };

const X25519_PKCS8 = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20);
const BASE_POINT = Uint8Array.of(9, ...new Uint8Array(31));
const xwingSecret = createXwingSecret(sha3_256);

async function x25519Private(key: Uint8Array): Promise<CryptoKey> {
  const pkcs8 = new Uint8Array(48);
  pkcs8.set(X25519_PKCS8);
  pkcs8.set(key, 16);
  const handle = await withSubtle((subtle) => subtle.importKey('pkcs8', pkcs8, 'X25519', false, ['deriveBits']));
  pkcs8.fill(0);
  return handle as CryptoKey; // any 32 bytes are a key
}

async function agree(privateKey: CryptoKey, publicKey: Uint8Array): Promise<Bytes | null> {
  const secret = await withSubtle(async (subtle) => {
    const theirs = await subtle.importKey('raw', own(publicKey), 'X25519', false, []);
    return subtle.deriveBits({ name: 'X25519', public: theirs }, privateKey, 256);
  });
  const bytes = secret === null ? null : new Uint8Array(secret);
  return bytes?.every((byte) => byte === 0) === true ? null : bytes;
}

const publicOf = async (key: CryptoKey): Promise<Bytes> => (await agree(key, BASE_POINT)) as Bytes;

/** X25519 (RFC 7748), or null for a key of wrong length and for the all-zero result of a point of small order. */
export async function x25519(privateKey: Uint8Array, publicKey: Uint8Array): Promise<Bytes | null> {
  if (privateKey.length !== X25519_BYTES || publicKey.length !== X25519_BYTES) return null;
  return agree(await x25519Private(privateKey), publicKey);
}

/** ML-KEM-768 (FIPS 203) from its 64-byte seed d ‖ z. */
export type MlKemPrivateKey = { readonly handle: Uint8Array; readonly publicKey: Bytes };

export async function mlKem768Key(seed: Uint8Array): Promise<MlKemPrivateKey> {
  if (seed.length !== 64) throw new RangeError('an ML-KEM seed has 64 bytes');
  const { publicKey, secretKey } = ml_kem768.keygen(seed);
  return { handle: secretKey, publicKey: Uint8Array.from(publicKey) };
}

/** Null for an encapsulation key of wrong length or out of range (FIPS 203 section 7.2). */
export async function mlKem768Encapsulate(
  publicKey: Uint8Array,
): Promise<{ ciphertext: Bytes; sharedSecret: Bytes } | null> {
  if (publicKey.length !== MLKEM_PUBLIC_BYTES) return null;
  try {
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(publicKey);
    return { ciphertext: Uint8Array.from(cipherText), sharedSecret: Uint8Array.from(sharedSecret) };
  } catch {
    return null;
  }
}

/** 32 bytes; null only for a ciphertext of wrong length: a wrong one gives another secret (implicit rejection). */
export async function mlKem768Decapsulate(key: MlKemPrivateKey, ciphertext: Uint8Array): Promise<Bytes | null> {
  if (ciphertext.length !== MLKEM_CIPHERTEXT_BYTES) return null;
  return Uint8Array.from(ml_kem768.decapsulate(ciphertext, key.handle));
}

/**
 * A KEM key pair from 32 bytes: X-Wing's seed (expanded by SHAKE256), or the X25519 private key itself. The caller
 * draws them at random and overwrites them afterwards.
 */
export async function kemPrivateKey(kem: KemId, seed: Uint8Array): Promise<KemPrivateKey> {
  if (seed.length !== 32) throw new RangeError('a KEM seed has 32 bytes');
  if (kem === 0x0020) {
    const handle = await x25519Private(seed);
    return { kem, publicKey: await publicOf(handle), handles: { x25519: handle, mlKem: null } };
  }
  const expanded = shake256(seed, 96);
  const mlKem = await mlKem768Key(expanded.subarray(0, 64));
  const x = await x25519Private(expanded.subarray(64));
  expanded.fill(0);
  const publicKey = new Uint8Array(MLKEM_PUBLIC_BYTES + X25519_BYTES);
  publicKey.set(mlKem.publicKey);
  publicKey.set(await publicOf(x), MLKEM_PUBLIC_BYTES);
  return { kem, publicKey, handles: { x25519: x, mlKem: mlKem.handle } };
}

/** Lets go of the key, and overwrites what is held here. Decapsulation answers null from now on. */
export function kemErase(key: KemPrivateKey): void {
  key.handles?.mlKem?.fill(0);
  key.handles = null;
}

/**
 * A fresh secret for the holder of `publicKey`, with the platform's own randomness.
 * @param publicKey 1216 bytes (X-Wing) or 32 (X25519)
 * @returns enc (1120 or 32 bytes) and 32 secret bytes; null for a key that is malformed or leads to an all-zero result
 */
export async function kemEncapsulate(
  kem: KemId,
  publicKey: Uint8Array,
): Promise<{ enc: Bytes; sharedSecret: Bytes } | null> {
  const recipientAt = kem === 0x0020 ? 0 : MLKEM_PUBLIC_BYTES;
  if (publicKey.length !== recipientAt + X25519_BYTES) return null;
  const recipient = publicKey.subarray(recipientAt);
  const seed = globalThis.crypto.getRandomValues(new Uint8Array(X25519_BYTES));
  const ephemeral = await x25519Private(seed);
  seed.fill(0);
  const point = await publicOf(ephemeral);
  const x = await agree(ephemeral, recipient);
  if (x === null) return null;
  if (kem === 0x0020) return { enc: point, sharedSecret: dhkemSecret(x, point, recipient) };
  const inner = await mlKem768Encapsulate(publicKey.subarray(0, MLKEM_PUBLIC_BYTES));
  if (inner === null) return null;
  const enc = new Uint8Array(MLKEM_CIPHERTEXT_BYTES + X25519_BYTES);
  enc.set(inner.ciphertext);
  enc.set(point, MLKEM_CIPHERTEXT_BYTES);
  return { enc, sharedSecret: xwingSecret(inner.sharedSecret, x, point, recipient) };
}

/** 32 bytes; null where the key is erased, `enc` has a wrong length or the X25519 result is all zero. */
export async function kemDecapsulate(key: KemPrivateKey, enc: Uint8Array): Promise<Bytes | null> {
  if (key.handles === null) return null;
  const { x25519: own, mlKem } = key.handles;
  const pointAt = mlKem === null ? 0 : MLKEM_CIPHERTEXT_BYTES;
  if (enc.length !== pointAt + X25519_BYTES) return null;
  const point = enc.subarray(pointAt);
  // Before anything is waited for: the key may be erased meanwhile.
  const inner = mlKem === null ? null : Uint8Array.from(ml_kem768.decapsulate(enc.subarray(0, pointAt), mlKem));
  const x = await agree(own, point);
  if (x === null) return null;
  if (inner === null) return dhkemSecret(x, point, key.publicKey);
  return xwingSecret(inner, x, point, key.publicKey.subarray(MLKEM_PUBLIC_BYTES));
}

const ascii = (text: string) => new TextEncoder().encode(text);
const joined = (...parts: readonly Uint8Array[]): Bytes => {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};
/** `KEM` and the KEM's id, 0x0020. */
const SUITE_ID = joined(ascii('KEM'), Uint8Array.of(0x00, 0x20));

/** ExtractAndExpand of DHKEM(X25519, HKDF-SHA256), RFC 9180 section 4.1; the secret that goes in is overwritten. */
function dhkemSecret(dh: Uint8Array, enc: Uint8Array, recipient: Uint8Array): Bytes {
  const keyed = joined(ascii('HPKE-v1'), SUITE_ID, ascii('eae_prk'), dh);
  const pseudoRandomKey = hkdfExtract(new Uint8Array(0), keyed);
  const info = joined(Uint8Array.of(0, 32), ascii('HPKE-v1'), SUITE_ID, ascii('shared_secret'), enc, recipient);
  const secret = hkdfExpand(pseudoRandomKey, info, 32);
  for (const used of [dh, keyed, pseudoRandomKey]) used.fill(0);
  return secret;
}
