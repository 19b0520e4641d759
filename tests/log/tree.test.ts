import { expect, test } from 'vitest';
import {
  type Bytes,
  inclusionPath,
  leafHash,
  merkleRoot,
  nodeHash,
  u32,
  verifyInclusion,
} from '../../src/core/index.ts';
import {
  CompactRange,
  concatTile,
  consistencyFromTiles,
  consistencyProof,
  consistencyRanges,
  type HashTileId,
  inclusionFromTiles,
  inclusionRanges,
  isSubtree,
  rightEdgeFromTiles,
  rootFromTiles,
  subtreeRanges,
  tilesOf,
  verifyConsistency,
  verifySubtreeConsistency,
  verifySubtreeInclusion,
} from '../../src/log/index.ts';
import { codeOf } from './support.ts';

const SIZE_MAX = 130;
const leaves = Array.from({ length: SIZE_MAX }, (_, i) => leafHash(u32(i)));
const roots = Array.from({ length: SIZE_MAX + 1 }, (_, size) => merkleRoot(leaves.slice(0, size)));
const known = new Map<number, Bytes>();
/** The definition of the tree, remembered: a root of [start, end). */
function rootOf(start: number, end: number): Bytes {
  const key = start * 1000 + end;
  const found = known.get(key);
  if (found !== undefined) return found;
  let split = 1;
  while (split * 2 < end - start) split *= 2;
  const root = end - start === 1 ? leaves[start]! : nodeHash(rootOf(start, start + split), rootOf(start + split, end));
  known.set(key, root);
  return root;
}
const flipped = (hash: Uint8Array, bit = 0) => hash.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));

test('consistency holds between all sizes up to 130, and with nothing changed', () => {
  for (let size2 = 1; size2 <= SIZE_MAX; size2++) {
    for (let size1 = 1; size1 <= size2; size1++) {
      const [root1, root2] = [roots[size1]!, roots[size2]!];
      const proof = consistencyRanges(size1, size2).map(({ start, end }) => rootOf(start, end));
      expect(verifyConsistency(size1, size2, root1, root2, proof), `${size1} to ${size2}`).toBe(true);
      if ((size1 + size2) % 13 !== 0) continue;
      expect(consistencyProof(leaves.slice(0, size2), size1)).toEqual(proof);
      const wrong = [
        verifyConsistency(size1, size2, flipped(root1), root2, proof),
        verifyConsistency(size1, size2, root1, flipped(root2), proof),
        verifyConsistency(size1, size2, root1, root2, [...proof, root1]),
        verifyConsistency(size1, size2, root1, root2, [root1, ...proof]),
        proof.length > 0 && verifyConsistency(size1, size2, root1, root2, proof.slice(1)),
        proof.length > 0 && verifyConsistency(size1, size2, root1, root2, proof.slice(0, -1)),
        verifyConsistency(size1, size2, root1.subarray(1), root2, proof),
        size1 < size2 && verifyConsistency(size2, size1, root2, root1, proof),
        size1 > 1 && verifyConsistency(size1 - 1, size2, root1, root2, proof),
        ...proof.map((_, i) => verifyConsistency(size1, size2, root1, root2, proof.with(i, flipped(proof[i]!, i)))),
      ];
      expect(wrong.includes(true), `${size1} to ${size2}`).toBe(false);
    }
    expect(verifyConsistency(0, size2, roots[0]!, roots[size2]!, [])).toBe(false);
  }
});

test('inclusion holds for every leaf of every tree up to 130, and nowhere else', () => {
  for (let size = 1; size <= SIZE_MAX; size++) {
    for (let index = 0; index < size; index++) {
      const path = inclusionRanges(index, size).map(({ start, end }) => rootOf(start, end));
      const at = (i: number, n: number, leaf: Uint8Array, of: readonly Uint8Array[], root: Uint8Array) =>
        verifyInclusion(i, n, leaf, of, root);
      const [leaf, root] = [leaves[index]!, roots[size]!];
      expect(at(index, size, leaf, path, root), `${index} of ${size}`).toBe(true);
      if ((index + size) % 11 !== 0) continue;
      const wrong = [
        at(index, size, flipped(leaf), path, root),
        at(index, size, leaf, path, flipped(root)),
        at(index, size, leaf, [...path, root], root),
        at(size, size, leaf, path, root),
        at(index, size, leaf.subarray(1), path, root),
        size > 1 && at((index + 1) % size, size, leaf, path, root),
        path.length > 0 && at(index, size, leaf, path.slice(1), root),
        ...path.map((hash, i) => at(index, size, leaf, path.with(i, flipped(hash, i)), root)),
      ];
      expect(wrong.includes(true), `${index} of ${size}`).toBe(false);
    }
  }
});

