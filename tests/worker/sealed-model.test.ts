/** Models at rest under encryption: what was sealed opens with its key, and nothing else does. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { systemRandomness } from '../../src/cli/compose/files.ts';
import { type Bytes, CodedError, concatAll, toHex, utf8 } from '../../src/core/index.ts';
import { openSealedFolder, sealedHeaderOnDisk, sealModel } from '../../src/worker/index.ts';
import { CHUNK_BYTES, encodeSealedHeader, parseSealedHeader, sealedBytes } from '../../src/worker/sealed/format.ts';
import { folderOf } from './engines/model.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-sealed-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let models = 0;
const about = () => ({ secret: 'model-key', key: systemRandomness(32), modelDigest: systemRandomness(32) });

async function sealed(files: ReadonlyMap<string, Bytes>, given = about()) {
  const path = join(folder, String(++models));
  mkdirSync(path);
  for (const { name, chunks } of await sealModel(folderOf(files), given, systemRandomness)) {
    writeFileSync(join(path, name), concatAll([...chunks]));
  }
  return { path, ...given };
}

const modelOf = (weights: Bytes, more: Readonly<Record<string, Bytes>> = {}) =>
  new Map([
    ['model.onnx', weights],
    ['config.json', utf8('{}')],
    ['tokenizer.json', new Uint8Array(0)],
    ...Object.entries(more),
  ]);

const codeOf = (of: Promise<unknown>): Promise<string> =>
  of.then(
    () => 'opened',
    (error: unknown) => (error as CodedError).code,
  );

async function openAll(path: string, key: Uint8Array): Promise<Map<string, Bytes>> {
  const header = await sealedHeaderOnDisk(path);
  if (header === null) throw new Error('no header');
  const opened = openSealedFolder(path, header, key);
  const all = new Map<string, Bytes>();
  for (const name of await opened.list()) all.set(name, await opened.read(name));
  return all;
}

test.each([0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES])(
  'weights of %i bytes come back as they were, and nothing of them lies in the sealed folder',
  async (length) => {
    const weights = systemRandomness(length);
    const { path, key } = await sealed(modelOf(weights));
    const opened = await openAll(path, key);
    expect([...opened.keys()]).toEqual(['config.json', 'model.onnx', 'tokenizer.json']);
    expect(Buffer.compare(opened.get('model.onnx')!, weights)).toBe(0);
    if (length < 32) return;
    for (const file of readdirSync(path)) {
      expect(readFileSync(join(path, file)).includes(Buffer.from(weights.subarray(0, 32)))).toBe(false);
    }
  },
);

test('with another key it does not open, and says that it is the key', async () => {
  const { path } = await sealed(modelOf(systemRandomness(10)));
  await expect(openAll(path, systemRandomness(32))).rejects.toThrow(/not the one that this model was sealed with/);
  expect(await codeOf(openAll(path, new Uint8Array(31)))).toBe('MODEL_INVALID');
});

test('any byte of a sealed file that is another, missing or added is noticed, and so are chunks in another order', async () => {
  const { path, key } = await sealed(modelOf(systemRandomness(CHUNK_BYTES + 5)));
  const names = readdirSync(path).filter((name) => name.endsWith('.sealed'));
  expect(names).toHaveLength(3);
  for (const name of names) {
    const file = join(path, name);
    const whole = readFileSync(file);
    const places = [0, whole.length - 1, Math.min(CHUNK_BYTES + 3, whole.length - 1), Math.floor(whole.length / 2)];
    const changes = [
      ...places.map((at) =>
        Buffer.concat([whole.subarray(0, at), Buffer.of((whole[at] as number) ^ 1), whole.subarray(at + 1)]),
      ),
      whole.subarray(0, whole.length - 1),
      whole.subarray(0, whole.length - 16),
      Buffer.concat([whole, Buffer.of(0)]),
    ];
    for (const changed of changes) {
      writeFileSync(file, changed);
      expect(await codeOf(openAll(path, key))).toBe('MODEL_INVALID');
    }
    writeFileSync(file, whole);
  }
  expect((await openAll(path, key)).size).toBe(3);

  const even = await sealed(modelOf(systemRandomness(2 * CHUNK_BYTES)));
  const file = join(even.path, '0001.sealed');
  const whole = readFileSync(file);
  const middle = CHUNK_BYTES + 16;
  writeFileSync(file, Buffer.concat([whole.subarray(middle), whole.subarray(0, middle)]));
  expect(await codeOf(openAll(even.path, even.key))).toBe('MODEL_INVALID');
  // Cut at a border between chunks, with a header that says so: the end cannot be cut off either.
  const header = (await sealedHeaderOnDisk(even.path))!;
  truncateSync(file, middle);
  const shorter = header.files.map((one) => (one.path === 'model.onnx' ? { ...one, bytes: CHUNK_BYTES } : one));
  writeFileSync(join(even.path, 'sealed-model.json'), encodeSealedHeader({ ...header, files: shorter }));
  expect(sealedBytes(CHUNK_BYTES)).toBe(middle);
  expect(await codeOf(openAll(even.path, even.key))).toBe('MODEL_INVALID');
});

test('files of one model cannot be put into another that was sealed with the same key, nor change places', async () => {
  const key = systemRandomness(32);
  const files = modelOf(systemRandomness(100), { 'extra.json': systemRandomness(100) });
  const [one, two] = [await sealed(files, { ...about(), key }), await sealed(files, { ...about(), key })];
  writeFileSync(join(one.path, '0000.sealed'), readFileSync(join(two.path, '0000.sealed')));
  expect(await codeOf(openAll(one.path, key))).toBe('MODEL_INVALID');
  const [a, b] = ['0001.sealed', '0002.sealed'].map((name) => readFileSync(join(two.path, name)));
  expect(a!.length).toBe(b!.length);
  writeFileSync(join(two.path, '0001.sealed'), b!);
  writeFileSync(join(two.path, '0002.sealed'), a!);
  expect(await codeOf(openAll(two.path, key))).toBe('MODEL_INVALID');
});

test('a header whose public part is changed opens nothing: it is in every key', async () => {
  const { path, key } = await sealed(modelOf(systemRandomness(64)));
  const header = (await sealedHeaderOnDisk(path))!;
  for (const changed of [
    { ...header, name: 'another' },
    { ...header, secret: 'another' },
    { ...header, modelDigest: systemRandomness(32) },
  ]) {
    writeFileSync(join(path, 'sealed-model.json'), encodeSealedHeader(changed));
    expect(await codeOf(openAll(path, key))).toBe('MODEL_INVALID');
  }
});

test('a header has one spelling, and paths that stay in the folder', async () => {
  const { path } = await sealed(modelOf(new Uint8Array(1)));
  const text = readFileSync(join(path, 'sealed-model.json'), 'utf8');
  const header = parseSealedHeader(utf8(text));
  const bad = [
    text.replace('{', '{ '),
    `${text}\n`,
    text.replace('"format"', '"extra":1,"format"'),
    text.replace('@v1', '@v2'),
    text.replace('config.json', '../config.json'),
    text.replace('config.json', '/etc/passwd'),
    text.replace('config.json', 'a/b/c'),
    text.replace('"bytes":2', '"bytes":-2'),
    text.replace('"bytes":2', '"bytes":1e99'),
    text.replace('"path":"config.json"', '"path":"zzz.json"'),
    text.replace(toHex(header.salt), toHex(header.salt).slice(2)),
    '[]',
    '',
  ];
  for (const one of bad) {
    expect(one).not.toBe(text);
    expect(() => parseSealedHeader(utf8(one)), one.slice(0, 60)).toThrow(CodedError);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(() => parseSealedHeader(bytes)).toThrow(CodedError);
    }),
  );
});

test('a folder without a header is a plain model; a key of another length seals nothing', async () => {
  expect(await sealedHeaderOnDisk(folder)).toBeNull();
  const given = { ...about(), key: new Uint8Array(31) };
  expect(await codeOf(sealModel(folderOf(modelOf(new Uint8Array(1))), given, systemRandomness))).toBe('USAGE_INVALID');
});
