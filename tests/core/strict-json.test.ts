import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CodedError, cutJsonMember, JSON_VALUES_MAX, parseStrictJson } from '../../src/core/index.ts';

const refused = (text: string) => {
  expect(() => parseStrictJson(text), text).toThrow(CodedError);
};

describe('strict JSON', () => {
  test('reads what JSON.parse writes', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const value: unknown = JSON.parse(text);
        let ours: unknown;
        try {
          ours = parseStrictJson(text);
        } catch (error) {
          // Stricter by design: names that JavaScript treats specially, lone surrogates, inexact integers.
          expect(error).toBeInstanceOf(CodedError);
          expect(text).toMatch(/__proto__|\\ud|e\d|\d{16}|[\ud800-\udfff]/i);
          return;
        }
        expect(JSON.stringify(ours)).toBe(JSON.stringify(value));
      }),
    );
  });

  test.each([
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":2}',
    '{"__proto__":{}}',
    '{"\\u005f_proto__":{}}',
    '{"a":1}x',
    '{"a":1,}',
    '[1,]',
    '01',
    '+1',
    '.5',
    '1.',
    '9007199254740993',
    '1e999',
    'NaN',
    'tru',
    '"\u0001"',
    '"\\x41"',
    '"\\ud800"',
    '"open',
    '"\\"',
    "{'a':1}",
    '{a:1}',
    '\ufeff{}',
    '',
    ' ',
  ])('%j is refused', refused);

  test('nesting is bounded', () => refused('['.repeat(100) + ']'.repeat(100)));

  test('the number of values is bounded, for a reader that says so more widely', () => {
    const list = (length: number) => `[${'1,'.repeat(length - 2)}1]`;
    expect(parseStrictJson(list(JSON_VALUES_MAX))).toHaveLength(JSON_VALUES_MAX - 1);
    refused(list(JSON_VALUES_MAX + 1));
    expect(parseStrictJson(list(JSON_VALUES_MAX + 1), 'json', JSON_VALUES_MAX + 1)).toHaveLength(JSON_VALUES_MAX);
  });

  test('a member is cut out as it stands, whatever strings hold', () => {
    const inner = '{ "b" : "}\\"{" , "c":[1, 2] }';
    expect(cutJsonMember(`{"x":"{\\"tcbInfo\\":1}","tcbInfo": ${inner} ,"signature":"00"}`, 'tcbInfo')).toBe(inner);
    expect(cutJsonMember('{"x":1}', 'tcbInfo')).toBeNull();
  });
});
