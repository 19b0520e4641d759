import type { Bytes, UnixMs } from '../core/index.ts';

/** What a router must never forget: channels, delegations, receipts and vouchers. Amounts in the currency's smallest unit. */
export type ChannelRow = Readonly<{
  /** Raw address. */
  channel: string;
  /** JSON of the channel's terms, from which its address was recomputed. */
  terms: string;
  clientKey: Bytes;
  state: string;
  deposited: bigint;
  claimed: bigint;
  /** When the chain's state was read last. */
  viewedAt: UnixMs;
}>;

export type DelegationRow = Readonly<{
  paymentRef: Bytes;
  channel: string;
  sessionKey: Bytes;
  limit: bigint;
  notAfter: UnixMs;
}>;

export type ReceiptRow = Readonly<{
  digest: Bytes;
  channel: string;
  sessionKey: Bytes;
  requestId: Bytes;
  /** 1 checkpoint, 2 final, 3 error. */
  kind: number;
  amount: bigint;
  object: Bytes;
  signature: Bytes;
  storedAt: UnixMs;
  /** Who earns it: account id in workchain 0, 32 bytes; null for a worker that named nobody a pool can pay. */
  payee: Bytes | null;
}>;

/** What a payee has earned in all, of receipts whose voucher was collected. */
export type EarnedRow = Readonly<{ payee: Bytes; amount: bigint }>;

/** A root that was, or is about to be, posted to the pool, with the leaves from which its proofs are made. */
export type RootRow = Readonly<{
  root: Bytes;
  sum: bigint;
  epoch: number;
  /** Unix seconds. */
  covers: number;
  leaves: readonly Readonly<{ payee: Bytes; cumulative: bigint }>[];
}>;

export type VoucherRow = Readonly<{
  channel: string;
  cumulative: bigint;
  receipts: Bytes;
  signature: Bytes;
  leaves: number;
}>;

/** Receipts logged together: `leaves` are their digests in the order of the batch's tree. */
export type BatchRow = Readonly<{ id: number; root: Bytes; leaves: readonly Bytes[]; logIndex: number | null }>;

/** What is set aside for a request under way (F of contracts section 6), until it is released or its time is over. */
export type ReservationRow = Readonly<{
  /** 16 bytes. */
  id: Bytes;
  channel: string;
  sessionKey: Bytes;
  /** Of the request; 16 bytes, under one session key never twice. */
  requestId: Bytes;
  amount: bigint;
  until: UnixMs;
}>;

/** `channel` and `key` name the bound that would be broken; `again`: the request id was served, or is being served. */
export type ReserveOutcome = 'reserved' | 'channel' | 'key' | 'again';

/**
 * Durable when a method's promise resolves. Several processes may write where the store is shared; each method happens
 * whole and in some order with the others, and may be repeated by whoever did not hear its answer.
 * Every method throws CodedError STORAGE_UNREACHABLE or STORAGE_FULL.
 */
export type Ledger = Readonly<{
  /** What is older than the row that is there changes nothing. */
  putChannel(row: ChannelRow): Promise<void>;
  channel(channel: string): Promise<ChannelRow | null>;
  channels(): Promise<readonly ChannelRow[]>;
  /** A session key is delegated once. @returns the row of this key that holds, an earlier one where there is one */
  putDelegation(row: DelegationRow): Promise<DelegationRow>;
  delegation(paymentRef: Uint8Array): Promise<DelegationRow | null>;
  delegationOfKey(sessionKey: Uint8Array): Promise<DelegationRow | null>;
  /**
   * Sets an amount aside, unless receipts and all that is set aside would then come to more than `most`. One receipt of
   * a request is payable: a request id that was served, or is being served, would be served for nothing.
   */
  reserve(row: ReservationRow, most: Readonly<{ channel: bigint; key: bigint }>, now: UnixMs): Promise<ReserveOutcome>;
  release(reservation: Uint8Array): Promise<void>;
  /** One receipt of a request is payable: see `takesItsPlace`. The same receipt twice is stored once. */
  putReceipt(row: ReceiptRow): Promise<void>;
  receipt(digest: Uint8Array): Promise<ReceiptRow | null>;
  /** Amounts of those receipts that are of this channel, by digest in hexadecimal. */
  amountsOf(channel: string, digests: readonly Uint8Array[]): Promise<ReadonlyMap<string, bigint>>;
  /** Those that the channel's voucher names already, in hexadecimal. */
  vouchered(channel: string, digests: readonly Uint8Array[]): Promise<ReadonlySet<string>>;
  /** U of contracts section 6: payable receipts in total, and how many. */
  receipted(channel: string): Promise<Readonly<{ amount: bigint; count: number }>>;
  voucher(channel: string): Promise<VoucherRow | null>;
  voucherLeaves(channel: string): Promise<readonly Bytes[]>;
  /**
   * Stores the voucher with the leaves it adds, at once or not at all.
   * @returns false, and nothing is stored, where it does not follow the voucher that is there
   */
  putVoucher(row: VoucherRow, newLeaves: readonly Bytes[]): Promise<boolean>;
  /** Gathers receipts that no batch holds, oldest first, into a new batch; null where there are none. */
  newBatch(max: number, rootOf: (digests: readonly Bytes[]) => Bytes): Promise<BatchRow | null>;
  unloggedBatches(): Promise<readonly BatchRow[]>;
  markLogged(id: number, logIndex: number): Promise<void>;
  batchOf(receiptDigest: Uint8Array): Promise<BatchRow | null>;
  /**
   * The chain shows that the voucher over this many receipts was paid: what they earned is added to their payees, each
   * receipt once. @param share what the payee gets of a receipt's amount
   */
  markCollected(channel: string, leaves: number, share: (amount: bigint) => bigint): Promise<void>;
  earned(): Promise<readonly EarnedRow[]>;
  /** What the accepted receipts of a payee come to in all, collected or not; it never falls. */
  accepted(payee: Uint8Array): Promise<bigint>;
  /**
   * The batches that a root settles, by their entries in the log: those whose payable receipts were all collected, each
   * batch under one root only, and the same ones whenever the same root asks again.
   */
  settledBatches(root: Uint8Array, max: number): Promise<readonly number[]>;
  putRoot(row: RootRow): Promise<void>;
  root(root: Uint8Array): Promise<RootRow | null>;
  /** Something that all replicas must agree on, by name. */
  setting(name: string): Promise<Bytes | null>;
  /** Replaces it where it still is `from`. @returns what it is now */
  putSetting(name: string, from: Uint8Array | null, to: Uint8Array): Promise<Bytes>;
  /** Does the work unless another process is at work of this name. @returns whether it was done */
  alone(name: string, work: () => Promise<void>): Promise<boolean>;
  close(): Promise<void>;
}>;
