import type { Bytes, UnixSeconds } from '../../core/index.ts';
import type { PckIdentity, TrustAnchor } from '../endorsements/index.ts';
import type { ParsedTdxQuote } from '../evidence/tdx/index.ts';
import type { Check } from './check.ts';

/** In the order in which they are reported; the first failed one gives a refusal its code. */
export const TDX_CHECKS = [
  'pckChainToPinnedRoot',
  'pckChainCurrent',
  'rootCaCrl',
  'pckCrl',
  'pckChainNotRevoked',
  'tcbInfoSigned',
  'tcbInfoCurrent',
  'qeIdentitySigned',
  'qeIdentityCurrent',
  'collateralSignersNotRevoked',
  'tcbInfoMatchesFmspc',
  'tcbInfoMatchesPceId',
  'tdxModuleIdentity',
  'qeReportSignature',
  'attestationKeyBound',
  'qeIdentity',
  'quoteSignature',
  'noTrailingBytes',
  'tcbLevel',
  'tcbNotRevoked',
  'expectedReportData',
] as const;
export type TdxCheckName = (typeof TDX_CHECKS)[number];
export type TdxChecks = Readonly<Record<TdxCheckName, Check>>;

/** Intel's TCB statuses, and the two that converge from a relaunch; 'NotSupported' where no level matches. */
export type TcbStatus =
  | 'UpToDate'
  | 'SWHardeningNeeded'
  | 'ConfigurationNeeded'
  | 'ConfigurationAndSWHardeningNeeded'
  | 'OutOfDate'
  | 'OutOfDateConfigurationNeeded'
  | 'Revoked'
  | 'TDRelaunchAdvised'
  | 'TDRelaunchAdvisedConfigurationNeeded'
  | 'NotSupported';

/** An SVN that is below the newest one that the vendor lists. */
export type SvnBehind = Readonly<{
  /** Intel's name: `sgxtcbcomponents[2]`, `tdxtcbcomponents[0]` (counted from 0), `pcesvn`, `isvsvn`. */
  component: string;
  /** What Intel says the component is (`BIOS, Early Microcode Update`), or null. */
  about: string | null;
  measured: number;
  newest: number;
}>;

/** One of the sources whose statuses converge. */
export type TcbPart = Readonly<{
  status: TcbStatus;
  /** Seconds; null where no level matches. */
  tcbDate: UnixSeconds | null;
  advisoryIds: readonly string[];
  /** Every SVN below the newest level's: what an update has to bring. Empty for a part that is at the newest level. */
  behind: readonly SvnBehind[];
  /** Date of the newest level, seconds; null where the vendor lists none. */
  newestTcbDate: UnixSeconds | null;
}>;

export type TdxTcb = Readonly<{
  status: TcbStatus;
  /** United over platform, module and quoting enclave, sorted. */
  advisoryIds: readonly string[];
  platform: TcbPart;
  /** Null where the module has no identity of its own (TEE_TCB_SVN[1] = 0). */
  module: (TcbPart & Readonly<{ id: string }>) | null;
  qe: TcbPart & Readonly<{ isvSvn: number }>;
  /** Date of the platform's level. */
  tcbDate: UnixSeconds | null;
  tcbInfoEvaluationNumber: number;
  qeIdentityEvaluationNumber: number;
}>;

declare const verified: unique symbol; // not exported: only verifyTdxQuote makes the next type
/** A genuine quote, with what was established about it. `tcb` is null and `revocation` 'notChecked' where the caller asked for less. */
export type VerifiedTdxQuote = ParsedTdxQuote &
  Readonly<{
    [verified]: true;
    anchor: TrustAnchor;
    platform: PckIdentity;
    tcb: TdxTcb | null;
    revocation: 'checked' | 'notChecked';
    validity: TdxValidity;
  }>;

/** The window in which every document behind the verdict is current, seconds. */
export type TdxValidity = Readonly<{ latestIssue: UnixSeconds; earliestExpiry: UnixSeconds }>;

export type TdxRevocationMode = 'require' | 'prefer' | 'off';
export type TdxVerifyOptions = Readonly<{
  /** 'require' by default; 'prefer' judges what is given; 'off' judges no CRL. */
  revocation?: TdxRevocationMode | undefined;
  /** `['signature']` asks for chain, signatures and bindings only; what else is given is judged all the same. */
  require?: readonly 'signature'[] | undefined;
  /** 64 bytes that REPORTDATA must equal. */
  expectReportData?: Uint8Array | undefined;
  /** The newest CRL the caller knows of each CA; none known, none refused as rolled back. */
  crlFloors?: readonly CrlFloor[] | undefined;
  /** TCB info and QE identity issued longer ago are refused, also while they are current; no bound by default. */
  collateralAgeSecondsMax?: number | undefined;
  /** Least tcbEvaluationDataNumber of TCB info and QE identity; no floor by default. */
  evaluationNumberMin?: number | undefined;
}>;

/** A CRL of one CA: one issued before it, or with a lower number, is a roll-back to a time that knew of less. */
export type CrlFloor = Readonly<{
  /** SHA-256 of the issuing CA's SubjectPublicKeyInfo. */
  issuerSpkiSha256: Bytes;
  thisUpdate: UnixSeconds;
  /** Hexadecimal, as `X509Crl` has it. */
  crlNumber: string;
}>;

/** `refused`: a check failed. `unavailable`: none failed, but one that is required could not be run. */
export type TdxVerdict = Readonly<{
  checks: TdxChecks;
  /** The anchor the PCK chain ends at, or null. */
  anchor: TrustAnchor | null;
  /** Reported as soon as it could be computed, also beside a refusal. */
  tcb: TdxTcb | null;
  validity: TdxValidity | null;
  /** The CRLs whose issuer signed them: what the caller may keep as its next floors, with `raiseCrlFloors`. */
  crls: readonly CrlFloor[];
}> &
  (Readonly<{ verdict: 'verified'; quote: VerifiedTdxQuote }> | Readonly<{ verdict: 'refused' | 'unavailable' }>);
