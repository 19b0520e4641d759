import { type Bytes, secretBytes } from '../bytes.ts';

/** HKDF over one implementation of HMAC-SHA-256 (RFC 5869). */
export function createHkdf(hmacSha256: (key: Uint8Array, data: Uint8Array) => Bytes) {
  return {
    /** HKDF-Extract with SHA-256 (section 2.2). */
    hkdfExtract: (salt: Uint8Array, inputKeyMaterial: Uint8Array): Bytes =>
      hmacSha256(salt.length === 0 ? new Uint8Array(32) : salt, inputKeyMaterial),

    /** HKDF-Expand with SHA-256 (section 2.3), at most 255 × 32 bytes. @throws RangeError */
    hkdfExpand: (pseudoRandomKey: Uint8Array, info: Uint8Array, length: number): Bytes => {
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
    },
  };
}
