import { type Bytes, CodedError, equalBytes, merkleRoot, nodeHash, verifyInclusion } from '../core/index.ts';
import { isSize } from './size.ts';

/** The root of a perfect subtree: leaves [index·2^level, (index+1)·2^level). */
export type NodeId = Readonly<{ level: number; index: number }>;
/** Leaves [start, end). */
export type Range = Readonly<{ start: number; end: number }>;

/** A tree of 2^53-1 leaves has paths of at most 53 hashes; 63 is the bound of the formats. */
export const PROOF_HASHES_MAX = 63;

/** Largest power of two below `size`, for size ≥ 2. Shifts would break above 2^31. */
export function largestPowerBelow(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

/** Perfect subtrees, left to right, that make up a range (largest first where the range starts a subtree). */
export function nodesOfRange({ start, end }: Range): NodeId[] {
  const nodes: NodeId[] = [];
  let at = start;
  while (at < end) {
    let width = 1;
    let level = 0;
    while (at % (width * 2) === 0 && width * 2 <= end - at) {
      width *= 2;
      level++;
    }
    nodes.push({ level, index: at / width });
    at += width;
  }
  return nodes;
}

/** Root over the perfect subtrees of {@link nodesOfRange}; of no nodes, the empty tree's root. */
export function foldNodes(hashes: readonly Bytes[]): Bytes {
  if (hashes.length === 0) return merkleRoot([]);
  return hashes.reduceRight((right, left) => nodeHash(left, right));
}

/** The ranges whose roots are the audit path of `index` in a tree of `size`, lowest sibling first (RFC 9162 2.1.3.1). */
export function inclusionRanges(index: number, size: number): Range[] {
  requireIndex(index, size);
  const path: Range[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + largestPowerBelow(end - start);
    if (index < middle) {
      path.push({ start: middle, end });
      end = middle;
    } else {
      path.push({ start, end: middle });
      start = middle;
    }
  }
  return path.reverse();
}

/** The ranges whose roots prove that the tree of `size1` is a prefix of the tree of `size2` (RFC 9162 2.1.4.1). */
export function consistencyRanges(size1: number, size2: number): Range[] {
  if (!isSize(size1) || !isSize(size2) || size1 === 0 || size1 > size2) {
    throw new CodedError('INDEX_OUT_OF_RANGE', `no proof leads from size ${size1} to size ${size2}`, { size1, size2 });
  }
  return subtreeRanges({ start: 0, end: size1 }, size2);
}

/**
 * The ranges whose roots prove that a subtree belongs to the tree of `size` (IETF
 * draft-ietf-plants-merkle-tree-certs, "Subtree Consistency Proofs"). @throws CodedError INDEX_OUT_OF_RANGE
 */
export function subtreeRanges(subtree: Range, size: number): Range[] {
  if (!isSubtree(subtree) || subtree.start === subtree.end || subtree.end > size) {
    throw new CodedError('INDEX_OUT_OF_RANGE', 'that is no subtree of the tree', { ...subtree, size });
  }
  const path: Range[] = [];
  let [start, end, first] = [0, size, subtree.start];
  let known = true; // the verifier has the root of what is left: until a part of the subtree was given
  while (first !== start || subtree.end !== end) {
    const middle = start + largestPowerBelow(end - start);
    if (subtree.end <= middle) {
      path.push({ start: middle, end });
      end = middle;
      continue;
    }
    path.push({ start, end: middle });
    start = middle;
    if (first >= middle) continue;
    first = middle;
    known = false;
  }
  if (!known) path.push({ start, end });
  return path.reverse();
}

export function requireIndex(index: number, size: number): void {
  if (!isSize(index) || !isSize(size) || index >= size) {
    throw new CodedError('INDEX_OUT_OF_RANGE', `index ${index} in a tree of ${size}`, { index, size });
  }
}

/** Consistency proof over leaf hashes held in memory. @throws CodedError INDEX_OUT_OF_RANGE */
export function consistencyProof(leaves: readonly Uint8Array[], size1: number): Bytes[] {
  return consistencyRanges(size1, leaves.length).map(({ start, end }) => merkleRoot(leaves.slice(start, end)));
}

/**
 * RFC 9162 section 2.1.4.2: does the tree (size2, root2) extend the tree (size1, root1)? `size1` 0 is answered with
 * false: every tree extends the empty one, so nothing was proved.
 */
export function verifyConsistency(
  size1: number,
  size2: number,
  root1: Uint8Array,
  root2: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (size1 === 0) return false;
  return verifySubtreeConsistency({ start: 0, end: size1 }, size2, root1, root2, proof);
}

/**
 * A subtree [start, end) is a node of some tree: `start` is a multiple of the least power of two not below its width
 * (IETF draft-ietf-plants-merkle-tree-certs, "Subtrees"). The empty range is one, with the empty tree's root.
 */
export function isSubtree({ start, end }: Range): boolean {
  if (!isSize(start) || !isSize(end) || start > end) return false;
  let power = 1;
  while (power < end - start) power *= 2;
  return start % power === 0;
}

/** Does `leaf` stand at `index` of the log, in the subtree with this root? */
export function verifySubtreeInclusion(
  index: number,
  subtree: Range,
  leaf: Uint8Array,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!isSubtree(subtree) || !isSize(index) || index < subtree.start || index >= subtree.end) return false;
  return verifyInclusion(index - subtree.start, subtree.end - subtree.start, leaf, proof, root);
}

