import { webcrypto } from 'node:crypto';
import * as asn1js from 'asn1js';
import * as pkijs from 'pkijs';
import { ACCOUNT_URI } from '../../router/index.ts';

/** The one place that writes certificates for people and services; pkijs makes the DER, Node's WebCrypto the keys. */
pkijs.setEngine('node', new pkijs.CryptoEngine({ name: 'node', crypto: webcrypto as unknown as Crypto }));

export const EC_KEYS = { name: 'ECDSA', namedCurve: 'P-256' } as const;
/** What browsers and the stores of Windows take everywhere. */
export const RSA_KEYS = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  modulusLength: 3072,
  publicExponent: new Uint8Array([1, 0, 1]),
} as const;

const OID = {
  commonName: '2.5.4.3',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAlternativeName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
};
/** KeyUsage as DER writes it: bits from the left, without trailing zeros. */
const USAGE = { digitalSignature: { byte: 0x80, unused: 7 }, certificatesAndLists: { byte: 0x06, unused: 1 } };

export type Subject =
  | Readonly<{ kind: 'authority'; name: string }>
  | Readonly<{ kind: 'account'; account: string }>
  | Readonly<{ kind: 'server'; hosts: readonly string[] }>;

export type Validity = Readonly<{ from: Date; until: Date }>;
export type Issuer = Readonly<{ certificate: pkijs.Certificate; key: webcrypto.CryptoKey }>;

const name = (text: string) => [
  new pkijs.AttributeTypeAndValue({ type: OID.commonName, value: new asn1js.Utf8String({ value: text }) }),
];
const extension = (extnID: string, critical: boolean, value: asn1js.BaseBlock) =>
  new pkijs.Extension({ extnID, critical, extnValue: value.toBER(false) });
const octets = (bytes: Uint8Array) => new asn1js.OctetString({ valueHex: bytes.slice().buffer });

function titleOf(subject: Subject): string {
  if (subject.kind === 'authority') return subject.name;
  return subject.kind === 'account' ? subject.account : (subject.hosts[0] as string);
}

function alternativeNames(subject: Subject): pkijs.GeneralName[] {
  if (subject.kind === 'authority') return [];
  if (subject.kind === 'account') return [new pkijs.GeneralName({ type: 6, value: ACCOUNT_URI + subject.account })];
  return subject.hosts.map((host) => {
    const octetsOfHost = addressBytes(host);
    return octetsOfHost === null
      ? new pkijs.GeneralName({ type: 2, value: host })
      : new pkijs.GeneralName({ type: 7, value: octets(octetsOfHost) });
  });
}

/** Of an IPv4 address; names, and IPv6 as `::1` alone. */
function addressBytes(host: string): Uint8Array | null {
  if (host === '::1') return Uint8Array.from([...Array<number>(15).fill(0), 1]);
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(host) ? Uint8Array.from(host.split('.').map(Number)) : null;
}

function extensionsOf(subject: Subject): pkijs.Extension[] {
  const usage = (of: { byte: number; unused: number }) =>
    extension(
      OID.keyUsage,
      true,
      new asn1js.BitString({ valueHex: Uint8Array.of(of.byte).buffer, unusedBits: of.unused }),
    );
  if (subject.kind === 'authority') {
    const basic = new pkijs.BasicConstraints({ cA: true, pathLenConstraint: 0 });
    return [extension(OID.basicConstraints, true, basic.toSchema()), usage(USAGE.certificatesAndLists)];
  }
  const purpose = subject.kind === 'account' ? OID.clientAuth : OID.serverAuth;
  return [
    usage(USAGE.digitalSignature),
    extension(OID.extendedKeyUsage, false, new pkijs.ExtKeyUsage({ keyPurposes: [purpose] }).toSchema()),
    extension(OID.subjectAlternativeName, false, new pkijs.AltName({ altNames: alternativeNames(subject) }).toSchema()),
  ];
}

