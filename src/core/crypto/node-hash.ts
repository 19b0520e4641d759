import * as crypto from 'node:crypto';
import { secretBytes } from '../bytes.ts';
import { createHkdf } from './hkdf.ts';
import { type Bytes, bytes } from './node-buffer.ts';
import type { RunningHash, RunningHmac } from './shapes.ts';

/** Broken for signatures: only for the names by which OCSP answers call certificates and keys. */
export function sha1(data: Uint8Array): Bytes {
  return bytes(crypto.hash('sha1', data, 'buffer'));
}
export function sha256(data: Uint8Array): Bytes {
  return bytes(crypto.hash('sha256', data, 'buffer'));
}
const { latin1Write } = Buffer.prototype as unknown as {
  latin1Write(text: string, at: number, length: number): number;
};

/**
 * As {@link sha256}, in half the time, of what is public: it passes through a string, which nobody can overwrite.
 * @param into its first 32 bytes become the digest; it may be part of `data`
 */
export function sha256OfPublic(data: Uint8Array, into: Bytes = new Uint8Array(32)): Bytes {
  latin1Write.call(into, crypto.hash('sha256', data, 'latin1'), 0, 32);
  return into;
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

/** Room that is made once: the calls below run to their end, and overwrite what they put here. */
const INNER = secretBytes(BLOCK + ONE_SHOT_MAX);
const OUTER = secretBytes(BLOCK + 32);

export function hmacSha256(key: Uint8Array, data: Uint8Array): Bytes {
  if (data.length > ONE_SHOT_MAX) {
    return bytes(crypto.createHmac('sha256', crypto.createSecretKey(key)).update(data).digest());
  }
  // RFC 2104: H(key ⊕ opad ‖ H(key ⊕ ipad ‖ data)).
  const short = key.length > BLOCK ? sha256(key) : key;
  const inner = INNER.subarray(0, BLOCK + data.length).fill(0x36, 0, BLOCK);
  const outer = OUTER.fill(0x5c, 0, BLOCK);
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

/** SHA-256 over what comes in pieces. */
export function runningSha256(): RunningHash {
  const hash = crypto.createHash('sha256');
  return { update: (piece) => void hash.update(piece), digest: () => bytes(hash.digest()) };
}

/** HMAC-SHA-256 over a message that comes in pieces. */
export function runningHmacSha256(key: Uint8Array): RunningHmac {
  const hmac = crypto.createHmac('sha256', crypto.createSecretKey(key));
  return { update: (piece) => void hmac.update(piece), digest: () => bytes(hmac.digest()) };
}

export const { hkdfExtract, hkdfExpand } = createHkdf(hmacSha256);
