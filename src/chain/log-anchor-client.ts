import type { Address } from '@ton/core';
import { CodedError } from '../core/index.ts';
import { type CallerOptions, ContractCaller } from './caller.ts';
import {
  type LogAnchorConfig,
  type LogAnchorState,
  logAnchorAddress,
  logAnchorInit,
  logAnchorMessage,
  parseLogAnchorData,
  type SignedHead,
} from './log-anchor.ts';
import type { Wallet } from './wallet.ts';

/** What it does not cost comes back, also of the first head's, which deploys the contract. */
const ANCHOR_VALUE = 100_000_000n;

/** A log's anchor as one state of the chain shows it. */
export type LogAnchorView = LogAnchorState & Readonly<{ address: Address; balance: bigint; seqno: number }>;

/** Reads and writes the anchor of one log. */
export class LogAnchorClient {
  readonly #caller: ContractCaller;
  readonly config: LogAnchorConfig;

  constructor(options: CallerOptions, config: LogAnchorConfig) {
    this.#caller = new ContractCaller(options);
    this.config = config;
  }

  get address(): Address {
    return logAnchorAddress(this.config);
  }

  /** @returns null where nothing was deployed. @throws CodedError CONTRACT_MISMATCH, CHAIN_UNREACHABLE */
  async view(): Promise<LogAnchorView | null> {
    const account = await this.#caller.account('log-anchor', logAnchorInit(this.config));
    if (account === null) return null;
    const { address, data, balance, seqno } = account;
    return { ...parseLogAnchorData(data, this.config), address, balance, seqno };
  }

  /**
   * Brings a newer head; deploys the contract with the first one.
   * @param proof RFC 9162 consistency proof from the head on chain; empty from size 0
   * @returns the anchor after it, and the transaction's hash in hexadecimal
   * @throws CodedError CHAIN_REFUSED with the contract's reason, and as every operation
   */
  async anchor(
    wallet: Wallet,
    head: SignedHead,
    proof: readonly Uint8Array[],
  ): Promise<Readonly<{ view: LogAnchorView; transaction: string }>> {
    await this.#caller.requireNetwork(this.config.network);
    const body = logAnchorMessage.anchor(head, proof, this.#caller.queryId());
    const init = logAnchorInit(this.config);
    const transaction = await this.#caller.operate('log-anchor', wallet, init, body, ANCHOR_VALUE);
    const view = await this.view();
    if (view === null) throw new CodedError('CHAIN_UNCONFIRMED', 'the anchor is not on the chain');
    return { view, transaction: transaction.hash().toString('hex') };
  }
}
