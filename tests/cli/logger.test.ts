import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createLogger, redacted } from '../../src/cli/logger.ts';

/** Any code unit, lone surrogates among them. */
const anyUnit = fc.nat({ max: 0xffff }).map((unit) => String.fromCharCode(unit));
const now = () => Date.UTC(2026, 2, 1);
function lineOf(json: boolean, message: string): string {
  const lines: string[] = [];
  createLogger({ json, write: (line) => lines.push(line), now })('warn', 'an-event', { message, code: null });
  expect(lines).toHaveLength(1);
  return lines[0] as string;
}

test('a line is one object, or the same as text; what is null is not said', () => {
  expect(JSON.parse(lineOf(true, 'it "works"'))).toEqual({
    ...{ at: '2026-03-01T00:00:00.000Z', level: 'warn', event: 'an-event', message: 'it "works"' },
  });
  expect(lineOf(false, 'it works')).toBe('2026-03-01T00:00:00.000Z warn an-event message="it works"\n');
});

test.each([
  ['postgres://chrysalis:hunter2@db:5432/x', 'hunter2'],
  ['authorization: Bearer abc.def.ghi', 'abc.def.ghi'],
  ['password=hunter2, user=me', 'hunter2'],
  ['{"apiKey": "hunter2"}', 'hunter2'],
  ['-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----', 'MIGH'],
  ['-----BEGIN EC PRIVATE KEY-----\nMIGH', 'MIGH'],
  ['key sk-abcdefgh12345678', 'abcdefgh12345678'],
  [`secret seed and key ${'ab'.repeat(64)}`, 'abab'],
  [`frame ${Buffer.alloc(99, 7).toString('base64')}`, 'BwcH'],
])('%s keeps its secret', (text, secret) => {
  expect(redacted(text)).toContain('[redacted]');
  expect(redacted(text)).not.toContain(secret);
  expect(lineOf(true, text)).not.toContain(secret);
});

test('digests, addresses and sentences stay as they are', () => {
  for (const text of [`worker ${'ab'.repeat(32)}`, 'http://127.0.0.1:8082/x', 'no answer within 5 s (UNAVAILABLE)']) {
    expect(redacted(text)).toBe(text);
  }
});

test('whatever is said is one line of at most 500 characters, and moves no cursor', () => {
  fc.assert(
    fc.property(fc.string({ unit: anyUnit, maxLength: 2_000 }), (text) => {
      const value = redacted(text);
      expect(value.length).toBeLessThanOrEqual(500);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect(value).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
      expect(lineOf(false, text).split('\n')).toHaveLength(2);
      expect(typeof JSON.parse(lineOf(true, text))).toBe('object');
    }),
  );
});
