import { type TcbPart, TDX_CHECKS, type TdxVerdict } from '../../attestation/index.ts';
import { type Json, rfc3339, type UnixSeconds } from '../../core/index.ts';

/** `tcb` of an answer about a TDX quote; times in RFC 3339. */
export type TdxTcbDocument = Readonly<{
  status: string;
  advisoryIds: readonly string[];
  platform: TcbPartDocument;
  module: (TcbPartDocument & Readonly<{ id: string }>) | null;
  qe: TcbPartDocument & Readonly<{ isvSvn: number }>;
  tcbDate: string | null;
  expiresAt: string | null;
  issuedAt: string | null;
  tcbInfoEvaluationNumber: number;
  qeIdentityEvaluationNumber: number;
  /** What another set of TCB levels would say, where the request gives one; it decides nothing. */
  next?: NextSetDocument;
}>;
export type TcbPartDocument = Omit<TcbPart, 'tcbDate' | 'newestTcbDate'> &
  Readonly<{ tcbDate: string | null; newestTcbDate: string | null }>;
export type NextSetDocument = Readonly<{
  verdict: TdxVerdict['verdict'];
  failed: readonly string[];
  tcb: TdxTcbDocument | null;
}>;

/** What is judged by, with what another set would say beside it. */
export function tcbOf(verdict: TdxVerdict, underNext: TdxVerdict | null): Json {
  const tcb = documentOf(verdict);
  if (tcb === null || underNext === null) return tcb;
  const failed = TDX_CHECKS.filter((name) => underNext.checks[name].outcome === 'failed');
  const next: NextSetDocument = { verdict: underNext.verdict, failed, tcb: documentOf(underNext) };
  return { ...tcb, next };
}

const timeOf = (seconds: UnixSeconds | null) => (seconds === null ? null : rfc3339(seconds));

function partOf({ status, tcbDate, advisoryIds, behind, newestTcbDate }: TcbPart): TcbPartDocument {
  return { status, tcbDate: timeOf(tcbDate), advisoryIds, newestTcbDate: timeOf(newestTcbDate), behind };
}

function documentOf({ tcb, validity }: TdxVerdict): TdxTcbDocument | null {
  if (tcb === null) return null;
  return {
    status: tcb.status,
    advisoryIds: tcb.advisoryIds,
    platform: partOf(tcb.platform),
    module: tcb.module === null ? null : { id: tcb.module.id, ...partOf(tcb.module) },
    qe: { isvSvn: tcb.qe.isvSvn, ...partOf(tcb.qe) },
    tcbDate: timeOf(tcb.tcbDate),
    expiresAt: timeOf(validity?.earliestExpiry ?? null),
    issuedAt: timeOf(validity?.latestIssue ?? null),
    tcbInfoEvaluationNumber: tcb.tcbInfoEvaluationNumber,
    qeIdentityEvaluationNumber: tcb.qeIdentityEvaluationNumber,
  };
}
