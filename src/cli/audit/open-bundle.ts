import { closeSync, createReadStream, mkdtempSync, openSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { sha256 } from '#crypto';
import { type BundleFiles, unpackBundle } from '../../audit/index.ts';
import { CodedError, toHex } from '../../core/index.ts';
import { codedFromSystem } from '../output.ts';

export type OpenedBundle = Readonly<{ files: BundleFiles; close(): void }>;

/** @property progress told of megabytes of the packed file */
export type OpenOptions = Readonly<{ unpackedBytesMax?: number; progress?: (done: number, of: number) => void }>;

type Place = Readonly<{ at: number; bytes: number; sha256: string }>;

const MEGABYTE = 1_000_000;

/**
 * Unpacks a bundle into one temporary file that is read at random; memory holds one of its files at a time.
 * @throws CodedError BUNDLE_MALFORMED, BUNDLE_TOO_LARGE, CONFIG_INVALID where it cannot be read, STORAGE_FULL
 */
export async function openBundle(
  path: string,
  { unpackedBytesMax, progress }: OpenOptions = {},
): Promise<OpenedBundle> {
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-audit-'));
  const close = () => rmSync(folder, { recursive: true, force: true });
  const file = openSync(join(folder, 'unpacked'), 'wx+', 0o600);
  try {
    const list = new Map<string, Place>();
    let end = 0;
    const megabytes = (length: number) => Math.round(length / MEGABYTE);
    const of = megabytes(statSync(path).size);
    const stream = createReadStream(path);
    const packed = Readable.toWeb(stream) as ReadableStream<Uint8Array>;
    for await (const { path: name, bytes } of unpackBundle(packed, unpackedBytesMax)) {
      for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
      list.set(name, { at: end, bytes: bytes.length, sha256: toHex(sha256(bytes)) });
      end += bytes.length;
      progress?.(megabytes(stream.bytesRead), of);
    }
    const read = async (name: string) => {
      const place = list.get(name);
      if (place === undefined) throw new CodedError('BUNDLE_MALFORMED', `${name} is not in the bundle`);
      const bytes = new Uint8Array(place.bytes);
      for (let done = 0; done < bytes.length; ) {
        const got = readSync(file, bytes, done, bytes.length - done, place.at + done);
        if (got === 0) throw new CodedError('BUNDLE_MALFORMED', 'the unpacked bundle was cut off');
        done += got;
      }
      return bytes;
    };
    return {
      files: { list, read },
      close: () => {
        closeSync(file);
        close();
      },
    };
  } catch (thrown) {
    closeSync(file);
    close();
    const cause = thrown instanceof CodedError && thrown.cause !== undefined ? thrown.cause : thrown;
    const isSystem = typeof (cause as NodeJS.ErrnoException)?.syscall === 'string';
    throw isSystem ? codedFromSystem(cause) : codedFromSystem(thrown);
  }
}
