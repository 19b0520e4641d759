import { type Bytes, CodedError, equalBytes, leafHash, merkleRoot, verifyInclusion } from '../../core/index.ts';
import {
  bundleHolding,
  consistencyFromTiles,
  formatLogProof,
  hashesAtLevel,
  inclusionFromTiles,
  parseBundle,
  parseTile,
  requireIndex,
  rootFromTiles,
  TILE_BYTES,
  TILE_WIDTH,
  type TileId,
  tileHolding,
  tilePath,
  verifyConsistency,
} from '../index.ts';
import type { Head } from './lock-store.ts';
import type { LogFiles } from './storage.ts';

export const BUNDLE_BYTES_MAX = TILE_WIDTH * (2 + 65_535);
export const ENTRIES_PER_READ_MAX = 4096;
const CACHED_TILES_MAX = 1024;

export type LogEntry = Readonly<{ index: number; entry: Bytes }>;

/**
 * Reads tiles, bundles, entries and proofs of the published tree from its files. The files aren't trusted: whatever is
 * made of them is checked against the head before it is given out.
 */
export class TileFiles {
  readonly #files: LogFiles;
  /** Full tiles by path: they never change. Least recently used first. */
  readonly #cache = new Map<string, Bytes>();

  constructor(files: LogFiles) {
    this.#files = files;
  }

  /**
   * A tile or bundle exactly as wide as asked, or null where the file isn't there: the partial one, or the full one
   * cut to width where the partial one was collected.
   */
  async read(tile: TileId): Promise<Bytes | null> {
    const bytesMax = tile.level === 'entries' ? BUNDLE_BYTES_MAX : TILE_BYTES;
    const whole = await this.#readWhole({ ...tile, width: TILE_WIDTH }, bytesMax, tile.width === TILE_WIDTH);
    if (whole !== null) return tile.width === TILE_WIDTH ? whole : cut(tile, whole);
    return tile.width === TILE_WIDTH ? null : this.#files.read(tilePath(tile), bytesMax);
  }

  async #readWhole(tile: TileId, bytesMax: number, keep: boolean): Promise<Bytes | null> {
    const path = tilePath(tile);
    const cached = this.#cache.get(path);
    if (cached !== undefined) {
      this.#cache.delete(path);
      this.#cache.set(path, cached);
      return cached;
    }
    const bytes = await this.#files.read(path, bytesMax);
    if (bytes === null || !keep || tile.level === 'entries') return bytes;
    if (this.#cache.size >= CACHED_TILES_MAX) this.#cache.delete(this.#cache.keys().next().value as string);
    this.#cache.set(path, bytes);
    return bytes;
  }

