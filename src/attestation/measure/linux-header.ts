import { type Bytes, utf8 } from '../../core/index.ts';
import { malformed, unsupported } from './image-bytes.ts';
import { lowMemoryBytes } from './td-hob.ts';

const STRUCTURE = 'kernel';
const KERNEL_BYTES_MIN = 0x1000;
const HDRS = 0x53726448; // "HdrS"
/** What q35 keeps below the end of low memory for ACPI tables. */
const ACPI_DATA_BYTES = 0x2_8000;
const CAN_BE_LOADED_ABOVE_4G = 2;
const OLD_INITRD_MAX = 0x37ff_ffff;

export type KernelLoad = Readonly<{
  kernel: Uint8Array;
  /** Zero without one. */
  initrdBytes: number;
  /** As given to `-append`. */
  commandLine: string;
  memoryBytes: number;
}>;

/**
 * A kernel as QEMU before 10.2 hands it to the firmware of a TD: with the setup header filled in (Linux x86 boot
 * protocol), so that its digest depends on memory and on the size of the initial RAM disk. A file that is no bzImage,
 * such as a unified kernel image, has four bytes of its DOS header overwritten, until QEMU left those alone (`qemuRules`).
 * @throws CodedError IMAGE_MALFORMED, IMAGE_UNSUPPORTED, USAGE_INVALID
 * @see QEMU, x86_load_linux; docs/measurements.md
 */
export function kernelAsQemuPatchesIt({ kernel, initrdBytes, commandLine, memoryBytes }: KernelLoad): Bytes {
  if (kernel.length < KERNEL_BYTES_MIN) throw malformed(STRUCTURE, 'shorter than a boot sector and its setup');
  if (commandLine.includes('vga=')) throw unsupported(STRUCTURE, 'vga= on the command line changes the header');
  const out = Uint8Array.from(kernel);
  const header = new DataView(out.buffer);
  const protocol = header.getUint32(0x202, true) === HDRS ? header.getUint16(0x206, true) : 0;
  const isLow = protocol < 0x200 || (header.getUint8(0x211) & 1) === 0;
  const isRecent = !isLow && protocol >= 0x202;
  const realAt = isRecent ? 0x1_0000 : 0x9_0000;
  const commandLineBytes = (utf8(commandLine).length + 16) & ~15;
  const commandLineAt = isRecent ? 0x2_0000 : 0x9_a000 - commandLineBytes;
  // Read before anything is written over it: the limit stands beside the fields that are filled in.
  const initrdMax = initrdLimit(header, protocol, memoryBytes);
  if (protocol >= 0x202) header.setUint32(0x228, commandLineAt, true);
  else {
    header.setUint16(0x20, 0xa33f, true);
    header.setUint16(0x22, commandLineAt - realAt, true);
  }
  if (protocol >= 0x200) header.setUint8(0x210, 0xb0); // type_of_loader: QEMU
  if (protocol >= 0x201) {
    header.setUint8(0x211, header.getUint8(0x211) | 0x80); // CAN_USE_HEAP
    header.setUint16(0x224, commandLineAt - realAt - 0x200, true); // heap_end_ptr
  }
  if (initrdBytes > 0) {
    if (protocol < 0x200) throw unsupported(STRUCTURE, 'it takes no initial RAM disk beside it');
    if (initrdBytes >= initrdMax) throw unsupported(STRUCTURE, 'the initial RAM disk does not fit low memory');
    header.setUint32(0x218, Math.floor((initrdMax - initrdBytes) / 0x1000) * 0x1000, true);
    header.setUint32(0x21c, initrdBytes, true);
  }
  return out;
}

function initrdLimit(header: DataView, protocol: number, memoryBytes: number): number {
  const isAnywhere = protocol >= 0x20c && (header.getUint16(0x236, true) & CAN_BE_LOADED_ABOVE_4G) !== 0;
  const own = isAnywhere ? 0xffff_ffff : protocol >= 0x203 ? header.getUint32(0x22c, true) : OLD_INITRD_MAX;
  return Math.min(own, lowMemoryBytes(memoryBytes) - ACPI_DATA_BYTES - 1);
}
