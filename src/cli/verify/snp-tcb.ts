import type { SnpTcb, SnpTcbs, SnpVerdict } from '../../attestation/index.ts';
import { type Json, rfc3339 } from '../../core/index.ts';

/** `tcb` of an answer about a report; times in RFC 3339, levels by part. AMD signs no status and lists no advisories. */
export type SnpTcbDocument = Readonly<{
  status: SnpTcbs['status'];
  advisoryIds: readonly string[];
  platform: Pick<SnpTcbs, 'line' | 'reported' | 'current' | 'committed' | 'launch' | 'minimum' | 'provisional'>;
  module: null;
  qe: null;
  /** Of the caller's minimum. */
  tcbDate: string | null;
  expiresAt: string | null;
  issuedAt: string | null;
}>;

/** Null where the line, and so the meaning of the levels, is not established. */
export function snpTcbDocument({ tcbs, validity }: SnpVerdict): Json {
  if (tcbs === null) return null;
  const { status, minimumDate, ...platform } = tcbs;
  const document: SnpTcbDocument = {
    status,
    advisoryIds: [],
    platform,
    module: null,
    qe: null,
    tcbDate: minimumDate,
    expiresAt: validity === null ? null : rfc3339(validity.earliestExpiry),
    issuedAt: validity === null ? null : rfc3339(validity.latestIssue),
  };
  return document as unknown as Json;
}

/** The levels of one TCB, in the order of the line's layout. */
export const partsOf = (tcb: SnpTcb): readonly (keyof SnpTcb)[] => Object.keys(tcb) as (keyof SnpTcb)[];
