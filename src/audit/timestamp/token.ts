import {
  type Bytes,
  CodedError,
  DER_TAG,
  type DerElement,
  DerReader,
  fromUtf8,
  parseCertificate,
  parseExtensions,
  parseName,
  SERIAL_BYTES_MAX,
  toHex,
  type UnixSeconds,
  type X509Certificate,
} from '../../core/index.ts';
import { type Algorithm, readAlgorithm } from './signatures.ts';

export const TOKEN_BYTES_MAX = 64 * 1024;
const CERTIFICATES_MAX = 16;
const ATTRIBUTES_MAX = 32;
const ATTRIBUTE_VALUES_MAX = 16;
const GRANTED_WITH_MODS = 1;
const STAMP_SERIAL_BYTES_MAX = 32;

const SIGNED_DATA = '1.2.840.113549.1.7.2';
const TST_INFO = '1.2.840.113549.1.9.16.1.4';
const ATTRIBUTE = {
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingCertificate: '1.2.840.113549.1.9.16.2.12',
  signingCertificateV2: '1.2.840.113549.1.9.16.2.47',
} as const;
const SHA_1 = '1.3.14.3.2.26';
const SHA_256 = '2.16.840.1.101.3.4.2.1';

/** Which certificate a signer says is its own (RFC 2634 section 5.4, RFC 5816). @property hash OBJECT IDENTIFIER */
export type NamedCertificate = Readonly<{ hash: Algorithm; digest: Bytes }>;

export type StampSigner = Readonly<{
  by: Readonly<{ issuer: Bytes; serial: string }> | Readonly<{ keyIdentifier: Bytes }>;
  hash: Algorithm;
  /** Exactly what is signed: the signed attributes as a SET. */
  signedBytes: Bytes;
  messageDigest: Bytes;
  named: readonly NamedCertificate[];
  algorithm: Algorithm;
  signature: Bytes;
}>;

/** A time stamp, parsed: nothing in it is verified. */
export type ParsedTimeStamp = Readonly<{
  /** Of what was stamped. */
  imprint: Readonly<{ hash: Algorithm; digest: Bytes }>;
  /** Whole seconds; a fraction is dropped. */
  genTime: UnixSeconds;
  /** The stamped structure (TSTInfo) as it was signed. */
  info: Bytes;
  signer: StampSigner;
  /** Those that can be read. */
  certificates: readonly X509Certificate[];
}>;

const wrong = (field: string, why: string) => new CodedError('ENCODING_INVALID', `${field}: ${why}`, { field });

/**
 * Parses an RFC 3161 time-stamp response (application/timestamp-reply) that was granted, with its token: CMS SignedData
 * (RFC 5652) over a TSTInfo by one signer. DER throughout, nothing behind any structure.
 * @throws CodedError ENCODING_INVALID, CERTIFICATE_MALFORMED
 */
export function parseTimeStamp(response: Uint8Array): ParsedTimeStamp {
  if (response.length > TOKEN_BYTES_MAX) throw wrong('timeStampResp', `more than ${TOKEN_BYTES_MAX} bytes`);
  const outer = new DerReader(response, 'timeStampResp');
  const answer = outer.sequence('timeStampResp');
  outer.end();
  const info = answer.sequence('status');
  const status = info.smallInteger('status', 255);
  if (status > GRANTED_WITH_MODS) throw wrong('status', `the authority did not grant it (${status})`);
  if (info.peekTag() === DER_TAG.sequence) info.any('statusString');
  info.end();
  if (answer.done) throw wrong('timeStampToken', 'absent');
  const content = answer.sequence('timeStampToken');
  answer.end();
  if (content.oid('contentType') !== SIGNED_DATA) throw wrong('contentType', 'not SignedData');
  const tagged = content.nested('content', 0xa0);
  content.end();
  const signed = tagged.sequence('signedData');
  tagged.end();
  return parseSignedData(signed);
}

