import { type EcdsaCurve, ecdsaVerify } from '#crypto';
import type { Bytes } from '../bytes.ts';
import { DER_TAG, DerReader } from '../der.ts';

/** AlgorithmIdentifiers whole, in hexadecimal, that this project knows: an unknown one is kept and never verifies. */
export const ECDSA_WITH_SHA256 = '300a06082a8648ce3d040302';
export const ECDSA_WITH_SHA384 = '300a06082a8648ce3d040303';

/** A public key on a named curve: `point` is 0x04 ‖ x ‖ y; the library checks that it is on the curve when it is used. */
export type EcPublicKey = Readonly<{ curve: EcdsaCurve; point: Bytes }>;

const CURVE_OF_OID: Readonly<Record<string, { curve: EcdsaCurve; point: number }>> = {
  '1.2.840.10045.3.1.7': { curve: 'P-256', point: 65 },
  '1.3.132.0.34': { curve: 'P-384', point: 97 },
};
const EC_PUBLIC_KEY = '1.2.840.10045.2.1';

/** The EC key of a SubjectPublicKeyInfo, sharing its memory, or null for other kinds of keys. @throws CodedError ENCODING_INVALID */
export function ecPublicKey(spki: Uint8Array): EcPublicKey | null {
  const outer = new DerReader(spki, 'SubjectPublicKeyInfo');
  const reader = outer.sequence('subjectPublicKeyInfo');
  outer.end();
  const algorithm = reader.sequence('algorithm');
  const isEc = algorithm.oid('algorithm') === EC_PUBLIC_KEY;
  const point = reader.bitString('subjectPublicKey');
  reader.end();
  if (!isEc || algorithm.peekTag() !== DER_TAG.oid) return null; // another algorithm, or a curve by parameters
  const known = CURVE_OF_OID[algorithm.oid('namedCurve')];
  algorithm.end();
  if (known === undefined || point.length !== known.point || point[0] !== 4) return null;
  return { curve: known.curve, point };
}

const HASH_OF_SIGNATURE: Readonly<Record<string, { hash: 'sha256' | 'sha384'; curves: readonly EcdsaCurve[] }>> = {
  // NVIDIA signs its revocation lists with P-384 keys over SHA-256.
  [ECDSA_WITH_SHA256]: { hash: 'sha256', curves: ['P-256', 'P-384'] },
  [ECDSA_WITH_SHA384]: { hash: 'sha384', curves: ['P-384'] },
};
const WIDTH_OF_CURVE: Readonly<Record<EcdsaCurve, number>> = { 'P-256': 32, 'P-384': 48 };

/** ECDSA-Sig-Value (RFC 3279 section 2.2.3) as r ‖ s of fixed width. @throws CodedError ENCODING_INVALID */
export function ecdsaFixedWidth(signature: Uint8Array, width: number): Bytes {
  const outer = new DerReader(signature, 'ECDSA-Sig-Value');
  const reader = outer.sequence('signature');
  outer.end();
  const r = reader.magnitude('r', width);
  const s = reader.magnitude('s', width);
  reader.end();
  const out = new Uint8Array(2 * width);
  out.set(r, width - r.length);
  out.set(s, 2 * width - s.length);
  return out;
}

/** Verifies one ECDSA signature: `ecdsaVerify`, or a memo in front of it. */
export type EcdsaVerifier = typeof ecdsaVerify;

/** Something signed as certificates and CRLs are. */
export type Signed = Readonly<{ tbs: Uint8Array; signatureAlgorithm: string; signature: Uint8Array }>;

/**
 * Whether this key made the signature over the exact signed bytes. False as well for algorithms other than ECDSA with
 * SHA-256, or with SHA-384 on P-384.
 */
export async function signedBy(
  signed: Signed,
  issuer: EcPublicKey | null,
  verify: EcdsaVerifier = ecdsaVerify,
): Promise<boolean> {
  const algorithm = HASH_OF_SIGNATURE[signed.signatureAlgorithm];
  if (issuer === null || algorithm === undefined || !algorithm.curves.includes(issuer.curve)) return false;
  let fixed: Bytes;
  try {
    fixed = ecdsaFixedWidth(signed.signature, WIDTH_OF_CURVE[issuer.curve]);
  } catch {
    return false; // a signature that is not DER is not a signature
  }
  return verify(issuer.curve, issuer.point, signed.tbs, fixed, algorithm.hash);
}
