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

/**
 * Durable when a method returns. One process writes; reads see what was written.
 */
export type Ledger = Readonly<{
  putChannel(row: ChannelRow): void;
  channel(channel: string): ChannelRow | null;
  channels(): readonly ChannelRow[];
  putDelegation(row: DelegationRow): void;
  delegation(paymentRef: Uint8Array): DelegationRow | null;
  /** A session key is delegated on one channel only. */
  delegationOfKey(sessionKey: Uint8Array): DelegationRow | null;
  /** A later receipt of the same request takes the place of an earlier one; the same receipt twice is stored once. */
  putReceipt(row: ReceiptRow): void;
  receipt(digest: Uint8Array): ReceiptRow | null;
  /** U of contracts section 6: payable receipts in total, and how many. */
  receipted(channel: string): Readonly<{ amount: bigint; count: number }>;
  receiptedByKey(sessionKey: Uint8Array): bigint;
  voucher(channel: string): VoucherRow | null;
  voucherLeaves(channel: string): readonly Bytes[];
  /** Stores the voucher with the leaves it adds, at once or not at all. */
  putVoucher(row: VoucherRow, newLeaves: readonly Bytes[]): void;
  /** Gathers receipts that no batch holds, oldest first, into a new batch; null where there are none. */
  newBatch(max: number, rootOf: (digests: readonly Bytes[]) => Bytes): BatchRow | null;
  unloggedBatches(): readonly BatchRow[];
  markLogged(id: number, logIndex: number): void;
  batchOf(receiptDigest: Uint8Array): BatchRow | null;
  /**
   * The chain shows that the voucher over this many receipts was paid: what they earned is added to their payees, each
   * receipt once. @param share what the payee gets of a receipt's amount
   */
  markCollected(channel: string, leaves: number, share: (amount: bigint) => bigint): void;
  earned(): readonly EarnedRow[];
  /** What the accepted receipts of a payee come to in all, collected or not; it never falls. */
  accepted(payee: Uint8Array): bigint;
  putRoot(row: RootRow): void;
  root(root: Uint8Array): RootRow | null;
  close(): void;
}>;