function parseSignedData(signed: DerReader): ParsedTimeStamp {
  if (signed.smallInteger('version', 5) !== 3) throw wrong('version', 'not 3');
  const digests = signed.nested('digestAlgorithms', DER_TAG.set);
  while (!digests.done) readAlgorithm(digests, 'digestAlgorithm');
  const encapsulated = signed.sequence('encapContentInfo');
  if (encapsulated.oid('eContentType') !== TST_INFO) throw wrong('eContentType', 'not TSTInfo');
  const tagged = encapsulated.nested('eContent', 0xa0);
  encapsulated.end();
  const info = tagged.octetString('eContent');
  tagged.end();
  const certificates = signed.peekTag() === 0xa0 ? readCertificates(signed.nested('certificates', 0xa0)) : [];
  if (signed.peekTag() === 0xa1) signed.any('crls');
  const signers = signed.nested('signerInfos', DER_TAG.set);
  signed.end();
  const signer = parseSigner(signers.sequence('signerInfo'));
  if (!signers.done) throw wrong('signerInfos', 'more than one signer');
  return { ...parseInfo(info), info: new Uint8Array(info), certificates, signer };
}

/** Other kinds than X.509, and certificates that we cannot read, vouch for nobody here. */
function readCertificates(set: DerReader): X509Certificate[] {
  const found: X509Certificate[] = [];
  for (let count = 0; !set.done; count++) {
    if (count === CERTIFICATES_MAX) throw wrong('certificates', 'too many');
    const { tag, whole } = set.any('certificate');
    if (tag !== DER_TAG.sequence) continue;
    try {
      found.push(parseCertificate(whole));
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
    }
  }
  return found;
}

/** SignerInfo (RFC 5652 section 5.3), with signed attributes. What it has of unsigned ones says nothing. */
function parseSigner(signer: DerReader): StampSigner {
  const version = signer.smallInteger('version', 5);
  const isByKey = signer.peekTag() === 0x80;
  if (version !== (isByKey ? 3 : 1)) throw wrong('version', 'not the one of how the signer is named');
  const by = isByKey
    ? { keyIdentifier: new Uint8Array(signer.content('subjectKeyIdentifier', 0x80)) }
    : issuerAndSerial(signer.sequence('issuerAndSerialNumber'));
  const hash = readAlgorithm(signer, 'digestAlgorithm');
  const attributes = signer.element('signedAttrs', 0xa0);
  const algorithm = readAlgorithm(signer, 'signatureAlgorithm');
  const signature = new Uint8Array(signer.octetString('signature'));
  if (signer.peekTag() === 0xa1) signer.any('unsignedAttrs');
  signer.end();
  const signedBytes = new Uint8Array(attributes.whole);
  signedBytes[0] = DER_TAG.set; // RFC 5652 section 5.4: as a SET OF, not under its tag
  return { by, hash, signedBytes, algorithm, signature, ...parseAttributes(signer, attributes) };
}

function issuerAndSerial(reader: DerReader): { issuer: Bytes; serial: string } {
  const issuer = new Uint8Array(parseName(reader, 'issuer').der);
  const serial = toHex(reader.magnitude('serialNumber', SERIAL_BYTES_MAX));
  reader.end();
  return { issuer, serial };
}

function parseAttributes(
  signer: DerReader,
  { content }: DerElement,
): Readonly<{ messageDigest: Bytes; named: readonly NamedCertificate[] }> {
  const reader = signer.inside('signedAttrs', content);
  const values = new Map<string, DerElement>();
  while (!reader.done) {
    if (values.size === ATTRIBUTES_MAX) throw wrong('signedAttrs', 'too many attributes');
    const attribute = reader.sequence('attribute');
    const type = attribute.oid('attrType');
    const set = attribute.nested('attrValues', DER_TAG.set);
    attribute.end();
    const value = set.any('attrValue');
    for (let more = 1; !set.done; more++) {
      if (Object.values<string>(ATTRIBUTE).includes(type)) throw wrong(type, 'an attribute with more than one value');
      if (more === ATTRIBUTE_VALUES_MAX) throw wrong(type, 'too many values');
      set.any('attrValue');
    }
    if (values.has(type)) throw wrong(type, 'an attribute twice');
    values.set(type, value);
  }
  const only = (type: string) => {
    const value = values.get(type);
    return value === undefined ? null : reader.inside(type, value.whole);
  };
  const contentType = only(ATTRIBUTE.contentType);
  if (contentType?.oid('contentType') !== TST_INFO) throw wrong('contentType', 'not signed as a TSTInfo');
  contentType.end();
  const digest = only(ATTRIBUTE.messageDigest);
  if (digest === null) throw wrong('messageDigest', 'absent');
  const messageDigest = new Uint8Array(digest.octetString('messageDigest'));
  digest.end();
  const v1 = only(ATTRIBUTE.signingCertificate);
  const v2 = only(ATTRIBUTE.signingCertificateV2);
  const named = [v1 === null ? null : namedBy(v1, SHA_1), v2 === null ? null : namedBy(v2, null)];
  return { messageDigest, named: named.filter((one) => one !== null) };
}

