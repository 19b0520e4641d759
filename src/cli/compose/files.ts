import { randomFillSync } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type Bytes, CodedError, concat, fromHex, type Randomness, secretBytes, toHex } from '../../core/index.ts';
import { codedFromSystem } from '../output.ts';

/** In memory that nobody else has a copy of, so that its owner can overwrite it. */
export const systemRandomness: Randomness = (length) => randomFillSync(secretBytes(length));

/** @throws CodedError naming the file where it cannot be read */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (thrown) {
    throw codedFromSystem(thrown);
  }
}

/** @throws CodedError naming the file where it cannot be read */
export function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (thrown) {
    throw codedFromSystem(thrown);
  }
}

const PIECE_BYTES = 64 * 1024;

/** What a file, a pipe or a device holds, or null where that is more than `bytesMax`; never holds more. */
export function readBounded(path: string, bytesMax: number): Uint8Array | null {
  try {
    const file = openSync(path, 'r');
    try {
      const pieces: Uint8Array[] = [];
      for (let length = 0; ; ) {
        const piece = new Uint8Array(Math.min(PIECE_BYTES, bytesMax + 1 - length));
        const read = readSync(file, piece);
        if (read === 0) return concat(...pieces);
        length += read;
        if (length > bytesMax) return null;
        pieces.push(piece.subarray(0, read));
      }
    } finally {
      closeSync(file);
    }
  } catch (thrown) {
    throw codedFromSystem(thrown);
  }
}

/** Whole or not at all, and on disk when it returns; readable by this user alone. @throws CodedError as the system says */
export function writeDurably(path: string, text: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const draft = `${path}.${process.pid}.draft`;
    try {
      writeAndSync(openSync(draft, 'w', 0o600), text);
      renameSync(draft, path);
    } catch (thrown) {
      rmSync(draft, { force: true });
      throw thrown;
    }
    writeAndSync(openSync(dirname(path), 'r'), null);
  } catch (thrown) {
    throw codedFromSystem(thrown);
  }
}

function writeAndSync(file: number, text: string | null): void {
  try {
    if (text !== null) writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Reads a file, or null where there is none. */
export function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw codedFromSystem(thrown);
  }
}

/** A 32-byte secret of this name in a folder; drawn and stored the first time. */
export function secretOf(folder: string, name: string): Bytes {
  const path = join(folder, `${name}.secret`);
  const kept = readIfThere(path);
  if (kept !== null) {
    const seed = fromHex(kept.trim(), name);
    if (seed.length !== 32) throw new CodedError('CONFIG_INVALID', `${path} does not hold a 32-byte secret`);
    return seed;
  }
  const seed = systemRandomness(32);
  writeDurably(path, `${toHex(seed)}\n`);
  return seed;
}
