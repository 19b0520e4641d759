import type { ChannelAccount, DelegationAsk, VoucherAsk } from '../chain/index.ts';
import type { Bytes, SpanContext, UnixMs } from '../core/index.ts';
import type { LoggedEntry, OfferEntry, SealedOpen, WorkerToRouter } from '../session/index.ts';
import type { AuditRecords } from './audit-records.ts';
import type { InferClient, InferInput, ServeLink, WorkerControl } from './links.ts';
import type { SignedPrice } from './prices.ts';
import type { RouterSnapshot } from './snapshot.ts';
import type { Standing } from './standings.ts';
import type { RouterStatus } from './status.ts';

export type WorkerRow = Readonly<{
  workerId: Bytes;
  name: string;
  state: string;
  modelName: string;
  evidenceDigest: Bytes;
  leaseExpiresAt: UnixMs;
  logIndex: number;
  running: number;
  /** JSON of the appraisal's named checks. */
  appraisal: string;
  simulated: boolean;
  resumed: boolean;
}>;

/** What a router asks and who is paid. Each price sheet is signed by the dispatch key for its model. */
export type Terms = Readonly<{
  priceSheet: Bytes;
  priceSignature: Bytes;
  modelPrices: readonly SignedPrice[];
  network: number;
  payee: string;
  dispatchKey: Bytes;
}>;

/** A router as its edges see it. Every method throws CodedError; requests end by their deadline. */
export type RouterService = Readonly<{
  listModels(): readonly Readonly<{ modelDigest: Bytes; name: string; workers: number; contextTokensMax: number }>[];
  getOffers(hello: Bytes, offersMax: number, deadline: UnixMs): Promise<readonly OfferEntry[]>;
  /** Answers go to the client given, which is told the end in any case; the rest of the request comes to what is returned. @param parent of its span, as the client says */
  infer(open: SealedOpen, deadline: UnixMs, client: InferClient, parent?: SpanContext | null): InferInput;
  getEvidence(evidenceDigest: Bytes): Promise<Readonly<{ bundle: Bytes; collateral: string }>>;
  getAdmission(workerId: Bytes): Promise<LoggedEntry>;
  /** How a worker stands here, for its owner. @throws CodedError NOT_FOUND */
  standing(workerId: Bytes): Promise<Standing>;
  getReceiptProof(receiptDigest: Bytes): Promise<Readonly<{ batch: LoggedEntry; place: Bytes }>>;
  getTerms(): Promise<Terms>;
  delegate(ask: DelegationAsk): Promise<Bytes>;
  submitVoucher(ask: VoucherAsk): Promise<bigint>;
  getChannel(channel: string): Promise<ChannelAccount>;
  requestClaim(channel: string): Promise<ChannelAccount>;
  /** A worker dialled in: feed it what the worker says, tell it when the stream is gone. */
  attach(control: WorkerControl): Readonly<{ receive(message: WorkerToRouter): void; gone(): void }>;
  /** Parks an idle Serve stream; false where the lease is not known. */
  park(lease: Bytes, link: ServeLink): boolean;
  listWorkers(): readonly WorkerRow[];
  drainWorker(workerId: Bytes, reason: string): void;
  /** Ends the attachment of every worker; they go to another router, or come again when this one is back. */
  dismissWorkers(): void;
  policy(): Readonly<{ policy: string; digest: Bytes }>;
  snapshot(): RouterSnapshot;
  status(): RouterStatus;
}> &
  AuditRecords;
