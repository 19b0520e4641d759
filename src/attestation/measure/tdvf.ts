import type { Bytes, Cursor } from '../../core/index.ts';
import { metadataAt, parseFirmwareTable } from './firmware-table.ts';
import { malformed, PAGE_BYTES, part, requireDisjoint, unsupported } from './image-bytes.ts';
import { sectionList } from './section-list.ts';

const STRUCTURE = 'TDVF metadata';
const METADATA = 'e47a6535-984a-4798-865e-4685a7bf8ec2';
const LIST = { structure: STRUCTURE, signature: 'TDVF', sectionBytes: 32 } as const;
/** 256 MiB over all sections: OVMF's have a few MiB, and each page is a record of MRTD. */
export const TDVF_PAGES_MAX = 0x1_0000;
/** Guest physical addresses are held as numbers. */
const ADDRESS_MAX = 2n ** 46n;

/** Boot firmware volume, configuration firmware volume, TD hand-off block, temporary memory. */
const KINDS = ['bfv', 'cfv', 'tdHob', 'tempMem'] as const;
export type TdvfSectionKind = (typeof KINDS)[number];
const MR_EXTEND = 1;

export type TdvfSection = Readonly<{
  kind: TdvfSectionKind;
  /** Guest physical, of whole pages, as is the size in bytes. */
  address: number;
  size: number;
  /** What is loaded there; empty for hand-off block and temporary memory. */
  data: Bytes;
  /** Whether the contents are in MRTD, or the addresses of the pages alone. */
  isExtended: boolean;
}>;

/** What a TDVF build says of how a TD is built with it; sections in the order of the file, which MRTD follows. */
export type TdvfFirmware = Readonly<{ sections: readonly TdvfSection[]; handOffBlock: TdvfSection }>;

/**
 * Reads the TDVF metadata of an OVMF build, as strictly as QEMU does and more: sections are whole pages, overlap neither
 * in memory nor in the file, volumes have data and memory has none, and what is extended is loaded in full.
 * @throws CodedError IMAGE_MALFORMED, IMAGE_UNSUPPORTED (not an OVMF build, no TDVF metadata, unknown kinds, attributes)
 * @see Intel TDX Virtual Firmware Design Guide, TDVF descriptor
 */
export function parseTdvf(firmware: Uint8Array): TdvfFirmware {
  const at = metadataAt(parseFirmwareTable(firmware), METADATA, firmware);
  if (at === null) throw unsupported(STRUCTURE, 'this OVMF build has none: it does not start TDs');
  const { count, body } = sectionList(firmware, at, LIST);
  const read = Array.from({ length: count }, () => parseSection(body, firmware));
  requireDisjoint(
    read.map(({ dataAt, section }) => ({ start: dataAt, length: section.data.length })),
    STRUCTURE,
  );
  const sections = read.map(({ section }) => section);
  requireDisjoint(
    sections.map(({ address, size }) => ({ start: address, length: size })),
    STRUCTURE,
  );
  if (sections.reduce((pages, { size }) => pages + size / PAGE_BYTES, 0) > TDVF_PAGES_MAX) {
    throw unsupported(STRUCTURE, `more than ${TDVF_PAGES_MAX} pages`);
  }
  return { sections, handOffBlock: only(sections) };
}

function only(sections: readonly TdvfSection[]): TdvfSection {
  const of = (kind: TdvfSectionKind) => sections.filter((section) => section.kind === kind);
  const [handOffBlock, ...others] = of('tdHob');
  if (handOffBlock === undefined || others.length > 0) throw malformed(STRUCTURE, 'not exactly one TD hand-off block');
  if (of('bfv').length === 0) throw malformed(STRUCTURE, 'no boot firmware volume');
  if (of('cfv').length > 1) throw malformed(STRUCTURE, 'more than one configuration firmware volume');
  return handOffBlock;
}

function parseSection(cursor: Cursor, firmware: Uint8Array): Readonly<{ dataAt: number; section: TdvfSection }> {
  const dataAt = cursor.u32('dataOffset');
  const dataBytes = cursor.u32('rawDataSize');
  const address = cursor.u64('memoryAddress');
  const size = cursor.u64('memoryDataSize');
  const type = cursor.u32('type');
  const attributes = cursor.u32('attributes');
  const kind = KINDS[type];
  if (kind === undefined) throw unsupported(STRUCTURE, `a section of unknown type ${type}`, { type });
  // Bit 1 would leave the pages to the guest to accept; no build of OVMF says that of these kinds.
  if (attributes > MR_EXTEND) throw unsupported(STRUCTURE, `unknown attributes ${attributes}`, { attributes });
  const page = BigInt(PAGE_BYTES);
  if (address % page !== 0n || size % page !== 0n || size === 0n || address + size > ADDRESS_MAX) {
    throw malformed(STRUCTURE, 'a section that is not whole pages below 64 TiB');
  }
  const isVolume = kind === 'bfv' || kind === 'cfv';
  if (isVolume !== dataBytes > 0) throw malformed(STRUCTURE, `a section ${kind} of ${dataBytes} bytes of data`);
  if (!isVolume && dataAt !== 0) throw malformed(STRUCTURE, `a section ${kind} with a place in the file`);
  if (BigInt(dataBytes) > size) throw malformed(STRUCTURE, 'more data than memory');
  const isExtended = attributes === MR_EXTEND;
  if (isExtended && BigInt(dataBytes) !== size) {
    throw unsupported(STRUCTURE, 'a measured section that is loaded in part only');
  }
  const data = Uint8Array.from(part(firmware, dataAt, dataBytes, STRUCTURE));
  return { dataAt, section: { kind, address: Number(address), size: Number(size), data, isExtended } };
}
