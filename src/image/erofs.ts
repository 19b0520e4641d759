import { type Bytes, CodedError, compareBytes, utf8 } from '../core/index.ts';
import { type FileTree, modeOf, type TreeEntry, wholeTree } from './file-tree.ts';

const BLOCK = 4096;
const BLOCK_BITS = 12;
const SUPER_AT = 1024;
const SUPER_BYTES = 128;
const MAGIC = 0xe0f5e1e2;
const INODE_BYTES = 32;
const DIRENT_BYTES = 12;
/** Inodes begin behind the superblock; their numbers count 32-byte slots from the start of the disk. */
const FIRST_NID = (SUPER_AT + SUPER_BYTES) / INODE_BYTES;
const FILE_TYPE = { file: 1, folder: 2, link: 7 } as const;
const LINKS_MAX = 65_535;
const FILE_BYTES_MAX = 2 ** 32 - 1;

type Node = { entry: TreeEntry; nid: number; up: number; children: [name: Bytes, node: Node][] };

/**
 * A read-only file system of this tree in the kernel's format (Documentation/filesystems/erofs.rst): compact inodes,
 * nothing compressed, every file on blocks of its own. The same tree makes the same bytes: there is no time, owner or
 * identifier in it that could differ.
 * @returns whole blocks of 4096 bytes
 * @throws CodedError IMAGE_MALFORMED, IMAGE_UNSUPPORTED
 */
export function erofsImage(tree: FileTree): Bytes {
  const nodes = nodesOf(tree);
  const contents = nodes.map(contentOf);
  const inodesEnd = (FIRST_NID + nodes.length) * INODE_BYTES;
  let block = Math.ceil(inodesEnd / BLOCK);
  const starts = contents.map((content) => {
    const start = block;
    block += Math.ceil(content.length / BLOCK);
    return content.length === 0 ? 0 : start;
  });
  const image = new Uint8Array(block * BLOCK);
  const view = new DataView(image.buffer);
  writeSuperblock(view, nodes.length, block);
  nodes.forEach((node, index) => {
    const content = contents[index] as Uint8Array;
    writeInode(view, node, content.length, starts[index] as number);
    image.set(content, (starts[index] as number) * BLOCK);
  });
  return image;
}

/** In the order of their paths, so the root is first. */
function nodesOf(tree: FileTree): readonly Node[] {
  const byPath = new Map<string, Node>();
  for (const [path, entry] of wholeTree(tree)) {
    const above = byPath.get(path.slice(0, Math.max(0, path.lastIndexOf('/'))));
    const nid = FIRST_NID + byPath.size;
    const node: Node = { entry, nid, up: above?.nid ?? nid, children: [] };
    if (path !== '') above?.children.push([utf8(path.slice(path.lastIndexOf('/') + 1)), node]);
    byPath.set(path, node);
  }
  return [...byPath.values()];
}

function contentOf(node: Node): Uint8Array {
  const { entry } = node;
  if (entry.kind === 'link') return utf8(entry.target);
  if (entry.kind === 'folder') return folderContent(node);
  if (entry.bytes.length > FILE_BYTES_MAX) throw new CodedError('IMAGE_UNSUPPORTED', 'a file of 4 GiB or more');
  return entry.bytes;
}

type Dirent = Readonly<{ name: Bytes; nid: number; type: number }>;

/** Each block has its entries, then their names; names ascend through all blocks, for the kernel searches by halves. */
function folderContent(node: Node): Bytes {
  const entries: Dirent[] = [
    { name: utf8('.'), nid: node.nid, type: FILE_TYPE.folder },
    { name: utf8('..'), nid: node.up, type: FILE_TYPE.folder },
    ...node.children.map(([name, child]) => ({ name, nid: child.nid, type: FILE_TYPE[child.entry.kind] })),
  ];
  entries.sort((a, b) => compareBytes(a.name, b.name));
  const blocks: Dirent[][] = [[]];
  let used = 0;
  for (const entry of entries) {
    const bytes = DIRENT_BYTES + entry.name.length;
    if (used + bytes > BLOCK) {
      blocks.push([]);
      used = 0;
    }
    (blocks.at(-1) as Dirent[]).push(entry);
    used += bytes;
  }
  const content = new Uint8Array((blocks.length - 1) * BLOCK + used);
  blocks.forEach((block, index) => {
    writeDirents(content.subarray(index * BLOCK), block);
  });
  return content;
}

function writeDirents(into: Uint8Array, entries: readonly Dirent[]): void {
  const view = new DataView(into.buffer, into.byteOffset, into.length);
  let nameAt = entries.length * DIRENT_BYTES;
  entries.forEach(({ name, nid, type }, index) => {
    const at = index * DIRENT_BYTES;
    view.setBigUint64(at, BigInt(nid), true);
    view.setUint16(at + 8, nameAt, true);
    view.setUint8(at + 10, type);
    into.set(name, nameAt);
    nameAt += name.length;
  });
}

function writeInode(view: DataView, { entry, nid, children }: Node, size: number, startBlock: number): void {
  const at = nid * INODE_BYTES;
  const folders = children.filter(([, child]) => child.entry.kind === 'folder').length;
  const links = entry.kind === 'folder' ? 2 + folders : 1;
  if (links > LINKS_MAX) throw new CodedError('IMAGE_UNSUPPORTED', `a folder with more than ${LINKS_MAX} in it`);
  // i_format 0: compact, data on blocks of its own; i_xattr_icount 0.
  view.setUint16(at + 4, modeOf(entry), true);
  view.setUint16(at + 6, links, true);
  view.setUint32(at + 8, size, true);
  view.setUint32(at + 16, startBlock, true);
  view.setUint32(at + 20, nid - FIRST_NID + 1, true); // i_ino; then owner and group, root's
}

function writeSuperblock(view: DataView, inodes: number, blocks: number): void {
  view.setUint32(SUPER_AT, MAGIC, true);
  view.setUint8(SUPER_AT + 12, BLOCK_BITS);
  view.setUint16(SUPER_AT + 14, FIRST_NID, true); // of the root folder
  view.setBigUint64(SUPER_AT + 16, BigInt(inodes), true);
  view.setUint32(SUPER_AT + 36, blocks, true);
  // No features, build time 0, metadata at block 0, no identifier, folders of blocks as large as the others.
}
