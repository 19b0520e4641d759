import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { authenticodeDigest, parsePe, ukiContents } from '../../src/attestation/index.ts';
import { fromUtf8, toHex } from '../../src/core/index.ts';
import {
  cpioArchive,
  erofsImage,
  type FileTree,
  type TreeEntry,
  unifiedKernel,
  verityTree,
  wholeTree,
} from '../../src/image/index.ts';
import { pe } from '../attestation/measure/firmware.ts';

const BLOCK = 4096;
const codedError = (code: string) => expect.objectContaining({ code });
const file = (bytes: Uint8Array | string, executable = false): TreeEntry => ({
  kind: 'file',
  bytes: Buffer.from(bytes),
  executable,
});

const names = fc.stringMatching(/^[a-z0-9._+-]{1,40}$/).filter((name) => name !== '.' && name !== '..');
const entries: fc.Arbitrary<TreeEntry> = fc.oneof(
  fc.uint8Array({ maxLength: 3 * BLOCK }).map((bytes) => file(bytes)),
  fc.constant<TreeEntry>({ kind: 'folder' }),
  names.map((target): TreeEntry => ({ kind: 'link', target })),
);
/** Trees whose folders are folders alone: what lies below a file is left out. */
const trees = fc
  .array(fc.tuple(fc.array(names, { minLength: 1, maxLength: 4 }), entries), { maxLength: 40 })
  .map((all) => {
    const tree = new Map<string, TreeEntry>();
    for (const [path, entry] of all) {
      const whole = path.join('/');
      const above = path.slice(1).map((_, depth) => path.slice(0, depth + 1).join('/'));
      const isBelowFile = above.some((folder) => (tree.get(folder)?.kind ?? 'folder') !== 'folder');
      const hasBelow = [...tree.keys()].some((other) => other.startsWith(`${whole}/`));
      if (!isBelowFile && !(hasBelow && entry.kind !== 'folder')) tree.set(whole, entry);
    }
    return tree;
  });
const shuffled = (tree: FileTree) => new Map([...tree].reverse());

/** Reads the file system again as the kernel does, from the format's own description. */
function readErofs(image: Uint8Array): Map<string, string> {
  const view = new DataView(image.buffer, image.byteOffset, image.length);
  expect(view.getUint32(1024, true)).toBe(0xe0f5e1e2);
  expect(view.getUint32(1024 + 36, true) * BLOCK).toBe(image.length);
  const found = new Map<string, string>();
  const inode = (nid: number) => {
    const at = nid * 32;
    const size = view.getUint32(at + 8, true);
    const start = view.getUint32(at + 16, true) * BLOCK;
    return { mode: view.getUint16(at + 4, true), data: image.subarray(start, start + size) };
  };
  const walk = (nid: number, path: string, up: number): void => {
    const { mode, data } = inode(nid);
    if ((mode & 0o170000) !== 0o040000) {
      found.set(path, `${mode.toString(8)} ${createHash('sha256').update(data).digest('hex')}`);
      return;
    }
    found.set(path, mode.toString(8));
    const seen: string[] = [];
    for (let at = 0; at < data.length; at += BLOCK) {
      const block = data.subarray(at, at + BLOCK);
      const table = new DataView(block.buffer, block.byteOffset, block.length);
      const count = table.getUint16(8, true) / 12;
      for (let i = 0; i < count; i++) {
        const from = table.getUint16(i * 12 + 8, true);
        const to = i + 1 < count ? table.getUint16((i + 1) * 12 + 8, true) : block.length;
        const name = Buffer.from(block.subarray(from, to)).toString('latin1').replace(/\0+$/, '');
        const child = Number(table.getBigUint64(i * 12, true));
        seen.push(name);
        if (name === '.') expect(child).toBe(nid);
        else if (name === '..') expect(child).toBe(up);
        else walk(child, path === '' ? name : `${path}/${name}`, nid);
      }
    }
    expect(seen).toEqual([...seen].sort());
    expect(seen).toEqual(expect.arrayContaining(['.', '..']));
  };
  const root = view.getUint16(1024 + 14, true);
  walk(root, '', root);
  return found;
}

const MODES = { folder: '40755', link: '120777' } as const;
function expected(tree: FileTree): Map<string, string> {
  const rows = wholeTree(tree).map(([path, entry]): [string, string] => {
    if (entry.kind === 'folder') return [path, MODES.folder];
    const content = entry.kind === 'link' ? Buffer.from(entry.target) : entry.bytes;
    const mode = entry.kind === 'link' ? MODES.link : entry.executable ? '100755' : '100644';
    return [path, `${mode} ${createHash('sha256').update(content).digest('hex')}`];
  });
  return new Map(rows);
}

