import { rsaPssVerify } from '#crypto';
import { fromHex } from '../bytes.ts';
import { rsaPublicNumbers } from '../crypto/rsa-spki.ts';
import { DerReader } from '../der.ts';
import { CodedError } from '../errors.ts';
import type { Signed } from './signature.ts';

const RSASSA_PSS = '1.2.840.113549.1.1.10';
const MGF1 = '1.2.840.113549.1.1.8';
const SHA_384 = '2.16.840.1.101.3.4.2.2';
const SALT_BYTES = 48;
const TRAILER_BC = 1;

/**
 * Whether an AlgorithmIdentifier says RSASSA-PSS with SHA-384, MGF1 over SHA-384, a salt of 48 bytes and trailer 1
 * (RFC 4055 section 3.1): decoded, because an explicit default trailer is written by some issuers and left out by others.
 * @param algorithm the whole AlgorithmIdentifier in hexadecimal, as parsed certificates hold it
 */
export function isRsaPssSha384(algorithm: string): boolean {
  try {
    const outer = new DerReader(fromHex(algorithm), 'AlgorithmIdentifier');
    const reader = outer.sequence('algorithmIdentifier');
    outer.end();
    if (reader.oid('algorithm') !== RSASSA_PSS) return false;
    const parameters = reader.sequence('parameters');
    reader.end();
    return arePssParameters(parameters);
  } catch (error) {
    if (error instanceof CodedError) return false;
    throw error;
  }
}

/** The hash, mask and salt must be written out, since their defaults are SHA-1 and 20 bytes. */
function arePssParameters(parameters: DerReader): boolean {
  const hash = parameters.optionalExplicit('hashAlgorithm', 0);
  const mask = parameters.optionalExplicit('maskGenAlgorithm', 1);
  const salt = parameters.optionalExplicit('saltLength', 2);
  if (hash === null || mask === null || salt === null) return false;
  const trailer = parameters.optionalExplicit('trailerField', 3);
  parameters.end();
  const isHash = isSha384(hash);
  hash.end();
  const generator = mask.sequence('maskGenAlgorithm');
  mask.end();
  const isMask = generator.oid('maskGenAlgorithm') === MGF1 && isSha384(generator);
  generator.end();
  const saltLength = salt.smallInteger('saltLength', 255);
  salt.end();
  const trailerField = trailer === null ? TRAILER_BC : trailer.smallInteger('trailerField', 255);
  trailer?.end();
  return isHash && isMask && saltLength === SALT_BYTES && trailerField === TRAILER_BC;
}

/** The parameters of a hash's AlgorithmIdentifier are absent or NULL (RFC 4055 section 2.1). */
function isSha384(reader: DerReader): boolean {
  const identifier = reader.sequence('hashAlgorithm');
  const isIt = identifier.oid('hashAlgorithm') === SHA_384;
  if (!identifier.done) identifier.null('parameters');
  identifier.end();
  return isIt;
}

/** Whether a SubjectPublicKeyInfo holds an RSA key with a modulus of exactly so many bits and the exponent 65537. */
export function isRsaKey(spki: Uint8Array, modulusBits: number): boolean {
  const numbers = rsaPublicNumbers(spki);
  return numbers !== null && numbers.modulusBits === modulusBits && numbers.exponent === 65_537;
}

/** Verifies one RSASSA-PSS signature: `rsaPssVerify`, or a memo in front of it. */
export type RsaPssVerifier = typeof rsaPssVerify;

/**
 * Whether the RSA-4096 key made the signature over the exact signed bytes, under AMD's profile: RSASSA-PSS with SHA-384,
 * MGF1 over SHA-384, salt 48, trailer 1. False for every other algorithm and key.
 * @param issuerSpki SubjectPublicKeyInfo of the issuer, DER
 */
export async function signedByRsaPss(
  signed: Signed,
  issuerSpki: Uint8Array,
  verify: RsaPssVerifier = rsaPssVerify,
): Promise<boolean> {
  if (!isRsaPssSha384(signed.signatureAlgorithm) || !isRsaKey(issuerSpki, 4096)) return false;
  if (signed.signature.length !== 512) return false;
  return verify(issuerSpki, 'sha384', SALT_BYTES, signed.tbs, signed.signature);
}
