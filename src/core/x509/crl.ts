import { type Bytes, equalBytes, toHex } from '../bytes.ts';
import { DER_TAG, DerReader } from '../der.ts';
import { CodedError } from '../errors.ts';
import type { UnixSeconds } from '../time.ts';
import { SERIAL_BYTES_MAX } from './certificate.ts';
import {
  EXTENSION,
  extensionReader,
  parseAuthorityKeyIdentifier,
  parseExtensions,
  type X509Extensions,
} from './extensions.ts';
import { parseName, type X509Name } from './name.ts';

export const CRL_BYTES_MAX = 1024 * 1024;
export const CRL_ENTRIES_MAX = 32_768;

/** A certificate revocation list, parsed: nothing in it is verified. */
export type X509Crl = Readonly<{
  tbs: Bytes;
  issuer: X509Name;
  /** Seconds. */
  thisUpdate: UnixSeconds;
  nextUpdate: UnixSeconds;
  /** The CRL number as an integer, lower-case hexadecimal: a floor against roll-back. */
  crlNumber: string;
  authorityKeyIdentifier: Bytes | null;
  /** Serial numbers as {@link X509Certificate.serial} writes them. */
  revoked: ReadonlySet<string>;
  signatureAlgorithm: string;
  signature: Bytes;
}>;

/**
 * Parses a complete CRL (RFC 5280 section 5), strictly: version 2, nextUpdate and CRL number present, no critical
 * extension at all (so no delta, indirect or partitioned list).
 * @throws CodedError CRL_MALFORMED; `cause` says where
 */
export function parseCrl(der: Uint8Array): X509Crl {
  if (der.length > CRL_BYTES_MAX) throw new CodedError('CRL_MALFORMED', `a CRL has at most ${CRL_BYTES_MAX} bytes`);
  try {
    const outer = new DerReader(new Uint8Array(der), 'crl');
    const list = outer.sequence('certificateList');
    outer.end();
    const tbs = list.element('tbsCertList', DER_TAG.sequence);
    const signatureAlgorithm = toHex(list.element('signatureAlgorithm', DER_TAG.sequence).whole);
    const signature = list.bitString('signatureValue');
    list.end();
    const parsed = parseTbs(list.inside('tbsCertList', tbs.content), signatureAlgorithm);
    return { tbs: tbs.whole, signatureAlgorithm, signature, ...parsed };
  } catch (cause) {
    if (!(cause instanceof CodedError)) throw cause;
    throw new CodedError('CRL_MALFORMED', `CRL: ${cause.message}`, cause.facts, { cause });
  }
}

const wrong = (field: string, why: string) => new CodedError('ENCODING_INVALID', `${field}: ${why}`, { field });

function parseTbs(tbs: DerReader, signatureAlgorithm: string) {
  if (tbs.peekTag() !== DER_TAG.integer || tbs.smallInteger('version', 1) !== 1)
    throw wrong('version', 'not version 2');
  if (toHex(tbs.element('signature', DER_TAG.sequence).whole) !== signatureAlgorithm) {
    throw wrong('signature', 'differs from signatureAlgorithm');
  }
  const issuer = parseName(tbs, 'issuer');
  const thisUpdate = tbs.time('thisUpdate');
  const nextUpdate = tbs.time('nextUpdate');
  const revoked =
    tbs.peekTag() === DER_TAG.sequence ? parseEntries(tbs.sequence('revokedCertificates')) : new Set<string>();
  const tagged = tbs.optionalExplicit('crlExtensions', 0);
  if (tagged === null) throw wrong('crlExtensions', 'absent');
  const extensions = parseExtensions(tagged, 'crlExtensions');
  tagged.end();
  tbs.end();
  refuseCritical(extensions);
  const number = extensionReader(tbs, extensions, EXTENSION.crlNumber);
  if (number === null) throw wrong('crlNumber', 'absent');
  const crlNumber = toHex(number.magnitude('crlNumber', 20));
  number.end();
  const authorityKeyIdentifier = parseAuthorityKeyIdentifier(tbs, extensions);
  return { issuer, thisUpdate, nextUpdate, revoked, crlNumber, authorityKeyIdentifier };
}

function refuseCritical(extensions: X509Extensions): void {
  for (const [id, { critical }] of extensions) if (critical) throw wrong(id, 'an unknown critical extension');
}

function parseEntries(list: DerReader): Set<string> {
  const revoked = new Set<string>();
  let fine: Uint8Array | null = null;
  do {
    if (revoked.size === CRL_ENTRIES_MAX) throw wrong('revokedCertificates', 'too many entries');
    const entry = list.sequence('revokedCertificate');
    const serial = toHex(entry.magnitude('userCertificate', SERIAL_BYTES_MAX));
    entry.time('revocationDate');
    if (!entry.done) {
      const { whole } = entry.element('crlEntryExtensions', DER_TAG.sequence);
      // The same few bytes in nearly every entry: read once.
      if (fine === null || !equalBytes(whole, fine)) readEntryExtensions(entry.inside('crlEntryExtensions', whole));
      fine = whole;
    }
    entry.end();
    if (revoked.has(serial)) throw wrong('revokedCertificates', 'a serial number twice');
    revoked.add(serial);
  } while (!list.done);
  return revoked;
}

function readEntryExtensions(reader: DerReader): void {
  const extensions = parseExtensions(reader, 'crlEntryExtensions');
  reader.end();
  refuseCritical(extensions);
  const reason = extensionReader(reader, extensions, EXTENSION.reasonCode);
  // removeFromCRL (8) belongs to delta lists, which are refused as a whole.
  if (reason?.smallInteger('reasonCode', 10, DER_TAG.enumerated) === 8) throw wrong('reasonCode', 'removeFromCRL');
  reason?.end();
}
