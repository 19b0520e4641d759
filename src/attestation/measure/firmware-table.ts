import { type Bytes, Cursor, guidText } from '../../core/index.ts';
import { malformed, part, unsupported } from './image-bytes.ts';

/** Firmware of a guest is mapped below 4 GiB; OVMF builds have 2 or 4 MiB. */
export const FIRMWARE_BYTES_MAX = 16 * 1024 * 1024;

const STRUCTURE = 'OVMF table';
const FOOTER = '96b582de-1fb2-45f7-baea-a366c55a082d';
/** The reset vector's own code stands after the table. */
const AFTER_TABLE_BYTES = 32;
const ENTRY_HEAD_BYTES = 18;

/** Entries of the table at the end of an OVMF build by GUID, in text form; the data of each, without its head. */
export type FirmwareTable = ReadonlyMap<string, Bytes>;

/**
 * Reads the GUIDed table that ends 32 bytes before the end of an OVMF build. Each entry is its data, u16 size of data
 * and head, GUID; the last is the footer, whose size is that of the whole table. The entries must fill it exactly.
 * @throws CodedError IMAGE_MALFORMED, IMAGE_UNSUPPORTED (no such table, or too large a file)
 * @see EDK II, OvmfPkg/ResetVector; QEMU, hw/i386/pc_sysfw_ovmf.c
 */
export function parseFirmwareTable(firmware: Uint8Array): FirmwareTable {
  if (firmware.length > FIRMWARE_BYTES_MAX) {
    throw unsupported(STRUCTURE, `firmware of more than ${FIRMWARE_BYTES_MAX} bytes`, { length: firmware.length });
  }
  const end = firmware.length - AFTER_TABLE_BYTES;
  const footer = readHead(firmware, end);
  if (footer === null || footer.guid !== FOOTER) {
    throw unsupported(STRUCTURE, 'the file does not end as an OVMF build does', { length: firmware.length });
  }
  const start = end - footer.size;
  if (footer.size < ENTRY_HEAD_BYTES || start < 0) throw malformed(STRUCTURE, 'the footer does not fit the file');
  const entries = new Map<string, Bytes>();
  for (let at = end - ENTRY_HEAD_BYTES; at > start; ) {
    const head = at - start < ENTRY_HEAD_BYTES ? null : readHead(firmware, at);
    if (head === null || head.size < ENTRY_HEAD_BYTES || head.size > at - start) {
      throw malformed(STRUCTURE, 'an entry does not fit the table', { at });
    }
    if (entries.has(head.guid) || head.guid === FOOTER) throw malformed(STRUCTURE, 'an entry twice', { at });
    const data = part(firmware, at - head.size, head.size - ENTRY_HEAD_BYTES, STRUCTURE);
    entries.set(head.guid, Uint8Array.from(data));
    at -= head.size;
  }
  return entries;
}

/** The head that ends at `end`, or null where the file has no room for one. */
function readHead(firmware: Uint8Array, end: number): Readonly<{ size: number; guid: string }> | null {
  if (end < ENTRY_HEAD_BYTES) return null;
  const head = new Cursor(firmware.subarray(end - ENTRY_HEAD_BYTES, end), STRUCTURE);
  return { size: head.u16('size'), guid: guidText(head.bytes('guid', 16)) };
}

/** An entry of exactly `length` bytes, or null where there is none. @throws CodedError IMAGE_MALFORMED */
export function tableEntry(table: FirmwareTable, guid: string, length: number): Cursor | null {
  const data = table.get(guid);
  if (data === undefined) return null;
  if (data.length !== length) throw malformed(STRUCTURE, `entry ${guid} has ${data.length} bytes, not ${length}`);
  return new Cursor(data, STRUCTURE);
}

/** Where the metadata stand that an entry points to, as a distance from the end of the file; null without the entry. */
export function metadataAt(table: FirmwareTable, guid: string, firmware: Uint8Array): number | null {
  const entry = tableEntry(table, guid, 4);
  if (entry === null) return null;
  const at = firmware.length - entry.u32('distance');
  if (at < 0) throw malformed(STRUCTURE, `entry ${guid} points outside the file`);
  return at;
}
