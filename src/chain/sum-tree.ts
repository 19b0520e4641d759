import { beginCell, type Cell } from '@ton/core';
import { sha256 } from '#crypto';
import { type Bytes, CodedError, compareBytes, concat, equalBytes } from '../core/index.ts';
import { bytes32 } from './contract.ts';

/** What a payee is owed in all: `payee` is its account id in workchain 0, 32 bytes; `cumulative` nanoTON. */
export type SumLeaf = Readonly<{ payee: Bytes; cumulative: bigint }>;
export type SumNode = Readonly<{ hash: Bytes; sum: bigint }>;
/** @property index bit i is 1 where the own node is the right one at level i @property siblings the leaf's first */
export type SumProof = Readonly<{ leaf: SumLeaf; index: number; siblings: readonly SumNode[] }>;

const COINS_MAX = (1n << 120n) - 1n;
const LEAVES_MAX = 65_536;
const DEPTH_MAX = 32;
const SIBLINGS_PER_CELL = 2;
const EMPTY: SumNode = { hash: new Uint8Array(32), sum: 0n };

function u128(value: bigint): Bytes {
  const bytes = new Uint8Array(16);
  for (let i = 15, rest = value; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}

const invalid = (why: string) => new CodedError('CONTRACT_CONFIG_INVALID', `sum tree: ${why}`);

export function sumLeafHash({ payee, cumulative }: SumLeaf): Bytes {
  return sha256(concat(Uint8Array.of(0), bytes32(payee, 'payee'), u128(cumulative)));
}

function over(left: SumNode, right: SumNode): SumNode {
  const sum = left.sum + right.sum;
  if (sum > COINS_MAX) throw invalid('the sum is no amount of coins');
  return { hash: sha256(concat(Uint8Array.of(1), left.hash, u128(left.sum), right.hash, u128(right.sum))), sum };
}

/** The Merkle-sum tree of contracts section 1.3: leaves ascending by payee, padded with empty nodes to a power of two. */
export class SumTree {
  readonly #leaves: readonly SumLeaf[];
  /** From the leaves up to the root. */
  readonly #levels: SumNode[][];

  /** @throws CodedError CONTRACT_CONFIG_INVALID for two leaves of one payee, an amount out of range, or no leaf */
  constructor(leaves: readonly SumLeaf[]) {
    if (leaves.length === 0 || leaves.length > LEAVES_MAX) throw invalid(`1 to ${LEAVES_MAX} leaves`);
    this.#leaves = [...leaves].sort((a, b) => compareBytes(a.payee, b.payee));
    for (const [i, { payee, cumulative }] of this.#leaves.entries()) {
      if (cumulative < 0n || cumulative > COINS_MAX) throw invalid('an amount that is none');
      const before = this.#leaves[i - 1];
      if (before !== undefined && equalBytes(before.payee, payee)) throw invalid('two leaves of one payee');
    }
    let level: SumNode[] = this.#leaves.map((leaf) => ({ hash: sumLeafHash(leaf), sum: leaf.cumulative }));
    while ((level.length & (level.length - 1)) !== 0) level.push(EMPTY);
    this.#levels = [level];
    while (level.length > 1) {
      const lower = level;
      level = [];
      for (let i = 0; i < lower.length; i += 2) level.push(over(lower[i] as SumNode, lower[i + 1] as SumNode));
      this.#levels.push(level);
    }
  }

  get root(): SumNode {
    return (this.#levels.at(-1) as SumNode[])[0] as SumNode;
  }

  get leaves(): readonly SumLeaf[] {
    return this.#leaves;
  }

  /** The way from a payee's leaf to the root; null where it has none. */
  proof(payee: Uint8Array): SumProof | null {
    const index = this.#leaves.findIndex((leaf) => equalBytes(leaf.payee, payee));
    if (index < 0) return null;
    const siblings = this.#levels.slice(0, -1).map((level, i) => level[(index >> i) ^ 1] as SumNode);
    return { leaf: this.#leaves[index] as SumLeaf, index, siblings };
  }
}

/** The root that a proof leads to, or null where it can lead to none. */
export function rootFromSumProof({ leaf, index, siblings }: SumProof): SumNode | null {
  if (siblings.length > DEPTH_MAX || index < 0 || index >= 2 ** siblings.length) return null;
  let node: SumNode = { hash: sumLeafHash(leaf), sum: leaf.cumulative };
  for (const [i, sibling] of siblings.entries()) {
    if (node.sum + sibling.sum > COINS_MAX) return null;
    node = Math.floor(index / 2 ** i) % 2 === 1 ? over(sibling, node) : over(node, sibling);
  }
  return node;
}

/** Two siblings a cell, the leaf's first, each cell with the next one before them; null for a tree of one leaf. */
export function sumProofCell(siblings: readonly SumNode[]): Cell | null {
  let next: Cell | null = null;
  for (let end = siblings.length; end > 0; ) {
    const start = end - (end % SIBLINGS_PER_CELL === 0 ? SIBLINGS_PER_CELL : end % SIBLINGS_PER_CELL);
    const cell = beginCell().storeMaybeRef(next);
    for (const { hash, sum } of siblings.slice(start, end))
      cell.storeBuffer(bytes32(hash, 'sibling')).storeUint(sum, 128);
    next = cell.endCell();
    end = start;
  }
  return next;
}
