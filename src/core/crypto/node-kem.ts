import * as crypto from 'node:crypto';
import { type Bytes, bytes, sameMemory } from './node-buffer.ts';
import { sha3_256, shake256 } from './node-hash.ts';
import type { KemId } from './shapes.ts';
import { createXwingSecret, MLKEM_CIPHERTEXT_BYTES, MLKEM_PUBLIC_BYTES } from './xwing.ts';

/** A decapsulation key held by the library until {@link kemErase}. */
export type KemPrivateKey = { readonly kem: KemId; readonly publicKey: Bytes; handles: KemHandles | null };
type KemHandles = { readonly x25519: crypto.KeyObject; readonly mlKem: crypto.KeyObject | null };

const xwingSecret = createXwingSecret(sha3_256);

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
