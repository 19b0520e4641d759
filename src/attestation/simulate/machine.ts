import { sha256, sha384 } from '#crypto';
import { type Bytes, CodedError, concat, fromHex, isZero, utf8 } from '../../core/index.ts';
import { DEVELOPMENT_IMAGE, type SimulatedImage } from './image.ts';
import { deriveSecret, type SimulatedKey, simulatedKey } from './keys.ts';
import {
  type ComponentStatus,
  componentSvn,
  MRSEAM,
  type PlatformStatus,
  QE_MRENCLAVE,
  QE_MRSIGNER,
  QE_PRODUCT_ID,
  sgxComponents,
  teeTcbSvn,
} from './platform.ts';

/** What one simulated host holds: its own keys and certificates, none of the vendor's. JSON. */
export type SimulatedMachineState = Readonly<{
  kind: 'chrysalis-simulated-tdx-machine';
  version: 1;
  name: string;
  platformStatus: PlatformStatus;
  /** 32 bytes, hexadecimal: the PCK and attestation keys derive from it. */
  secret: string;
  /** PCK certificate, Platform CA, root. */
  pckCertificateChain: string;
}>;

/** What may differ from a good TD on a good host; each makes one named check fail, or the TCB another one. */
export type MachineOptions = Readonly<{
  image?: SimulatedImage;
  module?: ComponentStatus;
  qe?: ComponentStatus;
  /** 32 bytes: a quoting enclave of somebody else's. */
  qeMrSigner?: Uint8Array;
  /** SGX ATTRIBUTES bit 1. */
  qeDebug?: boolean;
  /** TDATTRIBUTES bit 0. */
  debug?: boolean;
  /** The QE report names another attestation key than the one that signs. */
  strangeAttestationKey?: boolean;
  /** RTMR3 before any event of ours, 48 bytes. */
  rtmr3?: Uint8Array;
  /** Fields of the TD report that only the TDX module sets, as a module of somebody else's would set them. */
  report?: Readonly<{
    teeTcbSvn?: Uint8Array;
    mrSignerSeam?: Uint8Array;
    seamAttributes?: Uint8Array;
    /** Version 5 only. */
    teeTcbSvn2?: Uint8Array;
  }>;
}>;

export type QuoteRequest = Readonly<{
  /** 64 bytes. */
  reportData: Uint8Array;
  /** 4 (default): body of TDX 1.0, 584 bytes. 5: body type 3 of TDX 1.5, 648 bytes. */
  version?: 4 | 5;
  /** Version 5 only: 3 (default), or 4 for TDX 1.5ex, 885 bytes, whose additional fields are zero. */
  bodyType?: 3 | 4;
  /** TEE_TCB_SVN_2, version 5 only; by default the TEE_TCB_SVN of the module the TD was built with. */
  runningModule?: ComponentStatus;
}>;

/** One TD on one simulated host. */
export type SimulatedTdxMachine = Readonly<{
  name: string;
  image: SimulatedImage;
  /** PPID in the PCK certificate, 16 bytes. */
  ppid: Bytes;
  /** Current RTMR3, 48 bytes. */
  rtmr3: () => Bytes;
  /** RTMR3 = SHA-384(RTMR3 ‖ SHA-384(event)), as configfs and the TDX module do it. */
  extendRtmr3: (event: Uint8Array) => void;
  /** A quote, byte-exact (Intel TDX DCAP quote format), without trailing bytes. */
  quote: (request: QuoteRequest) => Bytes;
}>;

/** Public facts of a host, fixed by its name. */
export function machineIdentity(secret: Uint8Array): Readonly<{ ppid: Bytes; platformInstanceId: Bytes; qeId: Bytes }> {
  const take16 = (purpose: string) => deriveSecret(secret, purpose).slice(0, 16);
  return {
    ppid: take16('PPID'),
    platformInstanceId: take16('platform instance id'),
    qeId: take16('QE id'),
  };
}

export function pckKey(secret: Uint8Array): SimulatedKey {
  return simulatedKey(deriveSecret(secret, 'PCK'));
}

/** Boots a TD on a host. @throws CodedError CONFIG_INVALID for a state of another kind or version */
export function openSimulatedTdxMachine(
  state: SimulatedMachineState,
  options: MachineOptions = {},
): SimulatedTdxMachine {
  if (state.kind !== 'chrysalis-simulated-tdx-machine' || state.version !== 1) {
    throw new CodedError('CONFIG_INVALID', 'not the state of a simulated TDX machine');
  }
  const secret = fromHex(state.secret, 'secret');
  const image = options.image ?? DEVELOPMENT_IMAGE;
  let rtmr3 = Uint8Array.from(options.rtmr3 ?? new Uint8Array(48));
  const pck = pckKey(secret);
  const attestationKey = simulatedKey(deriveSecret(secret, 'attestation key'));
  const identity = machineIdentity(secret);
  return {
    name: state.name,
    image,
    ppid: identity.ppid,
    rtmr3: () => Uint8Array.from(rtmr3),
    extendRtmr3: (event) => {
      rtmr3 = sha384(concat(rtmr3, sha384(event)));
    },
    quote: (request) => {
      const version = request.version ?? 4;
      const body = tdReportBody(image, options, rtmr3, request);
      const signedPart = concat(quoteHeader(version, identity.qeId), bodyDescriptor(version, body), body);
      const section = signatureSection({ state, options, pck, attestationKey, signedPart });
      return concat(signedPart, u32le(section.length), section);
    },
  };
}

