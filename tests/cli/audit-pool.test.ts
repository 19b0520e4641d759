import { availableParallelism } from 'node:os';
import { expect, test, vi } from 'vitest';
import { createCheckpointReader, isAppraisal, type ReappraisalJob } from '../../src/audit/index.ts';
import { createAuditPool } from '../../src/cli/audit/pool.ts';
import { progressBar, progressLines } from '../../src/cli/audit/progress.ts';
import { parseLeaf } from '../../src/log/index.ts';
import { developmentText, ORIGIN, Scene, trust } from '../audit/scene.ts';

async function jobs(): Promise<{ good: ReappraisalJob; lie: ReappraisalJob }> {
  const scene = new Scene();
  await scene.open();
  await scene.publish();
  const of = async (changes: Record<string, unknown>): Promise<ReappraisalJob> => {
    const parsed = parseLeaf(scene.entries[await scene.admit({}, changes)]!);
    if (!isAppraisal(parsed)) throw new Error('no appraisal');
    const { leaf } = parsed;
    const [evidence, collateral, inputs] = leaf.blobs.map((digest) => scene.blobs.get(digest)!);
    return {
      leaf,
      material: { evidence: evidence!, collateral: collateral!, inputs: inputs!, policyText: developmentText },
    };
  };
  return { good: await of({}), lie: await of({ tcbStatus: 'OutOfDate' }) };
}

test('many appraisals are made again by threads, one for each core, with the answers that one thread gives', async () => {
  const { good, lie } = await jobs();
  const pool = createAuditPool(trust);
  try {
    const asked = Array.from({ length: 64 + 8 * availableParallelism() }, (_, i) => (i % 9 === 0 ? lie : good));
    const answers = await Promise.all(asked.map((job) => pool.reappraise(job)));
    expect(answers.map(({ outcome }) => outcome)).toEqual(asked.map((job) => (job === lie ? 'differs' : 'same')));
    expect(pool.parallel).toBeGreaterThanOrEqual(availableParallelism());
    expect(pool.threads()).toBe(availableParallelism() === 1 ? 0 : availableParallelism());
  } finally {
    await pool.close();
  }
}, 60_000);

test('the progress is a bar that moves, on a terminal and nowhere else', () => {
  for (const [name, value] of [
    ['CI', ''],
    ['NO_COLOR', ''],
    ['TERM', 'xterm'],
  ] as const)
    vi.stubEnv(name, value);
  const written: string[] = [];
  const stream = (isTTY: boolean) =>
    ({ isTTY, columns: 80, write: (text: string) => written.push(text) }) as unknown as NodeJS.WriteStream;
  let now = 1_000_000;
  vi.spyOn(Date, 'now').mockImplementation(() => now);
  const hushed = progressBar(stream(false));
  hushed.show('checking entries', 1, 2);
  hushed.clear();
  expect(written).toEqual([]);
  const bar = progressBar(stream(true));
  bar.show('checking tree', 1, 2);
  now += 10_000;
  bar.show('checking entries', 1, 100_000); // another stage, with a rate of its own
  now += 50;
  bar.show('checking entries', 50, 100_000); // too soon after the last
  now += 9_950;
  bar.show('checking entries', 20_000, 100_000);
  now += 40_000;
  bar.show('checking entries', 100_000, 100_000);
  bar.clear();
  expect(written.map((text) => text.replace(/[█]+/, '#').replace(/[░]+/, '.'))).toEqual([
    '\rchecking tree #. 1 of 2\u001b[K',
    '\rchecking entries . 1 of 100,000\u001b[K',
    '\rchecking entries #. 20,000 of 100,000 · 2,000/s · 40 s left\u001b[K',
    '\rchecking entries # 100,000 of 100,000 · 2,000/s · 0 s left\u001b[K',
    '\r\u001b[K',
  ]);
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

test('beside a JSON document, progress is a line of JSON every few seconds', () => {
  let now = 1_000_000;
  vi.spyOn(Date, 'now').mockImplementation(() => now);
  const written: string[] = [];
  const lines = progressLines({ write: (text: string) => written.push(text) } as unknown as NodeJS.WritableStream);
  lines.show('checking entries', 1, 400);
  now += 4_000;
  lines.show('checking entries', 90, 400);
  now += 1_000;
  lines.show('checking entries', 100, 400);
  lines.clear();
  expect(written).toHaveLength(1);
  expect(JSON.parse(written[0]!)).toEqual({
    ...{ event: 'progress', stage: 'checking entries', done: 100, of: 400 },
    ...{ perSecond: 20, secondsLeft: 15 },
  });
  vi.restoreAllMocks();
});

test('checkpoints are looked at by threads too, with the answers that one thread gives, in order', async () => {
  const scene = new Scene();
  await scene.open();
  const notes: Uint8Array<ArrayBuffer>[] = [];
  for (let i = 0; i < 100; i++) {
    await scene.beat();
    const note = await scene.checkpoint(i % 7 === 3 ? { cosigned: false } : {});
    if (i % 11 === 5) note[note.length - 5] = (note[note.length - 5] as number) ^ 1;
    notes.push(note);
  }
  const expected = await createCheckpointReader(trust.policy)(notes, ORIGIN);
  const pool = createAuditPool(trust);
  try {
    expect(await pool.checkpoints(notes, ORIGIN)).toEqual(expected);
    expect(await pool.checkpoints(notes.toReversed(), 'another.test/log')).toEqual(
      Array.from(notes, () => ({ why: expect.any(String) })),
    );
    expect(pool.threads()).toBe(availableParallelism() === 1 ? 0 : availableParallelism());
  } finally {
    await pool.close();
  }
  const refused = expected.filter((one) => 'why' in one).length;
  expect(refused).toBeGreaterThan(14);
  expect(refused).toBeLessThan(30);
}, 60_000);
