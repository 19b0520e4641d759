import { type Bytes, leafHash, merkleRoot } from '../../core/index.ts';
import {
  CompactRange,
  concatTile,
  encodeBundle,
  type HashTileId,
  TILE_WIDTH,
  type TileId,
  tilePath,
} from '../index.ts';
import type { DurableFile } from './durable-files.ts';

/** Bundle and hash tiles that a batch filled: their partial versions may go once it is published. */
export type Growth = Readonly<{ tree: GrowingTree; files: readonly DurableFile[]; filled: readonly TileId[] }>;

/**
 * The right edge of a log in memory: the entries of the last bundle and the hashes of the last tile of each level.
 * Growing gives a new value: a batch that comes to nothing leaves no trace.
 */
export class GrowingTree {
  readonly size: number;
  readonly #range: CompactRange;
  readonly #levels: readonly (readonly Bytes[])[];
  readonly #bundle: readonly Bytes[];

  constructor(range: CompactRange, levels: readonly (readonly Bytes[])[], bundle: readonly Bytes[]) {
    this.size = range.size;
    this.#range = range;
    this.#levels = levels;
    this.#bundle = bundle;
  }

  static empty(): GrowingTree {
    return new GrowingTree(new CompactRange(), [], []);
  }

  root(): Bytes {
    return this.#range.root();
  }

  /** Appends entries: the tiles and bundles that changed, and the tree after it. */
  grow(entries: readonly Bytes[]): Growth {
    const range = this.#range.copy();
    const levels = this.#levels.map((hashes) => [...hashes]);
    const files: DurableFile[] = [];
    const filled: TileId[] = [];
    const touched = new Set<number>();
    let bundle = [...this.#bundle];
    const full = (tile: TileId, bytes: Bytes) => {
      files.push({ path: tilePath(tile), bytes });
      filled.push(tile);
    };
    const push = (level: number, hash: Bytes): void => {
      levels[level] ??= [];
      const hashes = levels[level] as Bytes[];
      hashes.push(hash);
      touched.add(level);
      if (hashes.length < TILE_WIDTH) return;
      const index = Math.floor((range.size - 1) / TILE_WIDTH ** (level + 1));
      full({ level, index, width: TILE_WIDTH }, concatTile(hashes));
      levels[level] = [];
      push(level + 1, merkleRoot(hashes));
    };
    for (const entry of entries) {
      const leaf = leafHash(entry);
      range.append(leaf);
      bundle.push(entry);
      if (bundle.length === TILE_WIDTH) {
        full({ level: 'entries', index: range.size / TILE_WIDTH - 1, width: TILE_WIDTH }, encodeBundle(bundle));
        bundle = [];
      }
      push(0, leaf);
    }
    for (const level of touched) {
      const hashes = levels[level] as Bytes[];
      if (hashes.length > 0)
        files.push({ path: tilePath(lastTile(level, range.size, hashes.length)), bytes: concatTile(hashes) });
    }
    if (bundle.length > 0 && entries.length > 0) {
      const tile: TileId = { ...lastTile(0, range.size, bundle.length), level: 'entries' };
      files.push({ path: tilePath(tile), bytes: encodeBundle(bundle) });
    }
    return { tree: new GrowingTree(range, levels, bundle), files, filled };
  }
}

function lastTile(level: number, size: number, width: number): HashTileId {
  return { level, index: Math.floor(size / TILE_WIDTH ** (level + 1)), width };
}
