import type { Address, Cell } from '@ton/core';
import { CodedError } from '../core/index.ts';
import { type CallerOptions, ContractCaller } from './caller.ts';
import {
  CHANNEL_RESERVE,
  CHANNEL_STATES,
  CHANNEL_VERSION,
  type ChannelConfig,
  type ChannelState,
  channelInitialData,
  channelMessage,
  channelStateInit,
} from './channel.ts';
import { OPERATION_VALUE, readData } from './contract.ts';
import { type Voucher, verifyVoucher } from './voucher.ts';
import type { Wallet } from './wallet.ts';

/** A channel as one state of the chain shows it. */
export type ChannelView = ChannelState &
  Readonly<{
    address: Address;
    /** nanoTON on the account. */
    balance: bigint;
    /** Masterchain block at which it was read: final once the endpoint shows a later one. */
    seqno: number;
  }>;

/**
 * Reads the data cell of a channel.
 * @throws CodedError CONTRACT_MISMATCH unless it is version 1's layout and holds exactly this configuration
 */
export function parseChannelData(data: Cell, config: ChannelConfig): ChannelState {
  const expected = channelInitialData(config).refs[0] as Cell;
  return readData('channel', data, (slice) => {
    const version = slice.loadUint(16);
    const state = CHANNEL_STATES[slice.loadUint(2)];
    const deposited = slice.loadCoins();
    const claimed = slice.loadCoins();
    const closeAt = slice.loadUint(32);
    if (version !== CHANNEL_VERSION || state === undefined) throw new RangeError('version or state');
    if (!slice.loadRef().equals(expected)) throw new RangeError('configuration');
    return { version, state, deposited, claimed, closeAt };
  });
}

/** Opens, funds, reads and closes channels through an endpoint; every write ends in a transaction that was seen. */
export class ChannelClient {
  readonly #caller: ContractCaller;

  constructor(options: CallerOptions) {
    this.#caller = new ContractCaller(options);
  }

  /**
   * The channel of this configuration, read as a whole from one state: the address follows from the configuration, and
   * the account's code and data must be that channel's.
   * @returns null where nothing was deployed
   * @throws CodedError CONTRACT_MISMATCH, CHAIN_UNREACHABLE
   */
  async channelState(config: ChannelConfig): Promise<ChannelView | null> {
    const account = await this.#caller.account('channel', channelStateInit(config));
    if (account === null) return null;
    const { address, data, balance, seqno } = account;
    return { ...parseChannelData(data, config), address, balance, seqno };
  }

  /**
   * Deploys the channel with its first deposit.
   * @param deposit nanoTON
   * @throws CodedError CHANNEL_STATE_INVALID where it exists already (a closed one needs a new salt),
   *   CHAIN_NETWORK_MISMATCH, CHAIN_FUNDS_MISSING, CHAIN_REFUSED, CHAIN_UNREACHABLE, CHAIN_UNCONFIRMED
   */
  async openChannel(wallet: Wallet, config: ChannelConfig, deposit: bigint): Promise<ChannelView> {
    await this.#caller.requireNetwork(config.network);
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
    const body = channelMessage.topUp(amount, this.#caller.queryId());
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
    return this.#operate(wallet, config, channelMessage.claim(voucher, signature, this.#caller.queryId()));
  }

  /** The client begins the close: vouchers stay good until `closeAt` and until {@link finishClose} runs. */
  async startClose(wallet: Wallet, config: ChannelConfig): Promise<ChannelView> {
    const channel = await this.#existing(config);
    if (channel.state !== 'open') throw invalidState(`is ${channel.state}`, channel);
    return this.#operate(wallet, config, channelMessage.startClose(this.#caller.queryId()));
  }

  /** Anybody ends the close at or after `closeAt`: the rest goes to the client. */
  async finishClose(wallet: Wallet, config: ChannelConfig): Promise<ChannelView> {
    const channel = await this.#existing(config);
    if (channel.state !== 'closing') throw invalidState(`is ${channel.state}`, channel);
    return this.#operate(wallet, config, channelMessage.finishClose(this.#caller.queryId()));
  }

  async #existing(config: ChannelConfig): Promise<ChannelView> {
    const channel = await this.channelState(config);
    if (channel === null) {
      throw new CodedError('CHANNEL_STATE_INVALID', 'the channel does not exist on this chain', {
        todo: 'open it: chrysalis channel open --amount 1; or name the chain it is on, with --chain',
      });
    }
    return channel;
  }

  async #operate(wallet: Wallet, config: ChannelConfig, body: Cell, value = OPERATION_VALUE): Promise<ChannelView> {
    await this.#caller.operate('channel', wallet, channelStateInit(config), body, value);
    return this.#existing(config);
  }
}

function invalidState(why: string, channel: ChannelView): CodedError {
  return new CodedError('CHANNEL_STATE_INVALID', `the channel ${why}`, { state: channel.state });
}
