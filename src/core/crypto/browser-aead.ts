import { gcm } from '@noble/ciphers/aes.js';
import { checkAeadNonce } from './shapes.ts';

type Bytes = Uint8Array<ArrayBuffer>;

/** An AES-256-GCM key. */
export type AeadKey = { readonly handle: Uint8Array };

/** @param key 32 bytes */
export function aeadKey(key: Uint8Array): AeadKey {
  if (key.length !== 32) throw new RangeError('AES-256-GCM takes a 32-byte key');
  return { handle: Uint8Array.from(key) };
}

/** AES-256-GCM: ciphertext ‖ 16-byte tag. @param nonce 12 bytes, never used twice with one key */
export function aeadSeal(key: AeadKey, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Bytes {
  checkAeadNonce(nonce);
  return Uint8Array.from(gcm(key.handle, nonce, aad).encrypt(plaintext));
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
  out.set(aeadSeal(key, nonce, aad, plaintext), at);
}

/** The plaintext, or null where the tag does not hold (nothing of the plaintext is given out). */
export function aeadOpen(key: AeadKey, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, from = 0): Bytes | null {
  checkAeadNonce(nonce);
  if (sealed.length - 16 < from) return null;
  const cipher = gcm(key.handle, nonce, aad);
  try {
    return Uint8Array.from(cipher.decrypt(sealed.subarray(from)));
  } catch {
    return null; // the tag is compared before anything is decrypted
  }
}
