import { DER_TAG, DerReader } from '../der.ts';
import { CodedError } from '../errors.ts';
import { RSA_MODULUS_BITS } from './shapes.ts';

const RSA_ENCRYPTION = '1.2.840.113549.1.1.1';

/** An RSA public key as numbers: what libraries check of it differs, so it is checked before they are asked. */
export type RsaPublicNumbers = Readonly<{ modulusBits: number; exponent: number }>;

/**
 * Reads a SubjectPublicKeyInfo with the algorithm rsaEncryption and NULL parameters (RFC 3279 section 2.3.1), DER to its
 * last byte; null for anything else, for an even modulus, and for an exponent that is even, below 3 or above 2^32.
 */
export function rsaPublicNumbers(spki: Uint8Array): RsaPublicNumbers | null {
  try {
    const outer = new DerReader(spki, 'SubjectPublicKeyInfo');
    const info = outer.sequence('subjectPublicKeyInfo');
    outer.end();
    const algorithm = info.sequence('algorithm');
    if (algorithm.oid('algorithm') !== RSA_ENCRYPTION) return null;
    algorithm.null('parameters');
    algorithm.end();
    const inner = info.inside('subjectPublicKey', info.bitString('subjectPublicKey'));
    info.end();
    const key = inner.nested('rsaPublicKey', DER_TAG.sequence);
    inner.end();
    const modulus = key.magnitude('modulus', RSA_MODULUS_BITS.max / 8);
    const exponent = key.smallInteger('publicExponent', 2 ** 32);
    key.end();
    const first = modulus[0] ?? 0;
    if (first === 0 || (modulus.at(-1) as number) % 2 === 0 || exponent < 3 || exponent % 2 === 0) return null;
    return { modulusBits: 8 * modulus.length - Math.clz32(first) + 24, exponent };
  } catch (error) {
    if (error instanceof CodedError) return null;
    throw error;
  }
}

/** Bytes of the modulus of a key that signatures are verified with; null for what is not one of acceptable size. */
export function rsaModulusBytes(spki: Uint8Array): number | null {
  const bits = rsaPublicNumbers(spki)?.modulusBits ?? 0;
  return bits < RSA_MODULUS_BITS.min || bits > RSA_MODULUS_BITS.max ? null : Math.ceil(bits / 8);
}
