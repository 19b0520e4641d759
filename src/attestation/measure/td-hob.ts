import { type Bytes, CodedError, concat, concatAll } from '../../core/index.ts';
import { FOUR_GIB, PAGE_BYTES, unsupported } from './image-bytes.ts';
import type { TdvfFirmware } from './tdvf.ts';

/** From here on QEMU's q35 leaves 2 GiB below 4 GiB to memory, and less than that all of it. */
const SPLIT_FROM_BYTES = 0xb000_0000;
const LOW_BYTES_WHEN_SPLIT = 0x8000_0000;
const MEMORY_BYTES_MAX = 2 ** 46;

const HANDOFF_BYTES = 56;
const RESOURCE_BYTES = 48;
const END_BYTES = 8;
const SYSTEM_MEMORY = 0;
const UNACCEPTED_MEMORY = 7;
/** Present, initialized, tested. */
const ATTRIBUTES = 7;

/** Bytes of memory that QEMU's q35 maps below 4 GiB. @throws CodedError USAGE_INVALID */
export function lowMemoryBytes(memoryBytes: number): number {
  if (!Number.isSafeInteger(memoryBytes) || memoryBytes <= 0 || memoryBytes % PAGE_BYTES !== 0) {
    throw new CodedError('USAGE_INVALID', 'memory is a whole number of 4 KiB pages', { memoryBytes });
  }
  if (memoryBytes > MEMORY_BYTES_MAX) {
    throw new CodedError('USAGE_INVALID', 'memory is at most 64 TiB', { memoryBytes });
  }
  return memoryBytes >= SPLIT_FROM_BYTES ? LOW_BYTES_WHEN_SPLIT : memoryBytes;
}

type Ram = Readonly<{ start: number; end: number; isAdded: boolean }>;

/**
 * The TD hand-off block as QEMU writes it and the firmware hashes it, without its end marker: which memory there is,
 * and which of it the VMM has added already.
 * @throws CodedError USAGE_INVALID, IMAGE_UNSUPPORTED where the firmware's sections do not fit that memory
 * @see Intel TDX Virtual Firmware Design Guide, TD hand-off block; QEMU, hw/i386/tdvf-hob.c
 */
export function tdHandOffBlock({ sections, handOffBlock }: TdvfFirmware, memoryBytes: number): Bytes {
  const low = lowMemoryBytes(memoryBytes);
  let ram: Ram[] = [{ start: 0, end: low, isAdded: false }];
  if (memoryBytes > low) ram.push({ start: FOUR_GIB, end: FOUR_GIB + memoryBytes - low, isAdded: false });
  for (const { kind, address, size } of sections) {
    if (kind === 'tdHob' || kind === 'tempMem') ram = added(ram, address, address + size);
  }
  ram.sort((a, b) => a.start - b.start);
  const length = HANDOFF_BYTES + ram.length * RESOURCE_BYTES;
  if (length + END_BYTES > handOffBlock.size) throw unsupported('TD hand-off block', 'it does not fit its section');
  return concat(handOff(handOffBlock.address + length + END_BYTES), concatAll(ram.map(resource)));
}

function added(ram: readonly Ram[], start: number, end: number): Ram[] {
  const within = ram.find((range) => !range.isAdded && range.start <= start && end <= range.end);
  if (within === undefined) {
    throw unsupported('TD hand-off block', 'the firmware uses memory that the guest does not have', { start, end });
  }
  const parts: Ram[] = [
    { ...within, end: start },
    { start, end, isAdded: true },
    { ...within, start: end },
  ];
  return [...ram.filter((range) => range !== within), ...parts.filter((range) => range.start < range.end)];
}

/** EFI_HOB_HANDOFF_INFO_TABLE: all but the end of the list is zero. */
function handOff(endOfList: number): Bytes {
  const view = new DataView(new ArrayBuffer(HANDOFF_BYTES));
  view.setUint16(0, 1, true); // EFI_HOB_TYPE_HANDOFF
  view.setUint16(2, HANDOFF_BYTES, true);
  view.setUint32(8, 9, true); // version
  view.setBigUint64(48, BigInt(endOfList), true);
  return new Uint8Array(view.buffer);
}

/** EFI_HOB_RESOURCE_DESCRIPTOR with a zero owner. */
function resource({ start, end, isAdded }: Ram): Bytes {
  const view = new DataView(new ArrayBuffer(RESOURCE_BYTES));
  view.setUint16(0, 3, true); // EFI_HOB_TYPE_RESOURCE_DESCRIPTOR
  view.setUint16(2, RESOURCE_BYTES, true);
  view.setUint32(24, isAdded ? SYSTEM_MEMORY : UNACCEPTED_MEMORY, true);
  view.setUint32(28, ATTRIBUTES, true);
  view.setBigUint64(32, BigInt(start), true);
  view.setBigUint64(40, BigInt(end - start), true);
  return new Uint8Array(view.buffer);
}
