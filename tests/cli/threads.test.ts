import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Threads, type ThreadsOptions } from '../../src/cli/threads.ts';

type Task = Readonly<{ say: string } | { refuse: string } | { die: true } | { hang: true } | { fill: true }>;

let folder: string;
let file: URL;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'chrysalis-threads-'));
  const [threads, core] = ['src/cli/threads.ts', 'src/core/index.ts'].map(
    (path) => pathToFileURL(resolve(import.meta.dirname, '../..', path)).href,
  );
  const path = join(folder, 'thread.ts');
  writeFileSync(
    path,
    `import { serveOrders } from '${threads}';
import { CodedError } from '${core}';
serveOrders(async (task) => {
  if ('refuse' in task) throw new CodedError('EVIDENCE_MALFORMED', task.refuse, { at: 7 });
  if ('die' in task) setTimeout(() => { throw new Error('nobody catches it'); });
  if ('hang' in task) for (;;);
  if ('fill' in task) { const all = []; for (;;) all.push(new Array(1e5).fill({})); }
  if ('die' in task) await new Promise(() => undefined);
  return task.say.toUpperCase();
});
`,
  );
  file = pathToFileURL(path);
});
afterAll(() => rm(folder, { recursive: true }));

const withThreads = async (
  changes: Partial<ThreadsOptions>,
  run: (threads: Threads<Task, string>) => Promise<void>,
): Promise<void> => {
  const threads = new Threads<Task, string>({
    file,
    count: 2,
    heapMiBMax: 64,
    ordersMax: 8,
    orderMsMax: 60_000,
    ...changes,
  });
  try {
    await run(threads);
  } finally {
    await threads.close();
  }
};

test('orders are answered by as many threads as there should be, and what they throw keeps its code', () =>
  withThreads({}, async (threads) => {
    expect(await Promise.all(['a', 'b', 'c'].map((say) => threads.ask({ say })))).toEqual(['A', 'B', 'C']);
    expect(threads.started).toBe(2);
    await expect(threads.ask({ refuse: 'no' })).rejects.toMatchObject({
      code: 'EVIDENCE_MALFORMED',
      message: 'no',
      facts: { at: 7 },
    });
  }));

for (const [how, task, changes] of [
  ['dies', { die: true }, {}],
  ['takes more memory than it may', { fill: true }, {}],
  ['takes too long', { hang: true }, { orderMsMax: 4_000 }],
] as const) {
  test(`a thread that ${how} fails what it was asked, and the next order gets another`, () =>
    withThreads({ count: 1, ...changes }, async (threads) => {
      await expect(threads.ask(task)).rejects.toMatchObject({ code: 'PROCESS_FAILED' });
      for (let tries = 0; ; tries++) {
        // On a slow machine the new one may take longer to start than this test lets orders take.
        const said = await threads.ask({ say: 'again' }).catch((error: { code: string }) => error.code);
        if (said === 'AGAIN') return;
        if (said !== 'PROCESS_FAILED' || tries === 20) throw new Error(said);
      }
    }));
}

test('no more orders wait than may', () =>
  withThreads({ count: 1, ordersMax: 1 }, async (threads) => {
    const first = threads.ask({ say: 'first' });
    await expect(threads.ask({ say: 'second' })).rejects.toMatchObject({ code: 'TOO_MANY_REQUESTS' });
    expect(await first).toBe('FIRST');
  }));

test('threads that are stopped take no orders', async () => {
  let kept: Threads<Task, string> | null = null;
  await withThreads({}, async (threads) => {
    kept = threads;
  });
  await expect((kept as Threads<Task, string> | null)?.ask({ say: 'late' })).rejects.toMatchObject({
    code: 'PROCESS_FAILED',
  });
});
