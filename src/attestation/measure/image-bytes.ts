import { CodedError } from '../../core/index.ts';

/** 4 KiB: what loaders of both technologies place, and add to a measurement, at once. */
export const PAGE_BYTES = 0x1000;
export const FOUR_GIB = 0x1_0000_0000;

export function malformed(structure: string, why: string, facts: CodedError['facts'] = {}): CodedError {
  return new CodedError('IMAGE_MALFORMED', `${structure}: ${why}`, { structure, ...facts });
}

export function unsupported(structure: string, why: string, facts: CodedError['facts'] = {}): CodedError {
  return new CodedError('IMAGE_UNSUPPORTED', `${structure}: ${why}`, { structure, ...facts });
}

/** `length` bytes of an image at `at`, in its memory. @throws CodedError IMAGE_MALFORMED where they are not all in it */
export function part(image: Uint8Array, at: number, length: number, structure: string): Uint8Array {
  if (at < 0 || length < 0 || at + length > image.length) {
    throw malformed(structure, `${length} bytes at ${at} are not in an image of ${image.length}`, { at, length });
  }
  return image.subarray(at, at + length);
}

export type Range = Readonly<{ start: number; length: number }>;

/** @throws CodedError IMAGE_MALFORMED where two ranges share a byte */
export function requireDisjoint(ranges: readonly Range[], structure: string): void {
  const sorted = ranges.filter(({ length }) => length > 0).sort((a, b) => a.start - b.start);
  for (const [index, range] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next !== undefined && range.start + range.length > next.start) {
      throw malformed(structure, 'two sections overlap', { at: next.start });
    }
  }
}
