import { expect, test } from 'vitest';
import { LogState } from '../../src/audit/index.ts';
import { createSnapshots } from '../../src/cli/log/snapshots.ts';
import { type Leaf, parseLeaf, SILENCE_MS } from '../../src/log/index.ts';
import { openLog } from '../../src/log/writer/index.ts';
import { folder, heartbeat, options } from './support.ts';

const RULES = { everyEntries: 10, everyMs: 3_600_000 };
const rotated = (old: string) =>
  ({ type: 'key-rotation', src: 'test', subject: `key:${old}`, body: { role: 'approver', old, new: 'b' } }) as const;

test('a snapshot is due after so many entries or hours, says what a replay says, and goes on where the last one ended', async () => {
  const directory = folder();
  let now = 1_795_250_000_000;
  const log = await openLog(options(directory, { clock: () => now }));
  const take = await createSnapshots(log, () => now, RULES);
  expect(await take()).toBe(false);
  for (let i = 0; i < 9; i++) await log.append(rotated(`k${i}`));
  expect(await take()).toBe(true);
  expect(await take()).toBe(false);
  await log.append(rotated('later'));
  await log.append(heartbeat());
  now += RULES.everyMs;
  const again = await createSnapshots(log, () => now, RULES);
  expect(await again()).toBe(true);
  expect(await again()).toBe(false);
  const { size } = log.head();
  const state = new LogState();
  const found: string[] = [];
  for (const { index, entry } of await log.entries(0, size)) {
    const parsed = parseLeaf(entry);
    if (parsed.leaf.type === 'state-snapshot') {
      const { body, blobs } = parsed.leaf as Leaf<'state-snapshot'>;
      found.push(`${body.size} ${body.root === state.root()}`);
      expect(await log.blobs.get(blobs[0]!)).toEqual(state.encode());
    }
    state.apply(index, parsed);
  }
  // The log was silent for an hour: it said so, before the second snapshot.
  expect(found).toEqual(['10 true', '13 true']);
  await log.close();
});

test('a log that was away says so before anything else, once, and also after a batch that found no room', async () => {
  const directory = folder();
  let now = 1_795_250_000_000;
  let full = false;
  const disk = await import('node:fs/promises');
  const open = (async (path: string, flags: string, mode: number) => {
    if (full && flags === 'w') throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    return disk.open(path, flags, mode);
  }) as typeof disk.open;
  const log = await openLog(options(directory, { clock: () => now, fileSystem: { ...disk, open } }));
  await log.append(heartbeat(1));
  const before = now;
  now += SILENCE_MS + 1;
  full = true;
  await expect(log.append(heartbeat(2))).rejects.toMatchObject({ code: 'STORAGE_FULL' });
  full = false;
  expect(await log.append(heartbeat(3))).toMatchObject({ index: 3 });
  expect(await log.append(heartbeat(4))).toMatchObject({ index: 4 });
  await log.close();
  const reopened = await openLog(options(directory, { clock: () => now + SILENCE_MS + 1 }));
  expect(await reopened.append(heartbeat(5))).toMatchObject({ index: 6 });
  const bodies = (await reopened.entries(0, 7)).map(
    ({ entry }) => parseLeaf(entry).leaf.body as { awaySince?: number },
  );
  expect(bodies.map(({ awaySince }) => awaySince ?? null)).toEqual([null, null, before, null, null, now, null]);
  await reopened.close();
});
