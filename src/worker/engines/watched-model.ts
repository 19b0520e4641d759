import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { runningSha256 } from '#crypto';
import { CodedError, toHex } from '../../core/index.ts';
import { MODEL_FILES_MAX, type ModelFile } from './manifest.ts';

/** The files of a model that another process serves, hashed, and looked at again and again. */
export type WatchedModel = Readonly<{
  files: readonly ModelFile[];
  /** Looks once more. @throws CodedError MODEL_CHANGED naming the file that is not what was hashed, for good */
  check(): Promise<void>;
}>;

/** What tells that a file was written since, without reading it. */
type Seen = Readonly<{ bytes: number; changedNs: bigint; inode: bigint }>;

const DEPTH_MAX = 4;

/**
 * Hashes every file of a model's folder: weights, tokenizer, templates, configuration. A file that comes, goes or whose
 * content becomes another is a change; one that was only touched is not.
 * @throws CodedError MODEL_MISSING, MODEL_INVALID for more than {@link MODEL_FILES_MAX} files
 */
export async function watchedModelOnDisk(folder: string): Promise<WatchedModel> {
  const hashed = new Map<string, Readonly<{ seen: Seen; file: ModelFile }>>();
  for (const path of await listed(folder)) {
    const seen = await look(folder, path);
    hashed.set(path, { seen, file: { path, bytes: seen.bytes, sha256: await digest(folder, path) } });
  }
  if (hashed.size === 0) throw new CodedError('MODEL_MISSING', "the model's folder holds no file");
  let changed: CodedError | null = null;
  const refuse = (file: string): never => {
    changed = new CodedError('MODEL_CHANGED', 'a file of the model is not what the evidence names', { file });
    throw changed;
  };
  return {
    files: [...hashed.values()].map(({ file }) => file),
    async check() {
      if (changed !== null) throw changed;
      const now = await listed(folder).catch(() => []);
      for (const path of now) if (!hashed.has(path)) refuse(path);
      for (const [path, { seen, file }] of hashed) {
        const fresh = await look(folder, path).catch(() => refuse(path));
        if (fresh.bytes === seen.bytes && fresh.changedNs === seen.changedNs && fresh.inode === seen.inode) continue;
        if (fresh.bytes !== seen.bytes || (await digest(folder, path)) !== file.sha256) refuse(path);
        hashed.set(path, { seen: fresh, file });
      }
    },
  };
}

async function listed(folder: string, inner = '', depth = 0): Promise<string[]> {
  const entries = await readdir(join(folder, inner), { withFileTypes: true }).catch((cause: unknown) => {
    throw new CodedError('MODEL_MISSING', "the model's folder cannot be read", {}, { cause });
  });
  const paths: string[] = [];
  for (const entry of entries) {
    const path = inner === '' ? entry.name : `${inner}/${entry.name}`;
    if (entry.isDirectory()) {
      if (depth >= DEPTH_MAX) throw new CodedError('MODEL_INVALID', "the model's folder is too deep");
      paths.push(...(await listed(folder, path, depth + 1)));
    } else paths.push(path);
    if (paths.length > MODEL_FILES_MAX) {
      throw new CodedError('MODEL_INVALID', `a model has at most ${MODEL_FILES_MAX} files`);
    }
  }
  return paths.sort();
}

async function look(folder: string, path: string): Promise<Seen> {
  const { size, ctimeNs, ino } = await stat(join(folder, path), { bigint: true });
  return { bytes: Number(size), changedNs: ctimeNs, inode: ino };
}

async function digest(folder: string, path: string): Promise<string> {
  const hash = runningSha256();
  try {
    for await (const piece of createReadStream(join(folder, path), { highWaterMark: 1 << 20 })) {
      hash.update(piece as Uint8Array);
    }
  } catch (cause) {
    throw new CodedError('MODEL_MISSING', 'a file of the model cannot be read', { file: path }, { cause });
  }
  return toHex(hash.digest());
}
