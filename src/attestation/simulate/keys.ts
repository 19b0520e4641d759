import * as crypto from 'node:crypto';
import { hkdfExpand, sha256 } from '#crypto';
import { type Bytes, concat, lengthPrefixed, utf8 } from '../../core/index.ts';

/** Order of the P-256 group (SEC 2 section 2.4.2). */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const ATTEMPTS_MAX = 16;

/**
 * A P-256 key of the simulated vendor. `#crypto` has no ECDSA signing on purpose (nothing of ours signs with it), so
 * the simulator, which no production composition can reach, takes it from Node itself.
 */
export type SimulatedKey = Readonly<{
  /** 0x04 ‖ x ‖ y, 65 bytes. */
  point: Bytes;
  /** First 20 bytes of SHA-256 over the point (RFC 7093 section 2, method 1). */
  keyIdentifier: Bytes;
  /** ECDSA with SHA-256, r ‖ s, 64 bytes. */
  signRaw: (message: Uint8Array) => Bytes;
  /** ECDSA with SHA-256, DER SEQUENCE { r, s }. */
  signDer: (message: Uint8Array) => Bytes;
}>;

/** 32 bytes for one purpose under a secret; purposes never collide, because they are length-prefixed. */
export function deriveSecret(secret: Uint8Array, ...purpose: readonly string[]): Bytes {
  const info = concat(...['chrysalis simulator', ...purpose].map((part) => lengthPrefixed(utf8(part))));
  return hkdfExpand(secret, info, 32);
}

/** The key that a 32-byte secret always gives. */
export function simulatedKey(secret: Uint8Array): SimulatedKey {
  const scalar = scalarFrom(secret);
  const ecdh = crypto.createECDH('prime256v1');
  ecdh.setPrivateKey(scalar);
  const point = Uint8Array.from(ecdh.getPublicKey());
  const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
  const key = crypto.createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'EC',
      crv: 'P-256',
      d: base64url(scalar),
      x: base64url(point.subarray(1, 33)),
      y: base64url(point.subarray(33)),
    },
  });
  const sign = (dsaEncoding: 'der' | 'ieee-p1363') => (message: Uint8Array) =>
    Uint8Array.from(crypto.sign('sha256', message, { key, dsaEncoding }));
  return {
    point,
    keyIdentifier: sha256(point).slice(0, 20),
    signRaw: sign('ieee-p1363'),
    signDer: sign('der'),
  };
}

/** Rejection sampling: a scalar outside 1…n−1 comes up once in 2^32 secrets. */
function scalarFrom(secret: Uint8Array): Bytes {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const scalar = deriveSecret(secret, 'scalar', String(attempt));
    const value = BigInt(`0x${Buffer.from(scalar).toString('hex')}`);
    if (value > 0n && value < ORDER) return scalar;
  }
  throw new RangeError('no P-256 scalar in 16 attempts');
}