test('a file system holds its tree, whatever the order in which it was put together', () => {
  fc.assert(
    fc.property(trees, (tree) => {
      const image = erofsImage(tree);
      expect(readErofs(image)).toEqual(expected(tree));
      expect(Buffer.compare(erofsImage(shuffled(tree)), image)).toBe(0);
      expect(Buffer.compare(cpioArchive(shuffled(tree)), cpioArchive(tree))).toBe(0);
    }),
    { numRuns: 40 },
  );
});

test('a folder of more than one block keeps its entries in order', () => {
  const tree = new Map(
    Array.from({ length: 900 }, (_, i) => [`many/${'x'.repeat(i % 50)}${i}`, file(`${i}`)] as const),
  );
  expect(readErofs(erofsImage(tree))).toEqual(expected(tree));
});

test.each(['', '/a', 'a/', 'a//b', './a', 'a/../b', 'a\0b', 'x'.repeat(256)])('%j is no path of an image', (path) => {
  expect(() => erofsImage(new Map([[path, file('x')]]))).toThrow(codedError('IMAGE_MALFORMED'));
});

test('nothing lies below a file', () => {
  const tree = new Map([
    ['a', file('x')],
    ['a/b', file('y')],
  ]);
  expect(() => cpioArchive(tree)).toThrow(codedError('IMAGE_MALFORMED'));
});

/** The tree by its definition: each level hashed for itself, with no thought of how it is stored. */
function rootOf(data: Uint8Array): string {
  const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
  let level = Buffer.from(data);
  do {
    const digests: Buffer[] = [];
    for (let at = 0; at < level.length; at += BLOCK) digests.push(sha(level.subarray(at, at + BLOCK)));
    const whole = Buffer.concat(digests);
    level = Buffer.concat([whole, Buffer.alloc(Math.ceil(whole.length / BLOCK) * BLOCK - whole.length)]);
  } while (level.length > BLOCK);
  return sha(level).toString('hex');
}

test.each([2, 3, 127, 128, 129, 300, 128 * 128 + 1])('the hash tree over %i blocks', (blocks) => {
  const data = new Uint8Array(blocks * BLOCK).map((_, at) => (at % BLOCK === 0 ? at / BLOCK : at) & 255);
  const { rootHash, dataBlocks, tree } = verityTree(data);
  expect([rootHash, dataBlocks]).toEqual([rootOf(data), blocks]);
  // Top level first: its block alone leads to the root hash.
  expect(createHash('sha256').update(tree.subarray(0, BLOCK)).digest('hex')).toBe(rootHash);
  const changed = Uint8Array.from(data);
  changed[changed.length - 1] = (changed[changed.length - 1] as number) ^ 1;
  expect(verityTree(changed).rootHash).not.toBe(rootHash);
});

test.each([0, 1, BLOCK - 1, BLOCK, 2 * BLOCK + 1])('a disk of %i bytes has no tree', (length) => {
  expect(() => verityTree(new Uint8Array(length))).toThrow(codedError('IMAGE_UNSUPPORTED'));
});

/** An EFI stub whose fields for alignment are as linkers set them. */
function stubOf(fields: Readonly<{ timeStamp?: number; checksum?: number; sections?: number; alignment?: number }>) {
  const sections = Array.from({ length: fields.sections ?? 2 }, (_, i) => [`.s${i}`, new Uint8Array(700)] as const);
  const stub = pe(sections);
  const view = new DataView(stub.buffer);
  view.setUint32(0x88, fields.timeStamp ?? 0, true);
  view.setUint32(0x98 + 32, fields.alignment ?? 0x1000, true);
  view.setUint32(0x98 + 36, fields.alignment ?? 0x200, true);
  view.setUint32(0x98 + 64, fields.checksum ?? 0, true);
  return stub;
}

test('a unified kernel image holds its parts, and nothing of when it was made', () => {
  const parts = {
    kernel: Buffer.alloc(1000, 'kernel'),
    initrd: Buffer.alloc(5000, 'initrd'),
    commandLine: 'quiet chrysalis.variant=production',
    osRelease: 'ID=chrysalis-worker\n',
  };
  const image = unifiedKernel({ stub: stubOf({ timeStamp: 1 }), ...parts });
  expect(Buffer.compare(image, unifiedKernel({ stub: stubOf({ timeStamp: 2, checksum: 3 }), ...parts }))).toBe(0);
  const pe = parsePe(image);
  const { kernel, initrd, commandLine } = ukiContents(pe);
  expect([fromUtf8(kernel), commandLine]).toEqual([parts.kernel.toString(), parts.commandLine]);
  expect(toHex(initrd as Uint8Array)).toBe(parts.initrd.toString('hex'));
  expect(authenticodeDigest(pe)).toHaveLength(48);
  expect(() => unifiedKernel({ stub: stubOf({ sections: 15 }), ...parts })).toThrow(codedError('IMAGE_UNSUPPORTED'));
  expect(() => unifiedKernel({ stub: stubOf({ alignment: 0 }), ...parts })).toThrow(codedError('IMAGE_UNSUPPORTED'));
});
