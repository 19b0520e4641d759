import { sha256 } from '#crypto';
import { type Bytes, CodedError, Cursor, equalBytes, fromHex, isZero } from '../../../core/index.ts';
import { parseQeReport, QE_REPORT_BYTES, type QeReport } from './qe-report.ts';
import { parseTdReport, TD_REPORT_BYTES, type TdReport, type TdReportType } from './td-report.ts';

export const QUOTE_BYTES_MAX = 64 * 1024;
/** Guests hand out fixed buffers; the most zero fill seen in the wild is 3065 bytes (an 8000-byte buffer). */
export const ZERO_FILL_BYTES_MAX = 8192;
/** Authentication data of the quoting enclave is 32 bytes in every real quote. */
export const QE_AUTH_DATA_BYTES_MAX = 1024;

const HEADER_BYTES = 48;
const TEE_SGX = 0;
const TEE_TDX = 0x81;
const INTEL_QE_VENDOR_ID = fromHex('939a7233f79c4ca9940a0db3957f0607');

/** Types of certification data (Intel DCAP quote format): 1 to 4 need a chain from outside, 5 carries it as PEM. */
export type CertificationType = 1 | 2 | 3 | 4 | 5;

/** Bytes of the PPID, plain or encrypted, in certification data that only names a platform. */
export const PPID_BYTES = { 1: 16, 2: 256, 3: 384 } as const;
/** After the PPID: CPUSVN and PCESVN, and PCEID where it is there. */
const PLATFORM_SVN_BYTES: readonly number[] = [18, 20];

/** A TDX quote (Intel DCAP, version 4 or 5), parsed and not verified: rely on nothing in it. */
export type ParsedTdxQuote = Readonly<{
  version: 4 | 5;
  bodyType: TdReportType;
  /** Header bytes 28 to 48; the first 16 identify the quoting enclave. */
  userData: Bytes;
  report: TdReport;
  /** What the attestation key signs: header, body descriptor (version 5), body. */
  signedBytes: Bytes;
  /** r ‖ s, 64 bytes. */
  signature: Bytes;
  /** x ‖ y, 64 bytes. */
  attestationKey: Bytes;
  qeReport: QeReport;
  /** r ‖ s, 64 bytes, by the PCK leaf over `qeReport.raw`. */
  qeReportSignature: Bytes;
  qeAuthData: Bytes;
  certificationType: CertificationType;
  certificationData: Bytes;
  /** SHA-256 of the quote without what follows its end: its identity for caches and records. */
  quoteSha256: Bytes;
  /** Bytes after the declared end of the quote, which nothing authenticates: cut off, counted, never kept. */
  trailingBytes: number;
  /** Whether those bytes are zero fill; true where there are none. */
  trailingAllZero: boolean;
}>;

export type TdxParseOptions = Readonly<{
  /** 'refuse' (default) throws for anything after the end but zero fill; 'report' leaves it to `noTrailingBytes`. */
  trailingBytes?: 'refuse' | 'report' | undefined;
}>;

/**
 * Parses a TDX quote of version 4 or 5 (Intel TDX DCAP quote format; body types TD 1.0, 1.5 and 1.5ex). Structure only:
 * rely on nothing in it until `verifyTdxQuote` answers 'verified'. What follows the declared end is cut off and counted.
 * @param quote at most 64 KiB, little-endian, as the guest device returned it.
 * @throws CodedError EVIDENCE_TOO_LARGE; EVIDENCE_UNSUPPORTED for SGX quotes, other versions, key types and vendors;
 *   EVIDENCE_TRUNCATED, EVIDENCE_TRAILING_BYTES, EVIDENCE_MALFORMED, with `facts.offset` in bytes.
 */
export function parseTdxQuote(quote: Uint8Array, options: TdxParseOptions = {}): ParsedTdxQuote {
  if (quote.length > QUOTE_BYTES_MAX) {
    throw new CodedError('EVIDENCE_TOO_LARGE', `a quote has at most ${QUOTE_BYTES_MAX} bytes`, { bytes: quote.length });
  }
  const cursor = new Cursor(quote, 'tdx.QUOTE');
  const { version, userData } = parseHeader(cursor);
  const bodyType = version === 4 ? 2 : parseBodyDescriptor(cursor);
  const report = parseTdReport(cursor.sub('TD_REPORT', TD_REPORT_BYTES[bodyType]), bodyType);
  const signedBytes = new Uint8Array(quote.subarray(0, cursor.offset));
  const section = parseSignatureSection(cursor.sub('SIGNATURE', cursor.u32('SIGNATURE_LENGTH')));
  const authenticatedBytes = cursor.offset;
  const trailing = parseTrailing(cursor, options.trailingBytes ?? 'refuse');
  const quoteSha256 = sha256(quote.subarray(0, authenticatedBytes));
  return { version, bodyType, userData, report, signedBytes, ...section, quoteSha256, ...trailing };
}

