import { type Bytes, utf8 } from '../../../core/index.ts';
import { productLine, type SnpLine, type SnpSigner, type SnpTcb, tcbPartsOf } from '../../evidence/snp/index.ts';
import * as der from '../der.ts';
import type { SimulatedKey } from '../keys.ts';
import type { SimulatedRsaKey } from '../rsa-keys.ts';
import * as x509 from '../x509.ts';
import { SIMULATED_LINES } from './platform.ts';

/** Stands in every subject and issuer, so that nobody who reads a certificate takes it for the vendor's. */
export const AMD_SIMULATOR_ORGANISATION = 'Chrysalis simulator, not AMD';

const OID = {
  rsaPss: '1.2.840.113549.1.1.10',
  mgf1: '1.2.840.113549.1.1.8',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  ecPublicKey: '1.2.840.10045.2.1',
  p384: '1.3.132.0.34',
} as const;
const ARC = '1.3.6.1.4.1.3704.1';
/** AMD 57230: where each level of the TCB stands. */
const SPL: Readonly<Record<keyof SnpTcb, string>> = {
  bootloader: `${ARC}.3.1`,
  tee: `${ARC}.3.2`,
  snp: `${ARC}.3.3`,
  microcode: `${ARC}.3.8`,
  fmc: `${ARC}.3.9`,
};

/** How a signature is made: AMD's way, with or without the default trailer written out, or a way that is not AMD's. */
export type PssProfile = 'sha384' | 'sha384ExplicitTrailer' | 'sha256' | 'shortSalt';

function parametersOf(profile: PssProfile) {
  return { hash: profile === 'sha256' ? 'sha256' : 'sha384', salt: profile === 'shortSalt' ? 32 : 48 } as const;
}

/** RSASSA-PSS with MGF1 over the same hash (RFC 4055 section 3.1). */
export function pssIssuing(key: SimulatedRsaKey, profile: PssProfile): x509.Issuing {
  const { hash, salt } = parametersOf(profile);
  const hashAlgorithm = der.sequence(der.oid(OID[hash]), der.nothing());
  const parameters = der.sequence(
    der.explicit(0, hashAlgorithm),
    der.explicit(1, der.sequence(der.oid(OID.mgf1), hashAlgorithm)),
    der.explicit(2, der.integer(salt)),
    ...(profile === 'sha384ExplicitTrailer' ? [der.explicit(3, der.integer(1))] : []),
  );
  return {
    algorithm: der.sequence(der.oid(OID.rsaPss), parameters),
    sign: (message) => key.signPss(message, hash, salt),
  };
}

/** The attributes of AMD's names in their order; the organisation is ours. */
function amdName(commonName: string, organisation = AMD_SIMULATOR_ORGANISATION): Bytes {
  return der.sequence(
    x509.nameAttribute(x509.X509_OID.organisationalUnit, der.utf8String('Engineering')),
    x509.nameAttribute(x509.X509_OID.country, der.printableString('US')),
    x509.nameAttribute(x509.X509_OID.locality, der.utf8String('Santa Clara')),
    x509.nameAttribute(x509.X509_OID.state, der.utf8String('CA')),
    x509.nameAttribute(x509.X509_OID.organisation, der.utf8String(organisation)),
    x509.nameAttribute(x509.X509_OID.commonName, der.utf8String(commonName)),
  );
}

/** Seconds since 1970; both ends belong to it. */
export type Window = Readonly<{ from: number; to: number }>;

export type AmdCaRequest = Readonly<{
  commonName: string;
  key: SimulatedRsaKey;
  issuer: string;
  /** Of the issuer; null in a root, which names no key but its own. */
  authority: SimulatedRsaKey | null;
  serial: Uint8Array;
  window: Window;
  /** Null: any length, as roots have it. */
  pathLength: number | null;
  /** KeyUsage as one whole byte, as AMD writes it: 0x04 keyCertSign, 0x02 cRLSign. */
  keyUsage: number;
}>;

/** A CA certificate in AMD's profile, DER. */
export function issueAmdCa(request: AmdCaRequest, by: x509.Issuing): Bytes {
  const { authority, key, pathLength } = request;
  const length = pathLength === null ? [] : [der.integer(pathLength)];
  const usage = x509.extension(x509.X509_OID.keyUsage, true, der.bitString(Uint8Array.of(request.keyUsage), 1));
  const subjectKey = x509.subjectKeyIdentifier(key.keyIdentifier);
  const basic = x509.extension(x509.X509_OID.basicConstraints, true, der.sequence(der.boolean(true), ...length));
  const extensions =
    authority === null
      ? [usage, subjectKey, basic]
      : [subjectKey, x509.authorityKeyIdentifier(authority.keyIdentifier), basic, usage];
  extensions.push(x509.crlDistributionPoint(utf8('https://simulator.invalid/crl')));
  const parts = {
    serial: request.serial,
    issuer: amdName(request.issuer),
    notBefore: request.window.from,
    notAfter: request.window.to,
    subject: amdName(request.commonName),
    subjectPublicKeyInfo: key.spki,
    extensions,
  };
  return x509.certificate(parts, by);
}

