import type { UnixSeconds } from '../../core/index.ts';
import type {
  DeviceChain,
  Judged,
  NvidiaRevocations,
  NvidiaRim,
  RimDemand,
  RimRole,
  TrustAnchor,
  VerificationCache,
} from '../endorsements/index.ts';
import type { DeviceFields, ParsedNvidiaReport } from '../evidence/nvidia/index.ts';
import type { Check } from './check.ts';

/** In the order in which they are reported. Checks of a manifest that a device has no use for are left out. */
export const NVIDIA_CHECKS = [
  'deviceChainToPinnedRoot',
  'deviceChainCurrent',
  'reportSignature',
  'expectedNonce',
  'deviceFields',
  'architecture',
  'firmwareId',
  'deviceChainNotRevoked',
  'driverManifestSigned',
  'driverManifestCurrent',
  'driverManifestMatches',
  'vbiosManifestSigned',
  'vbiosManifestCurrent',
  'vbiosManifestMatches',
  'switchManifestSigned',
  'switchManifestCurrent',
  'switchManifestMatches',
  'manifestSignersNotRevoked',
  'measurements',
] as const;
export type NvidiaCheckName = (typeof NVIDIA_CHECKS)[number];
export type NvidiaChecks = Readonly<Partial<Record<NvidiaCheckName, Check>>>;

/** One golden value that the device does not measure to. */
export type GoldenMismatch = Readonly<{
  /** Of the manifest; the measurement block is `index` + 1. */
  index: number;
  source: RimRole;
  /** Lower-case hexadecimal, any of which would have been right. */
  golden: readonly string[];
  /** Lower-case hexadecimal, or null where the report has no such block. */
  runtime: string | null;
  likelyCause: string;
}>;

/** Measurements against the active values of the manifests at hand. */
export type GoldenComparison = Readonly<{
  compared: number;
  matched: number;
  /** Indexes that the architecture leaves out in this state. */
  skipped: readonly number[];
  mismatched: readonly GoldenMismatch[];
  /** Indexes of measurements that no manifest at hand judges. */
  notJudged: readonly number[];
}>;

/** Evidence of one device: its report and its certificates in DER, leaf first. */
export type NvidiaDeviceEvidence = Readonly<{ report: ParsedNvidiaReport; certificates: readonly Uint8Array[] }>;
/** Which roots are trusted for devices and which for manifests. */
export type NvidiaAnchors = Readonly<{ device: readonly TrustAnchor[]; rim: readonly TrustAnchor[] }>;

/** What the caller has beside the evidence. */
export type NvidiaEndorsements = Readonly<{
  /** The manifest that the caller got for exactly this id, or undefined. */
  rim: (demand: RimDemand) => Uint8Array | undefined;
  revocations: Judged<NvidiaRevocations>;
}>;
export type NvidiaContext = Readonly<{
  anchors: NvidiaAnchors;
  cache: VerificationCache;
  now: UnixSeconds;
}>;

export type NvidiaRevocationMode = 'require' | 'prefer' | 'off';
export type NvidiaVerifyOptions = Readonly<{
  revocation?: NvidiaRevocationMode | undefined;
  /** `['signature']` asks for chain, signature and bindings only; what else is given is judged all the same. */
  require?: readonly 'signature'[] | undefined;
  /** 32 bytes that the device must have signed. */
  expectNonce?: Uint8Array | undefined;
  /** What the container says; a hint that the certificates must bear out. */
  expectArchitecture?: string | undefined;
  /** Takes GPU reports without a FWID (drivers before 550). */
  dangerouslyAllowMissingFirmwareId?: boolean | undefined;
}>;

declare const verified: unique symbol; // not exported: only verifyNvidiaDevice makes the next type
/** A genuine device in a genuine state, with what was established about it. `gpuBinding`: the guest alone says that the device is its own. */
export type VerifiedNvidiaDevice = ParsedNvidiaReport &
  Readonly<{ [verified]: true; chain: DeviceChain; fields: DeviceFields; rims: readonly NvidiaRim[] }>;

export type NvidiaVerdict = Readonly<{
  checks: NvidiaChecks;
  anchor: TrustAnchor | null;
  /** Reported as soon as the signature that covers them held. */
  chain: DeviceChain | null;
  fields: DeviceFields | null;
  demands: readonly RimDemand[];
  golden: GoldenComparison | null;
}> &
  (Readonly<{ verdict: 'verified'; device: VerifiedNvidiaDevice }> | Readonly<{ verdict: 'refused' | 'unavailable' }>);