/** Brute force: the path from a subtree to the root of its tree, by the definition of the tree. */
function subtreeProof(start: number, end: number, from: number, to: number, known: boolean): Bytes[] {
  if (start === from && end === to) return known ? [] : [rootOf(from, to)];
  let split = 1;
  while (split * 2 < to - from) split *= 2;
  const middle = from + split;
  if (end <= middle) return [...subtreeProof(start, end, from, middle, known), rootOf(middle, to)];
  if (start >= middle) return [...subtreeProof(start, end, middle, to, known), rootOf(from, middle)];
  return [...subtreeProof(middle, end, middle, to, false), rootOf(from, middle)];
}

test('every subtree of every tree up to 40 leaves belongs to it, and to no other', () => {
  let seen = 0;
  for (let size = 1; size <= 40; size++) {
    for (let start = 0; start < size; start++) {
      for (let end = start + 1; end <= size; end++) {
        if (!isSubtree({ start, end })) continue;
        seen++;
        const root = merkleRoot(leaves.slice(start, end));
        const proof = subtreeProof(start, end, 0, size, true);
        const ranges = subtreeRanges({ start, end }, size);
        expect(ranges.map((range) => rootOf(range.start, range.end))).toEqual(proof);
        expect(
          verifySubtreeConsistency({ start, end }, size, root, roots[size]!, proof),
          `${start} ${end} ${size}`,
        ).toBe(true);
        expect(verifySubtreeConsistency({ start, end }, size, flipped(root), roots[size]!, proof)).toBe(false);
        expect(verifySubtreeConsistency({ start, end }, size, root, roots[size - 1]!, proof)).toBe(false);
        expect(verifySubtreeConsistency({ start, end }, size, root, roots[size]!, [...proof, root])).toBe(false);
        const index = start + ((end - start) >> 1);
        const path = inclusionPath(leaves.slice(start, end), index - start);
        expect(verifySubtreeInclusion(index, { start, end }, leaves[index]!, path, root)).toBe(true);
        expect(verifySubtreeInclusion(index, { start, end }, leaves[index + 1]!, path, root)).toBe(false);
      }
    }
  }
  expect(seen).toBeGreaterThan(1000);
  expect(isSubtree({ start: 1, end: 3 })).toBe(false);
});

test('a compact range follows the tree from its entries alone', () => {
  const range = new CompactRange();
  for (let size = 0; size <= SIZE_MAX; size++) {
    expect(range.root()).toEqual(roots[size]);
    expect(new CompactRange(size, range.hashes).root()).toEqual(roots[size]);
    if (size < SIZE_MAX) range.append(leaves[size]!);
  }
  expect(() => new CompactRange(3, [roots[1]!])).toThrow();
});

test('tiles of three levels give the roots and proofs of the whole tree', async () => {
  const size = 66_000;
  const range = new CompactRange();
  const levels: Bytes[][] = [[]];
  for (let i = 0; i < size; i++) {
    const leaf = leafHash(u32(i));
    range.append(leaf);
    levels[0]!.push(leaf);
  }
  for (let level = 1; level < 3; level++) {
    const below = levels[level - 1]!;
    levels.push([]);
    for (let at = 0; at + 256 <= below.length; at += 256) levels[level]!.push(merkleRoot(below.slice(at, at + 256)));
  }
  const read = async ({ level, index, width }: HashTileId) =>
    concatTile(levels[level]!.slice(index * 256, index * 256 + width));
  expect([...tilesOf(70_000)].filter(({ width }) => width < 256).map(({ width }) => width)).toEqual([112, 17, 1]);
  expect(await rootFromTiles(size, read)).toEqual(range.root());
  expect(await rightEdgeFromTiles(size, read)).toEqual(range.hashes);
  for (const index of [0, 255, 256, 65_535, 65_536, 65_999]) {
    const path = await inclusionFromTiles(index, size, read);
    expect(verifyInclusion(index, size, levels[0]![index]!, path, range.root()), String(index)).toBe(true);
  }
  for (const old of [1, 255, 256, 257, 65_535, 65_536, 65_537, 65_999, size]) {
    const proof = await consistencyFromTiles(old, size, read);
    const root1 = await rootFromTiles(old, read, size);
    expect(verifyConsistency(old, size, root1, range.root(), proof), String(old)).toBe(true);
  }
  expect(await codeOf(inclusionFromTiles(size, size, read))).toBe('INDEX_OUT_OF_RANGE');
  const short = async (tile: HashTileId) => (await read(tile)).subarray(1);
  expect(await codeOf(inclusionFromTiles(0, size, short))).toBe('LOG_TILE_INVALID');
});
