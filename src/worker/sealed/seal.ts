import { aeadKey, aeadSeal } from '#crypto';
import { type Bytes, CodedError, type Randomness } from '../../core/index.ts';
import type { ModelFolder } from '../engines/index.ts';
import {
  CHUNK_BYTES,
  chunkNonce,
  chunksOf,
  encodeSealedHeader,
  fileKeyOf,
  HEADER_FILE,
  keyCheckOf,
  MODEL_KEY_BYTES,
  parseSealedHeader,
  type SealedHeader,
  sealedName,
} from './format.ts';

const NOTHING = new Uint8Array(0);

/** A file of the sealed folder, chunk by chunk. */
export type SealedFile = Readonly<{ name: string; chunks: Iterable<Bytes> }>;

/**
 * Encrypts every file of a model's folder.
 * @param key 32 bytes @param modelDigest M, as a worker with this engine measures it
 * @throws CodedError USAGE_INVALID for a key of another length, MODEL_MISSING, MODEL_INVALID
 */
export async function sealModel(
  folder: ModelFolder,
  about: Readonly<{ secret: string; key: Uint8Array; modelDigest: Bytes }>,
  randomness: Randomness,
): Promise<readonly SealedFile[]> {
  const { secret, key, modelDigest } = about;
  if (key.length !== MODEL_KEY_BYTES) {
    throw new CodedError('USAGE_INVALID', `the key of a model has ${MODEL_KEY_BYTES} bytes`, { field: 'key' });
  }
  const files: [path: string, content: Bytes][] = [];
  for (const path of [...(await folder.list())].sort()) files.push([path, await folder.read(path)]);
  const salt = randomness(32);
  const header: SealedHeader = {
    name: folder.name,
    secret,
    salt,
    keyCheck: keyCheckOf(key, salt),
    modelDigest,
    files: files.map(([path, content]) => ({ path, bytes: content.length })),
  };
  const encoded = encodeSealedHeader(header);
  parseSealedHeader(encoded); // what could not be opened again is not written
  return [
    { name: HEADER_FILE, chunks: [encoded] },
    ...files.map(([, content], index) => ({
      name: sealedName(index),
      chunks: sealedChunks(content, fileKeyOf(key, header, index)),
    })),
  ];
}

function* sealedChunks(content: Uint8Array, key: Bytes): Generator<Bytes> {
  const imported = aeadKey(key);
  key.fill(0);
  const count = chunksOf(content.length);
  for (let chunk = 0; chunk < count; chunk++) {
    const plain = content.subarray(CHUNK_BYTES * chunk, CHUNK_BYTES * (chunk + 1));
    yield aeadSeal(imported, chunkNonce(chunk, chunk === count - 1), NOTHING, plain);
  }
}
