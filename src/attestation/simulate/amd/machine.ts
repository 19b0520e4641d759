import { type Bytes, CodedError, concat, fromBase64, fromHex } from '../../../core/index.ts';
import {
  encodeSnpReport,
  encodeTcb,
  type ParsedSnpReport,
  productLine,
  SNP_SIGNED_BYTES,
  type SnpLine,
  type SnpSigner,
  type SnpTcb,
  tcbPartsOf,
} from '../../evidence/snp/index.ts';
import { deriveSecret, type SimulatedKey, simulatedKey } from '../keys.ts';
import { DEVELOPMENT_SNP_IMAGE, type SimulatedSnpImage } from './image.ts';
import { SIMULATED_LINES } from './platform.ts';

/** What one simulated host holds: its chip's secret, none of the vendor's. JSON. */
export type SimulatedSnpMachineState = Readonly<{
  kind: 'chrysalis-simulated-snp-machine';
  version: 1;
  name: string;
  line: SnpLine;
  /** REPORTED_TCB: what the signing key derives from. */
  tcb: SnpTcb;
  signer: SnpSigner;
  /** 32 bytes, hexadecimal: CHIP_ID and the VCEKs derive from it. */
  chipSecret: string;
  /** 32 bytes, hexadecimal: a provider's, where the host signs with a VLEK. */
  providerSecret: string | null;
  /** The certificates that this host hands over with each report, DER in base64. */
  certificates: readonly string[];
}>;

/** SMT, ECC, and the look for memory aliases has been made. */
const PLATFORM_INFO = 0x25n;

export type SnpReportFields = Omit<ParsedSnpReport, 'version' | 'signature' | 'signedBytes'>;

export type SnpReportRequest = Readonly<{
  /** 64 bytes. */
  reportData: Uint8Array;
  /** 5 by default. */
  version?: ParsedSnpReport['version'];
  /** 0 by default. */
  vmpl?: number;
  /** Laid over what a good host reports, before it is signed. */
  fields?: Partial<SnpReportFields>;
  /** Changes the 672 signed bytes as no encoder would, before they are signed. */
  rewrite?: (signedBytes: Uint8Array) => void;
  /** `stranger`: a key that no certificate names. `none`: zeros, as firmware leaves them where the host masked the key. */
  signedBy?: 'own' | 'stranger' | 'none';
}>;

/** One guest on one simulated host. */
export type SimulatedSnpMachine = Readonly<{
  name: string;
  line: SnpLine;
  signer: SnpSigner;
  image: SimulatedSnpImage;
  /** CHIP_ID of the processor, 64 bytes: for Turin 8 and zeros. */
  chipId: Bytes;
  /** What the host hands over with each report, DER; none unless its state was made with a time. */
  certificates: readonly Bytes[];
  /** An attestation report, byte-exact (AMD 56860, ATTESTATION_REPORT), 1184 bytes. */
  report: (request: SnpReportRequest) => Bytes;
}>;

/** CHIP_ID as reports have it, fixed by the chip's secret; for Turin 8 bytes and zeros. */
export function chipIdOf(chipSecret: Uint8Array, line: SnpLine): Bytes {
  const id = concat(deriveSecret(chipSecret, 'CHIP_ID', '0'), deriveSecret(chipSecret, 'CHIP_ID', '1'));
  return id.fill(0, productLine(line).hwidBytes);
}

/** The key that signs for one TCB: another TCB has another, as in the real chip. */
export function endorsementKey(secret: Uint8Array, signer: SnpSigner, line: SnpLine, tcb: SnpTcb): SimulatedKey {
  const levels = tcbPartsOf(line).map((part) => String(tcb[part]));
  return simulatedKey(deriveSecret(secret, signer, line, ...levels), 'P-384');
}

