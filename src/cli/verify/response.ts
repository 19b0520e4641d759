import type { Check } from '../../attestation/index.ts';
import { type CodedError, type ErrorCode, type Json, KIND_OF_CODE } from '../../core/index.ts';

export type VerdictWord = 'verified' | 'refused' | 'unavailable';
export type CheckReport = Readonly<{ outcome: Check['outcome']; reason: string; code?: ErrorCode }>;
export type VerifyError = Readonly<{
  code: ErrorCode;
  message: string;
  facts: Readonly<Record<string, string | number>>;
}>;

/** The answer to one request; every member is always there. */
export type VerifyResponse = Readonly<{
  id: string | number | null;
  verdict: VerdictWord;
  error: VerifyError | null;
  checks: Readonly<Record<string, CheckReport>>;
  tcb: Json;
  claims: Readonly<Record<string, Json>>;
  appraisal: Json;
}>;

export function errorOf(error: CodedError): VerifyError {
  return { code: error.code, message: error.message, facts: error.facts };
}

/** Input that could not be judged at all: refused, or unavailable where the error says that we could not find out. */
export function refusal(id: string | number | null, error: CodedError): VerifyResponse {
  const verdict = KIND_OF_CODE[error.code] === 'rejected' ? 'refused' : 'unavailable';
  return { id, verdict, error: errorOf(error), checks: {}, tcb: null, claims: {}, appraisal: null };
}

export function checkReport(check: Check): CheckReport {
  if (check.outcome === 'passed') return { outcome: 'passed', reason: '' };
  if (check.outcome === 'notRun') return { outcome: 'notRun', reason: check.reason };
  return { outcome: 'failed', reason: check.reason, code: check.code };
}

/** Why the verdict is not 'verified': the first check that failed, or else the first that had to run and did not. */
export function errorOfChecks(
  verdict: VerdictWord,
  checks: Readonly<Record<string, Check>>,
  isRequired: (name: string) => boolean,
): VerifyError | null {
  if (verdict === 'verified') return null;
  for (const [check, result] of Object.entries(checks)) {
    if (result.outcome === 'failed') return { code: result.code, message: result.reason, facts: { check } };
  }
  for (const [check, result] of Object.entries(checks)) {
    if (result.outcome === 'notRun' && isRequired(check)) {
      return { code: 'ENDORSEMENT_MISSING', message: `not checked: ${result.reason}`, facts: { check } };
    }
  }
  return { code: 'ENDORSEMENT_MISSING', message: 'a required check could not be run', facts: {} };
}