/** The first certificate that SigningCertificate(V2) names is the signer's. @param fixed the hash of version 1 */
function namedBy(outer: DerReader, fixed: Algorithm | null): NamedCertificate {
  const signing = outer.sequence('signingCertificate');
  outer.end();
  const certificates = signing.sequence('certs');
  const first = certificates.sequence('essCertId');
  const isNamed = fixed === null && first.peekTag() === DER_TAG.sequence;
  const hash = isNamed ? readAlgorithm(first, 'hashAlgorithm') : (fixed ?? SHA_256);
  return { hash, digest: new Uint8Array(first.octetString('certHash')) };
}

/** TSTInfo (RFC 3161 section 2.4.2). */
function parseInfo(bytes: Bytes): Pick<ParsedTimeStamp, 'imprint' | 'genTime'> {
  const outer = new DerReader(bytes, 'tstInfo');
  const info = outer.sequence('tstInfo');
  outer.end();
  if (info.smallInteger('version', 255) !== 1) throw wrong('version', 'not 1');
  info.oid('policy');
  const stamped = info.sequence('messageImprint');
  const hash = readAlgorithm(stamped, 'hashAlgorithm');
  const digest = new Uint8Array(stamped.octetString('hashedMessage'));
  stamped.end();
  info.magnitude('serialNumber', STAMP_SERIAL_BYTES_MAX);
  const genTime = readGenTime(info.content('genTime', DER_TAG.generalizedTime));
  if (info.peekTag() === DER_TAG.sequence) readAccuracy(info.sequence('accuracy'));
  if (info.peekTag() === DER_TAG.boolean && !info.boolean('ordering')) throw wrong('ordering', 'a default written out');
  if (info.peekTag() === DER_TAG.integer) info.integer('nonce');
  if (info.peekTag() === 0xa0) info.any('tsa');
  if (info.peekTag() === 0xa1) refuseCritical(info);
  info.end();
  return { imprint: { hash, digest }, genTime };
}

function readAccuracy(accuracy: DerReader): void {
  if (accuracy.peekTag() === DER_TAG.integer) accuracy.integer('seconds');
  if (accuracy.peekTag() === 0x80) accuracy.smallInteger('millis', 999, 0x80);
  if (accuracy.peekTag() === 0x81) accuracy.smallInteger('micros', 999, 0x81);
  accuracy.end();
}

/** `[1] IMPLICIT Extensions`: the tag stands for that of the SEQUENCE. */
function refuseCritical(info: DerReader): void {
  const sequence = new Uint8Array(info.any('extensions').whole);
  sequence[0] = DER_TAG.sequence;
  const reader = info.inside('extensions', sequence);
  const extensions = parseExtensions(reader, 'extensions');
  reader.end();
  for (const [id, { critical }] of extensions) if (critical) throw wrong(id, 'an unknown critical extension');
}

/** `YYYYMMDDHHMMSS[.f…]Z`, a fraction without trailing zeros (RFC 3161 section 2.4.2). */
function readGenTime(content: Bytes): UnixSeconds {
  const found = /^(\d{14})(?:\.\d{0,8}[1-9])?Z$/.exec(fromUtf8(content, 'genTime'));
  if (found === null) throw wrong('genTime', 'a malformed time');
  const whole = new TextEncoder().encode(`${found[1]}Z`);
  return new DerReader(Uint8Array.of(DER_TAG.generalizedTime, whole.length, ...whole), 'genTime').generalizedTime(
    'genTime',
  );
}