async function keyIdentifier(info: pkijs.PublicKeyInfo): Promise<Uint8Array> {
  const digest = await webcrypto.subtle.digest('SHA-256', info.toSchema().toBER(false));
  return new Uint8Array(digest).subarray(0, 20);
}

/**
 * A certificate for a key, signed by an issuer; by itself where that is null.
 * @param serial 16 bytes, the first neither 0 nor above 0x7f
 */
export async function certificateFor(
  subject: Subject,
  publicKey: pkijs.PublicKeyInfo,
  by: Issuer | Readonly<{ certificate: null; key: webcrypto.CryptoKey }>,
  serial: Uint8Array,
  { from, until }: Validity,
): Promise<pkijs.Certificate> {
  const certificate = new pkijs.Certificate();
  certificate.version = 2;
  certificate.serialNumber = new asn1js.Integer({ valueHex: serial.slice().buffer });
  certificate.subject.typesAndValues = name(titleOf(subject));
  certificate.issuer = by.certificate === null ? certificate.subject : by.certificate.subject;
  certificate.notBefore.value = from;
  certificate.notAfter.value = until;
  certificate.subjectPublicKeyInfo = publicKey;
  const issuerKey = await keyIdentifier(by.certificate?.subjectPublicKeyInfo ?? publicKey);
  const authorityKey = new pkijs.AuthorityKeyIdentifier({ keyIdentifier: octets(issuerKey) });
  certificate.extensions = [
    ...extensionsOf(subject),
    extension(OID.subjectKeyIdentifier, false, octets(await keyIdentifier(publicKey))),
    extension(OID.authorityKeyIdentifier, false, authorityKey.toSchema()),
  ];
  await certificate.sign(by.key as unknown as CryptoKey, 'SHA-256');
  return certificate;
}

/** @param revoked serial numbers, hexadecimal, with when each was revoked */
export async function revocationList(
  by: Issuer,
  number: number,
  revoked: readonly Readonly<{ serial: string; at: Date }>[],
  { from, until }: Validity,
): Promise<pkijs.CertificateRevocationList> {
  const list = new pkijs.CertificateRevocationList();
  list.version = 1;
  list.issuer = by.certificate.subject;
  list.thisUpdate = new pkijs.Time({ type: 0, value: from });
  list.nextUpdate = new pkijs.Time({ type: 0, value: until });
  if (revoked.length > 0) {
    list.revokedCertificates = revoked.map(
      ({ serial, at }) =>
        new pkijs.RevokedCertificate({
          userCertificate: new asn1js.Integer({ valueHex: Uint8Array.from(Buffer.from(serial, 'hex')).buffer }),
          revocationDate: new pkijs.Time({ type: 0, value: at }),
        }),
    );
  }
  const authorityKey = new pkijs.AuthorityKeyIdentifier({
    keyIdentifier: octets(await keyIdentifier(by.certificate.subjectPublicKeyInfo)),
  });
  list.crlExtensions = new pkijs.Extensions({
    extensions: [
      extension(OID.crlNumber, false, new asn1js.Integer({ value: number })),
      extension(OID.authorityKeyIdentifier, false, authorityKey.toSchema()),
    ],
  });
  await list.sign(by.key as unknown as CryptoKey, 'SHA-256');
  return list;
}

export async function publicKeyInfo(key: webcrypto.CryptoKey): Promise<pkijs.PublicKeyInfo> {
  return pkijs.PublicKeyInfo.fromBER(await webcrypto.subtle.exportKey('spki', key));
}

export const derOf = (of: Readonly<{ toSchema(): asn1js.BaseBlock }>): Uint8Array =>
  new Uint8Array(of.toSchema().toBER(false));

export function pemOf(label: 'CERTIFICATE' | 'X509 CRL' | 'PRIVATE KEY', der: Uint8Array): string {
  const base64 = Buffer.from(der).toString('base64');
  return `-----BEGIN ${label}-----\n${base64.match(/.{1,64}/g)?.join('\n')}\n-----END ${label}-----\n`;
}
