import { type Bytes, concat, toBase64, utf8 } from '../../core/index.ts';
import * as der from './der.ts';
import type { SimulatedKey } from './keys.ts';

/** Stands in every subject and issuer, so that nobody who reads a certificate takes it for the vendor's. */
export const SIMULATOR_ORGANISATION = 'Chrysalis simulator, not Intel';

/** Certificates and CRLs of Intel's profile (tdx.md section 6), with the names and key types of the real ones. */
const OID = {
  commonName: '2.5.4.3',
  country: '2.5.4.6',
  locality: '2.5.4.7',
  state: '2.5.4.8',
  organisation: '2.5.4.10',
  ecPublicKey: '1.2.840.10045.2.1',
  p256: '1.2.840.10045.3.1.7',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  reasonCode: '2.5.29.21',
  crlDistributionPoints: '2.5.29.31',
  authorityKeyIdentifier: '2.5.29.35',
  sgxExtension: '1.2.840.113741.1.13.1',
} as const;

const ECDSA_WITH_SHA256 = der.sequence(der.oid(OID.ecdsaWithSha256));

function name(commonName: string): Bytes {
  const attribute = (type: string, value: Uint8Array) => der.setOf(der.sequence(der.oid(type), value));
  return der.sequence(
    attribute(OID.commonName, der.utf8String(commonName)),
    attribute(OID.organisation, der.utf8String(SIMULATOR_ORGANISATION)),
    attribute(OID.locality, der.utf8String('Santa Clara')),
    attribute(OID.state, der.utf8String('CA')),
    attribute(OID.country, der.printableString('US')),
  );
}

/** SubjectPublicKeyInfo of a P-256 point, DER. */
export function subjectPublicKeyInfo(point: Uint8Array): Bytes {
  return der.sequence(der.sequence(der.oid(OID.ecPublicKey), der.oid(OID.p256)), der.bitString(point));
}

/** 20 bytes, positive and never shorter: the key identifier with its top bits set to 01. */
export function serialNumber(keyIdentifier: Uint8Array): Bytes {
  const serial = Uint8Array.from(keyIdentifier);
  serial[0] = ((serial[0] as number) & 0x3f) | 0x40;
  return serial;
}

function extension(type: string, critical: boolean, value: Uint8Array): Bytes {
  return der.sequence(der.oid(type), ...(critical ? [der.boolean(true)] : []), der.octetString(value));
}

function authorityKeyIdentifier(issuer: SimulatedKey): Bytes {
  return extension(OID.authorityKeyIdentifier, false, der.sequence(der.implicit(0, issuer.keyIdentifier)));
}

export type CertificateRequest = Readonly<{
  subject: string;
  key: SimulatedKey;
  issuer: string;
  issuerKey: SimulatedKey;
  /** Seconds since 1970. */
  notBefore: number;
  notAfter: number;
  /** Path length of a CA; null for an end entity. */
  pathLength: number | null;
  /** Value of the SGX extension; PCK certificates only. */
  sgxExtension?: Uint8Array;
}>;

/** An X.509 v3 certificate, DER. */
export function issueCertificate(request: CertificateRequest): Bytes {
  const { key, issuerKey, pathLength } = request;
  const isCa = pathLength !== null;
  const distributionPoint = der.sequence(
    der.sequence(der.explicit(0, der.explicit(0, der.implicit(6, utf8('http://simulator.invalid/crl.der'))))),
  );
  const extensions = [
    authorityKeyIdentifier(issuerKey),
    extension(OID.crlDistributionPoints, false, distributionPoint),
    extension(OID.subjectKeyIdentifier, false, der.octetString(key.keyIdentifier)),
    extension(OID.keyUsage, true, isCa ? der.bitString(Uint8Array.of(0x06), 1) : der.bitString(Uint8Array.of(0xc0), 6)),
    extension(
      OID.basicConstraints,
      true,
      isCa ? der.sequence(der.boolean(true), der.integer(pathLength)) : der.sequence(),
    ),
    ...(request.sgxExtension === undefined ? [] : [extension(OID.sgxExtension, false, request.sgxExtension)]),
  ];
  const toBeSigned = der.sequence(
    der.explicit(0, der.integer(2)),
    der.unsignedInteger(serialNumber(key.keyIdentifier)),
    ECDSA_WITH_SHA256,
    name(request.issuer),
    der.sequence(der.time(request.notBefore), der.time(request.notAfter)),
    name(request.subject),
    subjectPublicKeyInfo(key.point),
    der.explicit(3, der.sequence(...extensions)),
  );
  return signed(toBeSigned, issuerKey);
}

