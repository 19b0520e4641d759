import { hkdfExpand, hkdfExtract, sha256 } from '#crypto';
import {
  type Bytes,
  CodedError,
  canonicalJsonBytes,
  encodeObject,
  equalBytes,
  fromHex,
  fromUtf8,
  type Json,
  parseStrictJson,
  toHex,
  u32,
  utf8,
} from '../../core/index.ts';

/**
 * A model's folder under encryption (docs/key-release.md): `sealed-model.json`, which is public, and one file
 * `NNNN.sealed` for each file of the model, in chunks of AES-256-GCM.
 */
export const HEADER_FILE = 'sealed-model.json';
const FORMAT = 'chrysalis-sealed-model@v1';
export const HEADER_BYTES_MAX = 128 * 1024;
export const CHUNK_BYTES = 1024 * 1024;
export const TAG_BYTES = 16;
/** The key of a sealed model. */
export const MODEL_KEY_BYTES = 32;
/** It is opened into memory whole. */
export const SEALED_FILE_BYTES_MAX = 8 * 1024 ** 3;
const FILES_MAX = 256;
const PATH = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(\/[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?$/;
const NAME = /^[\w][\w .:@/+-]{0,63}$/;

export type SealedHeader = Readonly<{
  /** How requests name the model. */
  name: string;
  /** Name under which its key is released. */
  secret: string;
  /** 32 bytes. */
  salt: Bytes;
  /** Tells another key from a file that was changed, 32 bytes. */
  keyCheck: Bytes;
  /** M of the model inside, 32 bytes: measured before the key is asked for, and compared once the model is open. */
  modelDigest: Bytes;
  /** In the order of their paths. */
  files: readonly Readonly<{ path: string; bytes: number }>[];
}>;

const malformed = (why: string) => new CodedError('MODEL_INVALID', `${HEADER_FILE}: ${why}`, { file: HEADER_FILE });

/** Canonical JSON (RFC 8785). */
export function encodeSealedHeader({ salt, keyCheck, modelDigest, ...rest }: SealedHeader): Bytes {
  const value = {
    format: FORMAT,
    ...rest,
    salt: toHex(salt),
    keyCheck: toHex(keyCheck),
    modelDigest: toHex(modelDigest),
  };
  return canonicalJsonBytes(value as unknown as Json);
}

/** Exact: one spelling, every field, no other. @throws CodedError MODEL_INVALID, ENCODING_INVALID */
export function parseSealedHeader(bytes: Uint8Array): SealedHeader {
  if (bytes.length > HEADER_BYTES_MAX) throw malformed('too long');
  const value = parseStrictJson(fromUtf8(bytes, HEADER_FILE), HEADER_FILE);
  const fields = record(value, ['format', 'name', 'secret', 'salt', 'keyCheck', 'modelDigest', 'files']);
  if (fields.format !== FORMAT) throw malformed('another format');
  const { name, secret, files } = fields;
  if (typeof name !== 'string' || !NAME.test(name)) throw malformed('name');
  if (typeof secret !== 'string' || !/^[a-z0-9][a-z0-9-]{0,63}$/.test(secret)) throw malformed('secret');
  if (!Array.isArray(files) || files.length === 0 || files.length > FILES_MAX) throw malformed('files');
  const header: SealedHeader = {
    name,
    secret,
    salt: hash(fields.salt),
    keyCheck: hash(fields.keyCheck),
    modelDigest: hash(fields.modelDigest),
    files: files.map((item: Json) => {
      const { path, bytes: length } = record(item, ['path', 'bytes']);
      if (typeof path !== 'string' || !PATH.test(path)) throw malformed('a path');
      if (!Number.isSafeInteger(length) || (length as number) < 0 || (length as number) > SEALED_FILE_BYTES_MAX) {
        throw malformed('a length');
      }
      return { path, bytes: length as number };
    }),
  };
  const paths = header.files.map(({ path }) => path);
  if (paths.some((path, i) => i > 0 && (paths[i - 1] as string) >= path)) throw malformed('paths not in order');
  if (!equalBytes(encodeSealedHeader(header), bytes)) throw malformed('not in canonical form');
  return header;
}

function record<Name extends string>(value: Json | undefined, names: readonly Name[]): Record<Name, Json> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('not an object');
  if (Object.keys(value).sort().join() !== [...names].sort().join()) throw malformed('unknown or absent fields');
  return value as Record<Name, Json>;
}

function hash(value: Json | undefined): Bytes {
  if (typeof value !== 'string' || !/^[0-9a-f]{64}$/.test(value)) throw malformed('not 32 bytes');
  return fromHex(value, HEADER_FILE);
}

export const sealedName = (index: number): string => `${String(index).padStart(4, '0')}.sealed`;

/** At least one chunk, so that an empty file has a tag too. */
export const chunksOf = (bytes: number): number => Math.max(1, Math.ceil(bytes / CHUNK_BYTES));
export const sealedBytes = (bytes: number): number => bytes + TAG_BYTES * chunksOf(bytes);

/** `zeros[7] ‖ u32 chunk ‖ u8 last`: a chunk cannot be moved, and the end cannot be cut off (the STREAM construction). */
export function chunkNonce(chunk: number, isLast: boolean): Bytes {
  const nonce = new Uint8Array(12);
  nonce.set(u32(chunk), 7);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}

/** `HKDF-Expand(prk, LP("chrysalis sealed-model check"), 32)`, with `prk = HKDF-Extract(salt, key)`. */
export function keyCheckOf(key: Uint8Array, salt: Uint8Array): Bytes {
  return hkdfExpand(hkdfExtract(salt, key), encodeObject([utf8('chrysalis sealed-model check')]), 32);
}

/** Each file's own key, which no other header gives: `… LP("chrysalis sealed-model file") ‖ LP(SHA-256 of header) ‖ LP(u32 index)`. */
export function fileKeyOf(key: Uint8Array, header: SealedHeader, index: number): Bytes {
  const info = encodeObject([utf8('chrysalis sealed-model file'), sha256(encodeSealedHeader(header)), u32(index)]);
  return hkdfExpand(hkdfExtract(header.salt, key), info, 32);
}