const TD_REPORT_15EX_BYTES = 885;

function u16le(value: number): Bytes {
  return Uint8Array.of(value & 0xff, value >>> 8);
}

function u32le(value: number): Bytes {
  return concat(u16le(value & 0xffff), u16le(value >>> 16));
}

/** Exactly this many bytes, or a bug of the caller's. */
function exactly(bytes: Uint8Array, length: number, field: string): Uint8Array {
  if (bytes.length === length) return bytes;
  throw new CodedError('INVARIANT_BROKEN', `${field}: ${bytes.length} bytes, not ${length}`, { field });
}

/** 48 bytes (Intel TDX DCAP quote format, TD quote header). */
function quoteHeader(version: number, qeId: Uint8Array): Bytes {
  const intelQe = fromHex('939a7233f79c4ca9940a0db3957f0607');
  return concat(u16le(version), u16le(2), u32le(0x81), new Uint8Array(4), intelQe, qeId, new Uint8Array(4));
}

function bodyDescriptor(version: 4 | 5, body: Uint8Array): Bytes {
  if (version === 4) return new Uint8Array(0);
  return concat(u16le(body.length === TD_REPORT_15EX_BYTES ? 4 : 3), u32le(body.length));
}

/** 584 bytes for version 4, 648 for version 5 (Intel TDX DCAP quote format, TD quote body). */
function tdReportBody(
  image: SimulatedImage,
  options: MachineOptions,
  rtmr3: Uint8Array,
  request: QuoteRequest,
): Uint8Array {
  const measurement = (field: keyof SimulatedImage) => exactly(fromHex(image[field], field), 48, field);
  const attributes = exactly(fromHex(image.tdAttributes, 'tdAttributes'), 8, 'tdAttributes');
  if (options.debug === true) attributes[0] = (attributes[0] as number) | 1;
  const module = options.module ?? 'UpToDate';
  const set = options.report ?? {};
  const body = concat(
    exactly(set.teeTcbSvn ?? teeTcbSvn(module), 16, 'teeTcbSvn'),
    MRSEAM,
    exactly(set.mrSignerSeam ?? new Uint8Array(48), 48, 'mrSignerSeam'),
    exactly(set.seamAttributes ?? new Uint8Array(8), 8, 'seamAttributes'),
    attributes,
    exactly(fromHex(image.xfam, 'xfam'), 8, 'xfam'),
    measurement('mrTd'),
    measurement('mrConfigId'),
    measurement('mrOwner'),
    measurement('mrOwnerConfig'),
    measurement('rtmr0'),
    measurement('rtmr1'),
    measurement('rtmr2'),
    exactly(rtmr3, 48, 'rtmr3'),
    exactly(request.reportData, 64, 'reportData'),
  );
  const serviceTd = measurement('mrServiceTd');
  if (request.version === 5) {
    const body15 = concat(
      body,
      exactly(set.teeTcbSvn2 ?? teeTcbSvn(request.runningModule ?? module), 16, 'teeTcbSvn2'),
      serviceTd,
    );
    return request.bodyType === 4 ? concat(body15, new Uint8Array(TD_REPORT_15EX_BYTES - body15.length)) : body15;
  }
  if (!isZero(serviceTd)) throw new CodedError('INVARIANT_BROKEN', 'MRSERVICETD needs a version 5 quote');
  return body;
}

/** 384 bytes (Intel SGX REPORT body). */
function qeReport(options: MachineOptions, cpuSvn: Uint8Array, reportData: Uint8Array): Bytes {
  const attributes = new Uint8Array(16);
  attributes[0] = options.qeDebug === true ? 0x17 : 0x15; // INIT, MODE64BIT, PROVISIONKEY
  attributes[8] = 0xe7;
  return concat(
    cpuSvn,
    new Uint8Array(4 + 28), // MISCSELECT, reserved
    attributes,
    QE_MRENCLAVE,
    new Uint8Array(32),
    exactly(options.qeMrSigner ?? QE_MRSIGNER, 32, 'qeMrSigner'),
    new Uint8Array(32 + 64), // reserved, CONFIGID
    u16le(QE_PRODUCT_ID),
    u16le(componentSvn(options.qe ?? 'UpToDate')),
    new Uint8Array(2 + 42 + 16), // CONFIGSVN, reserved, FAMILYID
    reportData,
  );
}

type SectionParts = Readonly<{
  state: SimulatedMachineState;
  options: MachineOptions;
  pck: SimulatedKey;
  attestationKey: SimulatedKey;
  signedPart: Uint8Array;
}>;

/**
 * Signature, attestation key, certification data 6 with certification data 5 inside (Intel TDX DCAP quote format, ECDSA
 * quote signature data).
 */
function signatureSection({ state, options, pck, attestationKey, signedPart }: SectionParts): Bytes {
  const publicKey = attestationKey.point.subarray(1);
  const authData = Uint8Array.from({ length: 32 }, (_, index) => index);
  const named = options.strangeAttestationKey === true ? pck.point.subarray(1) : publicKey;
  const report = qeReport(
    options,
    Uint8Array.from(sgxComponents(state.platformStatus)),
    concat(sha256(concat(named, authData)), new Uint8Array(32)),
  );
  const chain = utf8(state.pckCertificateChain);
  const inner = concat(
    report,
    pck.signRaw(report),
    u16le(authData.length),
    authData,
    u16le(5),
    u32le(chain.length),
    chain,
  );
  return concat(attestationKey.signRaw(signedPart), publicKey, u16le(6), u32le(inner.length), inner);
}
