import { sha256 } from '#crypto';
import { type Bytes, CodedError, fromBase64, fromUtf8, type Json, parseStrictJson, toHex } from '../core/index.ts';
import {
  type Digest,
  ENTRY_BYTES_MAX,
  isDigest,
  isSize,
  NOTE_BYTES_MAX,
  parseTilePath,
  TILE_BYTES,
  TILE_WIDTH,
  type TileId,
  tilePath,
} from '../log/index.ts';
import { BLOB_BYTES_MAX } from './http-source.ts';
import type { LogSource } from './source.ts';
import { readTar, type TarFile } from './tar.ts';

export const BUNDLE_FORMAT = 'chrysalis-audit-bundle@v1';
export const MANIFEST = 'manifest.json';
/** A C2SP signed note over the manifest; not in it. */
export const MANIFEST_NOTE = 'manifest.note';
export const RANGE = 'range-a.json';
export const README = 'README.txt';
const MANIFEST_BYTES_MAX = 128 * 1024 * 1024;
/** Without its files; the absent ones are listed by digest. */
const MANIFEST_VALUES_MAX = 1_000_000;
/** More than a year of a busy log has. */
export const BUNDLE_FILES_MAX = 1_500_000;
const SMALL_BYTES_MAX = 1024 * 1024;
/** Whatever a bundle says of itself, not more than this is unpacked unless the caller allows it. */
export const UNPACKED_BYTES_MAX = 64 * 1024 ** 3;

/** One file as the manifest lists it. */
export type ListedFile = Readonly<{ path: string; bytes: number; sha256: string }>;
/** @property absent blobs that entries name and that the log no longer had */
export type Manifest = Readonly<{
  format: typeof BUNDLE_FORMAT;
  origin: string;
  from: number;
  to: number;
  filters: 'none';
  made: Readonly<{ at: string; tool: string; by: string }>;
  purpose: string;
  /** Read from the text each time: as objects a million of them would take more memory than all else. */
  files: Iterable<ListedFile>;
  absent: readonly Digest[];
}>;

/** The files of a bundle, unpacked where they can be read one by one. */
export type BundleFiles = Readonly<{
  list: ReadonlyMap<string, Readonly<{ bytes: number; sha256: string }>>;
  read(path: string): Promise<Bytes>;
}>;

const BLOB_PATH = /^blobs\/sha256\/([0-9a-f]{2})\/([0-9a-f]{2})\/([0-9a-f]{64})$/;

export function blobPath(digest: Digest): string {
  const hex = digest.slice('sha256:'.length);
  return `blobs/sha256/${hex.slice(0, 2)}/${hex.slice(2, 4)}/${hex}`;
}

/** Where the time stamp over the checkpoint of a size lies. */
export function stampPath(size: number): string {
  return `timestamps/${size}.tsr`;
}

/** Most bytes a file of a bundle may have, by its name; null for a name that has no place in one. */
export function bytesMaxOf(path: string): number | null {
  if (path === MANIFEST) return MANIFEST_BYTES_MAX;
  if (path === RANGE || path === README) return SMALL_BYTES_MAX;
  if (path === MANIFEST_NOTE || path === 'log/checkpoint' || /^checkpoints\/(?:0|[1-9][0-9]{0,15})$/.test(path))
    return NOTE_BYTES_MAX;
  if (/^timestamps\/[1-9][0-9]{0,15}\.tsr$/.test(path)) return SMALL_BYTES_MAX;
  const blob = BLOB_PATH.exec(path);
  if (blob !== null) return blob[3]?.startsWith(`${blob[1]}${blob[2]}`) === true ? BLOB_BYTES_MAX : null;
  if (!path.startsWith('log/tile/')) return null;
  try {
    const { level } = parseTilePath(path.slice('log/'.length));
    return level === 'entries' ? TILE_WIDTH * (2 + ENTRY_BYTES_MAX) : TILE_BYTES;
  } catch {
    return null;
  }
}

