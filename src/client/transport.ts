import type { ChannelAccount, DelegationAsk, VoucherAsk } from '../chain/signed/index.ts';
import type { Bytes, UnixMs } from '../core/index.ts';
import type { LoggedEntry, OfferEntry, ResponsePart, SealedOpen } from '../session/index.ts';

/**
 * `stop`, of a request under way: ends the answer, and its end and receipt still come; `signal` cuts it. `traceparent` is
 * told the router, which may trace: it is random, and of this request alone.
 */
export type CallOptions = Readonly<{
  deadline: UnixMs;
  signal?: AbortSignal;
  stop?: AbortSignal;
  traceparent?: string;
}>;

/** A price sheet (AIS/1 section 8), signed by the router's dispatch key for a model. */
export type OfferedPrice = Readonly<{ model: Bytes; priceSheet: Bytes; signature: Bytes }>;
export type RouterTerms = Readonly<{
  /** For every model that has no price of its own. */
  priceSheet: Bytes;
  priceSignature: Bytes;
  modelPrices: readonly OfferedPrice[];
  network: number;
  payee: string;
  dispatchKey: Bytes;
}>;

/**
 * The door to one router, whatever carries it. Nothing it answers is believed: evidence, proofs and receipts are checked
 * by whoever calls. Every method throws CodedError, by the deadline at the latest.
 */
export type RouterTransport = Readonly<{
  listModels(
    options: CallOptions,
  ): Promise<readonly Readonly<{ modelDigest: Bytes; name: string; workers: number; contextTokensMax: number }>[]>;
  getOffers(hello: Bytes, offersMax: number, options: CallOptions): Promise<readonly OfferEntry[]>;
  infer(open: SealedOpen, frames: readonly Bytes[], options: CallOptions): AsyncIterable<ResponsePart>;
  getEvidence(evidenceDigest: Bytes, options: CallOptions): Promise<Readonly<{ bundle: Bytes; collateral: string }>>;
  getAdmission(workerId: Bytes, options: CallOptions): Promise<LoggedEntry>;
  getReceiptProof(receiptDigest: Bytes, options: CallOptions): Promise<Readonly<{ batch: LoggedEntry; place: Bytes }>>;
  getTerms(options: CallOptions): Promise<RouterTerms>;
  delegate(ask: DelegationAsk, options: CallOptions): Promise<Bytes>;
  submitVoucher(ask: VoucherAsk, options: CallOptions): Promise<bigint>;
  getChannel(channel: string, options: CallOptions): Promise<ChannelAccount>;
  requestClaim(channel: string, options: CallOptions): Promise<ChannelAccount>;
  close(): void;
}>;
