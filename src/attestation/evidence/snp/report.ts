import { type Bytes, CodedError, Cursor } from '../../../core/index.ts';

export const SNP_REPORT_BYTES = 1184;
/** The signature covers everything before it. */
export const SNP_SIGNED_BYTES = 0x2a0;
const SIGNATURE_SLOT_BYTES = 72;
const SIGNATURE_VALUE_BYTES = 48;
const STRUCTURE = 'snp.ATTESTATION_REPORT';

/** VMPL of a report that the host asked for: never a guest's claim. */
export const SNP_VMPL_HOST = 0xffff_ffff;

export type SnpFirmwareVersion = Readonly<{ major: number; minor: number; build: number }>;
export type SnpSigner = 'VCEK' | 'VLEK';

/** A report, parsed: nothing in it is verified. Byte fields are as the report has them. */
export type ParsedSnpReport = Readonly<{
  version: 2 | 3 | 4 | 5;
  guestSvn: number;
  policy: bigint;
  familyId: Bytes;
  imageId: Bytes;
  /** 0 to 3 for a guest's levels; {@link SNP_VMPL_HOST} where the host asked. */
  vmpl: number;
  /** 8 bytes each; their layout goes by product line: `readTcb`. */
  currentTcb: Bytes;
  reportedTcb: Bytes;
  committedTcb: Bytes;
  launchTcb: Bytes;
  platformInfo: bigint;
  signer: SnpSigner;
  authorKeyEnabled: boolean;
  reportData: Bytes;
  measurement: Bytes;
  hostData: Bytes;
  idKeyDigest: Bytes;
  authorKeyDigest: Bytes;
  reportId: Bytes;
  reportIdMa: Bytes;
  /** Combined family and model; null before version 3, which has none. */
  cpuid: Readonly<{ family: number; model: number; stepping: number }> | null;
  chipId: Bytes;
  current: SnpFirmwareVersion;
  committed: SnpFirmwareVersion;
  /** Version 5 only, else null. */
  mitigations: Readonly<{ launch: bigint; current: bigint }> | null;
  /** Version 4 only: 16 bytes whose meaning was never published, as they came; else null. */
  unpublished: Bytes | null;
  /** r ‖ s, big-endian, 48 bytes each. */
  signature: Bytes;
  /** The exact bytes that are signed. */
  signedBytes: Bytes;
}>;

/**
 * Parses an AMD SEV-SNP attestation report (AMD 56860, ATTESTATION_REPORT), versions 2 to 5. Structure only: rely on
 * nothing in it until `verifySnpReport` answers 'verified'.
 * @param report exactly 1184 bytes, little-endian; a transport's framing is taken off before
 * @throws CodedError EVIDENCE_TRUNCATED, EVIDENCE_TRAILING_BYTES, EVIDENCE_UNSUPPORTED (version, algorithm, signing key),
 * EVIDENCE_UNSIGNED, EVIDENCE_MALFORMED (reserved bytes, signature slots); `facts.offset` in bytes
 */
export function parseSnpReport(report: Uint8Array): ParsedSnpReport {
  const cursor = new Cursor(report, STRUCTURE);
  if (report.length < SNP_REPORT_BYTES) cursor.bytes('report', SNP_REPORT_BYTES);
  const version = versionOf(cursor);
  if (report.length > SNP_REPORT_BYTES) {
    throw cursor.error('EVIDENCE_TRAILING_BYTES', 'end', `${report.length - SNP_REPORT_BYTES} bytes after the report`);
  }
  const head = parseHead(cursor);
  const signer = parseSigner(cursor);
  const identity = parseIdentity(cursor);
  const reportedTcb = cursor.bytes('REPORTED_TCB', 8);
  const cpuid =
    version === 2
      ? null
      : { family: cursor.u8('CPUID_FAM_ID'), model: cursor.u8('CPUID_MOD_ID'), stepping: cursor.u8('CPUID_STEP') };
  cursor.zeros('RESERVED', cpuid === null ? 24 : 21);
  const chipId = cursor.bytes('CHIP_ID', 64);
  const committedTcb = cursor.bytes('COMMITTED_TCB', 8);
  const current = parseFirmware(cursor, 'CURRENT');
  const committed = parseFirmware(cursor, 'COMMITTED');
  const launchTcb = cursor.bytes('LAUNCH_TCB', 8);
  const mitigations =
    version === 5 ? { launch: cursor.u64('LAUNCH_MIT_VECTOR'), current: cursor.u64('CURRENT_MIT_VECTOR') } : null;
  const unpublished = version === 4 ? cursor.bytes('unpublished', 16) : null;
  cursor.zeros('RESERVED', SNP_SIGNED_BYTES - cursor.offset);
  const signature = parseSignature(cursor);
  cursor.end();
  const tcbs = { reportedTcb, committedTcb, launchTcb };
  const signedBytes = new Uint8Array(report.subarray(0, SNP_SIGNED_BYTES));
  return {
    version,
    ...head,
    ...signer,
    ...identity,
    ...tcbs,
    ...{ cpuid, chipId, current, committed, mitigations, unpublished, signature, signedBytes },
  };
}

function versionOf(cursor: Cursor): ParsedSnpReport['version'] {
  const version = cursor.u32('VERSION');
  if (version === 2 || version === 3 || version === 4 || version === 5) return version;
  throw new CodedError('EVIDENCE_UNSUPPORTED', `${STRUCTURE}.VERSION ${version} is not 2, 3, 4 or 5`, { version });
}

