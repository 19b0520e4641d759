import { type Address, beginCell, type Cell, toNano } from '@ton/core';
import { CodedError } from '../core/index.ts';
import {
  addressOfInit,
  bytes32,
  type ContractInit,
  contractCode,
  fits,
  fitsNetwork,
  operationBody,
} from './contract.ts';
import type { Voucher } from './voucher.ts';
import { voucherCell } from './voucher.ts';

/** Contracts section 1.2. Amounts are nanoTON, times unix seconds. */
export const CHANNEL_VERSION = 1;
/** The least value a message to a channel must carry. */
export const MIN_OPERATION_VALUE = toNano('0.02');
/** What stays on a channel's account for its storage, also after the close. */
export const CHANNEL_RESERVE = toNano('0.02');

export const CHANNEL_STATES = ['open', 'closing', 'closed'] as const;
export type ChannelStateName = (typeof CHANNEL_STATES)[number];

export type ChannelConfig = Readonly<{
  /** TON global id. */
  network: number;
  /** Ed25519, 32 bytes; signs vouchers, delegations and nothing else. */
  clientKey: Uint8Array;
  closeDelaySeconds: number;
  salt: bigint;
  client: Address;
  /** The router's pool. */
  payee: Address;
}>;

export type ChannelState = Readonly<{
  version: number;
  state: ChannelStateName;
  deposited: bigint;
  claimed: bigint;
  /** Zero until a close was started. */
  closeAt: number;
}>;

/**
 * The initial data of section 1.2, the only one whose address a reader accepts.
 * @throws CodedError CONTRACT_CONFIG_INVALID for a field out of its range
 */
export function channelInitialData(config: ChannelConfig): Cell {
  const configCell = beginCell()
    .storeInt(fitsNetwork(config.network), 32)
    .storeBuffer(bytes32(config.clientKey, 'clientKey'))
    .storeUint(fits(config.closeDelaySeconds, 32, 'closeDelaySeconds'), 32)
    .storeUint(fits(config.salt, 64, 'salt'), 64)
    .storeRef(beginCell().storeAddress(config.client).storeAddress(config.payee).endCell())
    .endCell();
  return beginCell()
    .storeUint(CHANNEL_VERSION, 16)
    .storeUint(0, 2)
    .storeCoins(0)
    .storeCoins(0)
    .storeUint(0, 32)
    .storeRef(configCell)
    .endCell();
}

export function channelStateInit(config: ChannelConfig): ContractInit {
  return { code: contractCode('channel'), data: channelInitialData(config) };
}

/** The only address at which a channel of this configuration can be; workchain 0. */
export function channelAddress(config: ChannelConfig): Address {
  return addressOfInit(channelStateInit(config));
}

/**
 * An address is its promise: a get-method proves nothing about a contract whose initial data its deployer chose.
 * @throws CodedError CHANNEL_MISMATCH unless `address` is the one this configuration gives
 */
export function requireChannelAddress(address: Address, config: ChannelConfig): void {
  const expected = channelAddress(config);
  if (!address.equals(expected)) {
    throw new CodedError('CHANNEL_MISMATCH', 'the channel at this address has other code or other initial data', {
      address: address.toRawString(),
      expected: expected.toRawString(),
    });
  }
}

/** Message bodies of section 1.2. `queryId` is echoed to the payee and never trusted. */
export const channelMessage = {
  topUp: (amount: bigint, queryId = 0n): Cell => operationBody(0x43480001, queryId).storeCoins(amount).endCell(),
  /** @param signature 64 bytes over the voucher cell's hash */
  claim: (voucher: Voucher, signature: Uint8Array, queryId = 0n): Cell => {
    if (signature.length !== 64) {
      throw new CodedError('VOUCHER_INVALID', 'a voucher signature has 64 bytes', { length: signature.length });
    }
    return operationBody(0x43480002, queryId)
      .storeBuffer(Buffer.from(signature))
      .storeRef(voucherCell(voucher))
      .endCell();
  },
  startClose: (queryId = 0n): Cell => operationBody(0x43480003, queryId).endCell(),
  finishClose: (queryId = 0n): Cell => operationBody(0x43480004, queryId).endCell(),
  payeeClose: (queryId = 0n): Cell => operationBody(0x43480005, queryId).endCell(),
};
