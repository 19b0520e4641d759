import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ChatRequest } from '../../src/client/index.ts';
import { createPrefixCache, promptTokens } from '../../src/client/prefix-cache.ts';
import { toHex } from '../../src/core/index.ts';
import { randomness } from '../network/in-process.ts';

const model = new Uint8Array(32).fill(4);
const DAY_MS = 86_400_000;
const cacheOf = (user: number, now = 0) =>
  createPrefixCache({ secret: new Uint8Array(32).fill(user) }, () => now, randomness);
const said = (content: string, role: 'system' | 'user' | 'assistant' = 'user') => ({ role, content });
const slots = (tags: Uint8Array) => Array.from({ length: 8 }, (_, i) => toHex(tags.subarray(6 * i, 6 * i + 6)));
/** Slots in which both have the same tag: those of beginnings that are long enough, and the same. */
const same = (a: Uint8Array, b: Uint8Array) => slots(a).filter((slot, i) => slots(b)[i] === slot).length;

test('a conversation that goes on shares the tags of what it was, and another conversation none', () => {
  const cache = cacheOf(1);
  const system = said('s'.repeat(40_000), 'system');
  const first: ChatRequest = { messages: [system, said('one')] };
  const second: ChatRequest = { messages: [system, said('one'), said('answer', 'assistant'), said('two')] };
  const other: ChatRequest = { messages: [said('t'.repeat(40_000), 'system'), said('one')] };
  // 4, 8, 16 and 32 KiB are within the system prompt.
  expect(same(cache.tags(model, first, ''), cache.tags(model, second, ''))).toBe(4);
  expect(same(cache.tags(model, first, ''), cache.tags(model, other, ''))).toBe(0);
});

test('tags are those of one user, one scope, one model and one day; salts of all but the day', () => {
  const request: ChatRequest = { messages: [said('x'.repeat(5_000))] };
  const tags = cacheOf(1).tags(model, request, '');
  const others = [
    cacheOf(2).tags(model, request, ''),
    cacheOf(1).tags(model, request, 'alice'),
    cacheOf(1).tags(new Uint8Array(32).fill(5), request, ''),
    cacheOf(1, DAY_MS).tags(model, request, ''),
  ];
  for (const other of others) expect(same(tags, other)).toBe(0);
  expect(same(tags, cacheOf(1, DAY_MS - 1).tags(model, request, ''))).toBe(1);
  const salts = [
    cacheOf(1).salt(model, ''),
    cacheOf(2).salt(model, ''),
    cacheOf(1).salt(model, 'alice'),
    cacheOf(1).salt(new Uint8Array(32).fill(5), ''),
  ];
  expect(new Set(salts).size).toBe(4);
  expect(cacheOf(1, DAY_MS).salt(model, '')).toBe(salts[0]);
});

test('short prompts and long ones send as much, and no two short ones the same', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 900 }), (content) => {
      const [a, b] = [0, 0].map(() => cacheOf(1).tags(model, { messages: [said(content)] }, ''));
      expect(a).toHaveLength(48);
      expect(same(a!, b!)).toBe(0);
    }),
  );
});

test('a longer prompt begins with the tokens of a shorter one', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 1, maxLength: 5 }), fc.string(), (contents, more) => {
      const messages = contents.map((content) => said(content));
      const short = promptTokens({ messages });
      const long = promptTokens({ messages: [...messages, said(more)] });
      expect(long.subarray(0, short.length)).toEqual(short);
    }),
  );
});
