import { type Address, beginCell, type Cell } from '@ton/core';
import { type Bond, bondMessages, loadBond } from './bond.ts';
import {
  addressOfInit,
  type ContractInit,
  contractCode,
  fits,
  fitsNetwork,
  operationBody,
  readData,
} from './contract.ts';

/** Contracts section 1.5: what a worker puts behind its word. Amounts nanoTON, times unix seconds. */
export const STAKE_VERSION = 1;

export type StakeConfig = Readonly<{
  /** TON global id. */
  network: number;
  owner: Address;
  /** The only one that may take of it or hold it. */
  court: Address;
}>;

export type StakeState = Bond & Readonly<{ holdUntil: number }>;

const courtCell = (court: Address) => beginCell().storeAddress(court).endCell();

/** The initial data of section 1.5, the only one whose address a reader accepts. @throws CodedError CONTRACT_CONFIG_INVALID */
export function stakeInitialData({ network, owner, court }: StakeConfig): Cell {
  return beginCell()
    .storeUint(STAKE_VERSION, 16)
    .storeInt(fitsNetwork(network), 32)
    .storeAddress(owner)
    .storeCoins(0)
    .storeCoins(0)
    .storeUint(0, 32 + 32)
    .storeRef(courtCell(court))
    .endCell();
}

export function stakeInit(config: StakeConfig): ContractInit {
  return { code: contractCode('stake'), data: stakeInitialData(config) };
}

/** The only address at which a stake of this configuration can be; workchain 0. */
export function stakeAddress(config: StakeConfig): Address {
  return addressOfInit(stakeInit(config));
}

/** @throws CodedError CONTRACT_MISMATCH unless it is version 1's layout and holds exactly this configuration */
export function parseStakeData(data: Cell, config: StakeConfig): StakeState {
  return readData('stake', data, (slice) => {
    if (slice.loadUint(16) !== STAKE_VERSION || slice.loadInt(32) !== config.network) throw new RangeError('version');
    if (!slice.loadAddress().equals(config.owner)) throw new RangeError('owner');
    const bonds = loadBond(slice);
    const holdUntil = slice.loadUint(32);
    if (!slice.loadRef().equals(courtCell(config.court))) throw new RangeError('court');
    return { ...bonds, holdUntil };
  });
}

/** Message bodies of section 1.5; those of the bond have numbers of our own there. */
export const stakeMessage = {
  slash: (amount: bigint, to: Address, queryId = 0n): Cell =>
    operationBody(0x53540001, queryId).storeCoins(amount).storeAddress(to).endCell(),
  hold: (until: number, queryId = 0n): Cell =>
    operationBody(0x53540002, queryId)
      .storeUint(fits(until, 32, 'until'), 32)
      .endCell(),
  ...bondMessages(0x53540003),
};
