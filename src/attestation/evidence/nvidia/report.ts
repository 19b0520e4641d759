import { type Bytes, CodedError, Cursor } from '../../../core/index.ts';

export const NVIDIA_REPORT_BYTES_MAX = 16 * 1024;
export const MEASUREMENT_BLOCKS_MAX = 64;
export const MEASUREMENT_BYTES = 48;
const SIGNATURE_BYTES = 96;
const SPDM_1_1 = 0x11;
const GET_MEASUREMENTS = 0xe0;
const MEASUREMENTS = 0x60;
const DMTF = 0x01;
const DIGEST = 0x01;

/** A signed SPDM measurement exchange as an NVIDIA device gives it; nothing in it is verified. */
export type ParsedNvidiaReport = Readonly<{
  /** 32 bytes that the requester chose: what freshness is judged by. */
  requestNonce: Bytes;
  /** 32 bytes of the device's own; says nothing about freshness. */
  responderNonce: Bytes;
  /** Block i + 1 at position i, 48 bytes each: golden index i of a manifest is about position i. */
  measurements: readonly Bytes[];
  opaque: Bytes;
  /** Request and response without the signature: the bytes that are signed. */
  signedBytes: Bytes;
  /** r ‖ s, 48 bytes each. Malleable, so never an identity. */
  signature: Bytes;
}>;

/**
 * Parses an NVIDIA attestation report: SPDM 1.1 GET_MEASUREMENTS request (37 bytes) and its MEASUREMENTS response (DMTF
 * DSP0274 section 10.11), little-endian. The signature is taken where the lengths put it, and nothing may follow.
 * @throws CodedError EVIDENCE_TRUNCATED, EVIDENCE_TRAILING_BYTES, EVIDENCE_MALFORMED, EVIDENCE_TOO_LARGE
 */
export function parseNvidiaReport(report: Uint8Array): ParsedNvidiaReport {
  if (report.length > NVIDIA_REPORT_BYTES_MAX) {
    throw new CodedError('EVIDENCE_TOO_LARGE', `a report has at most ${NVIDIA_REPORT_BYTES_MAX} bytes`);
  }
  const cursor = new Cursor(report, 'spdm.MEASUREMENTS');
  const demand = (field: string, expected: number) => {
    const value = cursor.u8(field);
    if (value !== expected) throw cursor.error('EVIDENCE_MALFORMED', field, `${value} where ${expected} belongs`);
  };
  demand('request.SPDMVersion', SPDM_1_1);
  demand('request.RequestResponseCode', GET_MEASUREMENTS);
  // Bit 0 asks for a signature; the other bits are reserved in SPDM 1.1.
  demand('request.Param1', 0x01);
  demand('request.Param2', 0xff);
  const requestNonce = cursor.bytes('request.Nonce', 32);
  demand('request.SlotIDParam', 0);
  demand('SPDMVersion', SPDM_1_1);
  demand('RequestResponseCode', MEASUREMENTS);
  cursor.u8('Param1');
  demand('Param2', 0);
  const count = cursor.u8('NumberOfBlocks');
  const recordBytes = cursor.u8('RecordLength') + 256 * cursor.u16('RecordLength');
  const measurements = parseBlocks(cursor.sub('MeasurementRecord', recordBytes), count);
  const responderNonce = cursor.bytes('Nonce', 32);
  const opaque = cursor.bytes('OpaqueData', cursor.u16('OpaqueLength'));
  const signedBytes = new Uint8Array(report.subarray(0, cursor.offset));
  const signature = cursor.bytes('Signature', SIGNATURE_BYTES);
  cursor.end();
  return { requestNonce, responderNonce, measurements, opaque, signedBytes, signature };
}

function parseBlocks(record: Cursor, count: number): Bytes[] {
  if (count === 0 || count > MEASUREMENT_BLOCKS_MAX) {
    throw record.error('EVIDENCE_MALFORMED', 'NumberOfBlocks', `not between 1 and ${MEASUREMENT_BLOCKS_MAX}`);
  }
  const measurements: Bytes[] = [];
  const demand = (field: string, value: number, expected: number) => {
    if (value !== expected) throw record.error('EVIDENCE_MALFORMED', field, `${value} where ${expected} belongs`);
  };
  for (let index = 1; index <= count; index++) {
    // Contiguous from 1, as every real device answers: so no block comes twice either.
    demand('Index', record.u8('Index'), index);
    demand('MeasurementSpecification', record.u8('MeasurementSpecification'), DMTF);
    demand('MeasurementSize', record.u16('MeasurementSize'), MEASUREMENT_BYTES + 3);
    demand('DMTFSpecMeasurementValueType', record.u8('DMTFSpecMeasurementValueType'), DIGEST);
    demand('DMTFSpecMeasurementValueSize', record.u16('DMTFSpecMeasurementValueSize'), MEASUREMENT_BYTES);
    measurements.push(record.bytes('DMTFSpecMeasurementValue', MEASUREMENT_BYTES));
  }
  record.end();
  return measurements;
}

const LOWER_HEX = /^(?:[0-9a-f]{2})+$/;

/**
 * The report that hexadecimal text stands for, as some collectors give it; anything else comes back as it is. A report
 * begins with 0x11, which is no hexadecimal digit, so nothing can be read both ways.
 */
export function reportOfHexText(evidence: Uint8Array): Uint8Array {
  if (evidence.length === 0 || evidence.length > 2 * NVIDIA_REPORT_BYTES_MAX) return evidence;
  let text = '';
  for (const byte of evidence) text += String.fromCharCode(byte);
  if (!LOWER_HEX.test(text)) return evidence;
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
}
