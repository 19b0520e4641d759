import type { FileHandle } from 'node:fs/promises';
import * as system from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Bytes, CodedError, equalBytes } from '../../core/index.ts';

export type DurableFile = Readonly<{ path: string; bytes: Uint8Array }>;

/** True for the error a missing file or folder gives. */
export function isMissing(error: unknown): boolean {
  return errorCode(error) === 'ENOENT';
}

export function errorCode(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

/** The calls on disk that durability rests on; tests put one that fails in its place. */
export type FileSystem = Pick<typeof system, 'mkdir' | 'open' | 'readdir' | 'rename' | 'rm' | 'unlink'>;

async function withHandle<T>(
  { open }: FileSystem,
  path: string,
  flags: string,
  use: (handle: FileHandle) => Promise<T>,
  mode = 0o644,
): Promise<T> {
  const handle = await open(path, flags, mode);
  try {
    return await use(handle);
  } finally {
    await handle.close();
  }
}

async function syncDirectory(disk: FileSystem, path: string): Promise<void> {
  await withHandle(disk, path, 'r', (handle) => handle.sync());
}

const TEMPORARY = '.tmp';

/**
 * Like Promise.all, and throws only when all have ended: whoever starts again after a failure must meet no write of the
 * one that failed. @throws the first one's reason
 */
async function allEnded<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

/**
 * Files under one folder that survive a power cut once a call answers: data is fsynced before the rename that shows
 * it, the folder after it, a new folder's parent too. After a failed fsync nothing read back means anything (the page
 * cache may be gone), so callers treat any error of a write as the end of the process's writing.
 */
export class DurableFiles {
  readonly root: string;
  readonly #knownFolders = new Set<string>();
  readonly #disk: FileSystem;

  constructor(root: string, disk: FileSystem = system) {
    this.root = root;
    this.#disk = disk;
  }

  /** Opens a folder, creating what is missing above it. */
  static async at(root: string, disk: FileSystem = system): Promise<DurableFiles> {
    const created = await disk.mkdir(root, { recursive: true, mode: 0o700 });
    if (created !== undefined) await syncDirectory(disk, dirname(created));
    return new DurableFiles(root, disk);
  }

  /** The bytes, or null where there is no such file. @throws CodedError LOG_INCONSISTENT above `bytesMax` */
  async read(path: string, bytesMax: number): Promise<Bytes | null> {
    try {
      return await withHandle(this.#disk, join(this.root, path), 'r', async (handle) => {
        const { size } = await handle.stat();
        if (size > bytesMax) throw new CodedError('LOG_INCONSISTENT', `${path} is larger than it can be`, { size });
        return Uint8Array.from(await handle.readFile());
      });
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  /** Names in a folder; none where it is missing. */
  async list(path: string): Promise<string[]> {
    try {
      return (await this.#disk.readdir(join(this.root, path))).sort();
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  /** Creates or replaces one file. */
  async replace(path: string, bytes: Uint8Array, mode = 0o644): Promise<void> {
    await this.#folder(dirname(path));
    await this.#show([await this.#prepare({ path, bytes }, mode)]);
  }

  /**
   * Creates files that never change: one that is there already must hold the same bytes.
   * @throws CodedError LOG_INCONSISTENT where it holds others
   */
  async createAll(files: readonly DurableFile[]): Promise<void> {
    for (const folder of new Set(files.map(({ path }) => dirname(path)))) await this.#folder(folder);
    const prepared = await allEnded(
      files.map(async (file) => {
        const present = await this.read(file.path, file.bytes.length);
        if (present === null) return this.#prepare(file, 0o644);
        if (!equalBytes(present, file.bytes)) {
          throw new CodedError('LOG_INCONSISTENT', `${file.path} is there with other bytes`);
        }
        return null;
      }),
    );
    await this.#show(prepared.filter((path) => path !== null));
  }

  /** Removes a file; not being there is fine. Durable at the next fsync of the folder: nothing depends on it. */
  async remove(path: string): Promise<void> {
    await this.#disk.unlink(join(this.root, path)).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
  }

  /** Removes a folder and the files in it; not being there is fine. */
  async removeFolder(path: string): Promise<void> {
    this.#knownFolders.delete(path);
    await this.#disk.rm(join(this.root, path), { recursive: true, force: true });
  }

  async #prepare(file: DurableFile, mode: number): Promise<string> {
    await withHandle(
      this.#disk,
      join(this.root, `${file.path}${TEMPORARY}`),
      'w',
      async (handle) => {
        await handle.writeFile(file.bytes);
        await handle.sync();
      },
      mode,
    );
    return file.path;
  }

  async #show(paths: readonly string[]): Promise<void> {
    await allEnded(
      paths.map((path) => this.#disk.rename(join(this.root, `${path}${TEMPORARY}`), join(this.root, path))),
    );
    const folders = new Set(paths.map((path) => dirname(path)));
    await allEnded([...folders].map((folder) => syncDirectory(this.#disk, join(this.root, folder))));
  }

  async #folder(path: string): Promise<void> {
    if (path === '.' || this.#knownFolders.has(path)) return;
    await this.#folder(dirname(path));
    try {
      await this.#disk.mkdir(join(this.root, path), { mode: 0o700 });
      await syncDirectory(this.#disk, join(this.root, dirname(path)));
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
    if (this.#knownFolders.size > KNOWN_FOLDERS_MAX) this.#knownFolders.clear();
    this.#knownFolders.add(path);
  }
}

const KNOWN_FOLDERS_MAX = 10_000;

/** Reads a small file outside any log, or null. */
export async function readIfThere(path: string): Promise<Bytes | null> {
  try {
    return Uint8Array.from(await system.readFile(path));
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
