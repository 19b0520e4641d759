import { type Bytes, concat, utf8 } from '../../../core/index.ts';
import * as der from '../der.ts';
import type { SimulatedKey } from '../keys.ts';
import * as x509 from '../x509.ts';

/** Stands in every subject and issuer, so that nobody who reads a certificate takes it for the vendor's. */
export const NVIDIA_SIMULATOR_ORGANISATION = 'Chrysalis simulator, not NVIDIA';

const OID = {
  ecPublicKey: '1.2.840.10045.2.1',
  p384: '1.3.132.0.34',
  ecdsaWithSha384: '1.2.840.10045.4.3.3',
  sha384: '2.16.840.1.101.3.4.2.2',
  serialNumber: '2.5.4.5',
  extendedKeyUsage: '2.5.29.37',
  ocspSigning: '1.3.6.1.5.5.7.3.9',
  diceTcbInfo: '2.23.133.5.4.1.1',
  diceComposite: '2.23.133.5.4.1',
} as const;

export const ECDSA_WITH_SHA384 = der.sequence(der.oid(OID.ecdsaWithSha384));
const KEY_USAGE = {
  digitalSignature: der.bitString(Uint8Array.of(0x80), 7),
  authority: der.bitString(Uint8Array.of(0x06), 1),
};

/** Fixed, because a state has no clock. NVIDIA's device certificates never expire, its manifest signers do. */
export const NOT_BEFORE = Date.UTC(2020, 0, 1) / 1000;
export const NOT_AFTER = Date.UTC(2049, 11, 31, 23, 59, 59) / 1000;

/** Whoever a certificate is about, and signs others with: a name, a key and the serial number that its issuer gave. */
export type NvidiaAuthority = Readonly<{ name: Bytes; key: SimulatedKey; serial: Bytes }>;

/** @param serialNumber device CAs and leaves have theirs in their names too */
export function nvidiaName(commonName: string, serialNumber?: string): Bytes {
  const serial =
    serialNumber === undefined ? [] : [x509.nameAttribute(OID.serialNumber, der.printableString(serialNumber))];
  return der.sequence(
    ...serial,
    x509.nameAttribute(x509.X509_OID.country, der.printableString('US')),
    x509.nameAttribute(x509.X509_OID.organisation, der.utf8String(NVIDIA_SIMULATOR_ORGANISATION)),
    x509.nameAttribute(x509.X509_OID.commonName, der.utf8String(commonName)),
  );
}

/** SubjectPublicKeyInfo of a P-384 point, DER. */
export function p384PublicKeyInfo(point: Uint8Array): Bytes {
  return der.sequence(der.sequence(der.oid(OID.ecPublicKey), der.oid(OID.p384)), der.bitString(point));
}

/** 20 bytes, positive and never shorter. */
export function serialOf({ keyIdentifier }: SimulatedKey): Bytes {
  const serial = Uint8Array.from(keyIdentifier);
  serial[0] = ((serial[0] as number) & 0x3f) | 0x40;
  return serial;
}

export type NvidiaCertificateRequest = Readonly<{
  subject: NvidiaAuthority;
  issuer: Pick<NvidiaAuthority, 'name' | 'key'>;
  ca: boolean;
  /** Whole extensions beside the usual ones. */
  extensions?: readonly Uint8Array[];
  /** Seconds since 1970. */
  notBefore?: number;
  notAfter?: number;
}>;

/** A certificate in the shape that NVIDIA's authorities give theirs, DER. */
export function issueNvidiaCertificate(request: NvidiaCertificateRequest): Bytes {
  const { subject, issuer, ca, extensions = [], notBefore = NOT_BEFORE, notAfter = NOT_AFTER } = request;
  const usage = ca ? KEY_USAGE.authority : KEY_USAGE.digitalSignature;
  const parts = {
    serial: subject.serial,
    issuer: issuer.name,
    notBefore,
    notAfter,
    subject: subject.name,
    subjectPublicKeyInfo: p384PublicKeyInfo(subject.key.point),
    extensions: [
      ...(ca ? [x509.extension(x509.X509_OID.basicConstraints, true, der.sequence(der.boolean(true)))] : []),
      x509.extension(x509.X509_OID.keyUsage, true, usage),
      x509.subjectKeyIdentifier(subject.key.keyIdentifier),
      x509.authorityKeyIdentifier(issuer.key.keyIdentifier),
      ...extensions,
    ],
  };
  return x509.certificate(parts, { algorithm: ECDSA_WITH_SHA384, sign: issuer.key.signDer });
}

/** The FWID of a leaf as Hopper and LS10 write it: at the end of a composite extension. @param fwid 48 bytes */
export function compositeFwid(fwid: Uint8Array): Bytes {
  const id = der.sequence(der.oid(OID.sha384), der.octetString(fwid));
  return x509.extension(OID.diceComposite, false, der.sequence(der.integer(1), id));
}

/** The same as Blackwell writes it: element 6 of DiceTcbInfo. */
export function tcbInfoFwid(fwid: Uint8Array): Bytes {
  const id = der.sequence(der.oid(OID.sha384), der.octetString(fwid));
  const vendor = der.implicit(0, utf8(NVIDIA_SIMULATOR_ORGANISATION));
  return x509.extension(OID.diceTcbInfo, false, der.sequence(vendor, der.explicit(6, id)));
}

/** Says that a certificate may answer for its issuer's (RFC 6960 section 4.2.2.2). */
export function ocspSigningPurpose(): Bytes {
  return x509.extension(OID.extendedKeyUsage, true, der.sequence(der.oid(OID.ocspSigning)));
}

/** PDI of a device, 8 bytes, in the serial number of its own CA: 0x41 for a GPU, 0x50 for a switch. */
export function deviceSerial(kind: 'gpu' | 'switch', pdi: Uint8Array): Bytes {
  return concat(Uint8Array.of(kind === 'gpu' ? 0x41 : 0x50), pdi);
}
