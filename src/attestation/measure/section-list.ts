import { Cursor, utf8 } from '../../core/index.ts';
import { malformed, part, unsupported } from './image-bytes.ts';

const HEADER_BYTES = 16;
const SECTIONS_MAX = 64;

/**
 * What TDVF and SEV metadata of an OVMF build begin with: four letters, then u32 little-endian length of the whole,
 * version and number of sections, which follow.
 * @param sectionBytes of each section
 * @returns the sections' bytes, exactly as many as there are of them
 * @throws CodedError IMAGE_MALFORMED, IMAGE_UNSUPPORTED (a version other than 1)
 */
export function sectionList(
  firmware: Uint8Array,
  at: number,
  { structure, signature, sectionBytes }: Readonly<{ structure: string; signature: string; sectionBytes: number }>,
): { count: number; body: Cursor } {
  const header = new Cursor(part(firmware, at, HEADER_BYTES, structure), structure);
  if (header.u32('signature') !== new Cursor(utf8(signature), structure).u32('signature')) {
    throw malformed(structure, `the signature is not ${signature}`);
  }
  const length = header.u32('length');
  const version = header.u32('version');
  const count = header.u32('count');
  if (version !== 1) throw unsupported(structure, `version ${version}`);
  if (count === 0 || count > SECTIONS_MAX) throw malformed(structure, `${count} sections, not 1 to ${SECTIONS_MAX}`);
  if (length !== HEADER_BYTES + count * sectionBytes) throw malformed(structure, 'length and count disagree');
  return { count, body: new Cursor(part(firmware, at + HEADER_BYTES, count * sectionBytes, structure), structure) };
}
