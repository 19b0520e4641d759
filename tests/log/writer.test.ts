import { expect, test } from 'vitest';
import { utf8 } from '../../src/core/index.ts';
import { parseLeaf, verifyConsistency, verifyLogProof } from '../../src/log/index.ts';
import { openLog } from '../../src/log/writer/index.ts';
import { codeOf, folder, heartbeat, options } from './support.ts';

test('appended leaves prove themselves offline, and chain by subject', async () => {
  const log = await openLog(options(folder()));
  const answers = await Promise.all(Array.from({ length: 5 }, (_, i) => log.append(heartbeat(i, 'worker:7f'))));
  expect(answers.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5]);
  const entries = await log.entries(0, 6);
  expect(entries.map(({ entry }) => parseLeaf(entry).leaf.prev)).toEqual([null, null, 1, 2, 3, 4]);
  for (const { index, entry } of entries) {
    const proof = await log.proof(index);
    expect(await verifyLogProof(entry, proof, log.vkey)).toMatchObject({ verdict: 'verified', index });
    expect(await verifyLogProof(utf8('{}'), proof, log.vkey)).toMatchObject({ verdict: 'refused' });
  }
  await log.close();
  expect(await codeOf(log.append(heartbeat()))).toBe('LOG_CLOSED');
});

test('a restart continues the tree over every edge of bundles, and gives known keys their index', async () => {
  const directory = folder();
  const seen: { size: number; root: Uint8Array }[] = [];
  let index = -1;
  for (const count of [1, 3, 250, 1, 1, 260, 1500]) {
    const log = await openLog(options(directory, { knownHeads: seen }));
    if (index >= 0) {
      expect(await log.append(heartbeat(9), { idempotencyKey: 'first' })).toMatchObject({ index, repeated: true });
    } else {
      const [a, b] = await Promise.all([
        log.append(heartbeat(9), { idempotencyKey: 'first' }),
        log.append(heartbeat(10), { idempotencyKey: 'first' }),
      ]);
      index = a.index;
      expect(b).toMatchObject({ index, repeated: true });
    }
    await Promise.all(Array.from({ length: count }, (_, i) => log.append(heartbeat(i))));
    const { size, root } = log.head();
    for (const old of seen) {
      expect(verifyConsistency(old.size, size, old.root, root, await log.consistency(old.size))).toBe(true);
    }
    seen.push({ size, root });
    const last = (await log.entries(size - 1, size))[0]!;
    expect(await verifyLogProof(last.entry, await log.proof(size - 1), log.vkey)).toMatchObject({
      verdict: 'verified',
    });
    await log.close();
  }
});
