import { type Bytes, CodedError, concat, u16 } from '../core/index.ts';
import { TILE_WIDTH } from './tiles.ts';

/** C2SP tlog-tiles: an entry's length is a big-endian uint16. */
export const ENTRY_BYTES_MAX = 65_535;

/** @throws CodedError LOG_ENTRY_TOO_LARGE, LOG_TILE_INVALID for no entries or more than 256 */
export function encodeBundle(entries: readonly Uint8Array[]): Bytes {
  if (entries.length < 1 || entries.length > TILE_WIDTH) {
    throw new CodedError('LOG_TILE_INVALID', `a bundle has 1 to ${TILE_WIDTH} entries`, { entries: entries.length });
  }
  for (const { length } of entries) requireEntryFits(length);
  return concat(...entries.flatMap((entry) => [u16(entry.length), entry]));
}

export function requireEntryFits(length: number): void {
  if (length > ENTRY_BYTES_MAX) {
    throw new CodedError('LOG_ENTRY_TOO_LARGE', `an entry has at most ${ENTRY_BYTES_MAX} bytes, not ${length}`, {
      length,
    });
  }
}

/**
 * Entries of a bundle, copied. @param width entries it must hold; without it, 1 to 256
 * @throws CodedError LOG_TILE_INVALID
 */
export function parseBundle(bytes: Uint8Array, width?: number): Bytes[] {
  const wrong = (why: string) => new CodedError('LOG_TILE_INVALID', `bundle: ${why}`, { length: bytes.length });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries: Bytes[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (entries.length === TILE_WIDTH) throw wrong(`more than ${TILE_WIDTH} entries`);
    if (bytes.length - at < 2) throw wrong('a length is cut off');
    const length = view.getUint16(at, false);
    if (bytes.length - at - 2 < length) throw wrong('an entry is cut off');
    entries.push(Uint8Array.from(bytes.subarray(at + 2, at + 2 + length)));
    at += 2 + length;
  }
  if (width !== undefined && entries.length !== width) throw wrong(`${entries.length} entries, not ${width}`);
  if (entries.length === 0) throw wrong('no entries');
  return entries;
}
