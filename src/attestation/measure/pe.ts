import { sha384 } from '#crypto';
import { type Bytes, Cursor, concatAll } from '../../core/index.ts';
import { malformed, part, requireDisjoint, unsupported } from './image-bytes.ts';

/** A unified kernel image holds kernel and initial RAM disk. */
export const PE_BYTES_MAX = 1024 * 1024 * 1024;

const STRUCTURE = 'PE image';
const NT_SIGNATURE = 0x4550; // "PE\0\0"
const PE32_PLUS = 0x20b;
const MACHINES: readonly number[] = [0x8664, 0xaa64];
const OPTIONAL_HEAD_BYTES = 112;
const DIRECTORY_BYTES = 8;
const CERTIFICATE_DIRECTORY = 4;
const DIRECTORIES_MAX = 16;
const SECTION_HEAD_BYTES = 40;
const SECTIONS_MAX = 96;
const ALIGNMENT = 8;

export type PeSection = Readonly<{
  /** Up to 8 characters, without the zeros after them. */
  name: string;
  virtualSize: number;
  dataAt: number;
  dataBytes: number;
}>;

export type ParsedPe = Readonly<{
  bytes: Uint8Array;
  /** Where the checksum and the entry of the certificate table are: no digest covers them. */
  checksumAt: number;
  /** Null: the image has no such entry. */
  certificateEntryAt: number | null;
  headerBytes: number;
  /** Bytes of the certificate table, which ends the file; zero without one. */
  certificateBytes: number;
  /** In the order of the file's table. */
  sections: readonly PeSection[];
}>;

/**
 * Reads the headers of a 64-bit EFI application. Section data lie in the file behind the headers and do not overlap; a
 * certificate table is the end of the file. Images whose digest tools and firmware make differently are refused.
 * @throws CodedError IMAGE_MALFORMED, IMAGE_UNSUPPORTED
 */
export function parsePe(image: Uint8Array): ParsedPe {
  if (image.length > PE_BYTES_MAX) throw unsupported(STRUCTURE, `more than ${PE_BYTES_MAX} bytes`);
  const dos = new Cursor(part(image, 0, 64, STRUCTURE), STRUCTURE);
  if (dos.u16('e_magic') !== 0x5a4d) throw unsupported(STRUCTURE, 'it does not begin with MZ');
  dos.bytes('dosHeader', 58);
  const at = dos.u32('e_lfanew');
  const coff = new Cursor(part(image, at, 24, STRUCTURE), STRUCTURE);
  if (coff.u32('signature') !== NT_SIGNATURE) throw malformed(STRUCTURE, 'no PE signature');
  const machine = coff.u16('machine');
  const sectionCount = coff.u16('numberOfSections');
  coff.bytes('symbols', 12);
  const optionalBytes = coff.u16('sizeOfOptionalHeader');
  if (!MACHINES.includes(machine)) throw unsupported(STRUCTURE, `machine ${machine} is not x86-64 or AArch64`);
  if (sectionCount === 0 || sectionCount > SECTIONS_MAX) throw malformed(STRUCTURE, `${sectionCount} sections`);
  const optionalAt = at + 24;
  const optional = new Cursor(part(image, optionalAt, OPTIONAL_HEAD_BYTES, STRUCTURE), STRUCTURE);
  if (optional.u16('magic') !== PE32_PLUS) throw unsupported(STRUCTURE, 'not PE32+');
  optional.bytes('standardAndWindowsFields', 58);
  const headerBytes = optional.u32('sizeOfHeaders');
  optional.bytes('moreWindowsFields', 44);
  const directories = optional.u32('numberOfRvaAndSizes');
  const isWhole = optionalBytes === OPTIONAL_HEAD_BYTES + directories * DIRECTORY_BYTES;
  if (directories > DIRECTORIES_MAX || !isWhole) throw malformed(STRUCTURE, 'the optional header has another size');
  const tableAt = optionalAt + optionalBytes;
  if (tableAt + sectionCount * SECTION_HEAD_BYTES > headerBytes || headerBytes > image.length) {
    throw malformed(STRUCTURE, 'the headers do not fit their size');
  }
  const certificateEntryAt =
    directories > CERTIFICATE_DIRECTORY
      ? optionalAt + OPTIONAL_HEAD_BYTES + CERTIFICATE_DIRECTORY * DIRECTORY_BYTES
      : null;
  const certificateBytes = certificateTableBytes(image, certificateEntryAt);
  const table = new Cursor(part(image, tableAt, sectionCount * SECTION_HEAD_BYTES, STRUCTURE), STRUCTURE);
  const sections = Array.from({ length: sectionCount }, () => parseSection(table));
  requireInside(sections, headerBytes, image.length - certificateBytes);
  return { bytes: image, checksumAt: optionalAt + 64, certificateEntryAt, headerBytes, certificateBytes, sections };
}

