import { type Bytes, Cursor } from '../../../core/index.ts';

/** The SGX report of the quoting enclave (Intel SGX REPORT body, 384 bytes): the fields a verifier judges, and the raw bytes its signature covers. */
export type QeReport = Readonly<{
  raw: Bytes;
  cpuSvn: Bytes;
  miscSelect: Bytes;
  attributes: Bytes;
  mrEnclave: Bytes;
  mrSigner: Bytes;
  isvProdId: number;
  isvSvn: number;
  reportData: Bytes;
}>;

export const QE_REPORT_BYTES = 384;

/** @param raw exactly 384 bytes. @throws CodedError EVIDENCE_TRUNCATED, EVIDENCE_TRAILING_BYTES */
export function parseQeReport(raw: Bytes): QeReport {
  const cursor = new Cursor(raw, 'tdx.QE_REPORT');
  const cpuSvn = cursor.bytes('CPUSVN', 16);
  const miscSelect = cursor.bytes('MISCSELECT', 4);
  cursor.bytes('RESERVED_1', 28);
  const attributes = cursor.bytes('ATTRIBUTES', 16);
  const mrEnclave = cursor.bytes('MRENCLAVE', 32);
  cursor.bytes('RESERVED_2', 32);
  const mrSigner = cursor.bytes('MRSIGNER', 32);
  cursor.bytes('RESERVED_3', 32);
  cursor.bytes('CONFIGID', 64);
  const isvProdId = cursor.u16('ISVPRODID');
  const isvSvn = cursor.u16('ISVSVN');
  cursor.bytes('RESERVED_4', 60);
  const reportData = cursor.bytes('REPORTDATA', 64);
  cursor.end();
  return { raw, cpuSvn, miscSelect, attributes, mrEnclave, mrSigner, isvProdId, isvSvn, reportData };
}
