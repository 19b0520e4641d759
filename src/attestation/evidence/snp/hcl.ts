import {
  type Bytes,
  CodedError,
  Cursor,
  concat,
  fromBase64,
  fromUtf8,
  type Json,
  parseStrictJson,
} from '../../../core/index.ts';
import { SNP_REPORT_BYTES } from './report.ts';

const STRUCTURE = 'azure.HCL_REPORT';
const MAGIC = 0x414c_4348; // "HCLA"
const HEADER_BYTES = 32;
const RUNTIME_HEADER_BYTES = 20;
const RUNTIME_AT = HEADER_BYTES + SNP_REPORT_BYTES;
const REQUEST_REPORT = 2;
const REPORT_TYPE_SNP = 2;
export const HCL_BYTES_MAX = 16 * 1024;
const KEYS_MAX = 16;
const ATTESTATION_KEY = 'HCLAkPub';
/** n of 2048 to 4096 bits. */
const MODULUS_CHARACTERS_MAX = 700;

const HASHES = { 1: 'sha256', 2: 'sha384', 3: 'sha512' } as const;
export type HclHash = (typeof HASHES)[keyof typeof HASHES];

/** What the paravisor of an Azure guest puts around a report, parsed: nothing in it is verified. */
export type ParsedHclReport = Readonly<{
  /** 1184 bytes, for `parseSnpReport`. */
  report: Bytes;
  /** REPORT_DATA begins with this hash of the runtime data; the rest of it is zero. */
  hash: HclHash;
  /** The runtime data as they were hashed: JSON text, in UTF-8. */
  runtimeData: Bytes;
  /** The modulus of the vTPM's attestation key, RSA with exponent 65537, big-endian. */
  attestationKey: Bytes;
  /** Zero bytes after the end that the header says: the blob is read from a buffer of fixed size. */
  padding: number;
}>;

/** Whether these bytes are such a blob; a bare report begins with its version. */
export function isHclReport(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true) === MAGIC;
}

/**
 * Parses the attestation report of Azure's host compatibility layer, as the vTPM's NV index gives it: header, SEV-SNP
 * report, runtime data. Every length must agree; bytes after the end are zero.
 * @throws CodedError EVIDENCE_TRUNCATED, EVIDENCE_TRAILING_BYTES, EVIDENCE_MALFORMED, EVIDENCE_UNSUPPORTED (version, or a
 *   report that is not SEV-SNP's), EVIDENCE_TOO_LARGE, ENCODING_INVALID
 */
export function parseHclReport(blob: Uint8Array): ParsedHclReport {
  const cursor = new Cursor(blob, STRUCTURE);
  if (blob.length > HCL_BYTES_MAX) throw cursor.error('EVIDENCE_TOO_LARGE', 'blob', `more than ${HCL_BYTES_MAX} bytes`);
  if (cursor.u32('magic') !== MAGIC) throw cursor.error('EVIDENCE_MALFORMED', 'magic', 'not HCLA');
  requireVersion(cursor, 'version');
  const reportBytes = cursor.u32('reportSize');
  if (cursor.u32('requestType') !== REQUEST_REPORT) {
    throw cursor.error('EVIDENCE_UNSUPPORTED', 'requestType', 'not a report');
  }
  cursor.zeros('reserved', 16);
  const report = cursor.bytes('report', SNP_REPORT_BYTES);
  const runtimeBytes = cursor.u32('runtime.size');
  requireVersion(cursor, 'runtime.version');
  if (cursor.u32('runtime.reportType') !== REPORT_TYPE_SNP) {
    throw cursor.error('EVIDENCE_UNSUPPORTED', 'runtime.reportType', 'not an SEV-SNP report');
  }
  const hash = (HASHES as Readonly<Record<number, HclHash>>)[cursor.u32('runtime.hashType')];
  if (hash === undefined) throw cursor.error('EVIDENCE_UNSUPPORTED', 'runtime.hashType', 'not a known hash');
  const dataBytes = cursor.u32('runtime.variableSize');
  const isWhole = runtimeBytes === RUNTIME_HEADER_BYTES + dataBytes && reportBytes === RUNTIME_AT + runtimeBytes;
  if (!isWhole) throw cursor.error('EVIDENCE_MALFORMED', 'runtime.size', 'the lengths contradict each other');
  const runtimeData = cursor.bytes('runtimeData', dataBytes);
  const padding = cursor.left;
  if (cursor.rest('padding').some((byte) => byte !== 0)) {
    throw cursor.error('EVIDENCE_TRAILING_BYTES', 'padding', 'bytes after the report that are not zero');
  }
  return { report, hash, runtimeData, attestationKey: attestationKeyOf(runtimeData), padding };
}

function requireVersion(cursor: Cursor, field: string): void {
  const version = cursor.u32(field);
  if (version !== 1) throw cursor.error('EVIDENCE_UNSUPPORTED', field, `${version} is not 1`);
}

/** The one key that the runtime data call the attestation key. */
function attestationKeyOf(runtimeData: Uint8Array): Bytes {
  const malformed = (why: string) => new CodedError('EVIDENCE_MALFORMED', `${STRUCTURE}.runtimeData: ${why}`);
  const keys = member(parseStrictJson(fromUtf8(runtimeData, 'runtimeData'), 'runtimeData'), 'keys');
  if (!Array.isArray(keys) || keys.length > KEYS_MAX) throw malformed(`not a list of at most ${KEYS_MAX} keys`);
  const [key, ...others] = keys.filter((one: Json) => member(one, 'kid') === ATTESTATION_KEY);
  if (key === undefined || others.length > 0) throw malformed(`not exactly one key ${ATTESTATION_KEY}`);
  const modulus = member(key as Json, 'n');
  if (member(key as Json, 'kty') !== 'RSA' || member(key as Json, 'e') !== 'AQAB' || typeof modulus !== 'string') {
    throw malformed(`${ATTESTATION_KEY} is not an RSA key with the exponent 65537`);
  }
  if (modulus.length > MODULUS_CHARACTERS_MAX || !/^[A-Za-z0-9_-]+$/.test(modulus)) {
    throw malformed(`${ATTESTATION_KEY}.n is not base64url`);
  }
  const padded = modulus
    .replaceAll('-', '+')
    .replaceAll('_', '/')
    .padEnd(Math.ceil(modulus.length / 4) * 4, '=');
  return fromBase64(padded, `${ATTESTATION_KEY}.n`);
}

function member(value: Json | undefined, name: string): Json | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return (value as Readonly<Record<string, Json>>)[name];
}

/** The bytes of a blob from its parts: the inverse of {@link parseHclReport}. The attestation key is in the runtime data. */
export function encodeHclReport(parts: Omit<ParsedHclReport, 'attestationKey'>): Bytes {
  const { report, hash, runtimeData, padding } = parts;
  const runtimeBytes = RUNTIME_HEADER_BYTES + runtimeData.length;
  const hashType = Object.values(HASHES).indexOf(hash) + 1;
  return concat(
    u32s(MAGIC, 1, RUNTIME_AT + runtimeBytes, REQUEST_REPORT, 0, 0, 0, 0),
    report,
    u32s(runtimeBytes, 1, REPORT_TYPE_SNP, hashType, runtimeData.length),
    runtimeData,
    new Uint8Array(padding),
  );
}

function u32s(...values: readonly number[]): Bytes {
  const out = new DataView(new ArrayBuffer(4 * values.length));
  for (const [index, value] of values.entries()) out.setUint32(4 * index, value, true);
  return new Uint8Array(out.buffer);
}
