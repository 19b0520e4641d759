import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  CodedError,
  Cursor,
  canonicalJson,
  decodeObject,
  encodeObject,
  fromBase64,
  fromHex,
  inclusionPath,
  leafHash,
  merkleRoot,
  toBase64,
  toHex,
  u32,
  verifyInclusion,
} from '../../src/core/index.ts';

const code = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof CodedError) return error.code;
    throw error;
  }
  return 'no error';
};

test('hex and base64 give back what they were given, and nothing loose is taken', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(fromHex(toHex(bytes))).toEqual(Uint8Array.from(bytes));
      expect(fromBase64(toBase64(bytes))).toEqual(Uint8Array.from(bytes));
    }),
  );
  for (const loose of ['YQ', 'YQ=', 'YR==', 'Y Q=', 'YQ==\n', '=YQ=']) {
    expect(
      code(() => fromBase64(loose)),
      loose,
    ).toBe('ENCODING_INVALID');
  }
  for (const loose of ['a', 'zz', '0x00', ' 00'])
    expect(
      code(() => fromHex(loose)),
      loose,
    ).toBe('ENCODING_INVALID');
});

test('an object is read back exactly; every prefix, a longer one and a wrong length are refused', () => {
  const rules = [
    { name: 'a', length: 4 },
    { name: 'b', length: 'any' },
  ] as const;
  const object = encodeObject([u32(7), Uint8Array.of(1, 2, 3)]);
  expect(decodeObject(object, 'test', rules)).toEqual([u32(7), Uint8Array.of(1, 2, 3)]);
  for (let length = 0; length < object.length; length++) {
    expect(code(() => decodeObject(object.subarray(0, length), 'test', rules))).toBe('OBJECT_MALFORMED');
  }
  expect(code(() => decodeObject(Uint8Array.of(...object, 0), 'test', rules))).toBe('OBJECT_MALFORMED');
  expect(code(() => decodeObject(encodeObject([Uint8Array.of(1), u32(1)]), 'test', rules))).toBe('OBJECT_MALFORMED');
});

test('a cursor names the field it lacks, and leftovers', () => {
  expect(code(() => new Cursor(Uint8Array.of(1), 't').u16('x'))).toBe('EVIDENCE_TRUNCATED');
  expect(code(() => new Cursor(Uint8Array.of(1), 't').end())).toBe('EVIDENCE_TRAILING_BYTES');
  expect(code(() => new Cursor(Uint8Array.of(1), 't').zeros('r', 1))).toBe('EVIDENCE_MALFORMED');
});

test('every leaf of every tree up to 70 leaves proves itself and no other place', () => {
  const leaves = Array.from({ length: 70 }, (_, i) => leafHash(Uint8Array.of(i)));
  for (let size = 1; size <= leaves.length; size++) {
    const tree = leaves.slice(0, size);
    const root = merkleRoot(tree);
    for (let index = 0; index < size; index++) {
      const path = inclusionPath(tree, index);
      expect(verifyInclusion(index, size, tree[index]!, path, root)).toBe(true);
      expect(verifyInclusion((index + 1) % size, size, tree[index]!, path, root)).toBe(size === 1);
      expect(verifyInclusion(index, size, tree[index]!, [...path, root], root)).toBe(false);
    }
  }
});

test('canonical JSON sorts keys and leaves no choice', () => {
  expect(canonicalJson({ b: [1, 'x', null], a: { d: true, c: 1.5 } })).toBe(
    '{"a":{"c":1.5,"d":true},"b":[1,"x",null]}',
  );
});
