import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { access, mkdir, open, rmdir } from 'node:fs/promises';
import { CodedError, concat } from '../../core/index.ts';
import type { GuestFiles } from '../../worker/index.ts';

const PIECE_BYTES = 4096;

/** Attributes of the kernel say nothing of their length: they are read to the end, and no further than asked. */
async function read(path: string, bytesMax: number) {
  const file = await open(path, constants.O_RDONLY);
  try {
    const pieces: Uint8Array[] = [];
    for (let length = 0; ; ) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, bytesMax + 1 - length));
      const { bytesRead } = await file.read(piece, 0, piece.length);
      if (bytesRead === 0) return concat(...pieces);
      length += bytesRead;
      if (length > bytesMax) return null;
      pieces.push(piece.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

function requireWhole(written: number, bytes: Uint8Array): void {
  if (written !== bytes.length) throw new CodedError('PLATFORM_UNSUPPORTED', 'the kernel took an attribute in part');
}

/** The kernel's files on this machine. Attributes are opened for writing alone, as their mode says, and never truncated. */
export const guestFiles: GuestFiles = {
  read,
  async write(path, bytes) {
    const file = await open(path, constants.O_WRONLY);
    try {
      requireWhole((await file.write(bytes)).bytesWritten, bytes);
    } finally {
      await file.close();
    }
  },
  writeNow(path, bytes) {
    const file = openSync(path, constants.O_WRONLY);
    try {
      requireWhole(writeSync(file, bytes), bytes);
    } finally {
      closeSync(file);
    }
  },
  exists: (path) =>
    access(path).then(
      () => true,
      () => false,
    ),
  makeFolder: async (path) => void (await mkdir(path)),
  removeFolder: (path) => rmdir(path),
};
