import { type Address, toNano } from '@ton/core';
import { expect } from 'vitest';
import {
  DEVELOPMENT_NETWORK,
  type LogAnchorConfig,
  type LogAnchorState,
  logAnchorInit,
  logAnchorMessage,
  parseLogAnchorData,
  type SignedHead,
} from '../../src/chain/index.ts';
import { ed25519Sign } from '../../src/core/crypto/node.ts';
import { type Bytes, leafHash, merkleRoot, toBase64, utf8 } from '../../src/core/index.ts';
import { consistencyProof } from '../../src/log/index.ts';
import { ContractBench } from './contract-bench.ts';
import { empty } from './fuzz.ts';
import type { Signer } from './log-anchor-model.ts';
import { emulator, party, signingKey, VALUE } from './support.ts';

export const [owner, relayer, sink, stranger] = [0xa1, 0xa2, 0xa3, 0xa4].map(party) as [
  Address,
  Address,
  Address,
  Address,
];
export const keys = [7, 8, 9].map(signingKey);
export const key = (by: Signer) => keys[by] as (typeof keys)[number];
export const ORIGIN = 'router.example.org/attest/eu1';
export const config: LogAnchorConfig = {
  network: DEVELOPMENT_NETWORK,
  minGapSeconds: 600,
  owner,
  relayer,
  sink,
  origin: ORIGIN,
  key: key(0).publicKey,
};

export type Bench = ContractBench<LogAnchorState>;
export async function opened(of: LogAnchorConfig = config): Promise<Bench> {
  const bench = new ContractBench(emulator, logAnchorInit(of), (data) => parseLogAnchorData(data, of));
  expect((await bench.send(stranger, toNano('0.1'), empty)).exitCode).toBe(0);
  return bench;
}

/** Two logs: they have the first 40 leaves in common, and then not. */
export const LEAVES = 200;
export const COMMON = 40;
export const leavesOf = (name: string) =>
  Array.from({ length: LEAVES }, (_, i) => leafHash(utf8(i < COMMON ? `${i}` : `${name} ${i}`)));
export const trees = { honest: leavesOf('honest'), forked: leavesOf('forked') } as const;
export type Tree = keyof typeof trees;
export const roots = new Map<string, Bytes>();
export function rootOf(tree: Tree, size: number): Bytes {
  const name = `${tree} ${size}`;
  const root = roots.get(name) ?? merkleRoot(trees[tree].slice(0, size));
  roots.set(name, root);
  return root;
}
export const proofOf = (tree: Tree, from: number, to: number) =>
  from > 0 && from < to ? consistencyProof(trees[tree].slice(0, to), from) : [];

export async function sign(size: number | bigint, root: Bytes, by: Signer = 0, origin = ORIGIN): Promise<SignedHead> {
  const text = utf8(`${origin}\n${size}\n${toBase64(root)}\n`);
  return { size: BigInt(size), root, signature: await ed25519Sign(key(by), text) };
}
export const head = (size: number, tree: Tree = 'honest', by: Signer = 0) => sign(size, rootOf(tree, size), by);
export const anchored = async (bench: Bench, size: number, from = relayer) =>
  bench.send(
    from,
    VALUE,
    logAnchorMessage.anchor(await head(size), proofOf('honest', Number(bench.state!.head.size), size)),
  );
