import { sha1, sha256, sha384 } from '#crypto';
import { type Bytes, equalBytes, toHex } from '../bytes.ts';
import { DER_TAG, DerReader } from '../der.ts';
import { CodedError } from '../errors.ts';
import type { UnixSeconds } from '../time.ts';
import { parseCertificate, SERIAL_BYTES_MAX, type X509Certificate } from './certificate.ts';
import { EXTENSION, extensionReader, parseExtensions, type X509Extensions } from './extensions.ts';
import { parseName } from './name.ts';
import { isCurrent, unknownCriticalExtension, whyNotSignedUnder } from './path.ts';
import { type EcdsaVerifier, signedBy } from './signature.ts';

export const OCSP_BYTES_MAX = 32 * 1024;
export const OCSP_ANSWERS_MAX = 16;
export const OCSP_CERTIFICATES_MAX = 4;
const BASIC = '1.3.6.1.5.5.7.48.1.1';
const NONCE = '1.3.6.1.5.5.7.48.1.2';
const OCSP_SIGNING = '1.3.6.1.5.5.7.3.9';
const KEY_PURPOSES_MAX = 16;
const HASHES: Readonly<Record<string, (data: Uint8Array) => Bytes>> = {
  '1.3.14.3.2.26': sha1,
  '2.16.840.1.101.3.4.2.1': sha256,
  '2.16.840.1.101.3.4.2.2': sha384,
};

/** Which certificate an answer is about: hashes of its issuer's name and key, and its serial number. */
export type OcspCertificateId = Readonly<{
  /** OBJECT IDENTIFIER of the hash; an unknown one names no certificate. */
  hash: string;
  issuerNameHash: Bytes;
  issuerKeyHash: Bytes;
  /** As {@link X509Certificate.serial} writes it. */
  serial: string;
}>;
export type OcspAnswer = Readonly<{
  id: OcspCertificateId;
  status: 'good' | 'revoked' | 'unknown';
  /** Seconds. */
  thisUpdate: UnixSeconds;
  nextUpdate: UnixSeconds;
}>;
/** An OCSP response, parsed: nothing in it is verified. */
export type X509OcspResponse = Readonly<{
  /** Exact bytes that are signed. */
  tbs: Bytes;
  signatureAlgorithm: string;
  signature: Bytes;
  responder: Readonly<{ by: 'name'; name: Bytes } | { by: 'key'; keyHash: Bytes }>;
  producedAt: UnixSeconds;
  answers: readonly OcspAnswer[];
  /** What the responder echoes, or null. */
  nonce: Bytes | null;
  /** Certificates of delegated responders. */
  certificates: readonly X509Certificate[];
}>;

/**
 * Parses an OCSP response (RFC 6960 section 4.2.1), strictly: DER, status successful, the basic type, version 1, a
 * nextUpdate in every answer, no critical extension, nothing after any structure.
 * @throws CodedError OCSP_MALFORMED; OCSP_UNSUCCESSFUL where the responder answered with an error status
 */
export function parseOcspResponse(der: Uint8Array): X509OcspResponse {
  const tooLong = der.length > OCSP_BYTES_MAX;
  if (tooLong) throw new CodedError('OCSP_MALFORMED', `an OCSP response has at most ${OCSP_BYTES_MAX} bytes`);
  try {
    const outer = new DerReader(new Uint8Array(der), 'ocsp');
    const response = outer.sequence('response');
    outer.end();
    const status = response.smallInteger('responseStatus', 6, DER_TAG.enumerated);
    if (status !== 0) throw unsuccessful(status);
    const tagged = response.optionalExplicit('responseBytes', 0);
    response.end();
    if (tagged === null) throw wrong('responseBytes', 'absent');
    const bytes = tagged.sequence('responseBytes');
    tagged.end();
    if (bytes.oid('responseType') !== BASIC) throw wrong('responseType', 'not the basic one');
    const inner = bytes.inside('basicResponse', bytes.octetString('response'));
    bytes.end();
    const basic = inner.sequence('basicResponse');
    inner.end();
    return parseBasic(basic);
  } catch (cause) {
    if (!(cause instanceof CodedError) || cause.code === 'OCSP_UNSUCCESSFUL') throw cause;
    throw new CodedError('OCSP_MALFORMED', `OCSP response: ${cause.message}`, cause.facts, { cause });
  }
}

