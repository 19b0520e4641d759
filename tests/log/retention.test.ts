import { expect, test } from 'vitest';
import { utf8 } from '../../src/core/index.ts';
import { parseLeaf } from '../../src/log/index.ts';
import { digestOf, openLog, parseRetentionPolicy, runRetention } from '../../src/log/writer/index.ts';
import { codeOf, folder, options } from './support.ts';

const DAY = 86_400_000;
const START = 1_795_250_000_123;
const text = (changes: object = {}) =>
  JSON.stringify({ hold: false, tiers: [{ name: 'B', types: ['receipt-batch'], days: 40 }], ...changes });

test('what is past its time goes, after an entry that says so; everything else stays', async () => {
  let now = START;
  const log = await openLog(options(folder(), { clock: () => now }));
  const batch = async (name: string, type: 'receipt-batch' | 'heartbeat' = 'receipt-batch') => {
    const bytes = utf8(name);
    const root = digestOf(bytes);
    const body = type === 'heartbeat' ? { queueDepth: 0 } : { count: 1, root };
    const draft = { type, src: 'test', subject: 'test', body, blobs: [digestOf(bytes)] } as const;
    await log.append(draft as never, { blobs: [bytes] });
    return digestOf(bytes);
  };
  const old = await batch('old');
  const shared = await batch('shared');
  const forEver = await batch('for ever', 'heartbeat');
  now = START + 30 * DAY;
  const young = await batch('young');
  await batch('shared');
  now = START + 41 * DAY;
  expect(await runRetention(log, text({ hold: true }), now)).toBe(0);
  expect(await runRetention(log, text(), now)).toBe(1);
  const held = await Promise.all([old, shared, forEver, young].map((digest) => log.blobs.get(digest)));
  expect(held.map((bytes) => bytes !== null)).toEqual([false, true, true, true]);
  const { size } = log.head();
  const { leaf } = parseLeaf((await log.entries(size - 1, size))[0]!.entry);
  expect(leaf).toMatchObject({ type: 'retention-run', body: { tier: 'B', count: 1 } });
  expect(new TextDecoder().decode((await log.blobs.get(leaf.blobs[0]!))!)).toBe(`${old}\n`);
  expect(await runRetention(log, text(), now)).toBe(0); // nothing twice
  expect(await runRetention(log, text(), START + 80 * DAY)).toBe(2);
  await log.close();
});

test('a policy that would remove what an audit needs, or too soon, is refused', async () => {
  const tier = (changes: object) => text({ tiers: [{ name: 'B', types: ['receipt-batch'], days: 40, ...changes }] });
  for (const wrong of [
    tier({ days: 29 }),
    tier({ days: 1.5 }),
    tier({ types: ['policy-published'] }),
    tier({ types: ['retention-run'] }),
    tier({ types: [] }),
    tier({ types: ['receipt-batch', 'receipt-batch'] }),
    tier({ name: '' }),
    text({ more: 1 }),
    '[]',
    'x',
  ]) {
    expect(await codeOf(() => parseRetentionPolicy(wrong)), wrong).toMatch(/^(CONFIG_INVALID|ENCODING_INVALID)$/);
  }
});
