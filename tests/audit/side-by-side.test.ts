import { expect, test } from 'vitest';
import { keepingBlobs } from '../../src/audit/index.ts';
import { SideBySide } from '../../src/audit/side-by-side.ts';
import type { Digest } from '../../src/log/index.ts';
import { digestOf, Scene } from './scene.ts';

test('never more is under way than allowed, all of it is waited for, and what it throws comes out', async () => {
  const ends: (() => void)[] = [];
  let underWay = 0;
  let most = 0;
  const work = async (fails = false) => {
    most = Math.max(most, ++underWay);
    await new Promise<void>((resolve) => ends.push(resolve));
    underWay--;
    if (fails) throw new Error('broken');
  };
  const side = new SideBySide(3);
  let added = 0;
  const feeding = (async () => {
    for (let i = 0; i < 20; i++) {
      await side.add(work(i === 15));
      added++;
    }
  })().catch((error: Error) => error.message);
  await new Promise(setImmediate);
  expect([added, underWay]).toEqual([2, 3]);
  while (underWay > 0) {
    ends.shift()?.();
    await new Promise(setImmediate);
  }
  expect(await feeding).toBe('broken');
  expect(most).toBe(3);
  await expect(side.settled()).rejects.toThrow('broken');
});

test('a log is asked once for a blob that is needed again, within a bound, and always for one that is missing', async () => {
  const scene = new Scene();
  const asked: Digest[] = [];
  const { blob, ...source } = scene.source();
  const kept = keepingBlobs({
    ...source,
    blob: (digest) => {
      asked.push(digest);
      return blob(digest);
    },
  });
  const [small, large] = [scene.blob(new Uint8Array(10)), scene.blob(new Uint8Array(5 * 1024 * 1024))];
  for (const digest of [small, small, large, large]) expect(await kept.blob(digest)).toEqual(scene.blobs.get(digest));
  expect(asked).toEqual([small, large, large]);
  const absent = digestOf(new Uint8Array(1));
  expect([await kept.blob(absent), await kept.blob(absent)]).toEqual([null, null]);
  scene.blob(new Uint8Array(1));
  expect(await kept.blob(absent)).toEqual(new Uint8Array(1));
  for (let i = 0; i < 8; i++) await kept.blob(scene.blob(new Uint8Array(3 * 1024 * 1024).fill(i)));
  asked.length = 0;
  await kept.blob(small); // pushed out by others
  expect(asked).toEqual([small]);
});
