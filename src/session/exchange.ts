import type { Bytes } from '../core/index.ts';

/**
 * The parts of one sealed request and its response as they travel (AIS/1 sections 5 to 8). Each byte field is an AIS/1
 * object or ciphertext, exactly as hashed or signed; transports carry them and never re-encode.
 */
export type SealedOpen = Readonly<{
  header: Bytes;
  authorization: Bytes;
  commit: Bytes;
  /** In the header's order; `enc` is empty after the first request of a session. */
  candidates: readonly Readonly<{ wrap: Bytes; enc: Bytes }>[];
  /** Empty after the first request of a session. */
  hello: Bytes;
}>;

export type SignedReceipt = Readonly<{ receipt: Bytes; signature: Bytes }>;

export type ResponsePart =
  | Readonly<{ kind: 'preface'; preface: Bytes }>
  | Readonly<{ kind: 'frame'; frame: Bytes }>
  | Readonly<{ kind: 'receipt'; receipt: SignedReceipt }>;

/** Why a worker ran nothing and stored nothing. */
export type OpenRefusal = 'OPEN_FAILED' | 'SESSION_UNKNOWN' | 'BUSY';

/** A worker's answer to a Hello, as a router relays it: labels are hints, the offer object proves itself. */
export type OfferEntry = Readonly<{ offer: Bytes; evidenceDigest: Bytes; workerId: Bytes; workerName: string }>;

/** A log entry with its proof, as a router relays it. */
export type LoggedEntry = Readonly<{
  leaf: Bytes;
  /** C2SP tlog-proof. */
  proof: string;
}>;

/** One candidate's part of a sealed request, as a router hands it to that worker. */
export type ServeOpen = Readonly<{
  header: Bytes;
  authorization: Bytes;
  commit: Bytes;
  wrap: Bytes;
  /** Empty, like `hello`, where the worker is taken to know the session. */
  enc: Bytes;
  hello: Bytes;
  /** Until the client's deadline. */
  timeLeftMs: number;
}>;
