import type { Bytes } from '../../core/index.ts';
import * as der from './der.ts';

/** Writes certificates and CRLs (RFC 5280) from parts that a vendor's profile gives: names, keys, extensions, algorithm. */
export const X509_OID = {
  commonName: '2.5.4.3',
  country: '2.5.4.6',
  locality: '2.5.4.7',
  state: '2.5.4.8',
  organisation: '2.5.4.10',
  organisationalUnit: '2.5.4.11',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  reasonCode: '2.5.29.21',
  crlDistributionPoints: '2.5.29.31',
  authorityKeyIdentifier: '2.5.29.35',
} as const;

/** Whoever signs: the AlgorithmIdentifier it writes and how it signs. */
export type Issuing = Readonly<{ algorithm: Uint8Array; sign: (message: Uint8Array) => Uint8Array }>;

/** One AttributeTypeAndValue in a set of its own. */
export function nameAttribute(type: string, value: Uint8Array): Bytes {
  return der.setOf(der.sequence(der.oid(type), value));
}

export function extension(type: string, critical: boolean, value: Uint8Array): Bytes {
  return der.sequence(der.oid(type), ...(critical ? [der.boolean(true)] : []), der.octetString(value));
}

export function subjectKeyIdentifier(keyIdentifier: Uint8Array): Bytes {
  return extension(X509_OID.subjectKeyIdentifier, false, der.octetString(keyIdentifier));
}

export function authorityKeyIdentifier(keyIdentifier: Uint8Array): Bytes {
  return extension(X509_OID.authorityKeyIdentifier, false, der.sequence(der.implicit(0, keyIdentifier)));
}

/** One URI as full name of one distribution point. @param uri ASCII */
export function crlDistributionPoint(uri: Uint8Array): Bytes {
  const point = der.sequence(der.sequence(der.explicit(0, der.explicit(0, der.implicit(6, uri)))));
  return extension(X509_OID.crlDistributionPoints, false, point);
}

type CertificateParts = Readonly<{
  /** Big-endian magnitude. */
  serial: Uint8Array;
  issuer: Uint8Array;
  /** Seconds since 1970. */
  notBefore: number;
  notAfter: number;
  subject: Uint8Array;
  subjectPublicKeyInfo: Uint8Array;
  extensions: readonly Uint8Array[];
}>;

/** An X.509 v3 certificate, DER. */
export function certificate(parts: CertificateParts, by: Issuing): Bytes {
  const toBeSigned = der.sequence(
    der.explicit(0, der.integer(2)),
    der.unsignedInteger(parts.serial),
    by.algorithm,
    parts.issuer,
    der.sequence(der.time(parts.notBefore), der.time(parts.notAfter)),
    parts.subject,
    parts.subjectPublicKeyInfo,
    der.explicit(3, der.sequence(...parts.extensions)),
  );
  return signed(toBeSigned, by);
}

type RevocationListParts = Readonly<{
  issuer: Uint8Array;
  /** Seconds since 1970. */
  thisUpdate: number;
  nextUpdate: number;
  /** Whole entries, as {@link revokedEntry} makes them; the list is left out where there are none (RFC 5280 section 5.1.2.6). */
  entries: readonly Uint8Array[];
  extensions: readonly Uint8Array[];
}>;

/** An X.509 v2 CRL, DER. */
export function revocationList(parts: RevocationListParts, by: Issuing): Bytes {
  const toBeSigned = der.sequence(
    der.integer(1),
    by.algorithm,
    parts.issuer,
    der.time(parts.thisUpdate),
    der.time(parts.nextUpdate),
    ...(parts.entries.length === 0 ? [] : [der.sequence(...parts.entries)]),
    der.explicit(0, der.sequence(...parts.extensions)),
  );
  return signed(toBeSigned, by);
}

/** @param at seconds since 1970 */
export function revokedEntry(serial: Uint8Array, at: number, ...extensions: readonly Uint8Array[]): Bytes {
  const tail = extensions.length === 0 ? [] : [der.sequence(...extensions)];
  return der.sequence(der.unsignedInteger(serial), der.time(at), ...tail);
}

export function crlNumber(number: number): Bytes {
  return extension(X509_OID.crlNumber, false, der.integer(number));
}

function signed(toBeSigned: Uint8Array, by: Issuing): Bytes {
  return der.sequence(toBeSigned, by.algorithm, der.bitString(by.sign(toBeSigned)));
}
