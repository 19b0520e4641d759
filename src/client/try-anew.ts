import type { ErrorCode } from '../core/index.ts';

/** Codes after which another session may do better, as long as nothing of an answer was seen. */
export const TRY_ANEW: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'SESSION_UNKNOWN',
  'SESSION_EXPIRED',
  'NO_WORKER',
  'WORKER_GONE',
  'OPEN_FAILED',
  'DELEGATION_REFUSED',
  'ROUTER_CHANGED',
]);
/** Codes after which another worker may go on with an answer that has begun (AIS/1 section 7). */
export const GO_ON: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['WORKER_GONE', 'STREAM_TRUNCATED', 'ROUTER_CHANGED']);
