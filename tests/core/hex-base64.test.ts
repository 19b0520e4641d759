import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromBase64, fromHex } from '../../src/core/bytes.ts';
import { nativeEncodings, PORTABLE_ENCODINGS } from '../../src/core/hex-base64.ts';

const native = nativeEncodings();
const implementations = [PORTABLE_ENCODINGS, ...(native === null ? [] : [native])];

test('both implementations write and read alike', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      for (const { toHex, toBase64, fromHex: hex, fromBase64: base64 } of implementations) {
        expect(toHex(bytes)).toBe(Buffer.from(bytes).toString('hex'));
        expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
        expect(hex(toHex(bytes).toUpperCase())).toEqual(bytes);
        expect(base64(toBase64(bytes))).toEqual(bytes);
      }
    }),
  );
});

test('both implementations refuse alike what is not canonical', () => {
  const broken = ['A', 'AA', 'AAA', 'AA=', 'AB==', 'AAB=', '=', '====', 'A===', 'AA==AA==', 'AAAA=', ' AAA', 'AA A'];
  const spaced = ['AAAA\n\n\n\n', 'AA==    ', 'AAAA\t\t\t\t', 'A\nA\nA\nA\n', 'AA\u00a0A', 'AA-_', 'AAAé', 'AAA\ud800'];
  for (const { fromHex: hex, fromBase64: base64 } of implementations) {
    for (const text of [...broken, ...spaced]) expect(base64(text), JSON.stringify(text)).toBeNull();
    for (const text of ['0', '0g', ' 00', '00 ', '0x', '00\n', 'é0', '０0']) expect(hex(text), text).toBeNull();
    expect([hex(''), base64('')]).toEqual([new Uint8Array(0), new Uint8Array(0)]);
  }
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'A/+Q=g-_ \n0fF\u00e9'), maxLength: 12 }), (text) => {
      const [first, ...others] = implementations.map((one) => [one.fromHex(text), one.fromBase64(text)]);
      for (const other of others) expect(other).toEqual(first);
    }),
    { numRuns: 2000 },
  );
});

test('refusals are coded and name the field', () => {
  const coded = expect.objectContaining({ code: 'ENCODING_INVALID', facts: { field: 'here', length: 3 } });
  expect(() => fromHex('abc', 'here')).toThrow(coded);
  expect(() => fromBase64('AAA', 'here')).toThrow(coded);
});
