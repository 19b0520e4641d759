import fc from 'fast-check';
import { expect, test } from 'vitest';
import { boxesOf, hull, type Point, smallestRectangle } from '../../../../src/worker/engines/document/boxes.ts';
import { decoded } from '../../../../src/worker/engines/document/reader.ts';

const points = fc.array(fc.tuple(fc.nat(500), fc.nat(500)), { minLength: 1, maxLength: 60 });

test('the smallest rectangle holds every point, and no upright one is smaller', () => {
  fc.assert(
    fc.property(points, (all) => {
      const box = smallestRectangle(hull(all as Point[]));
      for (const [x, y] of all) {
        const [dx, dy] = [x - box.x, y - box.y];
        expect(Math.abs(dx * box.ux + dy * box.uy)).toBeLessThanOrEqual(box.along + 1e-6);
        expect(Math.abs(dy * box.ux - dx * box.uy)).toBeLessThanOrEqual(box.across + 1e-6);
      }
      const side = (values: number[]) => Math.max(...values) - Math.min(...values);
      const upright = side(all.map(([x]) => x)) * side(all.map(([, y]) => y));
      expect(4 * box.along * box.across).toBeLessThanOrEqual(upright + 1e-6);
    }),
  );
});

test('rectangles on a map are found where they stand; noise and faint ones are not', () => {
  const [width, height] = [96, 64];
  const values = new Float32Array(width * height);
  const fill = (left: number, top: number, right: number, bottom: number, value: number) => {
    for (let y = top; y <= bottom; y++) values.fill(value, y * width + left, y * width + right + 1);
  };
  fill(50, 10, 80, 16, 0.9);
  fill(10, 12, 40, 18, 0.9);
  fill(20, 40, 70, 46, 0.9);
  fill(2, 60, 3, 61, 0.9);
  fill(80, 40, 94, 46, 0.4);
  const boxes = boxesOf({ width, height, values });
  expect(boxes).toHaveLength(3);
  const centres = boxes.map((box) => [(box[0][0] + box[2][0]) / 2, (box[0][1] + box[2][1]) / 2].map(Math.round));
  // Two stand in one row: from the left, though the right one begins a little higher.
  expect(centres).toEqual([
    [25, 15],
    [65, 13],
    [45, 43],
  ]);
});

test('any map at all gives boxes, and never more than there are', () => {
  const map = fc.array(fc.float({ min: 0, max: 1, noNaN: true }), { minLength: 32 * 32, maxLength: 32 * 32 });
  fc.assert(
    fc.property(map, (cells) => {
      const boxes = boxesOf({ width: 32, height: 32, values: Float32Array.from(cells) });
      for (const box of boxes) expect(box.flat().every(Number.isFinite)).toBe(true);
    }),
    { numRuns: 50 },
  );
});

test('repeats are one character unless a blank stands between', () => {
  const steps = (classes: readonly number[]) => {
    const values = new Float32Array(classes.length * 3);
    for (const [i, one] of classes.entries()) values[i * 3 + one] = 0.8;
    return decoded(values, 3, ['a', 'b']).text;
  };
  expect(steps([0, 1, 1, 0, 1, 2, 2, 0])).toBe('aab');
  expect(steps([0, 0])).toBe('');
});
