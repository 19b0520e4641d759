import { sha256 } from '#crypto';
import { type Bytes, CodedError, concat, guidBytes, utf8 } from '../../core/index.ts';
import { malformed, PAGE_BYTES } from './image-bytes.ts';
import type { SnpFirmware } from './snp-firmware.ts';

const HEADER = '9438d606-4f22-4cc9-b479-a793d411fd21';
const COMMAND_LINE = '97d02dd8-bd20-4c94-aa78-e7714d36ab2a';
const INITRD = '44baf731-3a2f-4bd7-9af1-41e29169781d';
const KERNEL = '4de79437-abd2-427f-b835-d5b172d2045b';
const ENTRY_BYTES = 50;
const TABLE_BYTES = 168;
/** The table is written padded to 16 bytes. */
const PADDED_BYTES = 176;
const COMMAND_LINE_CHARS_MAX = 4096;

/** SHA-256 of what `-kernel`, `-initrd` and `-append` give, as QEMU hands them to the firmware; 32 bytes each. */
export type KernelHashes = Readonly<{ kernel: Bytes; initrd: Bytes; commandLine: Bytes }>;

/**
 * @param initrd null: none, which is hashed as an empty one
 * @param commandLine without terminator; the hash covers one NUL after it
 * @throws CodedError IMAGE_MALFORMED for a command line that no kernel takes
 */
export function kernelHashes(kernel: Uint8Array, initrd: Uint8Array | null, commandLine: string): KernelHashes {
  return { kernel: sha256(kernel), initrd: initrdHash(initrd), commandLine: commandLineHash(commandLine) };
}

export function initrdHash(initrd: Uint8Array | null): Bytes {
  return sha256(initrd ?? new Uint8Array(0));
}

/** @throws CodedError as {@link requireCommandLine} */
export function commandLineHash(commandLine: string): Bytes {
  requireCommandLine(commandLine);
  return sha256(concat(utf8(commandLine), Uint8Array.of(0)));
}

/** @throws CodedError IMAGE_MALFORMED */
export function requireCommandLine(commandLine: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a NUL would end it early
  if (commandLine.length > COMMAND_LINE_CHARS_MAX || /\u0000/.test(commandLine) || !commandLine.isWellFormed()) {
    throw malformed('command line', `not text of at most ${COMMAND_LINE_CHARS_MAX} characters without NUL`);
  }
}

/** The page with the hash table, as QEMU fills it (`kernel-hashes=on`). @throws CodedError IMAGE_UNSUPPORTED */
export function kernelHashesPage(firmware: SnpFirmware, hashes: KernelHashes): Bytes {
  const { hashTable } = firmware;
  if (hashTable === null || hashTable.size < PADDED_BYTES) {
    throw new CodedError(
      'IMAGE_UNSUPPORTED',
      'a kernel was given, and the firmware measures none: it has no SNP_KERNEL_HASHES section',
      { todo: 'use an OVMF build of the AmdSev kind, or leave the kernel out' },
    );
  }
  const entry = (guid: string, length: number, ...data: readonly Uint8Array[]) =>
    concat(guidBytes(guid), Uint8Array.of(length, 0), ...data);
  const table = entry(
    HEADER,
    TABLE_BYTES,
    entry(COMMAND_LINE, ENTRY_BYTES, hashes.commandLine),
    entry(INITRD, ENTRY_BYTES, hashes.initrd),
    entry(KERNEL, ENTRY_BYTES, hashes.kernel),
  );
  const page = new Uint8Array(PAGE_BYTES);
  page.set(table, hashTable.gpa % PAGE_BYTES);
  return page;
}
