import { sha256, sha256OfPublic } from '#crypto';
import { type Bytes, concat, equalBytes } from './bytes.ts';
import { CodedError } from './errors.ts';

/** RFC 9162 section 2.1 hashing, shared by the log, the nonce tree and the receipts root. Sizes are safe integers. */
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export function leafHash(entry: Uint8Array): Bytes {
  return sha256OfPublic(concat(LEAF, entry));
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Bytes {
  return sha256OfPublic(concat(NODE, left, right));
}

/** Largest power of two below `size`, for size ≥ 2. */
function split(size: number): number {
  let k = 1;
  while (k * 2 < size) k *= 2;
  return k;
}

/** Root over leaf hashes; the empty tree's root is SHA-256 of nothing. */
export function merkleRoot(leaves: readonly Uint8Array[]): Bytes {
  if (leaves.length === 0) return sha256(new Uint8Array(0));
  if (leaves.length === 1) return Uint8Array.from(leaves[0] as Uint8Array);
  const k = split(leaves.length);
  return nodeHash(merkleRoot(leaves.slice(0, k)), merkleRoot(leaves.slice(k)));
}

/** Audit path of leaf `index`, lowest sibling first (RFC 9162 section 2.1.3.1). */
export function inclusionPath(leaves: readonly Uint8Array[], index: number): Bytes[] {
  if (!Number.isSafeInteger(index) || index < 0 || index >= leaves.length) {
    throw new CodedError('INVARIANT_BROKEN', 'leaf index outside the tree', { index, size: leaves.length });
  }
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return index < k
    ? [...inclusionPath(leaves.slice(0, k), index), merkleRoot(leaves.slice(k))]
    : [...inclusionPath(leaves.slice(k), index - k), merkleRoot(leaves.slice(0, k))];
}

/**
 * The root that `leaf` at `index` of a tree of `size` leaves leads to, or null where the path cannot belong to such a
 * leaf (index outside, path too long or too short).
 */
export function rootFromInclusion(
  index: number,
  size: number,
  leaf: Uint8Array,
  path: readonly Uint8Array[],
): Bytes | null {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return null;
  if (leaf.length !== 32 || path.some((hash) => hash.length !== 32)) return null;
  let f = index;
  let s = size - 1;
  let root: Bytes = Uint8Array.from(leaf);
  for (const sibling of path) {
    if (s === 0) return null;
    if (f % 2 === 1 || f === s) {
      root = nodeHash(sibling, root);
      while (f % 2 === 0 && f !== 0) {
        f = Math.floor(f / 2);
        s = Math.floor(s / 2);
      }
    } else {
      root = nodeHash(root, sibling);
    }
    f = Math.floor(f / 2);
    s = Math.floor(s / 2);
  }
  return s === 0 ? root : null;
}

export function verifyInclusion(
  index: number,
  size: number,
  leaf: Uint8Array,
  path: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  const computed = rootFromInclusion(index, size, leaf, path);
  return computed !== null && equalBytes(computed, root);
}
