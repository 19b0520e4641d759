import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bundleInMemory, readTar, tarEnd, tarFile, unpackBundle } from '../../src/audit/index.ts';
import { type Bytes, concat, utf8 } from '../../src/core/index.ts';
import { codeOf } from '../log/support.ts';
import { audit, filesOf, honest, pack, repack } from './scene.ts';

const stream = (bytes: Uint8Array) => new Blob([Uint8Array.from(bytes)]).stream() as ReadableStream<Uint8Array>;
const open = (bytes: Uint8Array, most = 64 * 1024 * 1024) => codeOf(bundleInMemory(stream(bytes), most));
const README = tarFile('README.txt', utf8('x'));

/** A header with some bytes changed and its checksum made right again. */
function header(file: Bytes, change: (header: Bytes) => void): Bytes {
  const out = Uint8Array.from(file);
  change(out.subarray(0, 512) as Bytes);
  out.fill(0x20, 148, 156);
  const sum = out.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  out.set(utf8(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
  return out;
}
const named = (path: string) =>
  header(README, (bytes) => {
    bytes.fill(0, 0, 100);
    bytes.set(utf8(path));
  });

test('names that lead out of a bundle, or have no place in one, are refused', async () => {
  for (const path of [
    ...['../evil', '/etc/passwd', 'log/../../evil', 'log/tile/0/../000', 'blobs/sha256/aa/bb/../x', 'C:\\evil'],
    ...['log/tile/0/0', 'log/tile/00/000', 'checkpoints/01', 'checkpoints/-1', 'verify.sh', '', 'readme.txt/'],
    `blobs/sha256/aa/bb/${'c'.repeat(64)}`,
  ]) {
    expect(await open(await pack([named(path)])), path).toBe('BUNDLE_MALFORMED');
  }
});

test('links, folders, modes, owners, times and extensions are refused', async () => {
  const changes: ((bytes: Bytes) => void)[] = [
    ...['1', '2', '5', 'x', 'g', 'L'].map((type) => (bytes: Bytes) => bytes.set(utf8(type), 156)),
    (bytes) => bytes.set(utf8('evil'), 157),
    (bytes) => bytes.set(utf8('0000777'), 100),
    (bytes) => bytes.set(utf8('00000000001'), 136),
    (bytes) => bytes.set(utf8('root'), 265),
    (bytes) => bytes.set(utf8('dir'), 345),
    (bytes) => bytes.set(utf8('-0000000001'), 124),
    (bytes) => bytes.fill(0xff, 124, 136),
  ];
  for (const change of changes) {
    expect(await open(await pack([header(README, change)]))).toMatch(/^(BUNDLE_MALFORMED|ENCODING_INVALID)$/);
  }
  expect(await open(await pack([README, README]))).toBe('BUNDLE_MALFORMED');
});

test('a bundle that says it is larger than it may be is refused before it is held', async () => {
  const huge = header(README, (bytes) => bytes.set(utf8('77777777777'), 124)); // 8 GiB
  expect(await open(await pack([huge]))).toBe('BUNDLE_TOO_LARGE');
  const zeros = await pack([tarFile('README.txt', new Uint8Array(1024 * 1024))]);
  expect(zeros.length).toBeLessThan(8 * 1024);
  expect(await open(zeros, 256 * 1024)).toBe('BUNDLE_TOO_LARGE');
  expect(await open(await pack([tarFile('README.txt', new Uint8Array(1024 * 1024 + 1))]))).toBe('BUNDLE_TOO_LARGE');
});

test('every cut, and bytes behind the end, are refused', async () => {
  const bundle = await (await honest()).bundle();
  for (let length = 0; length < bundle.length; length += 173) {
    expect(await open(bundle.subarray(0, length)), String(length)).toBe('BUNDLE_MALFORMED');
  }
  expect(await open(concat(bundle, utf8('x')))).toBe('BUNDLE_MALFORMED');
  expect(await open(utf8('not gzip'))).toBe('BUNDLE_MALFORMED');
  expect(await open(await pack([README], false))).toBe('BUNDLE_MALFORMED');
  expect(await open(await pack([README, new Uint8Array(512), README]))).toBe('BUNDLE_MALFORMED');
});

test('any flipped bit of a bundle is refused or named: never verified, never a crash', async () => {
  const scene = await honest();
  const bundle = await scene.bundle();
  const plain = concat(...(await unpacked(bundle)));
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: plain.length - 1 }), fc.integer({ min: 0, max: 7 }), async (at, bit) => {
      const changed = Uint8Array.from(plain);
      changed[at] = (changed[at] as number) ^ (1 << bit);
      let verdict = 'refused';
      const code = await codeOf(async () => {
        verdict = (await audit(await pack([changed]))).verdict;
      });
      expect(code === 'no error' ? verdict : 'refused').toBe('refused');
      expect(code).not.toBe('INVARIANT_BROKEN');
    }),
    { numRuns: 60 },
  );
});

/** The archive of a bundle without its end. */
async function unpacked(bundle: Bytes): Promise<Bytes[]> {
  const parts: Bytes[] = [];
  for await (const { path, bytes } of unpackBundle(stream(bundle))) parts.push(tarFile(path, bytes));
  return parts;
}

test('a bundle of another log is refused', async () => {
  const bundle = await (await honest()).bundle();
  const foreign = await repack(bundle, (files) => {
    const manifest = new TextDecoder().decode(files.get('manifest.json')).replace('audit.test/log', 'other.test/log');
    files.set('manifest.json', utf8(manifest));
  });
  const { verdict, checks } = await audit(foreign);
  expect([verdict, checks.find(({ id }) => id === 'V2')?.outcome]).toEqual(['refused', 'failed']);
  expect(await codeOf(audit(await repack(bundle, (files) => void files.set('manifest.json', utf8('{}')), false)))).toBe(
    'BUNDLE_MALFORMED',
  );
  expect((await filesOf(bundle)).list.has('manifest.json')).toBe(true);
});

test('whatever files are written are read again', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), fc.integer({ min: 1, max: 700 }), async (content, chunk) => {
      const tar = concat(tarFile('README.txt', content), tarEnd());
      async function* chunks() {
        for (let at = 0; at < tar.length; at += chunk) yield tar.subarray(at, at + chunk);
      }
      for await (const file of readTar(chunks(), () => 3000)) expect(file.bytes).toEqual(Uint8Array.from(content));
    }),
    { numRuns: 50 },
  );
});
