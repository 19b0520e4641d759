import { ed25519Sign, ed25519Verify, type SigningKey, type Where } from '#crypto';
import { type Bytes, CodedError } from '../core/index.ts';

/** AIS/1 is version 1 on the wire; a higher common one would be better (section 4). */
export const VERSION = 1;

/** `Sign(K, label, …)` is Ed25519 over the 32 bytes of `H(label, …)`; this takes the digest. */
export function signDigest(key: SigningKey, digest: Uint8Array, where?: Where): Promise<Bytes> {
  return ed25519Sign(key, digest, where);
}

export function verifyDigest(
  publicKey: Uint8Array,
  digest: Uint8Array,
  signature: Uint8Array,
  where?: Where,
): Promise<boolean> {
  return ed25519Verify(publicKey, digest, signature, where);
}

/** Big-endian readers of fields whose width `decodeObject` has checked. */
export function readUint(field: Uint8Array): number {
  let value = 0;
  for (const byte of field) value = value * 256 + byte;
  return value;
}

export function readU64(field: Uint8Array): bigint {
  return new DataView(field.buffer, field.byteOffset, 8).getBigUint64(0, false);
}

export function malformed(structure: string, field: string, why: string): CodedError {
  return new CodedError('OBJECT_MALFORMED', `${structure}.${field}: ${why}`, { structure, field });
}

/** @throws CodedError INVARIANT_BROKEN: the caller's own value has a wrong length */
export function exactly(length: number, field: string, value: Uint8Array): Uint8Array {
  if (value.length !== length) {
    throw new CodedError('INVARIANT_BROKEN', `${field} has ${length} bytes, not ${value.length}`, { field });
  }
  return value;
}
