import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, Cell, type Transaction } from '@ton/core';
import { type Clock, CodedError, type Randomness } from '../core/index.ts';
import {
  CHANNEL_RESERVE,
  CHANNEL_STATES,
  CHANNEL_VERSION,
  type ChannelConfig,
  type ChannelState,
  CONTRACT_ERRORS,
  channelAddress,
  channelCode,
  channelInitialData,
  channelMessage,
  channelStateInit,
  OPERATION_VALUE,
} from './channel.ts';
import type { ChainEndpoint } from './endpoint.ts';
import { type Voucher, verifyVoucher } from './voucher.ts';
import type { Wallet } from './wallet.ts';

const WAIT_MS_DEFAULT = 60_000;
const POLL_MS_FIRST = 50;
const POLL_MS_MAX = 2_000;
const TRANSACTIONS_LOOKED_AT = 20;

/** A channel as one state of the chain shows it. */
export type ChannelView = ChannelState &
  Readonly<{
    address: Address;
    /** nanoTON on the account. */
    balance: bigint;
    /** Masterchain block at which it was read: final once the endpoint shows a later one. */
    seqno: number;
  }>;

export type ChannelClientOptions = Readonly<{
  endpoint: ChainEndpoint;
  network: number;
  clock: Clock;
  randomness: Randomness;
  /** How long an operation waits for its transaction. */
  waitMs?: number;
}>;

/**
 * Reads the data cell of a channel.
 * @throws CodedError CHANNEL_MISMATCH unless it is version 1's layout and holds exactly this configuration
 */
export function parseChannelData(data: Cell, config: ChannelConfig): ChannelState {
  const mismatch = (cause?: unknown) =>
    new CodedError('CHANNEL_MISMATCH', 'the account does not hold a channel of this configuration', {}, { cause });
  try {
    const slice = data.beginParse();
    const version = slice.loadUint(16);
    const state = CHANNEL_STATES[slice.loadUint(2)];
    const deposited = slice.loadCoins();
    const claimed = slice.loadCoins();
    const closeAt = slice.loadUint(32);
    const held = slice.loadRef();
    slice.endParse();
    const expected = channelInitialData(config).refs[0] as Cell;
    if (version !== CHANNEL_VERSION || state === undefined || !held.equals(expected)) throw mismatch();
    return { version, state, deposited, claimed, closeAt };
  } catch (error) {
    throw error instanceof CodedError ? error : mismatch(error);
  }
}

/** Opens, funds, reads and closes channels through an endpoint; every write ends in a transaction that was seen. */
export class ChannelClient {
  readonly #options: ChannelClientOptions;

  constructor(options: ChannelClientOptions) {
    this.#options = options;
  }

