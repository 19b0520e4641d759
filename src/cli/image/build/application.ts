import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, posix } from 'node:path';
import { CodedError, utf8 } from '../../../core/index.ts';
import type { FileTree, ImageDefinition, TreeEntry } from '../../../image/index.ts';

/** Imports of every form, and modules that a thread starts with. */
const IMPORT = /(?:\bfrom\s+|\bimport\s+|\bimport\()'([^']+)'|\bnew URL\('([^']+\.ts)', import\.meta\.url\)/g;
/** What runs needs no declarations, maps or words. */
const NOT_RUN = /(?:\.d\.[cm]?ts|\.[cm]?ts|\.map|\.md|\.markdown)$/i;
const NOT_RUN_FOLDER = /^(?:test|tests|docs|examples?|\.github)$/;

type LockFile = Readonly<{
  packages: Readonly<Record<string, Readonly<{ version: string; dependencies?: object; peerDependencies?: object }>>>;
}>;
type Manifest = Readonly<{ name: string; version: string; imports: Record<string, Record<string, string>> }>;

const unresolved = (from: string, to: string) =>
  new CodedError('IMAGE_MALFORMED', `${from} imports ${to}, which is not in the tree or in package-lock.json`);

/** As Node runs it in the image: the source with its types blanked out, line by line the same. */
const javaScriptName = (path: string) => path.replace(/\.ts$/, '.js');

/**
 * The modules that one module leads to, as they run in the image, below `app/`: our own without their types, packages
 * as they are installed from package-lock.json.
 * @param root of the checkout
 * @throws CodedError IMAGE_MALFORMED for an import that leads nowhere
 */
export function applicationTree(root: string, entry: string, rules: ImageDefinition['application']): FileTree {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
  const own = new Map<string, Uint8Array>();
  const packages = new Set<string>();
  const waiting = [entry];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (own.has(path)) continue;
    const code = stripTypeScriptTypes(readFileSync(join(root, path), 'utf8'), { mode: 'strip' });
    const inImage = code.replace(IMPORT, (whole, module?: string, thread = '') => {
      const to = module ?? thread;
      return whole.replace(to, imported(to));
    });
    own.set(path, utf8(inImage));
    for (const [, module, thread = ''] of code.matchAll(IMPORT)) {
      const to = module ?? thread;
      const found = targetOf(root, path, to, manifest);
      if (found === null) continue;
      if (found.kind === 'module') waiting.push(found.path);
      else packages.add(found.name);
    }
  }
  const tree = new Map<string, TreeEntry>();
  for (const [path, bytes] of own) tree.set(`app/${javaScriptName(path)}`, { kind: 'file', bytes, executable: false });
  for (const folder of packageFolders(root, packages, rules.installOnly))
    addPackage(tree, root, folder, rules.leaveOut);
  tree.set('app/package.json', { kind: 'file', bytes: manifestInImage(manifest), executable: false });
  return tree;
}

const imported = (to: string) => (to.startsWith('.') ? javaScriptName(to) : to);

type Target = Readonly<{ kind: 'module'; path: string } | { kind: 'package'; name: string }>;

function targetOf(root: string, from: string, to: string, manifest: Manifest): Target | null {
  if (to.startsWith('node:')) return null;
  const own = to.startsWith('#') ? manifest.imports[to]?.default : undefined;
  if (own !== undefined || to.startsWith('.')) {
    const path = own === undefined ? posix.join(dirname(from), to) : posix.normalize(own);
    if (!path.endsWith('.ts') || !existsSync(join(root, path))) throw unresolved(from, to);
    return { kind: 'module', path };
  }
  const name = to.split('/', to.startsWith('@') ? 2 : 1).join('/');
  if (!existsSync(join(root, 'node_modules', name))) throw unresolved(from, to);
  return { kind: 'package', name };
}

/** The folders of these packages and of what they depend on, as the lock places them. */
function packageFolders(root: string, names: ReadonlySet<string>, installOnly: readonly string[]): readonly string[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as LockFile;
  const folders = new Set<string>();
  const add = (name: string, from: string): void => {
    if (installOnly.includes(name)) return;
    for (let above = from; ; above = above.slice(0, Math.max(0, above.lastIndexOf('node_modules/') - 1))) {
      const folder = posix.join(above, 'node_modules', name);
      const row = lock.packages[folder];
      if (row !== undefined) {
        if (folders.has(folder)) return;
        requireInstalled(root, folder, row.version);
        folders.add(folder);
        for (const needed of Object.keys({ ...row.dependencies, ...row.peerDependencies })) add(needed, folder);
        return;
      }
      if (above === '') throw unresolved(from, name);
    }
  };
  for (const name of names) add(name, '');
  return [...folders];
}

function requireInstalled(root: string, folder: string, version: string): void {
  const installed = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest;
  if (installed.version === version) return;
  throw new CodedError('USAGE_INVALID', `${folder} is ${installed.version}, and package-lock.json has ${version}`, {
    todo: 'npm ci, then npx chrysalis image build',
  });
}

function addPackage(tree: Map<string, TreeEntry>, root: string, folder: string, leaveOut: readonly string[]): void {
  const walk = (path: string): void => {
    if (leaveOut.some((prefix) => path.startsWith(`node_modules/${prefix}`))) return;
    for (const name of readdirSync(join(root, path))) {
      const at = `${path}/${name}`;
      const isFolder = statSync(join(root, at)).isDirectory();
      // Packages inside have rows of their own in the lock.
      if (isFolder && name !== 'node_modules' && !NOT_RUN_FOLDER.test(name)) walk(at);
      if (isFolder || NOT_RUN.test(name)) continue;
      tree.set(`app/${at}`, { kind: 'file', bytes: readFileSync(join(root, at)), executable: false });
    }
  };
  walk(folder);
}

function manifestInImage({ name, version, imports }: Manifest): Uint8Array {
  const run = Object.entries(imports).map(([from, to]) => [from, javaScriptName(to.default as string)]);
  return utf8(`${JSON.stringify({ name, version, type: 'module', imports: Object.fromEntries(run) })}\n`);
}
