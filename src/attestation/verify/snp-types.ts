import type { Bytes, UnixSeconds } from '../../core/index.ts';
import type { AmdLeafFacts, TrustAnchor } from '../endorsements/index.ts';
import type { ParsedSnpReport, SnpLine, SnpTcb } from '../evidence/snp/index.ts';
import type { Check } from './check.ts';
import type { CrlFloor } from './tdx-types.ts';

/** In the order in which they are reported; the first failed one gives a refusal its code. */
export const SNP_CHECKS = [
  'chainToPinnedArk',
  'productLine',
  'chainCurrent',
  'arkCrl',
  'chainNotRevoked',
  'leafOfProductLine',
  'tcbMatchesLeaf',
  'chipIdMatchesLeaf',
  'reportSignature',
  'reservedBits',
  'requestedByGuest',
  'tcbOrder',
  'tcbMinimum',
  'cloudProvider',
  'expectedReportData',
  'expectedFields',
] as const;
export type SnpCheckName = (typeof SNP_CHECKS)[number];
export type SnpChecks = Readonly<Record<SnpCheckName, Check>>;

/** AMD signs no judgement of a TCB: whether one is new enough is for the caller's dated minimum, or unsaid. */
export type SnpTcbStatus = 'NoMinimumEnforced' | 'MeetsMinimum' | 'BelowMinimum';

/** The least TCB a caller accepts of a line, and the date (RFC 3339) of the table it comes from. */
export type SnpTcbMinimum = Readonly<{ tcb: SnpTcb; date: string }>;

export type SnpTcbs = Readonly<{
  line: SnpLine;
  status: SnpTcbStatus;
  /** The caller's minimum for this line, and its date; null without one. */
  minimum: SnpTcb | null;
  minimumDate: string | null;
  reported: SnpTcb;
  current: SnpTcb;
  committed: SnpTcb;
  launch: SnpTcb;
  /** Firmware that can still be rolled back: committed and current differ. */
  provisional: boolean;
}>;

/** Byte fields of a report that a caller may expect by value. */
export const SNP_EXPECTED_FIELDS = [
  'measurement',
  'hostData',
  'familyId',
  'imageId',
  'chipId',
  'reportId',
  'reportIdMa',
  'idKeyDigest',
  'authorKeyDigest',
] as const satisfies readonly (keyof ParsedSnpReport)[];
export type SnpExpectedField = (typeof SNP_EXPECTED_FIELDS)[number];

export type SnpVerifyOptions = Readonly<{
  /** 'require' by default; 'prefer' judges what is given; 'off' judges no CRL. */
  revocation?: 'require' | 'prefer' | 'off' | undefined;
  /** `['signature']` asks for chain, signature and bindings only; what else is given is judged all the same. */
  require?: readonly 'signature'[] | undefined;
  /** 64 bytes that REPORT_DATA must equal. */
  expectReportData?: Uint8Array | undefined;
  /** Exact values, by field. */
  expect?: Readonly<Partial<Record<SnpExpectedField, Uint8Array>>> | undefined;
  /** Product lines that are accepted at all: the way to drop one whose root of trust has fallen. All by default. */
  allowedLines?: readonly SnpLine[] | undefined;
  /** By line: reported, committed and launch TCB must reach it part by part. A line without one has none enforced. */
  tcbMinimum?: Readonly<Partial<Record<SnpLine, SnpTcbMinimum>>> | undefined;
  /** Cloud providers (CSP_ID) whose VLEKs are accepted; a VLEK of any is by default, and the result names it. */
  cloudProviders?: readonly string[] | undefined;
  /** Accepts a report whose CHIP_ID the host masked: then the signature alone binds it to a chip. */
  dangerouslyAllowMaskedChipId?: boolean | undefined;
  /** The newest CRL the caller knows of each ARK; none known, none refused as rolled back. */
  crlFloors?: readonly CrlFloor[] | undefined;
}>;

/** The window in which every document behind the verdict is current, seconds. */
export type SnpValidity = Readonly<{ latestIssue: UnixSeconds; earliestExpiry: UnixSeconds }>;

declare const verified: unique symbol; // not exported: only verifySnpReport makes the next type
/** A genuine report, with what was established about it. `revocation` is 'notChecked' where the caller asked for less. */
export type VerifiedSnpReport = ParsedSnpReport &
  Readonly<{
    [verified]: true;
    anchor: TrustAnchor;
    line: SnpLine;
    leaf: AmdLeafFacts;
    tcbs: SnpTcbs;
    revocation: 'checked' | 'notChecked';
    /** 'chip' where CHIP_ID equals the certificate's; 'provider' for a VLEK, which all hosts of a provider's region share. */
    boundTo: 'chip' | 'signatureAlone' | 'provider';
    validity: SnpValidity;
    /** SHA-256 of the leaf's SubjectPublicKeyInfo. Not the certificate's: one key has several certificates. */
    leafSpkiSha256: Bytes;
  }>;

/** `refused`: a check failed. `unavailable`: none failed, but one that is required could not be run. */
export type SnpVerdict = Readonly<{
  checks: SnpChecks;
  anchor: TrustAnchor | null;
  /** Reported as soon as the line is established, also beside a refusal. */
  tcbs: SnpTcbs | null;
  validity: SnpValidity | null;
  /** The CRLs whose issuer signed them: what the caller may keep as its next floors. */
  crls: readonly CrlFloor[];
}> &
  (Readonly<{ verdict: 'verified'; report: VerifiedSnpReport }> | Readonly<{ verdict: 'refused' | 'unavailable' }>);