const half = (value: number): number => Math.floor(value / 2);

/**
 * Does the subtree with root `root1` belong to the tree (size, root2)? With start 0 this is the consistency proof of
 * RFC 9162. The empty subtree needs no proof, and tells nothing about the tree.
 */
export function verifySubtreeConsistency(
  subtree: Range,
  size: number,
  root1: Uint8Array,
  root2: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  const { start, end } = subtree;
  if (!isSubtree(subtree) || !isSize(size) || end > size || proof.length > PROOF_HASHES_MAX) return false;
  if ([root1, root2, ...proof].some((hash) => hash.length !== 32)) return false;
  if (start === end) return proof.length === 0 && equalBytes(root1, merkleRoot([]));
  let first = start; // path of the subtree's first leaf, of its last leaf, of the tree's last leaf
  let last = end - 1;
  let edge = size - 1;
  const up = () => {
    first = half(first);
    last = half(last);
    edge = half(edge);
  };
  // Climb to the highest node that ends where the subtree ends and lies within it.
  if (last === edge) while (first !== last) up();
  else while (first !== last && last % 2 === 1) up();
  let rest = proof;
  let seed: Uint8Array = root1;
  if (first !== last) {
    const given = proof[0];
    if (given === undefined) return false;
    seed = given;
    rest = proof.slice(1);
  }
  let inSubtree = Uint8Array.from(seed);
  let inTree = Uint8Array.from(seed);
  for (const hash of rest) {
    if (edge === 0) return false;
    if (last % 2 === 1 || last === edge) {
      if (first < last) inSubtree = nodeHash(hash, inSubtree);
      inTree = nodeHash(hash, inTree);
      while (last % 2 === 0 && last !== 0) up();
    } else {
      inTree = nodeHash(inTree, hash);
    }
    up();
  }
  return edge === 0 && equalBytes(inSubtree, root1) && equalBytes(inTree, root2);
}

/**
 * The state needed to follow a log from its entries alone: one hash per set bit of the size, left to right.
 * Appending costs one or two hashes on average; at most 53 are held.
 */
export class CompactRange {
  #size: number;
  #hashes: Bytes[];

  /** @param hashes perfect subtree roots of a tree of `size`, largest first, as {@link hashes} gave them */
  constructor(size = 0, hashes: readonly Bytes[] = []) {
    if (!isSize(size) || hashes.length !== nodesOfRange({ start: 0, end: size }).length) {
      throw new CodedError('LOG_SIZE_INVALID', `${hashes.length} hashes cannot be the right edge of size ${size}`, {
        size,
        hashes: hashes.length,
      });
    }
    this.#size = size;
    this.#hashes = [...hashes];
  }

  get size(): number {
    return this.#size;
  }
  get hashes(): readonly Bytes[] {
    return this.#hashes;
  }

  append(leaf: Bytes): void {
    let hash = leaf;
    for (let rest = this.#size; rest % 2 === 1; rest = half(rest)) hash = nodeHash(this.#hashes.pop() as Bytes, hash);
    this.#hashes.push(hash);
    this.#size++;
  }

  root(): Bytes {
    return foldNodes(this.#hashes);
  }

  copy(): CompactRange {
    return new CompactRange(this.#size, this.#hashes);
  }
}
