import { type Bytes, CodedError, concat, equalBytes, fromUtf8, isZero, utf8 } from '../core/index.ts';

const BLOCK = 512;
const NAME_BYTES_MAX = 100;
/** Two empty blocks end an archive; writers may round up to a record. */
const PADDING_BYTES_MAX = 20 * BLOCK;
const encoder = new TextEncoder();

const invalid = (why: string) => new CodedError('BUNDLE_MALFORMED', `archive: ${why}`);

function octal(value: number, width: number): Bytes {
  return utf8(`${value.toString(8).padStart(width - 1, '0')}\0`);
}

/** What all headers have in common: mode 0644, no owner, no time; blanks where the sum of the bytes goes. */
const COMMON = ((): Bytes => {
  const header = new Uint8Array(BLOCK);
  header.set(octal(0o644, 8), 100);
  header.set(octal(0, 8), 108);
  header.set(octal(0, 8), 116);
  header.set(octal(0, 12), 136);
  header.fill(0x20, 148, 156);
  header[156] = 0x30; // a regular file; links and folders are none
  header.set(utf8('ustar\0'), 257);
  header.set(utf8('00'), 263);
  header.set(octal(0, 8), 329);
  header.set(octal(0, 8), 337);
  return header;
})();
const COMMON_SUM = sumOf(COMMON);

function sumOf(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) sum += byte;
  return sum;
}

/** The one header a file of this name and size has. @throws CodedError BUNDLE_MALFORMED */
function headerOf(path: string, size: number): Bytes {
  const name = encoder.encode(path);
  if (name.length === 0 || name.length > NAME_BYTES_MAX) throw invalid('a name has 1 to 100 bytes');
  const length = octal(size, 12);
  const header = COMMON.slice();
  header.set(name);
  header.set(length, 124);
  const sum = COMMON_SUM + sumOf(name) + sumOf(length);
  header.set(utf8(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
  return header;
}

/** The bytes of a file in an archive: header, content, zeros to the next block. */
export function tarFile(path: string, bytes: Uint8Array): Bytes {
  return concat(headerOf(path, bytes.length), bytes, new Uint8Array((BLOCK - (bytes.length % BLOCK)) % BLOCK));
}

/** What an archive ends with. */
export function tarEnd(): Bytes {
  return new Uint8Array(2 * BLOCK);
}

export type TarFile = Readonly<{ path: string; bytes: Bytes }>;

/**
 * Reads an archive as {@link tarFile} writes it and no other: every header must be the one its name and size make, so
 * no links, folders, modes, owners, times or extensions; names must ascend, so none twice. Holds one file at a time.
 * @param bytesMaxOf most bytes a file of this name may have; null refuses the name
 * @throws CodedError BUNDLE_MALFORMED, BUNDLE_TOO_LARGE
 */
export async function* readTar(
  chunks: AsyncIterable<Uint8Array>,
  bytesMaxOf: (path: string) => number | null,
): AsyncGenerator<TarFile> {
  const input = new Chunks(chunks);
  let last = '';
  for (;;) {
    const header = await input.take(BLOCK);
    if (isZero(header)) break;
    const { path, size } = parseHeader(header);
    const most = bytesMaxOf(path);
    if (most === null) throw invalid(`a file that has no place in a bundle: ${shown(path)}`);
    if (size > most) throw new CodedError('BUNDLE_TOO_LARGE', `${path} says it has ${size} bytes, at most ${most}`);
    if (path <= last) throw invalid(`${shown(path)} does not come after ${shown(last)}`);
    last = path;
    const bytes = await input.take(size);
    const padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if (!isZero(await input.take(padding))) throw invalid(`bytes behind ${path}`);
    yield { path, bytes };
  }
  if (!isZero(await input.take(BLOCK))) throw invalid('one empty block, then bytes');
  await input.end();
}

function parseHeader(header: Bytes): { path: string; size: number } {
  const end = header.indexOf(0);
  const path = fromUtf8(header.subarray(0, end < 0 || end > NAME_BYTES_MAX ? NAME_BYTES_MAX : end), 'file name');
  const digits = fromUtf8(header.subarray(124, 135), 'file size');
  if (!/^[0-7]{11}$/.test(digits)) throw invalid(`the size of ${shown(path)}`);
  const size = Number.parseInt(digits, 8);
  if (!equalBytes(header, headerOf(path, size))) throw invalid(`the header of ${shown(path)} is not a plain file's`);
  return { path, size };
}

/** Names come from whoever made the archive and end on screens. */
function shown(path: string): string {
  return JSON.stringify(path.slice(0, NAME_BYTES_MAX));
}

/** Cuts pieces off a stream of chunks. */
class Chunks {
  readonly #input: AsyncIterator<Uint8Array>;
  #held: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#input = chunks[Symbol.asyncIterator]();
  }

  /** Exactly `length` bytes. @throws CodedError BUNDLE_MALFORMED where the stream ends before */
  async take(length: number): Promise<Bytes> {
    const parts: Uint8Array[] = [];
    let missing = length;
    while (missing > 0) {
      if (this.#held.length === 0) this.#held = (await this.#next()) ?? this.#cut();
      const part = this.#held.subarray(0, missing);
      parts.push(part);
      missing -= part.length;
      this.#held = this.#held.subarray(part.length);
    }
    return concat(...parts);
  }

  /** Nothing but zeros, and not many, may follow. */
  async end(): Promise<void> {
    let length = 0;
    for (let chunk: Uint8Array | null = this.#held; chunk !== null; chunk = await this.#next()) {
      length += chunk.length;
      if (!isZero(chunk) || length > PADDING_BYTES_MAX) throw invalid('bytes behind its end');
    }
  }

  #cut(): never {
    throw invalid('cut off');
  }

  async #next(): Promise<Uint8Array | null> {
    const { value, done } = await this.#input.next();
    return done === true ? null : (value as Uint8Array);
  }
}
