import { parsePe } from '../attestation/index.ts';
import { type Bytes, CodedError, concatAll, utf8 } from '../core/index.ts';

const SECTION_HEAD_BYTES = 40;
/** Of the stub's header fields, from "PE\0\0". */
const AT = {
  sectionCount: 6,
  timeStamp: 8,
  optionalSize: 20,
  sectionAlignment: 56,
  fileAlignment: 60,
  size: 80,
} as const;
const CHECKSUM_AT = 88;
const VIRTUAL_SIZE_AT = 8;
const VIRTUAL_ADDRESS_AT = 12;
const READ_ONLY_DATA = 0x40000040;

/** What a unified kernel image is made of (UAPI specification 5). */
export type UnifiedKernelParts = Readonly<{
  stub: Uint8Array;
  kernel: Uint8Array;
  initrd: Uint8Array;
  commandLine: string;
  /** What `os-release` says; the stub shows it. */
  osRelease: string;
}>;

const align = (value: number, to: number) => Math.ceil(value / to) * to;

/**
 * A unified kernel image: the stub with sections added behind its own, each at the next free address. Time stamp and
 * checksum of the stub are zeroed, so that it depends on its parts alone.
 * @throws CodedError IMAGE_MALFORMED, IMAGE_UNSUPPORTED
 */
export function unifiedKernel(parts: UnifiedKernelParts): Bytes {
  const { sections, headerBytes, certificateBytes } = parsePe(parts.stub);
  if (certificateBytes > 0) throw new CodedError('IMAGE_UNSUPPORTED', 'the stub is signed: take the one that is not');
  const head = Uint8Array.from(parts.stub.subarray(0, headerBytes));
  const view = new DataView(head.buffer);
  const at = view.getUint32(60, true);
  const sectionAlignment = view.getUint32(at + AT.sectionAlignment, true);
  const fileAlignment = view.getUint32(at + AT.fileAlignment, true);
  if (sectionAlignment === 0 || fileAlignment === 0) {
    throw new CodedError('IMAGE_UNSUPPORTED', 'the stub does not say how its sections are aligned');
  }
  const tableAt = at + 24 + view.getUint16(at + AT.optionalSize, true);
  const added = [
    ['.osrel', utf8(parts.osRelease)],
    ['.cmdline', utf8(parts.commandLine)],
    ['.initrd', parts.initrd],
    ['.linux', parts.kernel],
  ] as const;
  const lastAt = tableAt + (sections.length + added.length) * SECTION_HEAD_BYTES;
  if (lastAt > headerBytes) throw new CodedError('IMAGE_UNSUPPORTED', 'the stub has no room for more sections');
  let address = 0;
  for (let index = 0; index < sections.length; index++) {
    const row = tableAt + index * SECTION_HEAD_BYTES;
    const end = view.getUint32(row + VIRTUAL_ADDRESS_AT, true) + view.getUint32(row + VIRTUAL_SIZE_AT, true);
    address = Math.max(address, align(end, sectionAlignment));
  }
  let fileAt = align(parts.stub.length, fileAlignment);
  const body: Uint8Array[] = [parts.stub.subarray(headerBytes), new Uint8Array(fileAt - parts.stub.length)];
  added.forEach(([name, bytes], index) => {
    const row = tableAt + (sections.length + index) * SECTION_HEAD_BYTES;
    const fileBytes = align(bytes.length, fileAlignment);
    head.fill(0, row, row + SECTION_HEAD_BYTES);
    head.set(utf8(name), row);
    for (const [field, value] of [
      [VIRTUAL_SIZE_AT, bytes.length],
      [VIRTUAL_ADDRESS_AT, address],
      [16, fileBytes],
      [20, fileAt],
      [36, READ_ONLY_DATA],
    ] as const) {
      view.setUint32(row + field, value, true);
    }
    body.push(bytes, new Uint8Array(fileBytes - bytes.length));
    fileAt += fileBytes;
    address += align(bytes.length, sectionAlignment);
  });
  view.setUint16(at + AT.sectionCount, sections.length + added.length, true);
  view.setUint32(at + AT.timeStamp, 0, true);
  view.setUint32(at + AT.size, address, true);
  view.setUint32(at + CHECKSUM_AT, 0, true);
  return concatAll([head, ...body]);
}