/**
 * Files of a `.audit.tar.gz`, one after the other, bounded before they are held.
 * @throws CodedError BUNDLE_MALFORMED, BUNDLE_TOO_LARGE
 */
export async function* unpackBundle(
  packed: ReadableStream<Uint8Array>,
  unpackedBytesMax = UNPACKED_BYTES_MAX,
  filesMax = BUNDLE_FILES_MAX,
): AsyncGenerator<TarFile> {
  const unzipped = packed.pipeThrough(new DecompressionStream('gzip') as TransformStream<Uint8Array, Uint8Array>);
  let count = 0;
  for await (const file of readTar(bounded(unzipped, unpackedBytesMax), bytesMaxOf)) {
    if (++count > filesMax) throw new CodedError('BUNDLE_TOO_LARGE', `the bundle has more than ${filesMax} files`);
    yield file;
  }
}

async function* bounded(stream: ReadableStream<Uint8Array>, most: number): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  let length = 0;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      length += value.length;
      if (length > most) throw new CodedError('BUNDLE_TOO_LARGE', `the bundle unpacks to more than ${most} bytes`);
      yield value;
    }
  } catch (cause) {
    if (cause instanceof CodedError) throw cause;
    throw new CodedError('BUNDLE_MALFORMED', 'the bundle is not a whole gzip file', {}, { cause });
  } finally {
    await reader.cancel().catch(() => undefined); // it ended, or its source is gone
  }
}

/** A bundle held in memory: for a browser, and for small ones. @throws CodedError BUNDLE_MALFORMED, BUNDLE_TOO_LARGE */
export async function bundleInMemory(packed: ReadableStream<Uint8Array>, bytesMax: number): Promise<BundleFiles> {
  const files = new Map<string, Bytes>();
  const list = new Map<string, { bytes: number; sha256: string }>();
  for await (const { path, bytes } of unpackBundle(packed, bytesMax)) {
    files.set(path, bytes);
    list.set(path, { bytes: bytes.length, sha256: toHex(sha256(bytes)) });
  }
  return { list, read: async (path) => files.get(path) ?? missing(path) };
}

function missing(path: string): never {
  throw new CodedError('BUNDLE_MALFORMED', `${path} is not in the bundle`);
}

const malformed = (why: string) => new CodedError('BUNDLE_MALFORMED', `manifest: ${why}`);
type Fields = { readonly [field: string]: Json | undefined };

function fieldsOf(value: Json | undefined, names: readonly string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('not an object');
  if (Object.keys(value).sort().join() !== [...names].sort().join()) throw malformed('unknown or absent fields');
  return value as Fields;
}

function text(value: Json | undefined): string {
  if (typeof value !== 'string' || value.length > 1000) throw malformed('not a text');
  return value;
}

/** The one spelling that canonical JSON has of a listed file; a path has none of the characters that need an escape. */
const LISTED =
  /\{"bytes":(0|[1-9][0-9]{0,15}),"path":"([\x20\x21\x23-\x5b\x5d-\x7e]{1,100})","sha256":"([0-9a-f]{64})"\}/y;
const FILES = '],"files":[';

/** The files that a manifest lists, one by one. @throws CodedError BUNDLE_MALFORMED where the text has something else */
function* listedFiles(manifest: string, start: number): Generator<ListedFile, number> {
  let at = start;
  for (let count = 0; manifest[at] !== ']'; count++) {
    if (count >= BUNDLE_FILES_MAX) throw new CodedError('BUNDLE_TOO_LARGE', `more than ${BUNDLE_FILES_MAX} files`);
    if (count > 0 && manifest[at++] !== ',') throw malformed('files');
    LISTED.lastIndex = at;
    const found = LISTED.exec(manifest);
    if (found === null) throw malformed('a file');
    const [whole, bytes, path, hash] = found as unknown as [string, string, string, string];
    if (!isSize(Number(bytes))) throw malformed('a file');
    at += whole.length;
    yield { path, bytes: Number(bytes), sha256: hash };
  }
  return at;
}

