import { sha384 } from '#crypto';
import { type Bytes, concat, fromHex } from '../bytes.ts';
import type { X509Certificate } from './certificate.ts';
import { keyBits } from './ocsp.ts';

export const OCSP_NONCE_BYTES = 32;
/** AlgorithmIdentifier of SHA-384. */
const SHA384 = fromHex('300b0609608648016503040202');
/** OBJECT IDENTIFIER id-pkix-ocsp-nonce. */
const NONCE = fromHex('06092b0601050507300102');

function element(tag: number, ...parts: readonly Uint8Array[]): Bytes {
  const content = concat(...parts);
  const { length } = content;
  const octets = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >>> 8, length & 0xff];
  return concat(Uint8Array.of(tag, ...octets), content);
}

/**
 * A question about one certificate (RFC 6960 section 4.1), DER, with its CertID over SHA-384.
 * @param serial as {@link X509Certificate.serial} writes it
 * @param nonce 32 bytes that the answer is to echo
 */
export function encodeOcspRequest(issuer: X509Certificate, serial: string, nonce: Uint8Array): Bytes {
  const magnitude = fromHex(serial);
  const integer = (magnitude[0] as number) >= 0x80 ? concat(Uint8Array.of(0), magnitude) : magnitude;
  const certId = element(
    0x30,
    SHA384,
    element(0x04, sha384(issuer.subject.der)),
    element(0x04, sha384(keyBits(issuer.spki))),
    element(0x02, integer),
  );
  const extension = element(0x30, NONCE, element(0x04, element(0x04, nonce)));
  const requests = element(0x30, element(0x30, certId));
  return element(0x30, element(0x30, requests, element(0xa2, element(0x30, extension))));
}
