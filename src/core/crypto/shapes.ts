/**
 * Where a signature is computed: here and now, or on another thread where the platform has one. A process that serves
 * many at once goes on meanwhile; one that waits for it anyway is faster without the way there and back.
 */
export type Where = 'here' | 'aside';

export type EcdsaCurve = 'P-256' | 'P-384';
export type SignatureHash = 'sha256' | 'sha384' | 'sha512';
export type RsaHash = SignatureHash;
/** KEMs by their HPKE id: X-Wing (X25519 with ML-KEM-768) and DHKEM(X25519, HKDF-SHA256). */
export type KemId = 0x647a | 0x0020;

/** HMAC-SHA-256 over a message that comes in pieces. */
export type RunningHash = { update(piece: Uint8Array): void; digest(): Uint8Array<ArrayBuffer> };
export type RunningHmac = { update(piece: Uint8Array): void; digest(): Uint8Array<ArrayBuffer> };

/** RSA moduli outside these bounds never verify: shorter ones are forgeable, longer ones are a way to waste time. */
export const RSA_MODULUS_BITS = { min: 2048, max: 4096 } as const;

const AEAD_NONCE_BYTES = 12;

/** Other lengths are hashed to a nonce by the mode (SP 800-38D section 7.1), which nobody here wants. @throws RangeError */
export function checkAeadNonce(nonce: Uint8Array): void {
  if (nonce.length !== AEAD_NONCE_BYTES) throw new RangeError('AES-256-GCM takes a 12-byte nonce here');
}
