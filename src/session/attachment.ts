import type { Bytes, UnixMs } from '../core/index.ts';

/** What a router and an attached worker say to each other, free of any transport. */
export type RouterToWorker =
  | Readonly<{ kind: 'challenge'; nonce: Bytes; beacon: Bytes; checkpoint: string }>
  | Readonly<{
      kind: 'lease';
      lease: Bytes;
      expiresAt: UnixMs;
      logIndex: number;
      dispatchKey: Bytes;
      priceSheet: Bytes;
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

export type WorkerToRouter =
  | Readonly<{ kind: 'join'; join: WorkerJoin }>
  | Readonly<{
      kind: 'evidence';
      bundle: Bytes;
      nonceProof: Bytes;
      epochCertificate: Bytes;
      epochSignature: Bytes;
      /** Of the key that signed the quote, DER; hints, where the quote holds none itself. */
      certificates: readonly Bytes[];
    }>
  | Readonly<{ kind: 'offer'; id: number; offer: Bytes; bundle: Bytes }>
  | Readonly<{ kind: 'offerRefused'; id: number; reason: string }>
  | Readonly<{ kind: 'status'; running: number; idleStreams: number }>
  | Readonly<{ kind: 'renewal' }>;
