import { fromUtf8 } from '../../core/index.ts';
import { malformed, part, unsupported } from './image-bytes.ts';
import { requireCommandLine } from './kernel-hashes.ts';
import type { ParsedPe } from './pe.ts';

const STRUCTURE = 'unified kernel image';

/** What a unified kernel image (UAPI specification 5) carries that is measured again when its stub starts the kernel. */
export type UkiContents = Readonly<{ kernel: Uint8Array; initrd: Uint8Array | null; commandLine: string }>;

/**
 * The kernel, initial RAM disk and command line of a unified kernel image. Each section is there at most once. A command
 * line with white space or NUL at its end is refused: stubs of different versions measure different texts for it.
 * @throws CodedError IMAGE_MALFORMED, IMAGE_UNSUPPORTED, ENCODING_INVALID
 */
export function ukiContents(pe: ParsedPe): UkiContents {
  const kernel = sectionOf(pe, '.linux');
  if (kernel === null) throw unsupported(STRUCTURE, 'no section .linux: it is a plain EFI application');
  const commandLine = fromUtf8(sectionOf(pe, '.cmdline') ?? new Uint8Array(0), '.cmdline');
  requireCommandLine(commandLine);
  if (commandLine !== commandLine.trim()) {
    throw unsupported(STRUCTURE, '.cmdline begins or ends with white space: build the image without it');
  }
  return { kernel, initrd: sectionOf(pe, '.initrd'), commandLine };
}

function sectionOf(pe: ParsedPe, name: string): Uint8Array | null {
  const [found, ...others] = pe.sections.filter((section) => section.name === name);
  if (found === undefined) return null;
  if (others.length > 0) throw malformed(STRUCTURE, `section ${name} twice`);
  if (found.virtualSize > found.dataBytes) throw malformed(STRUCTURE, `section ${name} is longer than its data`);
  return part(pe.bytes, found.dataAt, found.virtualSize, STRUCTURE);
}
