import { CodedError, compareBytes, utf8 } from '../core/index.ts';

/** One thing in a file system: owned by root, without a time, as its name, content and this flag make it. */
export type TreeEntry = Readonly<
  { kind: 'folder' } | { kind: 'file'; bytes: Uint8Array; executable: boolean } | { kind: 'link'; target: string }
>;

/** Path (no slash at either end, '' is the root folder) to what is there. Folders need not be named. */
export type FileTree = ReadonlyMap<string, TreeEntry>;

const NAME_BYTES_MAX = 255;
const PATH_BYTES_MAX = 4096;
const ENTRIES_MAX = 65_536;

/** Mode bits with the type, as both formats store them. */
export const MODE = { folder: 0o040755, file: 0o100644, executable: 0o100755, link: 0o120777 } as const;

export function modeOf(entry: TreeEntry): number {
  if (entry.kind === 'file') return entry.executable ? MODE.executable : MODE.file;
  return MODE[entry.kind];
}

const invalid = (path: string, why: string) =>
  new CodedError('IMAGE_MALFORMED', `${JSON.stringify(path)} cannot be in an image: ${why}`);

/**
 * All entries with the folders above them, ordered by the bytes of their paths: the order in which files were read or
 * packages unpacked leaves no trace.
 * @throws CodedError IMAGE_MALFORMED for a path that is not in its shortest form, or lies below a file
 */
export function wholeTree(tree: FileTree): readonly (readonly [string, TreeEntry])[] {
  const whole = new Map<string, TreeEntry>([['', { kind: 'folder' }]]);
  for (const [path, entry] of tree) {
    if (path === '') {
      if (entry.kind !== 'folder') throw invalid(path, 'the root is a folder');
      continue;
    }
    requirePath(path);
    for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
      const above = path.slice(0, slash);
      if ((tree.get(above)?.kind ?? 'folder') !== 'folder') throw invalid(path, `${above} is no folder`);
      whole.set(above, { kind: 'folder' });
    }
    whole.set(path, entry);
  }
  if (whole.size > ENTRIES_MAX) throw invalid('', `more than ${ENTRIES_MAX} entries`);
  const keyed = [...whole].map((pair) => [utf8(pair[0]), pair] as const);
  return keyed.sort(([a], [b]) => compareBytes(a, b)).map(([, pair]) => pair);
}

function requirePath(path: string): void {
  if (utf8(path).length > PATH_BYTES_MAX) throw invalid(path, 'its path is too long');
  for (const name of path.split('/')) {
    const isName = name !== '' && name !== '.' && name !== '..' && !name.includes('\0');
    if (!isName || utf8(name).length > NAME_BYTES_MAX) throw invalid(path, 'its path is not in shortest form');
  }
}
