import { type Bytes, concat, fromHex } from '../bytes.ts';
import { CodedError } from '../errors.ts';

const RSA_ALGORITHM = fromHex('300d06092a864886f70d0101010500');
const EXPONENT_65537 = fromHex('0203010001');
const MODULUS_BYTES = { min: 256, max: 512 } as const;

function der(tag: number, ...parts: readonly Uint8Array[]): Bytes {
  const content = concat(...parts);
  const { length } = content;
  const header = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >>> 8, length & 0xff];
  return concat(Uint8Array.of(tag, ...header), content);
}

/**
 * The SubjectPublicKeyInfo (RFC 3279 section 2.3.1), DER, of an RSA key with the exponent 65537.
 * @param modulus big-endian, 256 to 512 bytes, odd, without leading zeros
 * @throws CodedError OBJECT_MALFORMED
 */
export function rsaPublicKeyInfo(modulus: Uint8Array): Bytes {
  const [first = 0] = modulus;
  const last = modulus.at(-1) ?? 0;
  const isLength = modulus.length >= MODULUS_BYTES.min && modulus.length <= MODULUS_BYTES.max;
  if (!isLength || first < 0x80 || (last & 1) === 0) {
    throw new CodedError('OBJECT_MALFORMED', 'not an RSA modulus of 2048 to 4096 bits', { bytes: modulus.length });
  }
  const integer = der(0x02, Uint8Array.of(0), modulus);
  const key = der(0x30, integer, EXPONENT_65537);
  return der(0x30, RSA_ALGORITHM, der(0x03, Uint8Array.of(0), key));
}
