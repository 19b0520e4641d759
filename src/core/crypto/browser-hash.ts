import { hmac } from '@noble/hashes/hmac.js';
import * as legacy from '@noble/hashes/legacy.js';
import * as sha2 from '@noble/hashes/sha2.js';
import * as sha3 from '@noble/hashes/sha3.js';
import { createHkdf } from './hkdf.ts';
import type { RunningHash, RunningHmac } from './shapes.ts';

type Bytes = Uint8Array<ArrayBuffer>;

/** Broken for signatures: only for the names by which OCSP answers call certificates and keys. */
export function sha1(data: Uint8Array): Bytes {
  return legacy.sha1(data);
}
export function sha256(data: Uint8Array): Bytes {
  return sha2.sha256(data);
}
/** As {@link sha256}, of what is public. @param into its first 32 bytes become the digest; it may be part of `data` */
export function sha256OfPublic(data: Uint8Array, into: Bytes = new Uint8Array(32)): Bytes {
  into.set(sha2.sha256(data));
  return into;
}
export function sha384(data: Uint8Array): Bytes {
  return sha2.sha384(data);
}
export function sha512(data: Uint8Array): Bytes {
  return sha2.sha512(data);
}
export function sha3_256(data: Uint8Array): Bytes {
  return sha3.sha3_256(data);
}
export function shake256(data: Uint8Array, length: number): Bytes {
  return sha3.shake256(data, { dkLen: length });
}

export function hmacSha256(key: Uint8Array, data: Uint8Array): Bytes {
  return hmac(sha2.sha256, key, data);
}

/** SHA-256 over what comes in pieces. */
export function runningSha256(): RunningHash {
  const running = sha2.sha256.create();
  return { update: (piece) => void running.update(piece), digest: () => running.digest() };
}

/** HMAC-SHA-256 over a message that comes in pieces. */
export function runningHmacSha256(key: Uint8Array): RunningHmac {
  const running = hmac.create(sha2.sha256, key);
  return { update: (piece) => void running.update(piece), digest: () => running.digest() };
}

export const { hkdfExtract, hkdfExpand } = createHkdf(hmacSha256);