/** Where the list of files ends; every one of them was read. */
function endOfFiles(manifest: string, start: number): number {
  const files = listedFiles(manifest, start);
  for (;;) {
    const { done, value } = files.next();
    if (done === true) return value;
  }
}

/** @throws CodedError BUNDLE_MALFORMED, BUNDLE_TOO_LARGE, ENCODING_INVALID */
export function parseManifest(bytes: Uint8Array): Manifest {
  const manifest = fromUtf8(bytes, MANIFEST);
  // Absent files stand before, as digests: nothing in them looks like this.
  const found = manifest.indexOf(FILES);
  if (found < 0) throw malformed('it lists no files');
  const start = found + FILES.length;
  const rest = `${manifest.slice(0, start)}${manifest.slice(endOfFiles(manifest, start))}`;
  const top = fieldsOf(parseStrictJson(rest, MANIFEST, MANIFEST_VALUES_MAX), [
    ...['format', 'origin', 'from', 'to', 'filters', 'made', 'purpose', 'files', 'absent'],
  ]);
  if (top.format !== BUNDLE_FORMAT) throw malformed('another format');
  if (top.filters !== 'none') throw malformed('a filtered view is a report, not a bundle');
  const { from, to, files, absent } = top;
  if (!isSize(from) || !isSize(to) || from > to) throw malformed('from and to');
  if (!Array.isArray(files) || files.length > 0 || !Array.isArray(absent)) throw malformed('files or absent');
  const made = fieldsOf(top.made, ['at', 'tool', 'by']);
  return {
    format: BUNDLE_FORMAT,
    origin: text(top.origin),
    from,
    to,
    filters: 'none',
    made: { at: text(made.at), tool: text(made.tool), by: text(made.by) },
    purpose: text(top.purpose),
    files: { [Symbol.iterator]: () => listedFiles(manifest, start) },
    absent: absent.map((item: Json) => (isDigest(item) ? item : wrongDigest())),
  };
}

function wrongDigest(): never {
  throw malformed('an absent blob');
}

/** Right edge of the tree before the bundle's first entry. @throws CodedError BUNDLE_MALFORMED, ENCODING_INVALID */
export function parseRange(bytes: Uint8Array): Readonly<{ size: number; hashes: readonly Bytes[] }> {
  const { size, hashes } = fieldsOf(parseStrictJson(fromUtf8(bytes, RANGE), RANGE), ['size', 'hashes']);
  if (!isSize(size) || !Array.isArray(hashes) || hashes.length > 64) throw malformed('range');
  return { size, hashes: hashes.map((hash: Json) => fromBase64(text(hash), 'hash')) };
}

/** The log inside a bundle, read like any other. */
export function bundleSource(files: BundleFiles): LogSource {
  const ifThere = async (path: string) => (files.list.has(path) ? files.read(path) : null);
  const sizes = checkpointSizes(files);
  return {
    checkpoint: () => files.read('log/checkpoint'),
    covering: async (index) => {
      const size = sizes.find((one) => one > index);
      return size === undefined ? null : files.read(`checkpoints/${size}`);
    },
    tile: (tile: TileId) => ifThere(`log/${tilePath(tile)}`),
    async blob(digest) {
      const bytes = await ifThere(blobPath(digest));
      return bytes !== null && `sha256:${toHex(sha256(bytes))}` === digest ? bytes : null;
    },
  };
}

/** Sizes of the cosigned checkpoints in a bundle, ascending. */
export function checkpointSizes(files: BundleFiles): number[] {
  return [...files.list.keys()]
    .flatMap((path) => (path.startsWith('checkpoints/') ? [Number(path.slice('checkpoints/'.length))] : []))
    .sort((a, b) => a - b);
}
