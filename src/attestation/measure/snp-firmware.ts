import type { Bytes, Cursor } from '../../core/index.ts';
import { metadataAt, parseFirmwareTable, tableEntry } from './firmware-table.ts';
import { FOUR_GIB, malformed, PAGE_BYTES, requireDisjoint, unsupported } from './image-bytes.ts';
import { sectionList } from './section-list.ts';

const STRUCTURE = 'SEV metadata';
const METADATA = 'dc886566-984a-4798-a75e-5585a7bf67cc';
const HASH_TABLE = '7255371f-3a3b-4b04-927b-1da6efa8d454';
const AP_RESET = '00f771de-1a7e-4fcb-890e-68c77e2fb44e';
const LIST = { structure: STRUCTURE, signature: 'ASEV', sectionBytes: 12 } as const;
/** 1 GiB: OVMF's sections have a few hundred KiB, and each page is a step of the digest. */
const SECTION_PAGES_MAX = 0x4_0000;

const SECTION_KINDS = { 1: 'secMem', 2: 'secrets', 3: 'cpuid', 4: 'svsmCaa', 16: 'kernelHashes' } as const;
export type SnpSectionKind = (typeof SECTION_KINDS)[keyof typeof SECTION_KINDS];
/** Kinds of one page, of which a guest has one. */
const SINGLE: readonly SnpSectionKind[] = ['secrets', 'cpuid', 'kernelHashes'];

export type SnpSection = Readonly<{ gpa: number; size: number; kind: SnpSectionKind }>;

/** What an OVMF build says of how an SNP guest is launched with it. */
export type SnpFirmware = Readonly<{
  bytes: Bytes;
  /** It ends at 4 GiB. */
  loadGpa: number;
  /** In the order of the file, which is the order of measuring. */
  sections: readonly SnpSection[];
  /** Where the hashes of kernel, initrd and command line go; null: this build takes none. */
  hashTable: Readonly<{ gpa: number; size: number }> | null;
  /** EIP of vCPUs other than the first; null: the build starts one alone. */
  apResetEip: number | null;
}>;

/**
 * Reads what SEV-SNP needs of an OVMF build. Sections must be whole pages below 4 GiB that overlap neither each other
 * nor the firmware; secrets, CPUID and kernel hashes are one page each and there once.
 * @throws CodedError IMAGE_MALFORMED, IMAGE_UNSUPPORTED (not an OVMF build, no SEV metadata, an unknown kind of section)
 * @see EDK II, OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm
 */
export function parseSnpFirmware(firmware: Uint8Array): SnpFirmware {
  const table = parseFirmwareTable(firmware);
  if (firmware.length % PAGE_BYTES !== 0) throw unsupported('firmware', 'not a whole number of 4 KiB pages');
  const loadGpa = FOUR_GIB - firmware.length;
  const at = metadataAt(table, METADATA, firmware);
  if (at === null) throw unsupported(STRUCTURE, 'this OVMF build has none: it does not start SEV-SNP guests');
  const sections = parseSections(firmware, at);
  requireDisjoint(
    [{ start: loadGpa, length: firmware.length }, ...sections.map(({ gpa, size }) => ({ start: gpa, length: size }))],
    STRUCTURE,
  );
  const reset = tableEntry(table, AP_RESET, 4);
  return {
    bytes: Uint8Array.from(firmware),
    loadGpa,
    sections,
    hashTable: parseHashTable(tableEntry(table, HASH_TABLE, 8), sections),
    apResetEip: reset === null ? null : reset.u32('eip'),
  };
}

function parseSections(firmware: Uint8Array, at: number): SnpSection[] {
  const { count, body } = sectionList(firmware, at, LIST);
  const sections = Array.from({ length: count }, () => parseSection(body));
  for (const kind of SINGLE) {
    const found = sections.filter((section) => section.kind === kind);
    if (found.length > 1) throw malformed(STRUCTURE, `more than one section ${kind}`);
    if (found.some(({ size }) => size !== PAGE_BYTES)) throw malformed(STRUCTURE, `section ${kind} is not one page`);
  }
  return sections;
}

function parseSection(cursor: Cursor): SnpSection {
  const gpa = cursor.u32('gpa');
  const size = cursor.u32('size');
  const type = cursor.u32('type');
  const kind = (SECTION_KINDS as Readonly<Record<number, SnpSectionKind>>)[type];
  if (kind === undefined) throw unsupported(STRUCTURE, `a section of unknown type ${type}`, { type });
  if (size === 0 || size % PAGE_BYTES !== 0 || gpa % PAGE_BYTES !== 0) {
    throw malformed(STRUCTURE, 'a section that is not whole pages', { gpa, size });
  }
  if (gpa + size > FOUR_GIB || size / PAGE_BYTES > SECTION_PAGES_MAX) {
    throw malformed(STRUCTURE, 'a section beyond 4 GiB, or of more than 1 GiB', { gpa, size });
  }
  return { gpa, size, kind };
}

/** The table's address is zero in builds that take no hashes; else it lies in the page set aside for it. */
function parseHashTable(entry: Cursor | null, sections: readonly SnpSection[]): SnpFirmware['hashTable'] {
  if (entry === null) return null;
  const gpa = entry.u32('gpa');
  const size = entry.u32('size');
  const page = sections.find(({ kind }) => kind === 'kernelHashes');
  if (gpa === 0 || page === undefined) return null;
  if (gpa < page.gpa || gpa + size > page.gpa + PAGE_BYTES) {
    throw malformed(STRUCTURE, 'the hash table is outside the page that is measured for it', { gpa, size });
  }
  return { gpa, size };
}
