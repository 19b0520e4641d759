import { type Bytes, CodedError, concat, merkleRoot } from '../core/index.ts';
import { isSize, parseSize } from './size.ts';
import {
  consistencyRanges,
  foldNodes,
  inclusionRanges,
  type NodeId,
  nodesOfRange,
  type Range,
  subtreeRanges,
} from './tree.ts';

/** C2SP tlog-tiles: 256 hashes of 32 bytes a tile, a hash at level L being the root of a full tile at level L-1. */
export const TILE_WIDTH = 256;
export const TILE_BYTES = TILE_WIDTH * 32;
const TILE_LEVEL_MAX = 63;
/** 256^6 < 2^53 < 256^7: no tree of ours reaches a higher tile level. */
const TILE_LEVELS = 7;

/** `width` 256 is a full tile, 1…255 a partial one. */
export type HashTileId = Readonly<{ level: number; index: number; width: number }>;
export type TileId = Readonly<{ level: number | 'entries'; index: number; width: number }>;

/** @throws CodedError LOG_TILE_INVALID for a level, index or width out of range */
export function tilePath({ level, index, width }: TileId): string {
  const levelFits = level === 'entries' || (isSize(level) && level <= TILE_LEVEL_MAX);
  if (!levelFits || !isSize(index) || !isSize(width) || width < 1 || width > TILE_WIDTH) {
    throw new CodedError('LOG_TILE_INVALID', `no such tile: level ${level}, index ${index}, width ${width}`);
  }
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) as string[];
  const path = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/');
  return `tile/${level}/${path}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

const PATH = /^tile\/(entries|0|[1-9][0-9]?)\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/** The one spelling of a tile's path and no other. @throws CodedError LOG_TILE_INVALID */
export function parseTilePath(path: string): TileId {
  const match = PATH.exec(path);
  if (match === null) throw new CodedError('LOG_TILE_INVALID', 'not a tile path', { length: path.length });
  const [, level = '', groups = '', width = String(TILE_WIDTH)] = match;
  const tile: TileId = {
    level: level === 'entries' ? level : Number(level),
    index: parseSize(groups.replaceAll(/[x/]/g, '').replace(/^0+(?=\d)/, ''), 'tile index'),
    width: Number(width),
  };
  if (tilePath(tile) !== path) throw new CodedError('LOG_TILE_INVALID', 'not the canonical tile path');
  return tile;
}

/** Hashes (or, at level 0 and for bundles, entries) that a log of `size` has at a tile level. */
export function hashesAtLevel(size: number, level: number): number {
  return Math.floor(size / TILE_WIDTH ** level);
}

/** The tile that holds hash `index` of a level in a log of `size`, as wide as that log makes it. */
export function tileHolding(level: number, index: number, size: number): HashTileId {
  const count = hashesAtLevel(size, level);
  if (!isSize(index) || index >= count) {
    throw new CodedError('INDEX_OUT_OF_RANGE', `hash ${index} of ${count} at tile level ${level}`, { index, count });
  }
  const tile = Math.floor(index / TILE_WIDTH);
  return { level, index: tile, width: Math.min(TILE_WIDTH, count - tile * TILE_WIDTH) };
}

/** The bundle that holds an entry in a log of `size`. */
export function bundleHolding(entry: number, size: number): TileId {
  return { ...tileHolding(0, entry, size), level: 'entries' };
}

/** Every hash tile of a log of `size`, each level from the left; for verification of whole logs. */
export function* tilesOf(size: number): Generator<HashTileId> {
  for (let level = 0; level < TILE_LEVELS && hashesAtLevel(size, level) > 0; level++) {
    const count = hashesAtLevel(size, level);
    for (let start = 0; start < count; start += TILE_WIDTH) yield tileHolding(level, start, size);
  }
}

/** Hashes of a tile. @throws CodedError LOG_TILE_INVALID unless exactly `width` hashes */
export function parseTile(bytes: Uint8Array, width: number): Bytes[] {
  if (bytes.length !== width * 32) {
    throw new CodedError('LOG_TILE_INVALID', `a tile of ${width} hashes has ${width * 32} bytes, not ${bytes.length}`, {
      width,
      length: bytes.length,
    });
  }
  return Array.from({ length: width }, (_, i) => Uint8Array.from(bytes.subarray(32 * i, 32 * i + 32)));
}

/** Gives the bytes of a tile, exactly as wide as asked. What it gives isn't trusted. */
export type ReadTile = (tile: HashTileId) => Promise<Uint8Array>;

/**
 * Roots of perfect subtrees, from the tiles of a log of `size`. The tiles aren't checked against a root: check what
 * is made of the hashes (a proof, a root) before relying on it.
 */
async function nodeHashes(nodes: readonly NodeId[], size: number, readTile: ReadTile): Promise<Bytes[]> {
  const tiles = new Map<string, Promise<Bytes[]>>();
  const hashesOf = (tile: HashTileId): Promise<Bytes[]> => {
    const key = tilePath(tile);
    const known = tiles.get(key) ?? readTile(tile).then((bytes) => parseTile(bytes, tile.width));
    tiles.set(key, known);
    return known;
  };
  return Promise.all(
    nodes.map(async ({ level, index }) => {
      const tileLevel = Math.floor(level / 8);
      const count = 2 ** (level % 8);
      const tile = tileHolding(tileLevel, index * count, size);
      const from = (index * count) % TILE_WIDTH;
      return merkleRoot((await hashesOf(tile)).slice(from, from + count));
    }),
  );
}

async function rangeRoots(ranges: readonly Range[], size: number, readTile: ReadTile): Promise<Bytes[]> {
  const nodes = ranges.map(nodesOfRange);
  const hashes = await nodeHashes(nodes.flat(), size, readTile);
  let at = 0;
  return nodes.map((of) => {
    const start = at;
    at += of.length;
    return foldNodes(hashes.slice(start, at));
  });
}

/** Root of the first `size` entries, from tiles of a log of `treeSize` ≥ size. */
export async function rootFromTiles(size: number, readTile: ReadTile, treeSize = size): Promise<Bytes> {
  return (await rangeRoots([{ start: 0, end: size }], treeSize, readTile))[0] as Bytes;
}

/**
 * Perfect subtree roots of the tree of the first `size` entries, largest first: what {@link CompactRange} continues from.
 * @param treeSize entries whose tiles are read
 */
export async function rightEdgeFromTiles(size: number, readTile: ReadTile, treeSize = size): Promise<Bytes[]> {
  return nodeHashes(nodesOfRange({ start: 0, end: size }), treeSize, readTile);
}

/** Audit path of `index` in the tree of the first `size` entries; verify it against that tree's root. @param treeSize entries whose tiles are read */
export async function inclusionFromTiles(
  index: number,
  size: number,
  readTile: ReadTile,
  treeSize = size,
): Promise<Bytes[]> {
  return rangeRoots(inclusionRanges(index, size), treeSize, readTile);
}

/** Consistency proof between two sizes; verify it against both roots. @param treeSize entries whose tiles are read */
export async function consistencyFromTiles(
  size1: number,
  size2: number,
  readTile: ReadTile,
  treeSize = size2,
): Promise<Bytes[]> {
  return rangeRoots(consistencyRanges(size1, size2), treeSize, readTile);
}

/** Proof that a subtree belongs to the tree of `size`; verify it against both roots. */
export async function subtreeFromTiles(subtree: Range, size: number, readTile: ReadTile): Promise<Bytes[]> {
  return rangeRoots(subtreeRanges(subtree, size), size, readTile);
}

/** The bytes of a tile. */
export function concatTile(hashes: readonly Uint8Array[]): Bytes {
  return concat(...hashes);
}
