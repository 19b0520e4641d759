import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Bytes, CodedError } from '../../core/index.ts';
import { MODEL_FILES_MAX } from './manifest.ts';

/** Where a model's files come from; paths use '/' and are relative to the folder. */
export type ModelFolder = Readonly<{
  name: string;
  /** Every file of the folder and of its folder `onnx/`. */
  list(): Promise<readonly string[]>;
  read(path: string): Promise<Bytes>;
}>;

const LISTED_MAX = 4096;
const SUBFOLDERS = ['onnx'];

/** A model's folder on this machine's disk. Links are followed, as download caches keep files behind links. */
export function modelFolderOnDisk(path: string): ModelFolder {
  const missing = (what: string, cause: unknown) =>
    new CodedError('MODEL_MISSING', `the model's ${what} cannot be read`, { what }, { cause });
  return {
    name: basename(path),
    async list() {
      const names = await readdir(path).catch((cause: unknown) => {
        throw missing('folder', cause);
      });
      const found: string[] = [];
      for (const name of names.slice(0, LISTED_MAX)) {
        if (!SUBFOLDERS.includes(name)) found.push(name);
        else found.push(...(await readdir(join(path, name))).slice(0, LISTED_MAX).map((inner) => `${name}/${inner}`));
      }
      return found.sort();
    },
    async read(file) {
      const content = await readFile(join(path, file)).catch((cause: unknown) => {
        throw missing(file, cause);
      });
      return new Uint8Array(content.buffer as ArrayBuffer, content.byteOffset, content.length);
    },
  };
}

/** The files that decide what a model answers; `weights` is the path of the graph among them. */
export type ModelFiles = Readonly<{ weights: string; contents: ReadonlyMap<string, Bytes> }>;

const WEIGHTS = ['model.onnx', 'onnx/model.onnx'];
const TEXTS = /^[^/]+\.(json|jinja|txt|model)$/;
const REQUIRED = ['config.json', 'tokenizer.json'];

/**
 * Reads the graph and every configuration, tokenizer and template file beside it, once: what is hashed is what runs.
 * @throws CodedError MODEL_MISSING for a missing folder or file, MODEL_INVALID for weights kept in a second file
 */
export async function readModelFiles(folder: ModelFolder): Promise<ModelFiles> {
  const listed = await folder.list();
  const weights = WEIGHTS.find((path) => listed.includes(path));
  const absent = weights === undefined ? WEIGHTS[0] : REQUIRED.find((path) => !listed.includes(path));
  if (weights === undefined || absent !== undefined) {
    throw new CodedError('MODEL_MISSING', `the model's folder has no ${absent}`, { file: absent as string });
  }
  if (listed.some((path) => path.startsWith(weights) && path !== weights)) {
    throw new CodedError('MODEL_INVALID', 'weights outside the .onnx file are not supported', { file: weights });
  }
  const paths = [weights, ...listed.filter((path) => TEXTS.test(path))];
  if (paths.length > MODEL_FILES_MAX) {
    throw new CodedError('MODEL_INVALID', `a model has at most ${MODEL_FILES_MAX} files`, { files: paths.length });
  }
  const contents = new Map<string, Bytes>();
  for (const path of paths) contents.set(path, await folder.read(path));
  return { weights, contents };
}
