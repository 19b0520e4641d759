import { type Address, beginCell, type Cell, toNano } from '@ton/core';
import { CHANNEL_STATES, type ChannelConfig, type ChannelState, channelMessage } from './channel.ts';
import {
  addressOfInit,
  bytes32,
  type ContractInit,
  contractCode,
  fits,
  fitsNetwork,
  operationBody,
  readData,
} from './contract.ts';

/** Contracts section 5: a channel in jettons; amounts in the jetton's smallest unit. */
export const JETTON_CHANNEL_VERSION = 1;
/** The least value of an operation that sends tokens. */
export const JETTON_OPERATION_VALUE = toNano('0.1');

/** @property master the jetton's minter, pinned per network by who relies on the channel */
export type JettonChannelConfig = ChannelConfig & Readonly<{ master: Address }>;
/** @property wallet the channel's own jetton wallet; null until the master has told it: tokens do not count before */
export type JettonChannelState = ChannelState & Readonly<{ wallet: Address | null }>;

function configCell(config: JettonChannelConfig): Cell {
  return beginCell()
    .storeInt(fitsNetwork(config.network), 32)
    .storeBuffer(bytes32(config.clientKey, 'clientKey'))
    .storeUint(fits(config.closeDelaySeconds, 32, 'closeDelaySeconds'), 32)
    .storeUint(fits(config.salt, 64, 'salt'), 64)
    .storeAddress(config.master)
    .storeRef(beginCell().storeAddress(config.client).storeAddress(config.payee).endCell())
    .endCell();
}

/** The only initial data whose address a reader accepts. @throws CodedError CONTRACT_CONFIG_INVALID */
export function jettonChannelInitialData(config: JettonChannelConfig): Cell {
  return beginCell()
    .storeUint(JETTON_CHANNEL_VERSION, 16)
    .storeUint(0, 2)
    .storeCoins(0)
    .storeCoins(0)
    .storeUint(0, 32)
    .storeAddress(null)
    .storeRef(configCell(config))
    .endCell();
}

export function jettonChannelInit(config: JettonChannelConfig): ContractInit {
  return { code: contractCode('channel-j'), data: jettonChannelInitialData(config) };
}

/** The only address at which a channel of this configuration can be; workchain 0. */
export function jettonChannelAddress(config: JettonChannelConfig): Address {
  return addressOfInit(jettonChannelInit(config));
}

/** @throws CodedError CONTRACT_MISMATCH unless it is version 1's layout and holds exactly this configuration */
export function parseJettonChannelData(data: Cell, config: JettonChannelConfig): JettonChannelState {
  return readData('channel-j', data, (slice) => {
    const version = slice.loadUint(16);
    const state = CHANNEL_STATES[slice.loadUint(2)];
    const amounts = { deposited: slice.loadCoins(), claimed: slice.loadCoins() };
    const closeAt = slice.loadUint(32);
    const wallet = slice.loadMaybeAddress();
    if (version !== JETTON_CHANNEL_VERSION || state === undefined) throw new RangeError('version or state');
    if (!slice.loadRef().equals(configCell(config))) throw new RangeError('configuration');
    return { version, state, ...amounts, closeAt, wallet };
  });
}

/** Message bodies of section 5. Deposits are transfers of the jetton to the channel; there is no top_up. */
export const jettonChannelMessage = {
  initWallet: (queryId = 0n): Cell => operationBody(0x434a0001, queryId).endCell(),
  claim: channelMessage.claim,
  startClose: channelMessage.startClose,
  finishClose: channelMessage.finishClose,
  payeeClose: channelMessage.payeeClose,
};
