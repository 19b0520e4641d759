import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readOneField, startOfOnly } from '../../src/rpc/grpc/fields.ts';

/** As a sender may write it, in more bytes than it needs too. */
function varint(value: number, bytes: number): number[] {
  const out: number[] = [];
  for (let rest = value; out.length < bytes || rest > 0; rest = Math.floor(rest / 128)) out.push((rest % 128) | 0x80);
  out.push((out.pop() as number) & 0x7f);
  return out;
}

test('a field is found by its start exactly where reading it whole finds it, whatever the bytes are', () => {
  const number = fc.integer({ min: 1, max: 15 });
  const message = fc.oneof(
    fc.uint8Array({ maxLength: 12 }).map((bytes) => [...bytes]),
    fc
      .tuple(number, fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 6 }), fc.integer({ min: -2, max: 2 }))
      .map(([of, bytes, width, off]) => [of * 8 + 2, ...varint(Math.max(0, bytes.length + off), width), ...bytes]),
  );
  let found = 0;
  fc.assert(
    fc.property(message, number, fc.integer({ min: 0, max: 5 }), (bytes, of, from) => {
      const whole = Uint8Array.of(...new Array(from).fill(of * 8 + 2), ...bytes);
      for (const wanted of [of, Math.min(15, Math.max(1, (bytes[0] ?? 0) >> 3))]) {
        let start = -1;
        try {
          const field = readOneField(whole, from);
          if (field.number === wanted) start = field.bytes.byteOffset;
        } catch {
          // No field, or something beside it.
        }
        if (start >= 0) found += 1;
        expect(startOfOnly(wanted, whole, from)).toBe(start);
      }
    }),
    { examples: [[[10, 2, 1, 1], 1, 0]], numRuns: 500 },
  );
  expect(found).toBeGreaterThan(0);
});