const STATUSES = ['', 'malformedRequest', 'internalError', 'tryLater', '', 'sigRequired', 'unauthorized'];
const wrong = (field: string, why: string) => new CodedError('ENCODING_INVALID', `${field}: ${why}`, { field });

function unsuccessful(status: number): CodedError {
  const name = STATUSES[status] ?? '';
  return new CodedError('OCSP_UNSUCCESSFUL', `the OCSP responder answered ${name || 'an unknown status'}`, { status });
}

function parseBasic(basic: DerReader): X509OcspResponse {
  const tbs = basic.element('tbsResponseData', DER_TAG.sequence);
  const signatureAlgorithm = toHex(basic.element('signatureAlgorithm', DER_TAG.sequence).whole);
  const signature = new Uint8Array(basic.bitString('signature'));
  const tagged = basic.optionalExplicit('certs', 0);
  const certificates: X509Certificate[] = [];
  if (tagged !== null) {
    const list = tagged.sequence('certs');
    tagged.end();
    while (!list.done) {
      if (certificates.length === OCSP_CERTIFICATES_MAX) throw wrong('certs', 'too many certificates');
      certificates.push(parseCertificate(list.element('cert', DER_TAG.sequence).whole, { earlyGeneralizedTime: true }));
    }
  }
  basic.end();
  const data = parseData(basic.inside('tbsResponseData', tbs.content));
  return { tbs: new Uint8Array(tbs.whole), signatureAlgorithm, signature, certificates, ...data };
}

function parseData(data: DerReader): Pick<X509OcspResponse, 'responder' | 'producedAt' | 'answers' | 'nonce'> {
  // Version 1 is the default and is not written; there is no other.
  const responder = parseResponder(data);
  const producedAt = data.generalizedTime('producedAt');
  const list = data.sequence('responses');
  const answers: OcspAnswer[] = [];
  do {
    if (answers.length === OCSP_ANSWERS_MAX) throw wrong('responses', 'too many answers');
    answers.push(parseAnswer(list.sequence('singleResponse')));
  } while (!list.done);
  const extensions = parseOptionalExtensions(data, 'responseExtensions');
  data.end();
  const nonce = extensionReader(data, extensions, NONCE);
  const echoed = nonce === null ? null : new Uint8Array(nonce.octetString('nonce'));
  nonce?.end();
  return { responder, producedAt, answers, nonce: echoed };
}

function parseResponder(data: DerReader): X509OcspResponse['responder'] {
  const byName = data.optionalExplicit('responderID', 1);
  if (byName !== null) {
    const { der } = parseName(byName, 'responderID');
    byName.end();
    return { by: 'name', name: der };
  }
  const byKey = data.optionalExplicit('responderID', 2);
  if (byKey === null) throw wrong('responderID', 'neither a name nor a key');
  const keyHash = new Uint8Array(byKey.octetString('keyHash', 20));
  byKey.end();
  return { by: 'key', keyHash };
}

function parseOptionalExtensions(reader: DerReader, field: string): X509Extensions {
  const tagged = reader.optionalExplicit(field, 1);
  if (tagged === null) return new Map();
  const extensions = parseExtensions(tagged, field);
  tagged.end();
  for (const [id, { critical }] of extensions) if (critical) throw wrong(id, 'an unknown critical extension');
  return extensions;
}

function parseAnswer(answer: DerReader): OcspAnswer {
  const certId = answer.sequence('certID');
  const algorithm = certId.sequence('hashAlgorithm');
  const hash = algorithm.oid('hashAlgorithm');
  if (!algorithm.done) algorithm.null('parameters');
  algorithm.end();
  const issuerNameHash = new Uint8Array(certId.octetString('issuerNameHash'));
  const issuerKeyHash = new Uint8Array(certId.octetString('issuerKeyHash'));
  const serial = toHex(certId.magnitude('serialNumber', SERIAL_BYTES_MAX));
  certId.end();
  const status = parseStatus(answer);
  const thisUpdate = answer.generalizedTime('thisUpdate');
  const next = answer.optionalExplicit('nextUpdate', 0);
  if (next === null) throw wrong('nextUpdate', 'absent: the answer would be good for ever');
  const nextUpdate = next.generalizedTime('nextUpdate');
  next.end();
  parseOptionalExtensions(answer, 'singleExtensions');
  answer.end();
  return { id: { hash, issuerNameHash, issuerKeyHash, serial }, status, thisUpdate, nextUpdate };
}

