import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Patrol, type Patrolled } from '../../src/core/index.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('everything under way is looked at each round, also where some leave meanwhile, and then nothing ticks', () => {
  const patrol = new Patrol<Patrolled>(100);
  const looks = [0, 0, 0, 0];
  const items = looks.map((_, i): Patrolled => {
    const item = {
      patrolPlace: -1,
      look: () => {
        looks[i] = (looks[i] ?? 0) + 1;
        if (i === 1) patrol.delete(item);
      },
    };
    return item;
  });
  for (const item of items) patrol.add(item);
  vi.advanceTimersByTime(100);
  expect(looks).toEqual([1, 1, 1, 1]);
  patrol.delete(items[1] as Patrolled);
  vi.advanceTimersByTime(100);
  expect(looks).toEqual([2, 1, 2, 2]);
  for (const item of items) patrol.delete(item);
  vi.advanceTimersByTime(200);
  expect(looks).toEqual([2, 1, 2, 2]);
  expect(vi.getTimerCount()).toBe(0);
  patrol.add(items[0] as Patrolled);
  vi.advanceTimersByTime(100);
  expect(looks[0]).toBe(3);
  patrol.delete(items[0] as Patrolled);
});
