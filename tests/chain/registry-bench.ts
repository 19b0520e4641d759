import { type Address, type Cell, toNano } from '@ton/core';
import { expect } from 'vitest';
import {
  DEVELOPMENT_NETWORK,
  parseRegistryData,
  type RegistryConfig,
  type RegistrySet,
  type RegistryState,
  registryInit,
  registryMessage,
} from '../../src/chain/index.ts';
import { ContractBench } from './contract-bench.ts';
import { empty } from './fuzz.ts';
import { bytes, emulator, party, VALUE } from './support.ts';

export const [owner, guardian, operator, stranger] = [0xd1, 0xd2, 0xd3, 0xd4].map(party) as [
  Address,
  Address,
  Address,
  Address,
];
export const config: RegistryConfig = {
  network: DEVELOPMENT_NETWORK,
  owner,
  guardian,
  timelockSeconds: 48 * 3600,
  params: bytes(1),
};

export type Bench = ContractBench<RegistryState>;
export async function opened(of: RegistryConfig = config): Promise<Bench> {
  const bench = new ContractBench(emulator, registryInit(of), (data) => parseRegistryData(data, of.network));
  expect((await bench.send(stranger, toNano('0.3'), empty)).exitCode).toBe(0);
  return bench;
}
export const propose = (bench: Bench, order: Cell, from = owner) =>
  bench.send(from, VALUE, registryMessage.propose(order));
export const execute = (bench: Bench, seq: number, order: Cell) =>
  bench.send(stranger, VALUE, registryMessage.execute(seq, order));
export const revoke = (bench: Bench, set: RegistrySet, key: number, from = guardian) =>
  bench.send(from, VALUE, registryMessage.revoke(set, bytes(key)));

/** Proposes, waits for its time and executes. */
export async function passed(bench: Bench, order: Cell): Promise<void> {
  const seq = bench.state!.nextOp;
  expect((await propose(bench, order)).exitCode).toBe(0);
  bench.now += bench.state!.timelock;
  expect((await execute(bench, seq, order)).exitCode).toBe(0);
}

export const image = (manifest = 2, expires = 0) =>
  ({ kind: 'worker', tee: 'tdx', expires, manifest: bytes(manifest) }) as const;
export const router = (by = operator) => ({ operator: by, pool: party(9), dispatch: bytes(3), endpoint: bytes(4) });
