import { type Bytes, CodedError, concat, equalBytes, leafHash, merkleRoot } from '../core/index.ts';
import {
  bundleHolding,
  type Digest,
  type HashTileId,
  hashesAtLevel,
  parseBundle,
  parseTile,
  TILE_WIDTH,
  type TileId,
  tileHolding,
  tilePath,
} from '../log/index.ts';

/** Where the files of a log are read from: HTTP, a folder, a bundle. What it gives is not trusted. */
export type LogSource = Readonly<{
  /** The newest signed checkpoint. */
  checkpoint(): Promise<Bytes>;
  /** The oldest kept cosigned checkpoint that covers an entry, or null. */
  covering(index: number): Promise<Bytes | null>;
  /** Exactly as wide as asked; null where it is missing. */
  tile(tile: TileId): Promise<Bytes | null>;
  blob(digest: Digest): Promise<Bytes | null>;
}>;

/** A tile that must be there. @throws CodedError LOG_INCONSISTENT */
export async function mustTile(source: Pick<LogSource, 'tile'>, tile: TileId): Promise<Bytes> {
  const bytes = await source.tile(tile);
  if (bytes === null) throw new CodedError('LOG_INCONSISTENT', `${tilePath(tile)} is missing`);
  return bytes;
}

export type Entry = Readonly<{ index: number; entry: Bytes }>;

/** Entries [from, to) of a log of `size`, bundle by bundle. They are not checked against any root. */
export async function* entriesOf(
  source: Pick<LogSource, 'tile'>,
  from: number,
  to: number,
  size: number,
): AsyncGenerator<readonly Entry[]> {
  for (let at = from; at < to; ) {
    const first = at - (at % TILE_WIDTH);
    const tile = bundleHolding(at, size);
    const entries = parseBundle(await mustTile(source, tile), tile.width);
    const end = Math.min(to, first + TILE_WIDTH);
    yield entries.slice(at - first, end - first).map((entry, i) => ({ index: at + i, entry }));
    at = end;
  }
}

/** Every file of a log's tiles that cover entries [from, size): bundles and hash tiles of all levels. */
export function* tilesCovering(from: number, size: number): Generator<TileId> {
  for (let level = 0; hashesAtLevel(size, level) > 0; level++) {
    const count = hashesAtLevel(size, level);
    const first = Math.floor(from / TILE_WIDTH ** (level + 1)) * TILE_WIDTH;
    for (let at = first; at < count; at += TILE_WIDTH) {
      const tile = tileHolding(level, at, size);
      yield tile;
      if (level === 0) yield { ...tile, level: 'entries' };
    }
  }
}

/**
 * Checks the hash tiles over [from, size) against the entries and against each other: what is then read from them (the
 * root at an older size) is as good as the newest root.
 * @throws CodedError LOG_INCONSISTENT naming the tile
 */
export async function verifyTiles(source: Pick<LogSource, 'tile'>, from: number, size: number): Promise<void> {
  for (const tile of tilesCovering(from, size)) {
    if (tile.level === 'entries') continue;
    const hashes = parseTile(await mustTile(source, tile), tile.width);
    if (tile.level === 0) await requireLeaves(source, tile as HashTileId, hashes);
    if (tile.width < TILE_WIDTH) continue;
    const above = tileHolding(tile.level + 1, tile.index, size);
    const parents = parseTile(await mustTile(source, above), above.width);
    if (!equalBytes(merkleRoot(hashes), parents[tile.index % TILE_WIDTH] as Bytes)) {
      throw new CodedError('LOG_INCONSISTENT', `${tilePath(tile)} does not hash to its parent`);
    }
  }
}

async function requireLeaves(source: Pick<LogSource, 'tile'>, tile: HashTileId, hashes: readonly Bytes[]) {
  const bundle: TileId = { ...tile, level: 'entries' };
  const entries = parseBundle(await mustTile(source, bundle), tile.width);
  if (!equalBytes(concat(...entries.map(leafHash)), concat(...hashes))) {
    throw new CodedError('LOG_INCONSISTENT', `${tilePath(bundle)} and ${tilePath(tile)} differ`);
  }
}