function signed(toBeSigned: Uint8Array, issuerKey: SimulatedKey): Bytes {
  return der.sequence(toBeSigned, ECDSA_WITH_SHA256, der.bitString(issuerKey.signDer(toBeSigned)));
}

export type CrlRequest = Readonly<{
  issuer: string;
  issuerKey: SimulatedKey;
  /** Seconds since 1970. */
  thisUpdate: number;
  nextUpdate: number;
  number: number;
  /** Serial numbers, as {@link serialNumber} gives them. */
  revoked: readonly Uint8Array[];
}>;

/** An X.509 v2 CRL, DER; the list is left out where nothing is revoked (RFC 5280 section 5.1.2.6). */
export function issueCrl(request: CrlRequest): Bytes {
  const keyCompromise = der.sequence(extension(OID.reasonCode, false, der.enumerated(1)));
  const entries = request.revoked.map((serial) =>
    der.sequence(der.unsignedInteger(serial), der.time(request.thisUpdate), keyCompromise),
  );
  const extensions = der.sequence(
    extension(OID.crlNumber, false, der.integer(request.number)),
    authorityKeyIdentifier(request.issuerKey),
  );
  const toBeSigned = der.sequence(
    der.integer(1),
    ECDSA_WITH_SHA256,
    name(request.issuer),
    der.time(request.thisUpdate),
    der.time(request.nextUpdate),
    ...(entries.length === 0 ? [] : [der.sequence(...entries)]),
    der.explicit(0, extensions),
  );
  return signed(toBeSigned, request.issuerKey);
}

export type PckPlatform = Readonly<{
  ppid: Uint8Array;
  /** 16 values of 0…255. */
  components: readonly number[];
  pceSvn: number;
  fmspc: Uint8Array;
  pceId: Uint8Array;
  platformInstanceId: Uint8Array;
}>;

/** Value of the SGX extension of a Platform CA leaf, all children present (tdx.md section 6, item 5). */
export function sgxExtension(platform: PckPlatform): Bytes {
  const child = (path: string, value: Uint8Array) => der.sequence(der.oid(`${OID.sgxExtension}.${path}`), value);
  const tcb = [
    ...platform.components.map((svn, index) => child(`2.${index + 1}`, der.integer(svn))),
    child('2.17', der.integer(platform.pceSvn)),
    child('2.18', der.octetString(Uint8Array.from(platform.components))),
  ];
  const configuration = ['7.1', '7.2', '7.3'].map((path) => child(path, der.boolean(path === '7.3')));
  return der.sequence(
    child('1', der.octetString(platform.ppid)),
    child('2', der.sequence(...tcb)),
    child('3', der.octetString(platform.pceId)),
    child('4', der.octetString(platform.fmspc)),
    child('5', der.enumerated(1)),
    child('6', der.octetString(platform.platformInstanceId)),
    child('7', der.sequence(...configuration)),
  );
}

/** PEM blocks in the order given, 64 characters a line (RFC 7468). */
export function pemChain(...certificates: readonly Uint8Array[]): string {
  return certificates
    .map((certificate) => {
      const lines = toBase64(concat(certificate)).match(/.{1,64}/g) ?? [];
      return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
    })
    .join('');
}
