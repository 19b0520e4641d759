import { type Bytes, concatAll, utf8 } from '../core/index.ts';
import { type FileTree, modeOf, type TreeEntry, wholeTree } from './file-tree.ts';

const ALIGNMENT = 4;
const MAGIC = '070701';
const END = 'TRAILER!!!';

/**
 * A file tree as the kernel unpacks it (cpio, format newc; Documentation/driver-api/early-userspace/buffer-format.rst):
 * inodes counted from 1, no times, no owners.
 * @throws CodedError IMAGE_MALFORMED
 */
export function cpioArchive(tree: FileTree): Bytes {
  const parts: Uint8Array[] = [];
  let inode = 0;
  for (const [path, entry] of wholeTree(tree)) {
    if (path === '') continue; // the kernel has a root folder already
    inode += 1;
    parts.push(...member(path, inode, modeOf(entry), linksOf(entry), contentOf(entry)));
  }
  parts.push(...member(END, 0, 0, 1, new Uint8Array(0)));
  return concatAll(parts);
}

function contentOf(entry: TreeEntry): Uint8Array {
  if (entry.kind === 'file') return entry.bytes;
  return entry.kind === 'link' ? utf8(entry.target) : new Uint8Array(0);
}

const linksOf = (entry: TreeEntry) => (entry.kind === 'folder' ? 2 : 1);

function member(name: string, inode: number, mode: number, links: number, content: Uint8Array): Uint8Array[] {
  const path = utf8(`${name}\0`);
  const fields = [inode, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, path.length, 0];
  const head = utf8(MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join(''));
  return [head, path, padding(head.length + path.length), content, padding(content.length)];
}

const padding = (length: number) => new Uint8Array((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT);
