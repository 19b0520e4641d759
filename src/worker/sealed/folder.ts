import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { aeadKey, aeadOpen } from '#crypto';
import { type Bytes, CodedError, equalBytes } from '../../core/index.ts';
import type { ModelFolder } from '../engines/index.ts';
import {
  CHUNK_BYTES,
  chunkNonce,
  chunksOf,
  fileKeyOf,
  HEADER_BYTES_MAX,
  HEADER_FILE,
  keyCheckOf,
  MODEL_KEY_BYTES,
  parseSealedHeader,
  type SealedHeader,
  sealedBytes,
  sealedName,
  TAG_BYTES,
} from './format.ts';

/** The header of a sealed model on this machine's disk, or null where the folder holds none: a plain model. */
export async function sealedHeaderOnDisk(path: string): Promise<SealedHeader | null> {
  const file = join(path, HEADER_FILE);
  const size = await stat(file).then(
    (found) => found.size,
    () => null,
  );
  if (size === null) return null;
  if (size > HEADER_BYTES_MAX) throw new CodedError('MODEL_INVALID', `${HEADER_FILE} is too long`, { bytes: size });
  return parseSealedHeader(await readFile(file));
}

/**
 * A sealed model as a folder that an engine reads from: each file is decrypted into memory and nowhere else.
 * @param key 32 bytes; the caller overwrites it once the engine has read its files
 * @throws CodedError MODEL_INVALID for another key, and at `read` for a file that is not what was sealed
 */
export function openSealedFolder(path: string, header: SealedHeader, key: Uint8Array): ModelFolder {
  if (key.length !== MODEL_KEY_BYTES || !equalBytes(keyCheckOf(key, header.salt), header.keyCheck)) {
    throw new CodedError('MODEL_INVALID', 'the released key is not the one that this model was sealed with');
  }
  return {
    name: header.name,
    list: async () => header.files.map((file) => file.path),
    async read(name) {
      const index = header.files.findIndex((file) => file.path === name);
      const file = header.files[index];
      if (file === undefined) throw new CodedError('MODEL_MISSING', `the sealed model has no ${name}`, { file: name });
      return readSealed(path, sealedName(index), file.bytes, fileKeyOf(key, header, index));
    },
  };
}

async function readSealed(folder: string, name: string, bytes: number, key: Bytes): Promise<Bytes> {
  const imported = aeadKey(key);
  key.fill(0);
  const changed = (why: string) => new CodedError('MODEL_INVALID', `a sealed file of the model ${why}`, { file: name });
  const file = await open(join(folder, name), 'r').catch((cause: unknown) => {
    throw new CodedError('MODEL_MISSING', 'a sealed file of the model cannot be read', { file: name }, { cause });
  });
  try {
    if ((await file.stat()).size !== sealedBytes(bytes)) throw changed('has another length than its header says');
    const content = new Uint8Array(bytes);
    const count = chunksOf(bytes);
    for (let chunk = 0; chunk < count; chunk++) {
      const isLast = chunk === count - 1;
      const sealed = new Uint8Array((isLast ? bytes - CHUNK_BYTES * chunk : CHUNK_BYTES) + TAG_BYTES);
      for (let at = 0; at < sealed.length; ) {
        const { bytesRead } = await file.read(sealed, at, sealed.length - at);
        if (bytesRead === 0) throw changed('was cut while it was read');
        at += bytesRead;
      }
      const plain = aeadOpen(imported, chunkNonce(chunk, isLast), new Uint8Array(0), sealed);
      if (plain === null) throw changed('is not what was sealed');
      content.set(plain, CHUNK_BYTES * chunk);
      plain.fill(0);
    }
    return content;
  } finally {
    await file.close();
  }
}