  readonly #must = async (tile: TileId): Promise<Bytes> => {
    const bytes = await this.read(tile);
    if (bytes === null) throw new CodedError('LOG_INCONSISTENT', `${tilePath(tile)} is missing`);
    return bytes;
  };

  /** Root of the first `size` entries. @param treeSize entries whose tiles are there */
  root(size: number, treeSize = size): Promise<Bytes> {
    return rootFromTiles(size, this.#must, treeSize);
  }

  /** The hashes of the last, not full tile of each level of a log of `size`. */
  async rightEdge(size: number): Promise<Bytes[][]> {
    const levels: Bytes[][] = [];
    for (let level = 0; hashesAtLevel(size, level) > 0; level++) {
      const count = hashesAtLevel(size, level);
      const tile = count % TILE_WIDTH === 0 ? null : tileHolding(level, count - 1, size);
      levels.push(tile === null ? [] : parseTile(await this.#must(tile), tile.width));
    }
    return levels;
  }

  /** Entries of the bundle that holds `index` in a log of `size`, each checked against its hash in the level-0 tile. */
  async bundle(index: number, size: number): Promise<Bytes[]> {
    const tile = tileHolding(0, index, size);
    const [entries, hashes] = await Promise.all([
      this.#must(bundleHolding(index, size)).then((bytes) => parseBundle(bytes, tile.width)),
      this.#must(tile).then((bytes) => parseTile(bytes, tile.width)),
    ]);
    if (!entries.every((entry, i) => equalBytes(leafHash(entry), hashes[i] as Bytes))) {
      throw new CodedError('LOG_INCONSISTENT', `${tilePath({ ...tile, level: 'entries' })} and its tile differ`);
    }
    return entries;
  }

  /** Entries [from, to) of a log of `size`. @throws CodedError INDEX_OUT_OF_RANGE */
  async entries(from: number, to: number, size: number): Promise<LogEntry[]> {
    if (!(from >= 0 && from <= to && to <= size && to - from <= ENTRIES_PER_READ_MAX)) {
      throw new CodedError('INDEX_OUT_OF_RANGE', `entries ${from} to ${to} of ${size}`, { from, to, size });
    }
    const found: LogEntry[] = [];
    for (let at = from; at < to; ) {
      const first = at - (at % TILE_WIDTH);
      const entries = await this.bundle(at, size);
      for (; at < to && at < first + TILE_WIDTH; at++) found.push({ index: at, entry: entries[at - first] as Bytes });
    }
    return found;
  }

  /** The `.tlog-proof` of an entry under a head. @throws CodedError INDEX_OUT_OF_RANGE, LOG_INCONSISTENT */
  async proof(index: number, head: Head): Promise<string> {
    requireIndex(index, head.size);
    const tile = tileHolding(0, index, head.size);
    const leaf = parseTile(await this.#must(tile), tile.width)[index % TILE_WIDTH] as Bytes;
    const path = await inclusionFromTiles(index, head.size, this.#must);
    if (!verifyInclusion(index, head.size, leaf, path, head.root)) {
      throw tilesDiffer({ index });
    }
    return formatLogProof({ index, path, extra: null, checkpoint: head.checkpoint });
  }

  /** Audit path of an entry in the tree of the first `size` entries, of `treeSize` there. @throws CodedError INDEX_OUT_OF_RANGE */
  async inclusion(index: number, size: number, treeSize: number): Promise<Bytes[]> {
    requireIndex(index, size);
    const path = await inclusionFromTiles(index, size, this.#must, treeSize);
    const tile = tileHolding(0, index, treeSize);
    const leaf = parseTile(await this.#must(tile), tile.width)[index % TILE_WIDTH] as Bytes;
    if (!verifyInclusion(index, size, leaf, path, await this.root(size, treeSize))) throw tilesDiffer({ index, size });
    return path;
  }

  /** Proof that the tree of `size` is a prefix of that of `newer`, of `treeSize` entries there. @throws CodedError INDEX_OUT_OF_RANGE, LOG_INCONSISTENT */
  async consistency(size: number, newer: number, treeSize: number): Promise<Bytes[]> {
    const path = await consistencyFromTiles(size, newer, this.#must, treeSize);
    const [older, root] = await Promise.all([this.root(size, treeSize), this.root(newer, treeSize)]);
    if (!verifyConsistency(size, newer, older, root, path)) throw tilesDiffer({ size, newer });
    return path;
  }

  /**
   * Recomputes everything of a log of `size` from its entries: each bundle against its level-0 tile, each tile against
   * the hash of it one level up. @throws CodedError LOG_INCONSISTENT
   */
  async verifyAll(size: number): Promise<void> {
    for (let level = 0; hashesAtLevel(size, level) > 0; level++) {
      const count = hashesAtLevel(size, level);
      for (let at = 0; at < count; at += TILE_WIDTH) {
        const tile = tileHolding(level, at, size);
        const hashes = parseTile(await this.#must(tile), tile.width);
        if (level === 0) await this.bundle(at, size);
        if (tile.width < TILE_WIDTH) continue;
        const above = tileHolding(level + 1, tile.index, size);
        const parents = parseTile(await this.#must(above), above.width);
        if (!equalBytes(merkleRoot(hashes), parents[tile.index % TILE_WIDTH] as Bytes)) {
          throw new CodedError('LOG_INCONSISTENT', `${tilePath(tile)} does not hash to its parent`);
        }
      }
    }
  }
}

function tilesDiffer(facts: CodedError['facts']): CodedError {
  return new CodedError('LOG_INCONSISTENT', 'the tiles do not lead to the root of the head', facts);
}

function cut(tile: TileId, whole: Bytes): Bytes {
  if (tile.level !== 'entries') return whole.slice(0, tile.width * 32);
  let at = 0;
  for (let i = 0; i < tile.width; i++)
    at += 2 + new DataView(whole.buffer, whole.byteOffset + at, 2).getUint16(0, false);
  return whole.slice(0, at);
}
