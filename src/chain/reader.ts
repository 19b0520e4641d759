import type { Address, Cell } from '@ton/core';
import type { ContractCaller } from './caller.ts';
import { type ChannelConfig, type ChannelState, channelStateInit } from './channel.ts';
import { parseChannelData } from './channel-client.ts';
import {
  type JettonChannelConfig,
  type JettonChannelState,
  jettonChannelInit,
  parseJettonChannelData,
} from './channel-j.ts';
import { type ContractInit, type ContractName, readData } from './contract.ts';
import { COURT_VERSION, courtInit } from './court.ts';
import { type LogAnchorConfig, type LogAnchorState, logAnchorInit, parseLogAnchorData } from './log-anchor.ts';
import { type PoolConfig, type PoolState, parsePoolData, poolInit } from './pool.ts';
import { parseRegistryData, type RegistryConfig, type RegistryState, registryInit } from './registry.ts';
import { parseStakeData, type StakeConfig, type StakeState, stakeInit } from './stake.ts';

export type CourtConfig = Readonly<{ network: number }>;

/** What a contract is configured with, and what it then holds. */
export type ContractShapes = {
  channel: { config: ChannelConfig; state: ChannelState };
  'channel-j': { config: JettonChannelConfig; state: JettonChannelState };
  court: { config: CourtConfig; state: Readonly<{ version: number }> };
  'log-anchor': { config: LogAnchorConfig; state: LogAnchorState };
  pool: { config: PoolConfig; state: PoolState };
  registry: { config: RegistryConfig; state: RegistryState };
  stake: { config: StakeConfig; state: StakeState };
};

type Reader<Name extends ContractName> = Readonly<{
  init: (config: ContractShapes[Name]['config']) => ContractInit;
  parse: (data: Cell, config: ContractShapes[Name]['config']) => ContractShapes[Name]['state'];
}>;

const READERS: { readonly [Name in ContractName]: Reader<Name> } = {
  channel: { init: channelStateInit, parse: parseChannelData },
  'channel-j': { init: jettonChannelInit, parse: parseJettonChannelData },
  court: { init: ({ network }) => courtInit(network), parse: parseCourtData },
  'log-anchor': { init: logAnchorInit, parse: parseLogAnchorData },
  pool: { init: poolInit, parse: parsePoolData },
  // Its configuration may have changed since; the address that the first one gives has not.
  registry: { init: registryInit, parse: (data, { network }) => parseRegistryData(data, network) },
  stake: { init: stakeInit, parse: parseStakeData },
};

function parseCourtData(data: Cell, { network }: CourtConfig): Readonly<{ version: number }> {
  return readData('court', data, (slice) => {
    const version = slice.loadUint(16);
    if (version !== COURT_VERSION || slice.loadInt(32) !== network) throw new RangeError('version or network');
    return { version };
  });
}

/** A contract as one state of the chain shows it. @property seqno, at: masterchain block and the chain's clock there */
export type ContractView<Name extends ContractName> = Readonly<{
  address: Address;
  balance: bigint;
  seqno: number;
  at: number;
  state: ContractShapes[Name]['state'];
}>;

/**
 * Reads any of the contracts. Its address follows from the configuration that the reader was given, code and data of the
 * account must be that contract's, and no get-method is asked: what an account says of itself proves nothing.
 * @returns null where nothing was deployed
 * @throws CodedError CONTRACT_MISMATCH, CONTRACT_CONFIG_INVALID, CHAIN_NETWORK_MISMATCH, CHAIN_UNREACHABLE
 */
export async function readContract<Name extends ContractName>(
  caller: ContractCaller,
  name: Name,
  config: ContractShapes[Name]['config'],
): Promise<ContractView<Name> | null> {
  await caller.requireNetwork(config.network);
  const { init, parse } = READERS[name];
  const account = await caller.account(name, init(config));
  if (account === null) return null;
  const { address, data, balance, seqno, at } = account;
  return { address, balance, seqno, at, state: parse(data, config) };
}

/** The only address at which this contract can be. @throws CodedError CONTRACT_CONFIG_INVALID */
export function contractInit<Name extends ContractName>(
  name: Name,
  config: ContractShapes[Name]['config'],
): ContractInit {
  return READERS[name].init(config);
}
