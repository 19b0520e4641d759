import { type Bytes, CodedError, CRL_BYTES_MAX, fromBase64, fromHex, fromUtf8, parsePem } from '../../core/index.ts';

/** Hexadecimal takes two characters a byte, and a line end. */
export const CRL_ANSWER_BYTES_MAX = 2 * CRL_BYTES_MAX + 2;

/**
 * The DER of a CRL as services answer it: DER (Intel PCS, AMD KDS), hexadecimal (PCCS), PEM (Intel PCS by default) or
 * base64. DER begins with byte 0x30; the text "30" with 0x33; PEM with a dash; base64 with "M": never mistaken.
 * @throws CodedError ENCODING_INVALID, CRL_MALFORMED
 */
export function crlDer(answer: Uint8Array, field: string): Bytes {
  if (answer[0] === 0x30) return Uint8Array.from(answer);
  const text = fromUtf8(answer, field).replace(/\r?\n$/, '');
  if (text.startsWith('-----')) {
    const [block, ...more] = parsePem(text, 'X509 CRL', 1, field);
    if (block !== undefined && more.length === 0) return block;
    throw new CodedError('CRL_MALFORMED', `${field}: not one CRL`, { field });
  }
  const der = text.startsWith('30') ? fromHex(text, field) : fromBase64(text, field);
  if (der[0] !== 0x30) throw new CodedError('CRL_MALFORMED', `${field}: not a CRL`, { field });
  return der;
}
