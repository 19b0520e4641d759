import type { Bytes, Cursor } from '../../../core/index.ts';

/** What TDX 1.5ex adds to a TD report (Intel DCAP, body type 4). */
export type TdReportExtension = Readonly<{
  vmId: Bytes;
  tdId: Bytes;
  deviceInfoHash: Bytes;
  initialServiceTdHash: Bytes;
  initialServiceTdAttributes: Bytes;
  initialCpuSvn: Bytes;
  initialTeeTcbSvn: Bytes;
  initialFmspc: Bytes;
  currentServiceTdHash: Bytes;
  currentServiceTdAttributes: Bytes;
}>;

/** The TD report body of a quote, in table order (Intel TDX DCAP quote format); byte fields as they stand. */
export type TdReport = Readonly<{
  teeTcbSvn: Bytes;
  mrSeam: Bytes;
  mrSignerSeam: Bytes;
  seamAttributes: Bytes;
  tdAttributes: Bytes;
  xfam: Bytes;
  mrTd: Bytes;
  mrConfigId: Bytes;
  mrOwner: Bytes;
  mrOwnerConfig: Bytes;
  rtmr0: Bytes;
  rtmr1: Bytes;
  rtmr2: Bytes;
  rtmr3: Bytes;
  reportData: Bytes;
  /** TDX 1.5 and later: SVNs of the module that runs now. */
  teeTcbSvn2: Bytes | null;
  /** TDX 1.5 and later: measurement of the service TDs bound to this TD. */
  mrServiceTd: Bytes | null;
  extension: TdReportExtension | null;
}>;

/** TD report body types of quote version 5; a version 4 quote always carries type 2. */
export const TD_REPORT_BYTES = { 2: 584, 3: 648, 4: 885 } as const;
export type TdReportType = keyof typeof TD_REPORT_BYTES;

/** Reads one TD report body of the given type; the caller has checked that the cursor holds exactly its length. */
export function parseTdReport(cursor: Cursor, type: TdReportType): TdReport {
  const base = {
    teeTcbSvn: cursor.bytes('TEE_TCB_SVN', 16),
    mrSeam: cursor.bytes('MRSEAM', 48),
    mrSignerSeam: cursor.bytes('MRSIGNERSEAM', 48),
    seamAttributes: cursor.bytes('SEAMATTRIBUTES', 8),
    tdAttributes: cursor.bytes('TDATTRIBUTES', 8),
    xfam: cursor.bytes('XFAM', 8),
    mrTd: cursor.bytes('MRTD', 48),
    mrConfigId: cursor.bytes('MRCONFIGID', 48),
    mrOwner: cursor.bytes('MROWNER', 48),
    mrOwnerConfig: cursor.bytes('MROWNERCONFIG', 48),
    rtmr0: cursor.bytes('RTMR0', 48),
    rtmr1: cursor.bytes('RTMR1', 48),
    rtmr2: cursor.bytes('RTMR2', 48),
    rtmr3: cursor.bytes('RTMR3', 48),
    reportData: cursor.bytes('REPORTDATA', 64),
  };
  const report = {
    ...base,
    teeTcbSvn2: type === 2 ? null : cursor.bytes('TEE_TCB_SVN_2', 16),
    mrServiceTd: type === 2 ? null : cursor.bytes('MRSERVICETD', 48),
    extension: type === 4 ? parseExtension(cursor) : null,
  };
  cursor.end();
  return report;
}

function parseExtension(cursor: Cursor): TdReportExtension {
  return {
    vmId: cursor.bytes('VMID', 1),
    tdId: cursor.bytes('TDID', 32),
    deviceInfoHash: cursor.bytes('DEVINFO_HASH', 48),
    initialServiceTdHash: cursor.bytes('INIT_SERVTD_HASH', 48),
    initialServiceTdAttributes: cursor.bytes('INIT_SERVTD_ATTR', 8),
    initialCpuSvn: cursor.bytes('INIT_CPUSVN', 16),
    initialTeeTcbSvn: cursor.bytes('INIT_TEE_TCB_SVN', 16),
    initialFmspc: cursor.bytes('INIT_FMSPC', 12),
    currentServiceTdHash: cursor.bytes('CURR_SERVTD_HASH', 48),
    currentServiceTdAttributes: cursor.bytes('CURR_SERVTD_ATTR', 8),
  };
}
