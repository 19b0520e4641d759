import * as crypto from 'node:crypto';
import { type Bytes, bytes } from './node-buffer.ts';
import { checkAeadNonce } from './shapes.ts';

const TAG_LENGTH = { authTagLength: 16 };

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
  checkAeadNonce(nonce);
  const cipher = crypto.createCipheriv('aes-256-gcm', key.handle, nonce);
  cipher.setAAD(aad);
  out.set(cipher.update(plaintext), at);
  cipher.final();
  out.set(cipher.getAuthTag(), at + plaintext.length);
}

/**
 * The plaintext, or null where the tag does not hold (nothing of the plaintext is given out).
 * @param sealed what was sealed stands in it from `from` to its end
 */
export function aeadOpen(key: AeadKey, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, from = 0): Bytes | null {
  checkAeadNonce(nonce);
  const tagAt = sealed.length - 16;
  if (tagAt < from) return null;
  const decipher = crypto.createDecipheriv('aes-256-gcm', key.handle, nonce, TAG_LENGTH);
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(tagAt));
  const body = decipher.update(sealed.subarray(from, tagAt));
  try {
    decipher.final();
  } catch {
    body.fill(0);
    return null;
  }
  return bytes(body);
}
