import type { Bytes, UnixMs } from '../core/index.ts';

/** What a router and an attached worker say to each other, free of any transport. */
export type RouterToWorker =
  | Readonly<{
      kind: 'challenge';
      nonce: Bytes;
      beacon: Bytes;
      checkpoint: string;
      /** Why only new evidence answers it; empty where a worker that this router let in before may show that. */
      anew: string;
    }>
  | Readonly<{
      kind: 'lease';
      lease: Bytes;
      expiresAt: UnixMs;
      logIndex: number;
      dispatchKey: Bytes;
      priceSheet: Bytes;
      /** For a later connection of this boot; opaque. Empty where the router gives none. */
      ticket: Bytes;
    }>
  | Readonly<{
      kind: 'refusal';
      code: string;
      message: string;
      failedChecks: readonly string[];
      retryAfterMs: number;
    }>
  | Readonly<{ kind: 'hello'; id: number; hello: Bytes }>
  | Readonly<{ kind: 'drain'; reason: string }>
  /** What the pool owes the worker's payee in all; opaque to the worker, kept by its owner. */
  | Readonly<{ kind: 'voucher'; voucher: Bytes; signature: Bytes; key: Bytes }>;

export type WorkerJoin = Readonly<{
  versions: readonly number[];
  name: string;
  modelDigest: Bytes;
  modelName: string;
  contextTokensMax: number;
  concurrencyMax: number;
}>;

export type EvidenceMessage = Readonly<{
  kind: 'evidence';
  bundle: Bytes;
  nonceProof: Bytes;
  epochCertificate: Bytes;
  epochSignature: Bytes;
  /** Of the key that signed the quote, DER; hints, where the quote holds none itself. */
  certificates: readonly Bytes[];
}>;

/** Instead of new evidence: what the worker was let in with before, and that it is still that worker. */
export type ResumeMessage = Readonly<{
  kind: 'resume';
  ticket: Bytes;
  /** As it answered the challenge that the ticket speaks of; the epoch certificate is the running one. */
  evidence: EvidenceMessage;
  /** {@link signResumption} */
  signature: Bytes;
}>;

export type WorkerToRouter =
  | Readonly<{ kind: 'join'; join: WorkerJoin }>
  | EvidenceMessage
  | ResumeMessage
  | Readonly<{ kind: 'offer'; id: number; offer: Bytes; bundle: Bytes }>
  | Readonly<{ kind: 'offerRefused'; id: number; reason: string }>
  | Readonly<{ kind: 'status'; running: number; idleStreams: number }>
  | Readonly<{ kind: 'renewal' }>;