/** What a VCEK or VLEK states; every field may be made wrong. */
export type AmdLeafClaims = Readonly<{
  commonName: string;
  organisation: string;
  structVersion: number;
  productName: string;
  /** Levels in the order of AMD's certificates; one that is absent here is absent there. */
  tcb: SnpTcb;
  /** 64 or 8 bytes; null in a VLEK. */
  hwid: Uint8Array | null;
  /** Whether the HWID stands in an OCTET STRING of its own. */
  wrappedHwid: boolean;
  /** IA5 text; null in a VCEK. */
  cspId: string | null;
  /** Further extensions, DER each. */
  others: readonly Uint8Array[];
}>;

/** The claims of a good certificate of this line and kind. */
export function leafClaims(
  line: SnpLine,
  signer: SnpSigner,
  of: Readonly<{ tcb: SnpTcb; hwid: Uint8Array; cspId: string }>,
): AmdLeafClaims {
  return {
    commonName: `SEV-${signer}`,
    organisation: AMD_SIMULATOR_ORGANISATION,
    structVersion: productLine(line).structVersion,
    productName: signer === 'VCEK' ? SIMULATED_LINES[line].vcekProductName : line,
    tcb: of.tcb,
    hwid: signer === 'VCEK' ? of.hwid : null,
    wrappedHwid: false,
    cspId: signer === 'VLEK' ? of.cspId : null,
    others: [],
  };
}

/** An extension of AMD's with an INTEGER in it. */
export function amdInteger(path: string, value: number): Bytes {
  return x509.extension(`${ARC}.${path}`, false, der.integer(value));
}

/** The order in which AMD writes the levels; `.3.4` to `.3.7` are reserved ones, of which Turin's lack the first. */
const SPL_ORDER: Readonly<Record<'old' | 'new', readonly (keyof SnpTcb | '3.4' | '3.5' | '3.6' | '3.7')[]>> = {
  old: ['bootloader', 'tee', '3.4', '3.5', '3.6', '3.7', 'snp', 'microcode'],
  new: ['fmc', 'bootloader', 'tee', 'snp', '3.5', '3.6', '3.7', 'microcode'],
};

function splExtensions(line: SnpLine, tcb: SnpTcb): Bytes[] {
  const hasFmc = tcbPartsOf(line).includes('fmc');
  return SPL_ORDER[hasFmc ? 'new' : 'old'].flatMap((part) => {
    if (part.startsWith('3.')) return [amdInteger(part, 0)];
    const level = tcb[part as keyof SnpTcb];
    return level === undefined ? [] : [x509.extension(SPL[part as keyof SnpTcb], false, der.integer(level))];
  });
}

/** SubjectPublicKeyInfo of a P-384 point, DER. */
function p384KeyInfo(point: Uint8Array): Bytes {
  return der.sequence(der.sequence(der.oid(OID.ecPublicKey), der.oid(OID.p384)), der.bitString(point));
}

/** A VCEK or VLEK certificate, DER: serial number 0, no extension but AMD's own. */
export function issueAmdLeaf(
  line: SnpLine,
  claims: AmdLeafClaims,
  request: Readonly<{ key: SimulatedKey; issuer: string; window: Window }>,
  by: x509.Issuing,
): Bytes {
  const { hwid, cspId } = claims;
  const hwidValue = hwid !== null && claims.wrappedHwid ? der.octetString(hwid) : hwid;
  const extensions = [
    amdInteger('1', claims.structVersion),
    x509.extension(`${ARC}.2`, false, der.ia5String(claims.productName)),
    ...splExtensions(line, claims.tcb),
    ...(hwidValue === null ? [] : [x509.extension(`${ARC}.4`, false, hwidValue)]),
    ...(cspId === null ? [] : [x509.extension(`${ARC}.5`, false, der.ia5String(cspId))]),
    ...claims.others,
  ];
  const parts = {
    serial: Uint8Array.of(0),
    issuer: amdName(request.issuer),
    notBefore: request.window.from,
    notAfter: request.window.to,
    subject: amdName(claims.commonName, claims.organisation),
    subjectPublicKeyInfo: p384KeyInfo(request.key.point),
    extensions,
  };
  return x509.certificate(parts, by);
}

export type AmdCrlRequest = Readonly<{
  issuer: string;
  issuerKey: SimulatedRsaKey;
  window: Window;
  number: number;
  revoked: readonly Uint8Array[];
}>;

/** A CRL as an ARK issues it, DER. */
export function issueAmdCrl(request: AmdCrlRequest, by: x509.Issuing): Bytes {
  const { window, revoked } = request;
  const parts = {
    issuer: amdName(request.issuer),
    thisUpdate: window.from,
    nextUpdate: window.to,
    entries: revoked.map((serial) => x509.revokedEntry(serial, window.from)),
    extensions: [x509.authorityKeyIdentifier(request.issuerKey.keyIdentifier), x509.crlNumber(request.number)],
  };
  return x509.revocationList(parts, by);
}
