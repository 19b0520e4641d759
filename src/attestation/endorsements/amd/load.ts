import {
  type Bytes,
  CodedError,
  fromBase64,
  fromUtf8,
  type Json,
  parseCrl,
  parsePem,
  type X509Certificate,
  type X509Crl,
} from '../../../core/index.ts';
import { isSnpLine, type SnpLine } from '../../evidence/snp/index.ts';
import { AmdCache } from './amd-cache.ts';
import { parseCertificateTable } from './certificate-table.ts';

export const AMD_CERTIFICATES_MAX = 16;
export const AMD_CRLS_MAX = 8;
const FIELD_CHARACTERS_MAX = 2 * 1024 * 1024;

/** A bag of AMD certificates and CRLs, parsed: which of them make a chain is for the verifier. */
export type AmdEndorsements = Readonly<{
  certificates: readonly X509Certificate[];
  crls: readonly X509Crl[];
  /** The product line that the caller states, or null. */
  line: SnpLine | null;
  cache: AmdCache;
}>;

/** The same as bytes: DER each. `certTable` is the buffer of an extended report. */
export type AmdCollateral = Readonly<{
  certTable?: Uint8Array | undefined;
  certs?: readonly Uint8Array[] | undefined;
  crls?: readonly Uint8Array[] | undefined;
  line?: SnpLine | undefined;
}>;

/**
 * Parses AMD collateral. Nothing is verified, and order does not matter.
 * @throws CodedError CERTIFICATE_MALFORMED, CRL_MALFORMED, ENDORSEMENT_MALFORMED, EVIDENCE_TOO_LARGE, EVIDENCE_TRUNCATED
 */
export function loadAmdEndorsements(collateral: AmdCollateral, cache: AmdCache = new AmdCache()): AmdEndorsements {
  const rows = collateral.certTable === undefined ? [] : parseCertificateTable(collateral.certTable);
  const fromTable = rows.flatMap(({ kind, data }) =>
    kind === null || kind === 'EXTRA' || kind === 'CRL' ? [] : [data],
  );
  const certificates = [...(collateral.certs ?? []), ...fromTable];
  const crls = [...(collateral.crls ?? []), ...rows.flatMap(({ kind, data }) => (kind === 'CRL' ? [data] : []))];
  if (certificates.length > AMD_CERTIFICATES_MAX || crls.length > AMD_CRLS_MAX) {
    throw new CodedError(
      'EVIDENCE_TOO_LARGE',
      `at most ${AMD_CERTIFICATES_MAX} certificates and ${AMD_CRLS_MAX} CRLs are taken`,
    );
  }
  return {
    certificates: certificates.map((der) => cache.certificate(der)),
    crls: crls.map((der) => parseCrl(der)),
    line: collateral.line ?? null,
    cache,
  };
}

const FIELDS: readonly string[] = ['certTable', 'certs', 'crls', 'line'];

/**
 * Reads a collateral document: `certTable` in base64, `certs` (base64 of DER or of PEM with any number of blocks, or PEM
 * itself), `crls` (the same), `line`. All optional; other fields are refused, since a misspelt one would pass as absent.
 * @throws CodedError ENDORSEMENT_MALFORMED, ENCODING_INVALID, EVIDENCE_TOO_LARGE
 */
export function amdCollateralOf(value: Json): AmdCollateral {
  if (value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw malformed('', 'not an object');
  const given = value as { readonly [field: string]: Json | undefined };
  for (const name of Object.keys(given)) if (!FIELDS.includes(name)) throw malformed(name, 'an unknown field');
  const { certTable, line } = given;
  if (certTable !== undefined && certTable !== null && typeof certTable !== 'string') {
    throw malformed('certTable', 'not base64 text');
  }
  if (line !== undefined && line !== null && !(typeof line === 'string' && isSnpLine(line))) {
    throw malformed('line', 'not a product line that is known here');
  }
  return {
    certTable: typeof certTable === 'string' ? fromBase64(certTable, 'collateral.certTable') : undefined,
    certs: derList(given.certs, 'certs', 'CERTIFICATE', AMD_CERTIFICATES_MAX),
    crls: derList(given.crls, 'crls', 'X509 CRL', AMD_CRLS_MAX),
    line: line ?? undefined,
  };
}

function malformed(field: string, why: string): CodedError {
  return new CodedError('ENDORSEMENT_MALFORMED', `collateral.${field}: ${why}`, { field });
}

type Label = 'CERTIFICATE' | 'X509 CRL';

function derList(value: Json | undefined, field: string, label: Label, max: number): readonly Bytes[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > max) throw malformed(field, `not a list of at most ${max}`);
  const ders = value.flatMap((item: Json) => {
    if (typeof item !== 'string' || item.length > FIELD_CHARACTERS_MAX) throw malformed(field, 'not base64 text');
    if (item.startsWith('-----')) return parsePem(item, label, max, `collateral.${field}`);
    const bytes = fromBase64(item, `collateral.${field}`);
    if (bytes[0] !== 0x2d) return [bytes]; // DER begins with 0x30, PEM with a dash
    return parsePem(fromUtf8(bytes, `collateral.${field}`), label, max, `collateral.${field}`);
  });
  if (ders.length > max) throw malformed(field, `more than ${max} in all`);
  return ders;
}
