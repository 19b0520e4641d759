import type { Address, Transaction, TupleItem } from '@ton/core';
import { type Bytes, CodedError, type UnixMs } from '../../core/index.ts';

/** A masterchain block as a provider tells it: not proven, so nothing that others rely on may rest on it alone. */
export type MasterchainBlock = Readonly<{ seqno: number; rootHash: Bytes; fileHash: Bytes }>;
/** @property at in ms, never later than the block was made */
export type TimedBlock = MasterchainBlock & Readonly<{ at: UnixMs }>;

/** An account as one provider shows it. */
export type AccountState = Readonly<{
  state: 'active' | 'uninitialized' | 'frozen';
  /** nanoTON. */
  balance: bigint;
  /** Bags of cells; null where the account has none. */
  code: Buffer | null;
  data: Buffer | null;
  /** Masterchain block at which it was read. */
  seqno: number;
  /** The chain's own clock then, unix seconds. */
  at: number;
}>;

/** The exit code of a get-method on an account without code, as nodes answer it. */
export const NO_CONTRACT = -13;

/**
 * One node of the chain, whatever it speaks. Every method throws CodedError: CHAIN_UNREACHABLE where this node could not
 * tell (so another one may be asked), CHAIN_REFUSED for an answer that is a no.
 */
export type ChainProvider = Readonly<{
  /** For messages; holds no secret. */
  name: string;
  /** @throws CodedError CHAIN_UNREACHABLE also where the node goes back in its blocks */
  head(): Promise<MasterchainBlock>;
  /** @throws CodedError CHAIN_REFUSED where the node does not know the block */
  block(seqno: number): Promise<MasterchainBlock>;
  /** @throws CodedError CHAIN_REFUSED where the node does not know the block or its time */
  blockWithTime(seqno: number): Promise<TimedBlock>;
  /** TON global id. */
  network(): Promise<number>;
  account(address: Address): Promise<AccountState>;
  runGetMethod(address: Address, method: string): Promise<Readonly<{ exitCode: number; stack: readonly TupleItem[] }>>;
  /** @param boc an external message */
  send(boc: Buffer): Promise<void>;
  /** The newest ones, newest first. */
  transactions(address: Address, limit: number): Promise<readonly Transaction[]>;
  close(): void;
}>;

export const unreachable = (what: string, cause?: unknown) =>
  new CodedError('CHAIN_UNREACHABLE', `${what}: the chain's endpoint gave no usable answer`, {}, { cause });

/** An answer that cannot be read is none: the node is at fault, whoever asked. */
export function read<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (cause instanceof CodedError) throw cause;
    throw unreachable(what, cause);
  }
}

/** Blocks of a node never go back: one that does has forgotten, or lies. */
export function risingHeads() {
  let highest = 0;
  return (block: MasterchainBlock): MasterchainBlock => {
    if (block.seqno < highest) {
      throw new CodedError('CHAIN_UNREACHABLE', 'the provider goes back in its blocks', { seqno: block.seqno });
    }
    highest = block.seqno;
    return block;
  };
}

/** @throws CodedError CHAIN_UNREACHABLE where a node answers with another block than it was asked for */
export function requireSeqno<Block extends MasterchainBlock>(block: Block, seqno: number): Block {
  if (block.seqno !== seqno) {
    throw new CodedError('CHAIN_UNREACHABLE', 'the endpoint answered with another block', { seqno });
  }
  return block;
}