function parseHeader(cursor: Cursor): { version: 4 | 5; userData: Bytes } {
  const version = cursor.u16('VERSION');
  const keyType = cursor.u16('ATTESTATION_KEY_TYPE');
  const tee = cursor.u32('TEE_TYPE');
  cursor.bytes('RESERVED', 4);
  const vendor = cursor.bytes('QE_VENDOR_ID', 16);
  const userData = cursor.bytes('USER_DATA', 20);
  const unsupported = (field: string, why: string) => cursor.error('EVIDENCE_UNSUPPORTED', field, why);
  if (version === 3 && tee === TEE_TDX)
    throw cursor.error('EVIDENCE_MALFORMED', 'TEE_TYPE', 'TDX in a version 3 quote');
  if (version === 3) throw unsupported('VERSION', 'an SGX quote (version 3), not a TDX one');
  if (version !== 4 && version !== 5) {
    const isText = [version & 0xff, version >>> 8].every((byte) => byte > 0x20 && byte < 0x7f);
    throw unsupported('VERSION', isText ? 'text where bytes belong: decode it first' : `quote version ${version}`);
  }
  if (tee === TEE_SGX) throw unsupported('TEE_TYPE', `an SGX quote (version ${version}), not a TDX one`);
  if (tee !== TEE_TDX) throw unsupported('TEE_TYPE', `TEE type ${tee}`);
  if (keyType !== 2) throw unsupported('ATTESTATION_KEY_TYPE', `key type ${keyType}, only ECDSA P-256 (2) is known`);
  if (!equalBytes(vendor, INTEL_QE_VENDOR_ID))
    throw unsupported('QE_VENDOR_ID', 'the quoting enclave is not from Intel');
  if (cursor.offset !== HEADER_BYTES) throw new CodedError('INVARIANT_BROKEN', 'a quote header has 48 bytes');
  return { version, userData };
}

function parseBodyDescriptor(cursor: Cursor): TdReportType {
  const type = cursor.u16('BODY_TYPE');
  const size = cursor.u32('BODY_SIZE');
  if (type === 1) throw cursor.error('EVIDENCE_UNSUPPORTED', 'BODY_TYPE', 'an SGX report (body type 1), not a TDX one');
  if (type !== 2 && type !== 3 && type !== 4) {
    throw cursor.error('EVIDENCE_UNSUPPORTED', 'BODY_TYPE', `body type ${type}`);
  }
  if (size !== TD_REPORT_BYTES[type]) {
    throw cursor.error('EVIDENCE_MALFORMED', 'BODY_SIZE', `${size} bytes for body type ${type}`);
  }
  return type;
}

type SignatureSection = Pick<
  ParsedTdxQuote,
  | 'signature'
  | 'attestationKey'
  | 'qeReport'
  | 'qeReportSignature'
  | 'qeAuthData'
  | 'certificationType'
  | 'certificationData'
>;

function parseSignatureSection(cursor: Cursor): SignatureSection {
  const signature = cursor.bytes('QUOTE_SIGNATURE', 64);
  const attestationKey = cursor.bytes('ATTESTATION_KEY', 64);
  const outerType = cursor.u16('CERTIFICATION_TYPE');
  if (outerType !== 6) throw cursor.error('EVIDENCE_MALFORMED', 'CERTIFICATION_TYPE', `${outerType} where 6 belongs`);
  const outer = cursor.sub('QE_CERTIFICATION_DATA', cursor.u32('CERTIFICATION_SIZE'));
  cursor.end();
  const qeReport = parseQeReport(outer.bytes('QE_REPORT', QE_REPORT_BYTES));
  const qeReportSignature = outer.bytes('QE_REPORT_SIGNATURE', 64);
  const authLength = outer.u16('QE_AUTH_LENGTH');
  if (authLength > QE_AUTH_DATA_BYTES_MAX) {
    throw outer.error('EVIDENCE_MALFORMED', 'QE_AUTH_LENGTH', `more than ${QE_AUTH_DATA_BYTES_MAX} bytes`);
  }
  const qeAuthData = outer.bytes('QE_AUTH_DATA', authLength);
  const certificationType = outer.u16('INNER_CERTIFICATION_TYPE');
  if (certificationType < 1 || certificationType > 5) {
    throw outer.error(
      'EVIDENCE_UNSUPPORTED',
      'INNER_CERTIFICATION_TYPE',
      `certification data type ${certificationType}`,
    );
  }
  const certificationData = outer.bytes('INNER_CERTIFICATION_DATA', outer.u32('INNER_CERTIFICATION_SIZE'));
  outer.end();
  const named = certificationType as keyof typeof PPID_BYTES;
  if (named in PPID_BYTES && !PLATFORM_SVN_BYTES.includes(certificationData.length - PPID_BYTES[named])) {
    const why = `${certificationData.length} bytes of certification data of type ${certificationType}`;
    throw outer.error('EVIDENCE_MALFORMED', 'INNER_CERTIFICATION_SIZE', why);
  }
  return {
    signature,
    attestationKey,
    qeReport,
    qeReportSignature,
    qeAuthData,
    certificationType: certificationType as CertificationType,
    certificationData,
  };
}

function parseTrailing(
  cursor: Cursor,
  mode: 'refuse' | 'report',
): Pick<ParsedTdxQuote, 'trailingBytes' | 'trailingAllZero'> {
  const trailingBytes = cursor.left;
  const trailingAllZero = isZero(cursor.rest('TRAILING'));
  if (mode === 'refuse' && !isZeroFill({ trailingBytes, trailingAllZero })) {
    throw cursor.error('EVIDENCE_TRAILING_BYTES', 'TRAILING', `${trailingBytes} bytes after the end, no zero fill`);
  }
  return { trailingBytes, trailingAllZero };
}

/** Whether nothing follows the quote but what fixed buffers leave: zeros, at most {@link ZERO_FILL_BYTES_MAX}. */
export function isZeroFill(quote: Pick<ParsedTdxQuote, 'trailingBytes' | 'trailingAllZero'>): boolean {
  return quote.trailingAllZero && quote.trailingBytes <= ZERO_FILL_BYTES_MAX;
}