  /**
   * The channel of this configuration, read as a whole from one state: the address follows from the configuration, and
   * the account's code and data must be that channel's.
   * @returns null where nothing was deployed
   * @throws CodedError CHANNEL_MISMATCH, CHAIN_UNREACHABLE
   */
  async channelState(config: ChannelConfig): Promise<ChannelView | null> {
    const address = channelAddress(config);
    const account = await this.#options.endpoint.ask('state of the channel', (client) =>
      client.getContractState(address),
    );
    if (account.state !== 'active' || account.code === null || account.data === null) return null;
    if (!parseCell(account.code).equals(channelCode())) {
      throw new CodedError('CHANNEL_MISMATCH', 'the account does not run channel version 1');
    }
    const state = parseChannelData(parseCell(account.data), config);
    return { ...state, address, balance: account.balance, seqno: account.blockId.seqno };
  }

  /**
   * Deploys the channel with its first deposit.
   * @param deposit nanoTON
   * @throws CodedError CHANNEL_STATE_INVALID where it exists already (a closed one needs a new salt),
   *   CHAIN_NETWORK_MISMATCH, CHAIN_FUNDS_MISSING, CHAIN_REFUSED, CHAIN_UNREACHABLE, CHAIN_UNCONFIRMED
   */
  async openChannel(wallet: Wallet, config: ChannelConfig, deposit: bigint): Promise<ChannelView> {
    if (config.network !== this.#options.network) {
      throw new CodedError('CHAIN_NETWORK_MISMATCH', 'the channel is made for another network', {
        network: config.network,
      });
    }
    await this.#options.endpoint.requireNetwork(config.network);
    const existing = await this.channelState(config);
    if (existing !== null) throw invalidState('exists already: use another salt', existing);
    return this.#deposit(wallet, config, deposit);
  }

  /** Adds to the deposit. @param amount nanoTON. Errors as {@link openChannel}. */
  async topUp(wallet: Wallet, config: ChannelConfig, amount: bigint): Promise<ChannelView> {
    const { state } = await this.#existing(config);
    if (state !== 'open') throw new CodedError('CHANNEL_STATE_INVALID', `the channel is ${state}`, { state });
    return this.#deposit(wallet, config, amount);
  }

  #deposit(wallet: Wallet, config: ChannelConfig, amount: bigint): Promise<ChannelView> {
    if (amount <= 0n) throw new CodedError('CHANNEL_STATE_INVALID', 'a deposit is more than nothing');
    const body = channelMessage.topUp(amount, this.#queryId());
    // The reserve comes on top with the first deposit; with later ones it comes back.
    return this.#operate(wallet, config, body, amount + OPERATION_VALUE + CHANNEL_RESERVE);
  }

  /**
   * Collects what a voucher promises; anybody may, the money goes to the payee.
   * @throws CodedError VOUCHER_INVALID for one that the contract would refuse, CHANNEL_STATE_INVALID and as above
   */
  async claim(wallet: Wallet, config: ChannelConfig, voucher: Voucher, signature: Uint8Array): Promise<ChannelView> {
    const channel = await this.#existing(config);
    if (channel.state === 'closed') throw invalidState('is closed', channel);
    if (!voucher.channel.equals(channel.address) || !(await verifyVoucher(voucher, signature, config.clientKey))) {
      throw new CodedError('VOUCHER_INVALID', 'the voucher is not signed for this channel by its client');
    }
    if (voucher.cumulative <= channel.claimed || voucher.cumulative > channel.deposited) {
      throw new CodedError('VOUCHER_INVALID', 'the voucher gives nothing new, or more than was deposited', {
        cumulative: voucher.cumulative.toString(),
        claimed: channel.claimed.toString(),
        deposited: channel.deposited.toString(),
      });
    }
    return this.#operate(wallet, config, channelMessage.claim(voucher, signature, this.#queryId()));
  }

  /** The client begins the close: vouchers stay good until `closeAt` and until {@link finishClose} runs. */
  async startClose(wallet: Wallet, config: ChannelConfig): Promise<ChannelView> {
    const channel = await this.#existing(config);
    if (channel.state !== 'open') throw invalidState(`is ${channel.state}`, channel);
    return this.#operate(wallet, config, channelMessage.startClose(this.#queryId()));
  }

  /** Anybody ends the close at or after `closeAt`: the rest goes to the client. */
  async finishClose(wallet: Wallet, config: ChannelConfig): Promise<ChannelView> {
    const channel = await this.#existing(config);
    if (channel.state !== 'closing') throw invalidState(`is ${channel.state}`, channel);
    return this.#operate(wallet, config, channelMessage.finishClose(this.#queryId()));
  }

  async #existing(config: ChannelConfig): Promise<ChannelView> {
    const channel = await this.channelState(config);
    if (channel === null) throw new CodedError('CHANNEL_STATE_INVALID', 'the channel does not exist on this chain');
    return channel;
  }

  #queryId(): bigint {
    return new DataView(this.#options.randomness(8).buffer).getBigUint64(0, false);
  }

  /** Sends, waits for the channel's transaction of exactly this body, and reads the channel after it. */
  async #operate(wallet: Wallet, config: ChannelConfig, body: Cell, value = OPERATION_VALUE): Promise<ChannelView> {
    const to = channelAddress(config);
    await wallet.send({ to, value, body, init: channelStateInit(config) });
    const transaction = await this.#awaitTransaction(to, body);
    const { description } = transaction;
    const compute = description.type === 'generic' ? description.computePhase : null;
    const exitCode = compute?.type === 'vm' ? compute.exitCode : -1;
    if (description.type !== 'generic' || description.aborted) {
      const why = CONTRACT_ERRORS[exitCode as keyof typeof CONTRACT_ERRORS] ?? 'the contract refused it';
      throw new CodedError('CHAIN_REFUSED', `channel: ${why}`, { exitCode });
    }
    return this.#existing(config);
  }

  async #awaitTransaction(to: Address, body: Cell): Promise<Transaction> {
    const { endpoint, clock, waitMs = WAIT_MS_DEFAULT } = this.#options;
    const until = clock() + waitMs;
    for (let pause = POLL_MS_FIRST; ; pause = Math.min(2 * pause, POLL_MS_MAX)) {
      const recent = await endpoint.ask('transactions of the channel', (client) =>
        client.getTransactions(to, { limit: TRANSACTIONS_LOOKED_AT }),
      );
      const found = recent.find(({ inMessage }) => inMessage?.body.equals(body));
      if (found !== undefined) return found;
      if (clock() >= until) {
        throw new CodedError('CHAIN_UNCONFIRMED', 'no transaction of this operation was seen in time', { waitMs });
      }
      await sleep(pause);
    }
  }
}

function parseCell(boc: Buffer): Cell {
  try {
    return Cell.fromBoc(boc)[0] as Cell;
  } catch (cause) {
    throw new CodedError('CHAIN_UNREACHABLE', 'the endpoint answered with a broken state', {}, { cause });
  }
}

function invalidState(why: string, channel: ChannelView): CodedError {
  return new CodedError('CHANNEL_STATE_INVALID', `the channel ${why}`, { state: channel.state });
}