function certificateTableBytes(image: Uint8Array, entryAt: number | null): number {
  if (entryAt === null) return 0;
  const entry = new Cursor(part(image, entryAt, DIRECTORY_BYTES, STRUCTURE), STRUCTURE);
  const at = entry.u32('certificateTable');
  const size = entry.u32('certificateTableSize');
  if (at === 0 && size === 0) return 0;
  if (size === 0 || at + size !== image.length) throw malformed(STRUCTURE, 'a certificate table that is not the end');
  return size;
}

function parseSection(cursor: Cursor): PeSection {
  const raw = cursor.bytes('name', 8);
  const end = raw.indexOf(0);
  const name = new TextDecoder('latin1').decode(end < 0 ? raw : raw.subarray(0, end));
  if (end >= 0 && raw.subarray(end).some((byte) => byte !== 0)) throw malformed(STRUCTURE, 'a section name with a NUL');
  const virtualSize = cursor.u32('virtualSize');
  cursor.u32('virtualAddress');
  const dataBytes = cursor.u32('sizeOfRawData');
  const dataAt = cursor.u32('pointerToRawData');
  cursor.bytes('relocationsAndCharacteristics', 16);
  return { name, virtualSize, dataAt, dataBytes };
}

function requireInside(sections: readonly PeSection[], from: number, to: number): void {
  for (const { dataAt, dataBytes } of sections) {
    if (dataBytes > 0 && (dataAt < from || dataAt + dataBytes > to)) {
      throw malformed(STRUCTURE, 'a section outside the file, or in its headers', { at: dataAt });
    }
  }
  requireDisjoint(
    sections.map(({ dataAt, dataBytes }) => ({ start: dataAt, length: dataBytes })),
    STRUCTURE,
  );
}

/**
 * The Authenticode digest that firmware measures for an EFI application, SHA-384: all of it but the checksum and the
 * certificate table with its entry, sections in the order of their data.
 * @throws CodedError IMAGE_UNSUPPORTED for a file of another length than a multiple of 8: tools that sign fill it up,
 *   firmware does not
 */
export function authenticodeDigest(pe: ParsedPe): Bytes {
  const { bytes, checksumAt, certificateEntryAt, headerBytes, certificateBytes } = pe;
  if (bytes.length % ALIGNMENT !== 0) {
    throw unsupported(STRUCTURE, 'its length is not a multiple of 8: fill it up with zeros');
  }
  const parts = [bytes.subarray(0, checksumAt)];
  if (certificateEntryAt === null) parts.push(bytes.subarray(checksumAt + 4, headerBytes));
  else {
    parts.push(bytes.subarray(checksumAt + 4, certificateEntryAt));
    parts.push(bytes.subarray(certificateEntryAt + DIRECTORY_BYTES, headerBytes));
  }
  const inOrder = pe.sections.filter(({ dataBytes }) => dataBytes > 0).sort((a, b) => a.dataAt - b.dataAt);
  let hashed = headerBytes;
  for (const { dataAt, dataBytes } of inOrder) {
    parts.push(bytes.subarray(dataAt, dataAt + dataBytes));
    hashed += dataBytes;
  }
  // What is left, counted as the specification does: from the sum of what was hashed, not from the last section's end.
  parts.push(bytes.subarray(hashed, bytes.length - certificateBytes));
  return sha384(concatAll(parts));
}
