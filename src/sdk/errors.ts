import { type AnswerReceipt, PaidFailure } from '../client/index.ts';
import { asCodedError, type CodedError, type ErrorCode, KIND_OF_CODE } from '../core/index.ts';

/**
 * What an application does about a failure:
 * - `not-genuine`: evidence, a signature, a frame or a receipt is false. Don't use this worker; tell somebody.
 * - `policy`: genuine, and not what the policy accepts. Change the policy or find another worker.
 * - `could-not-find-out`: an outage, or something was not there to be checked. Try again later.
 * - `worker-gone`: the worker, or the way to it, ended. Try again now: another worker may do.
 * - `request`: what was asked is wrong, or more than this model or channel gives. Change it.
 * - `defect`: ours.
 */
export type FailureKind = 'not-genuine' | 'policy' | 'could-not-find-out' | 'worker-gone' | 'request' | 'defect';

const GONE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'WORKER_GONE',
  'NO_WORKER',
  'STREAM_TRUNCATED',
  'SESSION_UNKNOWN',
  'SESSION_EXPIRED',
  'ANSWER_INCOMPLETE',
  'OPEN_FAILED',
]);
const REQUEST: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'REQUEST_INVALID',
  'REQUEST_UNSUPPORTED',
  'REQUEST_MALFORMED',
  'REQUEST_REFUSED',
  'REQUEST_CONTEXT_EXCEEDED',
  'REQUEST_TOO_LARGE',
  'REQUEST_CANCELLED',
  'MODEL_UNKNOWN',
  'CREDIT_EXHAUSTED',
  'CHANNEL_REFUSED',
  'CONFIG_INVALID',
  'POLICY_INVALID',
  'ANSWER_FAILED',
]);

/**
 * One failure of the SDK: `kind` says what to do, `code` is stable, `failedChecks` names what did not pass, and `receipts`
 * are what was paid all the same, for what had come of an answer that failed.
 */
export class ChrysalisError extends Error {
  readonly kind: FailureKind;
  readonly code: ErrorCode;
  readonly failedChecks: readonly string[];
  readonly receipts: readonly AnswerReceipt[];
  constructor(cause: CodedError) {
    super(cause.message, { cause });
    this.name = 'ChrysalisError';
    this.code = cause.code;
    this.failedChecks = failedChecks(cause);
    this.receipts = cause instanceof PaidFailure ? cause.receipts : [];
    this.kind = kindOf(cause.code, this.failedChecks);
  }
}

/** Names as `group.check`, such as `policy.image` or `cpu.quoteSignature`. */
function failedChecks({ facts }: CodedError): string[] {
  if (typeof facts.failed === 'string') return facts.failed.split(' ');
  return typeof facts.check === 'string' ? [facts.check] : [];
}

function kindOf(code: ErrorCode, failed: readonly string[]): FailureKind {
  if (GONE.has(code)) return 'worker-gone';
  if (REQUEST.has(code)) return 'request';
  if (KIND_OF_CODE[code] === 'bug') return 'defect';
  if (KIND_OF_CODE[code] === 'unavailable') return 'could-not-find-out';
  if (code !== 'OFFER_REFUSED') return 'not-genuine';
  // Genuine is what failed nothing but the policy's own checks.
  const own = (name: string) => name.startsWith('policy.') || POLICY_CHECKS.has(name);
  return failed.length > 0 && failed.every(own) ? 'policy' : 'not-genuine';
}

const POLICY_CHECKS: ReadonlySet<string> = new Set([
  'leastMode',
  'candidatesMax',
  'session.leastMode',
  'session.evidenceAge',
]);

export function asChrysalisError(thrown: unknown): ChrysalisError {
  return thrown instanceof ChrysalisError ? thrown : new ChrysalisError(asCodedError(thrown));
}
