import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { asCodedError, CodedError, type ErrorCode, KIND_OF_CODE } from '../core/index.ts';

/** gRPC status of a code where its kind alone would say too little to a stock client. */
const STATUS_OF_CODE: Partial<Record<ErrorCode, status>> = {
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  REQUEST_CANCELLED: status.CANCELLED,
  SESSION_UNKNOWN: status.FAILED_PRECONDITION,
  CREDIT_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  ROUTER_BUSY: status.RESOURCE_EXHAUSTED,
  TOO_MANY_REQUESTS: status.RESOURCE_EXHAUSTED,
  NOT_FOUND: status.NOT_FOUND,
  IDENTITY_REFUSED: status.UNAUTHENTICATED,
  ROLE_REFUSED: status.PERMISSION_DENIED,
  REQUEST_TOO_LARGE: status.RESOURCE_EXHAUSTED,
  REQUEST_UNSUPPORTED: status.UNIMPLEMENTED,
};

const STATUS_OF_KIND = {
  rejected: status.INVALID_ARGUMENT,
  unavailable: status.UNAVAILABLE,
  bug: status.INTERNAL,
} as const;

/** gRPC's own name (proposal A6) for "not before so many milliseconds"; stock clients with a retry policy heed it. */
const PUSHBACK = 'grpc-retry-pushback-ms';

/** The code and its sentence cross the wire as `CODE: sentence`; causes, facts and stacks do not. */
export function toServiceError(thrown: unknown): Partial<ServiceError> {
  const coded = asCodedError(thrown);
  const { retryAfterMs } = coded.facts;
  const metadata = new Metadata();
  if (typeof retryAfterMs === 'number') metadata.set(PUSHBACK, String(retryAfterMs));
  return {
    metadata,
    code: STATUS_OF_CODE[coded.code] ?? STATUS_OF_KIND[KIND_OF_CODE[coded.code]],
    details: `${coded.code}: ${coded.message}`,
  };
}

/** What ends a call with this error on the wire: percent-encoded as gRPC's `Status-Message` asks. */
export function statusOf(thrown: unknown): Record<string, string> {
  const { code, details, metadata } = isServiceError(thrown) ? thrown : toServiceError(thrown);
  const pushback = metadata?.get(PUSHBACK)[0];
  return {
    'grpc-status': String(code ?? status.UNKNOWN),
    'grpc-message': (details ?? '').toWellFormed().replace(/[^ -$&-~]+/g, encodeURIComponent),
    ...(pushback === undefined ? {} : { [PUSHBACK]: String(pushback) }),
  };
}

/** What a service written for grpc-js hands over. */
function isServiceError(thrown: unknown): thrown is Partial<ServiceError> {
  return !(thrown instanceof CodedError) && typeof (thrown as Partial<ServiceError> | null)?.code === 'number';
}

/**
 * What the status of a call means here: null for OK. A code of ours is taken over; anything else is an outage of that peer.
 * @param trailers of the call: `grpc-status` and what stands beside it
 * @param unreachable code for "the peer is not there"
 */
export function fromStatus(
  trailers: Readonly<Record<string, string | string[] | undefined>>,
  unreachable: ErrorCode,
): CodedError | null {
  const { 'grpc-status': text, 'grpc-message': message, [PUSHBACK]: pushback } = trailers;
  if (text === '0') return null;
  const match = /^([A-Z][A-Z0-9_]+): (.*)$/s.exec(typeof message === 'string' ? decoded(message) : '');
  if (match !== null && Object.hasOwn(KIND_OF_CODE, match[1] as string)) {
    const retryAfterMs = Number(pushback ?? Number.NaN);
    return new CodedError(match[1] as ErrorCode, match[2] as string, retryAfterMs > 0 ? { retryAfterMs } : {});
  }
  const code = Number(text);
  if (code === status.DEADLINE_EXCEEDED) return new CodedError('DEADLINE_EXCEEDED', 'no answer before the deadline');
  if (code === status.CANCELLED) return new CodedError('REQUEST_CANCELLED', 'the request was cancelled');
  return new CodedError(unreachable, `the call failed at the peer (${status[code] ?? 'no gRPC status'})`);
}

/** gRPC's `Status-Message`; as it came where it is not encoded as it should be. */
function decoded(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}
