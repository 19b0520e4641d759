import { type Bytes, concat, toBase64, utf8 } from '../../core/index.ts';
import * as der from './der.ts';
import type { SimulatedKey } from './keys.ts';
import * as x509 from './x509.ts';

/** Stands in every subject and issuer, so that nobody who reads a certificate takes it for the vendor's. */
export const SIMULATOR_ORGANISATION = 'Chrysalis simulator, not Intel';

/** Certificates and CRLs of the Intel SGX PCK certificate and CRL profile, with the names and key types of the real ones. */
const OID = {
  ecPublicKey: '1.2.840.10045.2.1',
  p256: '1.2.840.10045.3.1.7',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  sgxExtension: '1.2.840.113741.1.13.1',
} as const;

const ECDSA_WITH_SHA256 = der.sequence(der.oid(OID.ecdsaWithSha256));

function name(commonName: string): Bytes {
  return der.sequence(
    x509.nameAttribute(x509.X509_OID.commonName, der.utf8String(commonName)),
    x509.nameAttribute(x509.X509_OID.organisation, der.utf8String(SIMULATOR_ORGANISATION)),
    x509.nameAttribute(x509.X509_OID.locality, der.utf8String('Santa Clara')),
    x509.nameAttribute(x509.X509_OID.state, der.utf8String('CA')),
    x509.nameAttribute(x509.X509_OID.country, der.printableString('US')),
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

function signing(issuerKey: SimulatedKey): x509.Issuing {
  return { algorithm: ECDSA_WITH_SHA256, sign: issuerKey.signDer };
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
  const { key, issuerKey, pathLength, notBefore, notAfter } = request;
  const usage = pathLength === null ? der.bitString(Uint8Array.of(0xc0), 6) : der.bitString(Uint8Array.of(0x06), 1);
  const basic = pathLength === null ? der.sequence() : der.sequence(der.boolean(true), der.integer(pathLength));
  const extensions = [
    x509.authorityKeyIdentifier(issuerKey.keyIdentifier),
    x509.crlDistributionPoint(utf8('http://simulator.invalid/crl.der')),
    x509.subjectKeyIdentifier(key.keyIdentifier),
    x509.extension(x509.X509_OID.keyUsage, true, usage),
    x509.extension(x509.X509_OID.basicConstraints, true, basic),
    ...(request.sgxExtension === undefined ? [] : [x509.extension(OID.sgxExtension, false, request.sgxExtension)]),
  ];
  const parts = {
    serial: serialNumber(key.keyIdentifier),
    issuer: name(request.issuer),
    notBefore,
    notAfter,
    subject: name(request.subject),
    subjectPublicKeyInfo: subjectPublicKeyInfo(key.point),
    extensions,
  };
  return x509.certificate(parts, signing(issuerKey));
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

/** An X.509 v2 CRL, DER. */
export function issueCrl(request: CrlRequest): Bytes {
  const { thisUpdate, nextUpdate, issuerKey } = request;
  const keyCompromise = x509.extension(x509.X509_OID.reasonCode, false, der.enumerated(1));
  const entries = request.revoked.map((serial) => x509.revokedEntry(serial, thisUpdate, keyCompromise));
  const extensions = [x509.crlNumber(request.number), x509.authorityKeyIdentifier(issuerKey.keyIdentifier)];
  const issuer = name(request.issuer);
  return x509.revocationList({ issuer, thisUpdate, nextUpdate, entries, extensions }, signing(issuerKey));
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

/** Value of the SGX extension of a Platform CA leaf, all children present (Intel SGX PCK certificate profile). */
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
