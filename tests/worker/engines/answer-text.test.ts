import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createStopCutter, textByDecoding, textOfByteTokens } from '../../../src/worker/engines/answer-text.ts';

const anyText = fc.string({ unit: 'grapheme', maxLength: 40 });

test('text of byte tokens is whole characters, in all the ways bytes can be cut', () => {
  fc.assert(
    fc.property(anyText, fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 50 }), (text, cuts) => {
      const bytes = new TextEncoder().encode(text);
      const tokens: Uint8Array[] = [];
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const length = cuts[i % cuts.length] as number;
        tokens.push(bytes.subarray(at, at + length));
        at += length;
      }
      const stream = textOfByteTokens((id) => tokens[id] as Uint8Array);
      const pieces = tokens.map((_, id) => stream.push(id));
      for (const piece of pieces) expect(piece.isWellFormed()).toBe(true);
      expect(pieces.join('') + stream.flush()).toBe(text);
    }),
  );
});

test('an answer cut inside a character ends with the replacement character, special tokens have no text', () => {
  const stream = textOfByteTokens((id) => (id === 9 ? null : Uint8Array.of(0xe2, 0x82)));
  expect([stream.push(9), stream.push(0), stream.flush()]).toEqual(['', '', '\uFFFD']);
});

test('text by decoding gives what decoding the whole gives, leading spaces and split characters included', () => {
  const decode = (ids: number[]): string => {
    const pieces = [[0x20, 0x61], [0x20, 0x62], [0xe2, 0x82], [0xac], [0x63]];
    const bytes = ids.flatMap((id) => pieces[id] as number[]);
    return new TextDecoder().decode(Uint8Array.from(bytes)).replace(/^ /, '');
  };
  const ids = [0, 1, 2, 3, 4, 1, 0, 2, 3, 0];
  const stream = textByDecoding(decode);
  const pieces = ids.map((id) => stream.push(id));
  expect(pieces).toEqual(['a', ' b', '', '€', 'c', ' b', ' a', '', '€', ' a']);
  expect(pieces.join('') + stream.flush()).toBe(decode(ids));
});

test('the answer ends before the first stop text, however it comes in pieces', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 30 });
  const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 }), {
    maxLength: 3,
  });
  fc.assert(
    fc.property(letters, stops, fc.integer({ min: 1, max: 5 }), (text, stop, size) => {
      const cutter = createStopCutter(stop);
      let out = '';
      let stopped = false;
      for (let at = 0; at < text.length && !stopped; at += size) {
        const pushed = cutter.push(text.slice(at, at + size));
        out += pushed.text;
        stopped = pushed.stopped;
      }
      if (!stopped) out += cutter.flush();
      const found = stop.map((one) => text.indexOf(one)).filter((at) => at !== -1);
      expect(stopped).toBe(found.length > 0);
      // A piece may hold the end of one stop text and the whole of another that began later.
      if (size === 1 && stopped) expect(stop.some((one) => text.startsWith(one, out.length))).toBe(true);
      if (!stopped) expect(out).toBe(text);
      else expect(text.startsWith(out)).toBe(true);
      for (const one of stop) expect(out.includes(one)).toBe(false);
    }),
  );
});
