import * as crypto from 'node:crypto';
import { hkdfExpand, sha256 } from '#crypto';
import { type Bytes, concat, lengthPrefixed, utf8 } from '../../core/index.ts';

/** The curves of vendors' keys: order of the group (SEC 2 sections 2.4.2 and 2.5.1), bytes of a scalar, hash that is signed. */
const CURVES = {
  'P-256': {
    order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    bytes: 32,
    nodeName: 'prime256v1',
    hash: 'sha256',
  },
  'P-384': {
    order: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    bytes: 48,
    nodeName: 'secp384r1',
    hash: 'sha384',
  },
} as const;
export type SimulatedCurve = keyof typeof CURVES;

const ATTEMPTS_MAX = 16;

/**
 * An EC key of a simulated vendor. `#crypto` has no ECDSA signing on purpose (nothing of ours signs with it), so
 * the simulator, which no production composition can reach, takes it from Node itself.
 */
export type SimulatedKey = Readonly<{
  /** 0x04 ‖ x ‖ y: 65 bytes on P-256, 97 on P-384. */
  point: Bytes;
  /** First 20 bytes of SHA-256 over the point (RFC 7093 section 2, method 1). */
  keyIdentifier: Bytes;
  /** ECDSA with SHA-256, on P-384 SHA-384; r ‖ s, 64 or 96 bytes. */
  signRaw: (message: Uint8Array) => Bytes;
  /** The same as DER SEQUENCE { r, s }; over another hash where one is named. */
  signDer: (message: Uint8Array, hash?: 'sha256' | 'sha384') => Bytes;
}>;

/** 32 bytes for one purpose under a secret; purposes never collide, because they are length-prefixed. */
export function deriveSecret(secret: Uint8Array, ...purpose: readonly string[]): Bytes {
  return expand(secret, purpose, 32);
}

function expand(secret: Uint8Array, purpose: readonly string[], length: number): Bytes {
  const info = concat(...['chrysalis simulator', ...purpose].map((part) => lengthPrefixed(utf8(part))));
  return hkdfExpand(secret, info, length);
}

/** The key that a 32-byte secret always gives. */
export function simulatedKey(secret: Uint8Array, curve: SimulatedCurve = 'P-256'): SimulatedKey {
  const { bytes, nodeName, hash } = CURVES[curve];
  const scalar = scalarFrom(secret, curve);
  const ecdh = crypto.createECDH(nodeName);
  ecdh.setPrivateKey(scalar);
  const point = Uint8Array.from(ecdh.getPublicKey());
  const base64url = (part: Uint8Array) => Buffer.from(part).toString('base64url');
  const key = crypto.createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'EC',
      crv: curve,
      d: base64url(scalar),
      x: base64url(point.subarray(1, 1 + bytes)),
      y: base64url(point.subarray(1 + bytes)),
    },
  });
  const sign = (message: Uint8Array, dsaEncoding: 'der' | 'ieee-p1363', over: 'sha256' | 'sha384') =>
    Uint8Array.from(crypto.sign(over, message, { key, dsaEncoding }));
  return {
    point,
    keyIdentifier: sha256(point).slice(0, 20),
    signRaw: (message) => sign(message, 'ieee-p1363', hash),
    signDer: (message, over = hash) => sign(message, 'der', over),
  };
}

/** Rejection sampling: a scalar outside 1…n−1 comes up once in 2^32 secrets, on P-384 never. */
function scalarFrom(secret: Uint8Array, curve: SimulatedCurve): Bytes {
  const { bytes, order } = CURVES[curve];
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const scalar = expand(secret, ['scalar', String(attempt)], bytes);
    const value = BigInt(`0x${Buffer.from(scalar).toString('hex')}`);
    if (value > 0n && value < order) return scalar;
  }
  throw new RangeError(`no ${curve} scalar in 16 attempts`);
}
