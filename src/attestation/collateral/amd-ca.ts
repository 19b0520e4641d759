import { sha256 } from '#crypto';
import {
  type Bytes,
  CodedError,
  DER_TAG,
  DerReader,
  EXTENSION,
  extensionReader,
  parseExtensions,
  parseName,
  type UnixSeconds,
  type X509Name,
} from '../../core/index.ts';
import { AMD_CHAIN_BYTES_MAX } from './kds-client.ts';

/** A CA certificate of AMD, parsed: nothing in it is verified. */
export type AmdCa = Readonly<{
  tbs: Bytes;
  signature: Bytes;
  issuer: X509Name;
  subject: X509Name;
  notBefore: UnixSeconds;
  notAfter: UnixSeconds;
  spki: Bytes;
  spkiSha256: Bytes;
}>;

/**
 * Reads what a chain needs of a CA certificate of AMD, to its last byte. Apart from `parseCertificate`, because AMD
 * writes the KeyUsage of its intermediates with a trailing zero bit (`03 02 01 04`), which DER forbids: it is not read.
 * @throws CodedError ENCODING_INVALID; ENDORSEMENT_CHAIN_INVALID for a certificate of no CA
 */
export function parseAmdCa(der: Uint8Array): AmdCa {
  if (der.length > AMD_CHAIN_BYTES_MAX) throw new CodedError('ENCODING_INVALID', 'a certificate is too long');
  const outer = new DerReader(der, 'amd-ca');
  const certificate = outer.sequence('certificate');
  outer.end();
  const whole = certificate.element('tbsCertificate', DER_TAG.sequence);
  certificate.element('signatureAlgorithm', DER_TAG.sequence);
  const signature = Uint8Array.from(certificate.bitString('signatureValue'));
  certificate.end();
  const tbs = certificate.inside('tbsCertificate', whole.content);
  tbs.optionalExplicit('version', 0);
  tbs.magnitude('serialNumber', 20);
  tbs.element('signature', DER_TAG.sequence);
  const issuer = parseName(tbs, 'issuer');
  const validity = tbs.sequence('validity');
  const notBefore = validity.time('notBefore');
  const notAfter = validity.time('notAfter');
  validity.end();
  const subject = parseName(tbs, 'subject');
  const spki = Uint8Array.from(tbs.element('subjectPublicKeyInfo', DER_TAG.sequence).whole);
  const tagged = tbs.optionalExplicit('extensions', 3);
  tbs.end();
  if (tagged === null || !isCa(tagged)) throw new CodedError('ENDORSEMENT_CHAIN_INVALID', 'an issuer is not a CA');
  const signed = { tbs: Uint8Array.from(whole.whole), signature };
  return { ...signed, issuer, subject, notBefore, notAfter, spki, spkiSha256: sha256(spki) };
}

function isCa(tagged: DerReader): boolean {
  const extensions = parseExtensions(tagged, 'extensions');
  tagged.end();
  const constraints = extensionReader(tagged, extensions, EXTENSION.basicConstraints)?.sequence('basicConstraints');
  return constraints?.peekTag() === DER_TAG.boolean && constraints.boolean('cA');
}
