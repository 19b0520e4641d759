import { type Address, beginCell, toNano } from '@ton/core';
import { expect } from 'vitest';
import {
  DEVELOPMENT_NETWORK,
  type PoolConfig,
  type PoolState,
  parsePoolData,
  poolInit,
  poolMessage,
  type SumLeaf,
  type SumProof,
  SumTree,
  signWorkerVoucher,
  type WorkerVoucher,
} from '../../src/chain/index.ts';
import { ContractBench } from './contract-bench.ts';
import { empty } from './fuzz.ts';
import { bytes, emulator, HOUR, party, signingKey, VALUE } from './support.ts';

export const [owner, operator, stranger, channel] = [0xb1, 0xb2, 0xb3, 0xb4].map(party) as [
  Address,
  Address,
  Address,
  Address,
];
export const keys = [7, 8, 9].map(signingKey);
export const key = (i: number) => keys[i] as (typeof keys)[number];
export const config: PoolConfig = {
  network: DEVELOPMENT_NETWORK,
  owner,
  operator,
  postDelaySeconds: 3600,
  minChallenge: toNano('0.1'),
  bps: 1000,
  voucherKey: key(0).publicKey,
};

export type Bench = ContractBench<PoolState>;
export const paidBody = beginCell().storeUint(0x43480010, 32).storeUint(0, 64).storeCoins(1n).endCell();

/** A pool that has collected this much from channels. */
export async function opened(collected = toNano('10'), of: PoolConfig = config): Promise<Bench> {
  const bench = new ContractBench(emulator, poolInit(of), (data) => parsePoolData(data, of));
  await bench.send(owner, toNano('0.2'), empty);
  const paid = await bench.send(channel, collected, paidBody, { bounce: false });
  expect(paid).toMatchObject({ exitCode: 0, outgoing: [] });
  return bench;
}

export const tree = (leaves: Record<number, bigint>) =>
  new SumTree(
    Object.entries(leaves).map(([byte, cumulative]): SumLeaf => ({ payee: bytes(Number(byte)), cumulative })),
  );
export const proof = (of: SumTree, byte: number) => of.proof(bytes(byte)) as SumProof;

/** Posts a root and waits until it counts. */
export async function posted(bench: Bench, of: SumTree): Promise<void> {
  const { epoch, pending } = bench.state as PoolState;
  const next = (pending?.epoch ?? epoch) + 1;
  const root = { root: of.root.hash, sum: of.root.sum, epoch: next, covers: bench.now };
  expect((await bench.send(operator, VALUE, poolMessage.post(root))).exitCode).toBe(0);
  bench.now += HOUR;
}
export const claim = (bench: Bench, of: SumTree, byte: number, from = stranger) =>
  bench.send(from, VALUE, poolMessage.claimLeaf(proof(of, byte)));
export const paidTo = (outcome: Awaited<ReturnType<Bench['send']>>, byte: number) =>
  outcome.outgoing.filter((out) => out.to.equals(party(byte))).map((out) => out.value);

export async function challengeBody(
  bench: Bench,
  payee: number,
  cumulative: bigint,
  changes: Partial<WorkerVoucher> = {},
  by = 0,
) {
  const voucher: WorkerVoucher = {
    pool: bench.address,
    payee: bytes(payee),
    cumulative,
    issued: bench.now - 26 * HOUR,
    ...changes,
  };
  return poolMessage.challenge(key(by).publicKey, voucher, await signWorkerVoucher(voucher, key(by)));
}
