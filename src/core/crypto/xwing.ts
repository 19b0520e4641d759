import { type Bytes, secretBytes } from '../bytes.ts';

export const MLKEM_PUBLIC_BYTES = 1184;
export const MLKEM_CIPHERTEXT_BYTES = 1088;
export const X25519_BYTES = 32;

/** X-Wing's label, `\.//^\` in ASCII. */
const LABEL = Uint8Array.of(0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c);

/** X-Wing's combiner over one implementation of SHA3-256; the secrets that go in are overwritten. */
export function createXwingSecret(sha3_256: (data: Uint8Array) => Bytes) {
  return (mlKem: Uint8Array, x: Uint8Array, ciphertext: Uint8Array, publicKey: Uint8Array): Bytes => {
    const input = secretBytes(128 + LABEL.length);
    [mlKem, x, ciphertext, publicKey].forEach((part, i) => {
      input.set(part, 32 * i);
    });
    input.set(LABEL, 128);
    const secret = sha3_256(input);
    for (const used of [input, mlKem, x]) used.fill(0);
    return secret;
  };
}