/** Launches a guest on a host. @throws CodedError CONFIG_INVALID for a state of another kind or version */
export function openSimulatedSnpMachine(
  state: SimulatedSnpMachineState,
  options: Readonly<{ image?: SimulatedSnpImage }> = {},
): SimulatedSnpMachine {
  if (state.kind !== 'chrysalis-simulated-snp-machine' || state.version !== 1) {
    throw new CodedError('CONFIG_INVALID', 'not the state of a simulated SNP machine');
  }
  const { name, line, signer, tcb } = state;
  const image = options.image ?? DEVELOPMENT_SNP_IMAGE;
  const chipSecret = fromHex(state.chipSecret, 'chipSecret');
  const secret = state.providerSecret === null ? chipSecret : fromHex(state.providerSecret, 'providerSecret');
  const key = endorsementKey(secret, signer, line, tcb);
  const stranger = simulatedKey(deriveSecret(chipSecret, 'stranger'), 'P-384');
  const chipId = chipIdOf(chipSecret, line);
  // Fixed for the life of the guest, as the firmware draws it at launch.
  const reportId = deriveSecret(chipSecret, 'REPORT_ID', image.name);
  return {
    name,
    line,
    signer,
    image,
    chipId,
    certificates: state.certificates.map((der) => fromBase64(der, 'certificates')),
    report: (request) => {
      const fields = { ...goodFields(state, image, { chipId, reportId }, request), ...request.fields };
      const unsigned = encodeSnpReport({ ...fields, version: request.version ?? 5, signature: new Uint8Array(96) });
      request.rewrite?.(unsigned.subarray(0, SNP_SIGNED_BYTES));
      if (request.signedBy === 'none') return unsigned;
      const signature = (request.signedBy === 'stranger' ? stranger : key).signRaw(unsigned.slice(0, SNP_SIGNED_BYTES));
      unsigned.set(signature.slice(0, 48).reverse(), SNP_SIGNED_BYTES);
      unsigned.set(signature.slice(48).reverse(), SNP_SIGNED_BYTES + 72);
      return unsigned;
    },
  };
}

function goodFields(
  { line, tcb, signer }: SimulatedSnpMachineState,
  image: SimulatedSnpImage,
  own: Readonly<{ chipId: Bytes; reportId: Bytes }>,
  { reportData, version = 5, vmpl = 0 }: SnpReportRequest,
): SnpReportFields {
  const { cpuid, firmware, mitigations } = SIMULATED_LINES[line];
  const raw = encodeTcb(tcb, line);
  const of = (field: keyof SimulatedSnpImage, length: number) => exactly(fromHex(image[field], field), length, field);
  return {
    guestSvn: 0,
    policy: BigInt(`0x${image.guestPolicy}`),
    familyId: of('familyId', 16),
    imageId: of('imageId', 16),
    vmpl,
    currentTcb: raw,
    reportedTcb: raw,
    committedTcb: raw,
    launchTcb: raw,
    platformInfo: PLATFORM_INFO,
    signer,
    authorKeyEnabled: !/^0*$/.test(image.authorKeyDigest),
    reportData: exactly(Uint8Array.from(reportData), 64, 'reportData'),
    measurement: of('measurement', 48),
    hostData: of('hostData', 32),
    idKeyDigest: of('idKeyDigest', 48),
    authorKeyDigest: of('authorKeyDigest', 48),
    reportId: own.reportId,
    reportIdMa: new Uint8Array(32).fill(0xff),
    cpuid: version === 2 ? null : cpuid,
    // Hosts that sign with a provider's key mask the chip.
    chipId: signer === 'VLEK' ? new Uint8Array(64) : own.chipId,
    current: firmware,
    committed: firmware,
    mitigations: version === 5 ? { launch: mitigations, current: mitigations } : null,
    unpublished: version === 4 ? new Uint8Array(16) : null,
  };
}

/** Exactly this many bytes, or a bug of the caller's. */
function exactly(bytes: Bytes, length: number, field: string): Bytes {
  if (bytes.length === length) return bytes;
  throw new CodedError('INVARIANT_BROKEN', `${field}: ${bytes.length} bytes, not ${length}`, { field });
}