function parseStatus(answer: DerReader): OcspAnswer['status'] {
  const tag = answer.peekTag();
  if (tag === 0x80 || tag === 0x82) {
    if (answer.content('certStatus', tag).length > 0) throw wrong('certStatus', 'a NULL with content');
    return tag === 0x80 ? 'good' : 'unknown';
  }
  const revoked = answer.nested('certStatus', 0xa1);
  revoked.generalizedTime('revocationTime');
  const reason = revoked.optionalExplicit('revocationReason', 0);
  reason?.smallInteger('revocationReason', 10, DER_TAG.enumerated);
  reason?.end();
  revoked.end();
  return 'revoked';
}

/** The bits of a BIT STRING public key, which key hashes are over (RFC 6960 section 4.1.1). */
export function keyBits(spki: Uint8Array): Uint8Array {
  const outer = new DerReader(spki, 'SubjectPublicKeyInfo');
  const info = outer.sequence('subjectPublicKeyInfo');
  info.element('algorithm', DER_TAG.sequence);
  return info.bitString('subjectPublicKey');
}

/** Whether an answer is about this certificate of this issuer. */
export function isAnswerFor(
  { id }: OcspAnswer,
  subject: Pick<X509Certificate, 'serial' | 'issuer'>,
  issuer: X509Certificate,
): boolean {
  const hash = HASHES[id.hash];
  if (hash === undefined || id.serial !== subject.serial) return false;
  return (
    equalBytes(id.issuerNameHash, hash(subject.issuer.der)) && equalBytes(id.issuerKeyHash, hash(keyBits(issuer.spki)))
  );
}

/**
 * Why a response is not one that `issuer` vouches for, or null: signed by the issuer itself, or by a responder whose
 * certificate the issuer signed, with the purpose OCSPSigning and in date (RFC 6960 section 4.2.2.2). Nobody else may
 * answer for its certificates, the certificate in question least of all.
 */
export async function whyNotOcspOf(
  response: X509OcspResponse,
  issuer: X509Certificate,
  now: UnixSeconds,
  verify: EcdsaVerifier,
): Promise<string | null> {
  const isResponder = ({ subject, spki }: X509Certificate) =>
    response.responder.by === 'name'
      ? equalBytes(response.responder.name, subject.der)
      : equalBytes(response.responder.keyHash, sha1(keyBits(spki)));
  if (isResponder(issuer)) {
    return (await signedBy(response, issuer.publicKey, verify)) ? null : 'its issuer did not sign it';
  }
  const delegate = response.certificates.find(isResponder);
  if (delegate === undefined) return 'signed by neither the issuer nor a responder that is given';
  const why = whyNotSignedUnder(delegate, issuer);
  if (why !== null) return `the responder's certificate: ${why}`;
  if (!mayAnswer(delegate)) return "the responder's certificate is not for OCSPSigning";
  if (!isCurrent(delegate.notBefore, delegate.notAfter, now)) return "the responder's certificate is not in date";
  if (!(await signedBy(delegate, issuer.publicKey, verify)))
    return "the issuer did not sign the responder's certificate";
  return (await signedBy(response, delegate.publicKey, verify)) ? null : 'its responder did not sign it';
}

function mayAnswer(certificate: X509Certificate): boolean {
  const unknown = unknownCriticalExtension(certificate, [EXTENSION.extendedKeyUsage]);
  const value = certificate.extensions.get(EXTENSION.extendedKeyUsage)?.value;
  if (unknown !== null || value === undefined || certificate.basicConstraints?.ca === true) return false;
  try {
    const outer = new DerReader(value, 'extKeyUsage');
    const purposes = outer.sequence('extKeyUsage');
    outer.end();
    let isFound = false;
    for (let count = 0; !purposes.done; count++) {
      if (count === KEY_PURPOSES_MAX) return false;
      isFound = purposes.oid('purpose') === OCSP_SIGNING || isFound;
    }
    return isFound;
  } catch (error) {
    if (error instanceof CodedError) return false;
    throw error;
  }
}
