import { sha256 } from '#crypto';
import { type Bytes, toHex } from '../bytes.ts';
import { DER_TAG, DerReader } from '../der.ts';
import { CodedError } from '../errors.ts';
import type { UnixSeconds } from '../time.ts';
import {
  EXTENSION,
  extensionReader,
  parseAuthorityKeyIdentifier,
  parseExtensions,
  type X509Extensions,
} from './extensions.ts';
import { parseName, type X509Name } from './name.ts';
import { type EcPublicKey, ecPublicKey } from './signature.ts';

export const CERTIFICATE_BYTES_MAX = 16 * 1024;
/** RFC 5280 section 4.1.2.2. */
export const SERIAL_BYTES_MAX = 20;

/** Bits of KeyUsage (RFC 5280 section 4.2.1.3). */
export const KEY_USAGE = { digitalSignature: 0, keyCertSign: 5, cRLSign: 6 } as const;

/** A certificate, parsed: nothing in it is verified. Its byte fields share the memory of its own copy, `der`. */
export type X509Certificate = Readonly<{
  der: Bytes;
  /** SHA-256 of `der`. */
  sha256: Bytes;
  /** The exact bytes that are signed. */
  tbs: Bytes;
  /** The serial number as an integer, lower-case hexadecimal without leading zero bytes. */
  serial: string;
  issuer: X509Name;
  subject: X509Name;
  /** Seconds; both ends belong to the validity. */
  notBefore: UnixSeconds;
  notAfter: UnixSeconds;
  spkiSha256: Bytes;
  spki: Bytes;
  /** Null for keys that are not EC on P-256 or P-384. */
  publicKey: EcPublicKey | null;
  /** The whole AlgorithmIdentifier, lower-case hexadecimal; the same in both places. */
  signatureAlgorithm: string;
  signature: Bytes;
  extensions: X509Extensions;
  /** Null where the extension is absent. */
  basicConstraints: Readonly<{ ca: boolean; pathLength: number | null }> | null;
  keyUsage: ReadonlySet<number> | null;
  subjectKeyIdentifier: Bytes | null;
  authorityKeyIdentifier: Bytes | null;
}>;

/** What a vendor's certificates do apart from RFC 5280; without any of it, all of RFC 5280 holds. */
export type CertificateProfile = Readonly<{
  /** Dates before 2050 as GeneralizedTime (NVIDIA's manifest signing CAs). */
  earlyGeneralizedTime?: boolean;
  /** KeyUsage written as a whole byte, with trailing zero bits (AMD's CAs). */
  wholeByteKeyUsage?: boolean;
}>;

/**
 * Parses one certificate (RFC 5280 section 4.1), strictly and completely: version 3, DER, no unique identifiers, no
 * bytes after any structure. Which algorithms, names and extensions are acceptable is for its profile.
 * @throws CodedError CERTIFICATE_MALFORMED; `cause` says where
 */
export function parseCertificate(der: Uint8Array, profile: CertificateProfile = {}): X509Certificate {
  if (der.length > CERTIFICATE_BYTES_MAX) {
    throw new CodedError('CERTIFICATE_MALFORMED', `a certificate has at most ${CERTIFICATE_BYTES_MAX} bytes`);
  }
  try {
    return parse(new Uint8Array(der), profile);
  } catch (cause) {
    if (!(cause instanceof CodedError)) throw cause;
    throw new CodedError('CERTIFICATE_MALFORMED', `certificate: ${cause.message}`, cause.facts, { cause });
  }
}

function parse(der: Bytes, profile: CertificateProfile): X509Certificate {
  const outer = new DerReader(der, 'x509');
  const certificate = outer.sequence('certificate');
  outer.end();
  const tbs = certificate.element('tbsCertificate', DER_TAG.sequence);
  const signatureAlgorithm = toHex(certificate.element('signatureAlgorithm', DER_TAG.sequence).whole);
  const signature = certificate.bitString('signatureValue');
  certificate.end();
  return {
    der,
    sha256: sha256(der),
    tbs: tbs.whole,
    signatureAlgorithm,
    signature,
    ...parseTbs(certificate.inside('tbsCertificate', tbs.content), signatureAlgorithm, profile),
  };
}

type Tbs = Omit<X509Certificate, 'der' | 'sha256' | 'tbs' | 'signatureAlgorithm' | 'signature'>;

function parseTbs(tbs: DerReader, signatureAlgorithm: string, profile: CertificateProfile): Tbs {
  const wrong = (field: string, why: string) => new CodedError('ENCODING_INVALID', `${field}: ${why}`, { field });
  const version = tbs.optionalExplicit('version', 0);
  if (version?.smallInteger('version', 2) !== 2) throw wrong('version', 'not version 3');
  version.end();
  const serial = toHex(tbs.magnitude('serialNumber', SERIAL_BYTES_MAX));
  if (toHex(tbs.element('signature', DER_TAG.sequence).whole) !== signatureAlgorithm) {
    throw wrong('signature', 'differs from signatureAlgorithm');
  }
  const issuer = parseName(tbs, 'issuer');
  const validity = tbs.sequence('validity');
  const notBefore = validity.time('notBefore', profile.earlyGeneralizedTime);
  const notAfter = validity.time('notAfter', profile.earlyGeneralizedTime);
  validity.end();
  const subject = parseName(tbs, 'subject');
  const spki = tbs.element('subjectPublicKeyInfo', DER_TAG.sequence).whole;
  const tagged = tbs.optionalExplicit('extensions', 3);
  if (tagged === null) throw wrong('extensions', 'absent');
  const extensions = parseExtensions(tagged, 'extensions');
  tagged.end();
  tbs.end();
  return {
    serial,
    issuer,
    subject,
    notBefore,
    notAfter,
    spki,
    spkiSha256: sha256(spki),
    publicKey: ecPublicKey(spki),
    extensions,
    ...parseKnownExtensions(tbs, extensions, profile),
  };
}

function parseKnownExtensions(reader: DerReader, extensions: X509Extensions, profile: CertificateProfile) {
  const basic = extensionReader(reader, extensions, EXTENSION.basicConstraints);
  const usage = extensionReader(reader, extensions, EXTENSION.keyUsage);
  const subjectKey = extensionReader(reader, extensions, EXTENSION.subjectKeyIdentifier);
  const keyUsage = usage?.namedBits('keyUsage', profile.wholeByteKeyUsage === true ? 'allowed' : 'refused') ?? null;
  usage?.end();
  const subjectKeyIdentifier = subjectKey?.octetString('keyIdentifier') ?? null;
  subjectKey?.end();
  return {
    basicConstraints: basic === null ? null : parseBasicConstraints(basic),
    keyUsage,
    subjectKeyIdentifier,
    authorityKeyIdentifier: parseAuthorityKeyIdentifier(reader, extensions),
  };
}

function parseBasicConstraints(outer: DerReader): { ca: boolean; pathLength: number | null } {
  const fields = outer.sequence('basicConstraints');
  outer.end();
  const ca = fields.peekTag() === DER_TAG.boolean;
  if (ca && !fields.boolean('cA')) {
    throw new CodedError('ENCODING_INVALID', 'basicConstraints: a default value written out', { field: 'cA' });
  }
  const pathLength = fields.done ? null : fields.smallInteger('pathLenConstraint', 255);
  fields.end();
  if (!ca && pathLength !== null) {
    throw new CodedError('ENCODING_INVALID', 'basicConstraints: a path length without CA', { field: 'pathLength' });
  }
  return { ca, pathLength };
}
