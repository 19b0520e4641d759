/**
 * What the receiver can do about each code: `rejected` (the input or the request is wrong: change it),
 * `unavailable` (could not find out, or not now: try again later), `bug` (ours: report it).
 * Codes are public API: listed once, never renamed, never reused.
 */
export const KIND_OF_CODE = {
  // bytes and encodings
  EVIDENCE_TRUNCATED: 'rejected',
  EVIDENCE_TRAILING_BYTES: 'rejected',
  EVIDENCE_MALFORMED: 'rejected',
  EVIDENCE_TOO_LARGE: 'rejected',
  EVIDENCE_UNSUPPORTED: 'rejected',
  ENCODING_INVALID: 'rejected',
  OBJECT_MALFORMED: 'rejected',
  // certificates, evidence and endorsements (attestation)
  CERTIFICATE_MALFORMED: 'rejected',
  CRL_MALFORMED: 'rejected',
  OCSP_MALFORMED: 'rejected',
  OCSP_UNSUCCESSFUL: 'unavailable',
  EVIDENCE_CHAIN_INVALID: 'rejected',
  EVIDENCE_CHAIN_NOT_CURRENT: 'rejected',
  EVIDENCE_CHAIN_REVOKED: 'rejected',
  EVIDENCE_SIGNATURE_INVALID: 'rejected',
  EVIDENCE_UNSIGNED: 'rejected',
  EVIDENCE_TCB_MISMATCH: 'rejected',
  EVIDENCE_QE_SIGNATURE_INVALID: 'rejected',
  EVIDENCE_QE_IDENTITY_MISMATCH: 'rejected',
  EVIDENCE_KEY_NOT_BOUND: 'rejected',
  EVIDENCE_MODULE_MISMATCH: 'rejected',
  EVIDENCE_PLATFORM_MISMATCH: 'rejected',
  EVIDENCE_TCB_NOT_SUPPORTED: 'rejected',
  EVIDENCE_TCB_REVOKED: 'rejected',
  EVIDENCE_EXPECTATION_MISMATCH: 'rejected',
  EVIDENCE_MEASUREMENT_MISMATCH: 'rejected',
  EVIDENCE_KIND_UNSUPPORTED: 'rejected',
  EVIDENCE_NOT_BOUND: 'rejected',
  EVIDENCE_STALE: 'rejected',
  EVIDENCE_REFUSED_BY_POLICY: 'rejected',
  POLICY_INVALID: 'rejected',
  POLICY_NOT_YET_EFFECTIVE: 'unavailable',
  ENDORSEMENT_MALFORMED: 'rejected',
  ENDORSEMENT_CHAIN_INVALID: 'rejected',
  ENDORSEMENT_SIGNATURE_INVALID: 'rejected',
  ENDORSEMENT_NOT_CURRENT: 'rejected',
  ENDORSEMENT_REVOKED: 'rejected',
  ENDORSEMENT_ROLLED_BACK: 'rejected',
  ENDORSEMENT_TOO_OLD: 'rejected',
  ENDORSEMENT_MISSING: 'unavailable',
  // configuration, usage
  CONFIG_INVALID: 'rejected',
  USAGE_INVALID: 'rejected',
  PORT_IN_USE: 'rejected',
  STORAGE_FULL: 'unavailable',
  MODEL_MISSING: 'rejected',
  STORAGE_UNUSABLE: 'unavailable',
  /** The database does not answer; whether it did what it was asked is not known. */
  STORAGE_UNREACHABLE: 'unavailable',
  MODEL_INVALID: 'rejected',
  MODEL_UNKNOWN: 'rejected',
  RECEIPT_UNKNOWN: 'rejected',
  STATE_LOCKED: 'rejected',
  STORAGE_NOT_EMPTY: 'rejected',
  REQUEST_INVALID: 'rejected',
  REQUEST_UNSUPPORTED: 'rejected',
  REQUEST_TOO_LARGE: 'rejected',
  PATH_UNKNOWN: 'rejected',
  API_KEY_REFUSED: 'rejected',
  BUDGET_EXHAUSTED: 'rejected',
  // images and what they will measure to
  IMAGE_MALFORMED: 'rejected',
  IMAGE_UNSUPPORTED: 'rejected',
  PACKAGE_MISMATCH: 'rejected',
  PACKAGE_GONE: 'unavailable',
  ARCHIVE_UNREACHABLE: 'unavailable',
  // sessions (AIS/1)
  KEY_REFUSED: 'rejected',
  OFFER_REFUSED: 'rejected',
  SESSION_EXPIRED: 'rejected',
  SESSION_UNKNOWN: 'rejected',
  REQUEST_REFUSED: 'rejected',
  DISPATCH_REFUSED: 'rejected',
  OPEN_FAILED: 'rejected',
  REQUEST_REPLAYED: 'rejected',
  REPLAY_SET_FULL: 'unavailable',
  FRAME_NOT_AUTHENTIC: 'rejected',
  STREAM_TRUNCATED: 'rejected',
  STREAM_ENDED: 'rejected',
  RESPONSE_REFUSED: 'rejected',
  RECEIPT_REFUSED: 'rejected',
  // key release
  RELEASE_REFUSED: 'rejected',
  SECRET_REFUSED: 'rejected',
  // the chain and what is signed for it
  CHANNEL_CONFIG_INVALID: 'rejected',
  CONTRACT_CONFIG_INVALID: 'rejected',
  CONTRACT_MISMATCH: 'rejected',
  CHANNEL_MISMATCH: 'rejected',
  CHANNEL_STATE_INVALID: 'rejected',
  VOUCHER_INVALID: 'rejected',
  CHAIN_REFUSED: 'rejected',
  CHAIN_NETWORK_MISMATCH: 'rejected',
  CHAIN_FUNDS_MISSING: 'rejected',
  CHAIN_STATE_FOREIGN: 'rejected',
  CHAIN_STATE_CORRUPT: 'rejected',
  // transparency log
  LOG_SIZE_INVALID: 'rejected',
  LOG_TILE_INVALID: 'rejected',
  LOG_KEY_INVALID: 'rejected',
  LOG_NOTE_MALFORMED: 'rejected',
  LOG_SIGNATURE_INVALID: 'rejected',
  LOG_SIGNATURE_MISSING: 'rejected',
  LOG_CHECKPOINT_MALFORMED: 'rejected',
  LOG_ORIGIN_MISMATCH: 'rejected',
  LOG_PROOF_MALFORMED: 'rejected',
  LOG_PROOF_REFUSED: 'rejected',
  LOG_POLICY_MALFORMED: 'rejected',
  LOG_LEAF_INVALID: 'rejected',
  LOG_ENTRY_TOO_LARGE: 'rejected',
  LOG_BLOB_MISSING: 'rejected',
  LOG_NOT_FOUND: 'rejected',
  LOG_UNAUTHORIZED: 'rejected',
  LOG_INCONSISTENT: 'rejected',
  LOG_IN_USE: 'rejected',
  LOG_QUEUE_FULL: 'unavailable',
  LOG_WRITE_FAILED: 'unavailable',
  LOG_CLOSED: 'unavailable',
  LOG_UNREACHABLE: 'unavailable',
  LOG_NOT_WITNESSED: 'unavailable',
  WITNESS_UNREACHABLE: 'unavailable',
  WITNESS_REFUSED: 'rejected',
  INDEX_OUT_OF_RANGE: 'rejected',
  // auditing
  BUNDLE_MALFORMED: 'rejected',
  BUNDLE_TOO_LARGE: 'rejected',
  AUDIT_RANGE_INVALID: 'rejected',
  // requests, workers, payments
  COLLATERAL_MALFORMED: 'rejected',
  REQUEST_MALFORMED: 'rejected',
  REQUEST_CONTEXT_EXCEEDED: 'rejected',
  WORKER_REFUSED: 'rejected',
  DEVICES_REFUSED: 'rejected',
  ADMISSION_REFUSED: 'rejected',
  TOUR_FAILED: 'rejected',
  IDENTITY_REFUSED: 'rejected',
  ROLE_REFUSED: 'rejected',
  DELEGATION_REFUSED: 'rejected',
  CHANNEL_REFUSED: 'rejected',
  PRICE_UNSIGNED: 'rejected',
  VOUCHER_REFUSED: 'rejected',
  CREDIT_EXHAUSTED: 'rejected',
  ANSWER_FAILED: 'rejected',
  MODEL_CHANGED: 'rejected',
  ENGINE_UNREACHABLE: 'unavailable',
  // could not find out, or not now
  IDENTITY_UNKNOWN: 'unavailable',
  CHAIN_UNREACHABLE: 'unavailable',
  CHAIN_UNCONFIRMED: 'unavailable',
  CHAIN_BUSY: 'unavailable',
  CHALLENGES_EXHAUSTED: 'unavailable',
  ENDORSEMENT_UNREACHABLE: 'unavailable',
  PLATFORM_UNSUPPORTED: 'unavailable',
  DEADLINE_EXCEEDED: 'unavailable',
  PEER_UNREACHABLE: 'unavailable',
  ROUTER_UNREACHABLE: 'unavailable',
  /** One of several routers went away with a request; the next one goes through another. */
  ROUTER_CHANGED: 'unavailable',
  ROUTER_BUSY: 'unavailable',
  WORKER_GONE: 'unavailable',
  NO_WORKER: 'unavailable',
  NOT_FOUND: 'unavailable',
  REQUEST_CANCELLED: 'unavailable',
  PROCESS_FAILED: 'unavailable',
  ANSWER_INCOMPLETE: 'unavailable',
  TOO_MANY_REQUESTS: 'unavailable',
  // ours
  INVARIANT_BROKEN: 'bug',
} as const satisfies Record<string, 'rejected' | 'unavailable' | 'bug'>;

export type ErrorCode = keyof typeof KIND_OF_CODE;

/** An error whose code says what to do about it. `facts` are safe to log: sizes, offsets, field names; never payloads or keys. */
export class CodedError extends Error {
  readonly code: ErrorCode;
  readonly facts: Readonly<Record<string, string | number>>;
  constructor(code: ErrorCode, message: string, facts: CodedError['facts'] = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CodedError';
    this.code = code;
    this.facts = facts;
  }
}

/** Turns anything thrown into a CodedError; what was not coded is a bug of ours, and its text stays in `cause`. */
export function asCodedError(thrown: unknown): CodedError {
  if (thrown instanceof CodedError) return thrown;
  return new CodedError('INVARIANT_BROKEN', 'an internal error; run with --debug to see it', {}, { cause: thrown });
}
