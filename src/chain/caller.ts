import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, Cell, type Transaction } from '@ton/core';
import { type Clock, CodedError, type Randomness } from '../core/index.ts';
import { addressOfInit, CONTRACT_ERRORS, type ContractInit, type ContractName, OPERATION_VALUE } from './contract.ts';
import type { ChainEndpoint } from './endpoint.ts';
import type { Wallet } from './wallet.ts';

const WAIT_MS_DEFAULT = 60_000;
const POLL_MS_FIRST = 50;
const POLL_MS_MAX = 2_000;
const TRANSACTIONS_LOOKED_AT = 20;

export type CallerOptions = Readonly<{
  endpoint: ChainEndpoint;
  network: number;
  clock: Clock;
  randomness: Randomness;
  /** How long an operation waits for its transaction. */
  waitMs?: number;
}>;

/** A contract's account as one state of the chain shows it. */
export type ContractAccount = Readonly<{
  address: Address;
  data: Cell;
  /** nanoTON on the account. */
  balance: bigint;
  /** Masterchain block at which it was read: final once the endpoint shows a later one. */
  seqno: number;
  /** The chain's own clock at that block, unix seconds. */
  at: number;
}>;

/** Reads contracts by their initial data, and sends them operations that end in a transaction that was seen. */
export class ContractCaller {
  readonly #options: CallerOptions;

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  get network(): number {
    return this.#options.network;
  }

  /**
   * The account of exactly this code and initial data: its address follows from them.
   * @returns null where nothing was deployed
   * @throws CodedError CONTRACT_MISMATCH where the account runs other code, CHAIN_UNREACHABLE
   */
  async account(name: ContractName, init: ContractInit): Promise<ContractAccount | null> {
    const address = addressOfInit(init);
    const account = await this.#options.endpoint.contractState(`state of the ${name}`, address);
    if (account.state !== 'active' || account.code === null || account.data === null) return null;
    if (!(Cell.fromBoc(account.code)[0] as Cell).equals(init.code)) {
      throw new CodedError('CONTRACT_MISMATCH', `the account does not run this version of the ${name}`);
    }
    const { balance, seqno, at } = account;
    return { address, data: Cell.fromBoc(account.data)[0] as Cell, balance, seqno, at };
  }

  queryId(): bigint {
    return new DataView(this.#options.randomness(8).buffer).getBigUint64(0, false);
  }

  /** @throws CodedError CHAIN_NETWORK_MISMATCH unless contract, this process and the endpoint mean the same network */
  async requireNetwork(network: number): Promise<void> {
    if (network !== this.#options.network) {
      throw new CodedError('CHAIN_NETWORK_MISMATCH', 'the contract is made for another network', { network });
    }
    await this.#options.endpoint.requireNetwork(network);
  }

  /**
   * Sends, deploying where that is needed, and waits for the contract's transaction of exactly this body.
   * @throws CodedError CHAIN_REFUSED with the contract's reason, CHAIN_FUNDS_MISSING, CHAIN_UNREACHABLE,
   *   CHAIN_UNCONFIRMED
   */
  async operate(
    name: ContractName,
    wallet: Wallet,
    init: ContractInit,
    body: Cell,
    value = OPERATION_VALUE,
  ): Promise<Transaction> {
    const to = addressOfInit(init);
    await wallet.send({ to, value, body, init });
    const transaction = await this.#awaitTransaction(to, body);
    const { description } = transaction;
    const compute = description.type === 'generic' ? description.computePhase : null;
    const exitCode = compute?.type === 'vm' ? compute.exitCode : -1;
    if (description.type !== 'generic' || description.aborted) {
      const why = CONTRACT_ERRORS[exitCode as keyof typeof CONTRACT_ERRORS] ?? 'the contract refused it';
      throw new CodedError('CHAIN_REFUSED', `${name}: ${why}`, { exitCode });
    }
    return transaction;
  }

  /** Deploys a contract with this value, where it is not there yet; a body that does nothing changes nothing. */
  async deploy(name: ContractName, wallet: Wallet, init: ContractInit, value: bigint): Promise<void> {
    if ((await this.account(name, init)) !== null) return;
    await this.operate(name, wallet, init, new Cell(), value);
  }

  async #awaitTransaction(to: Address, body: Cell): Promise<Transaction> {
    const { endpoint, clock, waitMs = WAIT_MS_DEFAULT } = this.#options;
    const until = clock() + waitMs;
    for (let pause = POLL_MS_FIRST; ; pause = Math.min(2 * pause, POLL_MS_MAX)) {
      const recent = await endpoint.transactions(to, TRANSACTIONS_LOOKED_AT);
      const found = recent.find(({ inMessage }) => inMessage?.body.equals(body));
      if (found !== undefined) return found;
      if (clock() >= until) {
        throw new CodedError('CHAIN_UNCONFIRMED', 'no transaction of this operation was seen in time', { waitMs });
      }
      await sleep(pause);
    }
  }
}
