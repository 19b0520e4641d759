import { availableParallelism } from 'node:os';
import { expect, test, vi } from 'vitest';
import { isAppraisal, type ReappraisalJob } from '../../src/audit/index.ts';
import { createReappraisalPool } from '../../src/cli/audit/pool.ts';
import { progressBar } from '../../src/cli/audit/progress.ts';
import { parseLeaf } from '../../src/log/index.ts';
import { developmentText, Scene, trust } from '../audit/scene.ts';

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
  const pool = createReappraisalPool(trust.anchors);
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
  const hushed = progressBar(stream(false), 'verifying');
  hushed.show(1, 2);
  hushed.clear();
  expect(written).toEqual([]);
  const bar = progressBar(stream(true), 'verifying');
  bar.show(50, 100);
  bar.show(51, 100); // too soon after the last
  bar.show(100, 100);
  bar.clear();
  expect(written.map((text) => text.replace(/[█]+/, '#').replace(/[░]+/, '.'))).toEqual([
    '\rverifying #. 50 of 100',
    '\rverifying # 100 of 100',
    '\r\u001b[K',
  ]);
  vi.unstubAllEnvs();
});