function parseHead(cursor: Cursor) {
  const guestSvn = cursor.u32('GUEST_SVN');
  const policy = cursor.u64('POLICY');
  const familyId = cursor.bytes('FAMILY_ID', 16);
  const imageId = cursor.bytes('IMAGE_ID', 16);
  const vmpl = cursor.u32('VMPL');
  const algorithm = cursor.u32('SIGNATURE_ALGO');
  if (algorithm !== 1) {
    throw cursor.error('EVIDENCE_UNSUPPORTED', 'SIGNATURE_ALGO', `${algorithm} is not 1, ECDSA P-384 with SHA-384`);
  }
  const currentTcb = cursor.bytes('CURRENT_TCB', 8);
  return { guestSvn, policy, familyId, imageId, vmpl, currentTcb, platformInfo: cursor.u64('PLATFORM_INFO') };
}

function parseSigner(cursor: Cursor): { signer: SnpSigner; authorKeyEnabled: boolean } {
  const flags = cursor.u32('SIGNER_INFO');
  if (flags >>> 5 !== 0) throw cursor.error('EVIDENCE_MALFORMED', 'SIGNER_INFO', 'reserved bits are not zero');
  const key = (flags >>> 2) & 7;
  if (key === 7) throw cursor.error('EVIDENCE_UNSIGNED', 'SIGNING_KEY', 'NONE: the report is not signed');
  if (key > 1) throw cursor.error('EVIDENCE_UNSUPPORTED', 'SIGNING_KEY', `${key} is reserved`);
  if ((flags & 2) !== 0) throw cursor.error('EVIDENCE_UNSIGNED', 'MASK_CHIP_KEY', 'the firmware masked its signature');
  cursor.zeros('RESERVED', 4);
  return { signer: key === 0 ? 'VCEK' : 'VLEK', authorKeyEnabled: (flags & 1) !== 0 };
}

function parseIdentity(cursor: Cursor) {
  return {
    reportData: cursor.bytes('REPORT_DATA', 64),
    measurement: cursor.bytes('MEASUREMENT', 48),
    hostData: cursor.bytes('HOST_DATA', 32),
    idKeyDigest: cursor.bytes('ID_KEY_DIGEST', 48),
    authorKeyDigest: cursor.bytes('AUTHOR_KEY_DIGEST', 48),
    reportId: cursor.bytes('REPORT_ID', 32),
    reportIdMa: cursor.bytes('REPORT_ID_MA', 32),
  };
}

function parseFirmware(cursor: Cursor, which: 'CURRENT' | 'COMMITTED'): SnpFirmwareVersion {
  const build = cursor.u8(`${which}_BUILD`);
  const minor = cursor.u8(`${which}_MINOR`);
  const major = cursor.u8(`${which}_MAJOR`);
  cursor.zeros('RESERVED', 1);
  return { major, minor, build };
}

/** Slots of 72 bytes, little-endian: what stands above 48 bytes is refused, never cut off. */
function parseSignature(cursor: Cursor): Bytes {
  const signature = new Uint8Array(2 * SIGNATURE_VALUE_BYTES);
  for (const [index, field] of ['SIGNATURE.R', 'SIGNATURE.S'].entries()) {
    signature.set(cursor.bytes(field, SIGNATURE_VALUE_BYTES).reverse(), index * SIGNATURE_VALUE_BYTES);
    cursor.zeros(field, SIGNATURE_SLOT_BYTES - SIGNATURE_VALUE_BYTES);
  }
  cursor.zeros('SIGNATURE', 512 - 2 * SIGNATURE_SLOT_BYTES);
  return signature;
}

/** The bytes of a report from its fields: the inverse of {@link parseSnpReport}. `signedBytes` is not read. */
export function encodeSnpReport(report: Omit<ParsedSnpReport, 'signedBytes'>): Bytes {
  const out = new Uint8Array(SNP_REPORT_BYTES);
  const view = new DataView(out.buffer);
  view.setUint32(0x000, report.version, true);
  view.setUint32(0x004, report.guestSvn, true);
  view.setBigUint64(0x008, report.policy, true);
  view.setUint32(0x030, report.vmpl, true);
  view.setUint32(0x034, 1, true);
  view.setBigUint64(0x040, report.platformInfo, true);
  view.setUint32(0x048, (report.authorKeyEnabled ? 1 : 0) | (report.signer === 'VLEK' ? 4 : 0), true);
  const fields: readonly (readonly [number, Uint8Array])[] = [
    [0x010, report.familyId],
    [0x020, report.imageId],
    [0x038, report.currentTcb],
    [0x050, report.reportData],
    [0x090, report.measurement],
    [0x0c0, report.hostData],
    [0x0e0, report.idKeyDigest],
    [0x110, report.authorKeyDigest],
    [0x140, report.reportId],
    [0x160, report.reportIdMa],
    [0x180, report.reportedTcb],
    [0x1a0, report.chipId],
    [0x1e0, report.committedTcb],
    [0x1f0, report.launchTcb],
    [0x1f8, report.unpublished ?? new Uint8Array(0)],
  ];
  for (const [at, bytes] of fields) out.set(bytes, at);
  const { cpuid, current, committed, mitigations } = report;
  if (cpuid !== null) out.set([cpuid.family, cpuid.model, cpuid.stepping], 0x188);
  out.set([current.build, current.minor, current.major], 0x1e8);
  out.set([committed.build, committed.minor, committed.major], 0x1ec);
  if (mitigations !== null) {
    view.setBigUint64(0x1f8, mitigations.launch, true);
    view.setBigUint64(0x200, mitigations.current, true);
  }
  out.set(report.signature.slice(0, SIGNATURE_VALUE_BYTES).reverse(), SNP_SIGNED_BYTES);
  out.set(report.signature.slice(SIGNATURE_VALUE_BYTES).reverse(), SNP_SIGNED_BYTES + SIGNATURE_SLOT_BYTES);
  return out;
}
