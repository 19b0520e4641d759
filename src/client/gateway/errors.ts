import { asCodedError, CodedError, type ErrorCode, KIND_OF_CODE } from '../../core/index.ts';
import { PaidFailure } from '../tab.ts';
import { type ReceiptFacts, receiptFacts } from './facts.ts';

/** Of an answer that failed: the receipts that were paid all the same, each up to its worker's last checkpoint or end. */
export type FailureFacts = Readonly<{ receipts: readonly ReceiptFacts[] }>;

/**
 * OpenAI's error object; `code` is ours and says what was found, `param` the field that is wrong, and `chrysalis`, where
 * it is there, what was paid.
 */
export type ErrorBody = Readonly<{
  error: Readonly<{ message: string; type: string; param: string | null; code: string; chrysalis?: FailureFacts }>;
}>;

/** Statuses for what the caller did; any other rejection speaks of the worker or its answer. */
const STATUS_OF_CODE: Partial<Record<ErrorCode, number>> = {
  REQUEST_INVALID: 400,
  USAGE_INVALID: 400,
  ENCODING_INVALID: 400,
  REQUEST_MALFORMED: 400,
  REQUEST_UNSUPPORTED: 400,
  REQUEST_CONTEXT_EXCEEDED: 400,
  API_KEY_REFUSED: 401,
  PATH_UNKNOWN: 404,
  BUDGET_EXHAUSTED: 429,
  REQUEST_CANCELLED: 499,
  MODEL_UNKNOWN: 404,
  RECEIPT_UNKNOWN: 404,
  REQUEST_TOO_LARGE: 413,
  TOO_MANY_REQUESTS: 429,
  DEADLINE_EXCEEDED: 504,
};

/** 502: something was refused on the way; 503: could not find out; 500: a defect of ours. */
export function statusOf(code: ErrorCode): number {
  const own = STATUS_OF_CODE[code];
  if (own !== undefined) return own;
  const kind = KIND_OF_CODE[code];
  return kind === 'rejected' ? 502 : kind === 'unavailable' ? 503 : 500;
}

function typeOf(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 404) return 'not_found_error';
  if (status === 429) return 'rate_limit_error';
  if (status < 500) return 'invalid_request_error';
  return status === 502 ? 'verification_error' : status === 500 ? 'server_error' : 'service_unavailable';
}

export function errorBody(error: CodedError): ErrorBody {
  const status = statusOf(error.code);
  const param = error.facts.param;
  return {
    error: {
      message: error.message,
      type: typeOf(status),
      param: typeof param === 'string' ? param : null,
      code: error.code,
      ...(error instanceof PaidFailure ? { chrysalis: { receipts: error.receipts.map(receiptFacts) } } : {}),
    },
  };
}

/** What a request answers for anything thrown: a CodedError's own words, or none where it is not one. */
export function errorResponse(thrown: unknown): Response {
  const error = asCodedError(thrown);
  const status = statusOf(error.code);
  const headers: Record<string, string> = {};
  // The official client retries 5xx by itself; a refusal does not get better by asking again at once.
  if (status === 502) headers['x-should-retry'] = 'false';
  const { retryAfterMs } = error.facts; // of a router that is full
  const seconds = typeof retryAfterMs === 'number' ? Math.ceil(retryAfterMs / 1000) : 1;
  if (status === 429 || status === 503) headers['retry-after'] = String(seconds);
  return Response.json(errorBody(error), { status, headers });
}

export function invalid(param: string, message: string): CodedError {
  return new CodedError('REQUEST_INVALID', `${param}: ${message}`, { param });
}
