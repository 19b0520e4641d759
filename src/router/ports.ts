import type { ChannelTerms, LogAnchorView, PoolView, PostedRoot, SignedHead, SumProof } from '../chain/index.ts';
import type { Beacon, Bytes, UnixMs } from '../core/index.ts';
import type { Digest, LeafDraft, LeafType } from '../log/index.ts';

/** The log as a router uses it: durable and published when `append` resolves (audit promise P1). */
export type LogPort = Readonly<{
  append<Type extends LeafType>(
    draft: LeafDraft<Type>,
    options?: Readonly<{ idempotencyKey?: string; blobs?: readonly Uint8Array[] }>,
  ): Promise<Readonly<{ index: number }>>;
  /** C2SP tlog-proof of an entry under the newest checkpoint. */
  proof(index: number): Promise<string>;
  /** The newest signed checkpoint (C2SP note). */
  checkpoint(): Promise<string>;
  entry(index: number): Promise<Bytes>;
}>;

export type ChainHead = Readonly<{ network: number; seqno: number; rootHash: Bytes }>;
export type ChannelView = Readonly<{ state: string; deposited: bigint; claimed: bigint; closeAt: number }>;

/** The chain as a router uses it; never on the path of a request. Throws CodedError of kind `unavailable` on an outage. */
export type ChainPort = Readonly<{
  head(): Promise<ChainHead>;
  channel(terms: ChannelTerms): Promise<ChannelView>;
  /** Sends the voucher and waits until the channel's own state shows it. */
  claim(
    terms: ChannelTerms,
    voucher: Readonly<{ cumulative: bigint; receipts: Bytes; signature: Bytes }>,
  ): Promise<ChannelView>;
}>;

/** The router's pool. A write resolves when the pool's own state shows it. */
export type PoolPort = Readonly<{
  view(): Promise<PoolView>;
  post(root: PostedRoot): Promise<PoolView>;
  claimLeaf(proof: SumProof): Promise<PoolView>;
}>;

/** The log's anchor on chain. */
export type AnchorPort = Readonly<{
  /** Null before the first head. */
  view(): Promise<LogAnchorView | null>;
  anchor(head: SignedHead, proof: readonly Bytes[]): Promise<Readonly<{ view: LogAnchorView; transaction: string }>>;
}>;

/** What anchoring needs of the log beyond {@link LogPort}. */
export type AnchoredLogPort = LogPort &
  Readonly<{
    /** RFC 9162 consistency proof between two published sizes. */
    consistency(from: number, to: number): Promise<readonly Bytes[]>;
  }>;

/** @property madeAt when this router had it: its block is no newer */
export type KnownBeacon = Readonly<{ beacon: Beacon; madeAt: UnixMs }>;
export type BeaconSource = KnownBeacon & Readonly<{ checkpoint: string }>;
export type { Digest };
