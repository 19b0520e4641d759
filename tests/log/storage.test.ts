import { afterAll, beforeAll, describe, expect, test as it } from 'vitest';
import { CodedError } from '../../src/core/index.ts';
import {
  type BatchStep,
  type LogStorage,
  openDiskStorage,
  openLog,
  openPostgresStorage,
} from '../../src/log/writer/index.ts';
import { type Cluster, postgresAbsent, startCable, startCluster } from '../store/postgres.ts';
import { requireKept, runAndKill, type Said } from './crashing.ts';
import { codeOf, folder, heartbeat, options } from './support.ts';

let cluster: Cluster | null = null;
const absent = postgresAbsent();
beforeAll(async () => {
  if (absent === null) cluster = await startCluster();
}, 60_000);
afterAll(() => cluster?.stop());

const newDatabase = () => (cluster as Cluster).database();
const never = new AbortController().signal;
const inPostgres = async (url: string, waiting = () => {}) =>
  (await openPostgresStorage({ url }, never, waiting)) as LogStorage;

const OPEN = {
  files: async () => openDiskStorage(folder()),
  PostgreSQL: async () => inPostgres(await newDatabase()),
};
const bytes = (fill: number, length = 32) => new Uint8Array(length).fill(fill);
const head = (size: number) => ({ origin: 'o', size, root: bytes(size), checkpoint: bytes(size, 5) });

describe.each([
  ['files', 'files'],
  [absent ?? 'PostgreSQL', 'PostgreSQL'],
] as const)('what a log keeps, in %s', (_, kind) => {
  const test = kind === 'PostgreSQL' && absent !== null ? it.skip : it;

  test('files that never change are created once; replaced ones are; folders list and go', async () => {
    const { files, close } = await OPEN[kind]();
    await files.createAll([
      { path: 'tile/0/000', bytes: bytes(1) },
      { path: 'tile/0/000.p/3', bytes: bytes(2) },
      { path: 'tile/0/0000', bytes: bytes(3, 0) },
    ]);
    await files.createAll([
      { path: 'tile/0/000', bytes: bytes(1) },
      { path: 'tile/0/001', bytes: bytes(4) },
    ]);
    expect(await codeOf(files.createAll([{ path: 'tile/0/001', bytes: bytes(5) }]))).toBe('LOG_INCONSISTENT');
    expect(await files.read('tile/0/001', 32)).toEqual(bytes(4));
    expect(await files.read('tile/0/0000', 32)).toEqual(bytes(3, 0));
    expect(await files.read('tile/0/002', 32)).toBeNull();
    expect(await codeOf(files.read('tile/0/001', 31))).toBe('LOG_INCONSISTENT');
    expect(await files.list('tile/0')).toEqual(['000', '000.p', '0000', '001']);
    expect(await files.list('.')).toContain('tile');
    expect(await files.list('staging')).toEqual([]);
    await files.removeFolder('tile/0/000.p');
    await files.remove('tile/0/0000');
    await files.remove('tile/0/0000');
    expect(await files.list('tile/0')).toEqual(['000', '001']);
    await files.replace('checkpoint', bytes(1));
    await files.replace('checkpoint', bytes(2));
    expect(await files.read('checkpoint', 32)).toEqual(bytes(2));
    await close();
  });

  test('the head moves only from where it is, with keys and subjects or not at all', async () => {
    const { store, close } = await OPEN[kind]();
    expect(await store.head()).toBeNull();
    await store.create(head(0));
    await expect(store.create(head(0))).rejects.toThrow();
    await store.replace(head(0), head(2), index([1, 2], { a: 1 }));
    expect(await codeOf(store.replace(head(0), head(3), index([3], { a: 2, b: 2 })))).toBe('LOG_INCONSISTENT');
    await store.replace(head(2), head(4), index([], { a: 3 }));
    expect(await store.head()).toEqual(head(4));
    expect(await store.indexesOfKeys([bytes(2), bytes(3), bytes(1)])).toEqual([2, null, 1]);
    expect(await store.lastOfSubjects(['a', 'b'])).toEqual(new Map([['a', 3]]));
    await close();
  });

  test('of cosigned checkpoints the oldest that covers an entry is found', async () => {
    const { cosigned, close } = await OPEN[kind]();
    expect(await cosigned.newest()).toBeNull();
    for (const size of [3, 9, 5]) await cosigned.keep(size, bytes(size, 4));
    await cosigned.keep(9, bytes(8, 4));
    expect(await cosigned.covering(3)).toEqual(bytes(5, 4));
    expect(await cosigned.covering(9)).toBeNull();
    expect(await cosigned.newest()).toEqual(bytes(9, 4));
    await close();
  });
});

const index = (keys: readonly number[], subjects: Readonly<Record<string, number>>) => ({
  idempotency: keys.map((key) => ({ key: bytes(key), index: key })),
  subjects: new Map(Object.entries(subjects)),
});

describe.skipIf(absent !== null)('a log in PostgreSQL', () => {
  it('killed at every step of a batch, it loses nothing acknowledged and contradicts no checkpoint', async () => {
    const url = await newDatabase();
    const directory = folder(); // its key
    const said: Said[] = [];
    const steps: (BatchStep | '')[] = ['staged', 'committed', 'applied', 'published', ''];
    for (const step of steps) {
      const seen = await runAndKill(directory, step, step === '' ? 60 : 5_000, url);
      said.push(...seen);
      const log = await openLog(options(directory, { storage: await inPostgres(url) }));
      await requireKept(log, said, seen);
      const last = said.findLast(({ id }) => id !== undefined);
      const again = await log.append(heartbeat(), { idempotencyKey: last?.id as string });
      expect(again).toMatchObject({ index: last?.index, repeated: true });
      await log.close();
    }
    expect(said.length).toBeGreaterThan(100);
  }, 120_000);

  it('has one sequencer: whoever is cut off has lost it, and never writes again', async () => {
    const url = await newDatabase();
    const directory = folder();
    const cable = await startCable(url);
    const first = await openLog(options(directory, { storage: await inPostgres(cable.url) }));
    await first.append(heartbeat(1), { idempotencyKey: 'one' });
    let stoodBy = false;
    const second = inPostgres(url, () => {
      stoodBy = true;
    });
    await expect.poll(() => stoodBy, { timeout: 10_000 }).toBe(true);
    cable.cut();
    const cutAt = performance.now();
    const lost = first.append(heartbeat(2), { idempotencyKey: 'two' }).catch((error: unknown) => error);
    const storage = await second;
    process.stdout.write(`another sequencer ${Math.round(performance.now() - cutAt)} ms after the first was cut off\n`);
    const log = await openLog(options(directory, { storage }));
    await log.append(heartbeat(3), { idempotencyKey: 'three' });
    cable.mend();
    expect(await lost).toMatchObject({ code: 'LOG_WRITE_FAILED' });
    expect(await first.failed).toBeInstanceOf(CodedError);
    expect(await codeOf(first.append(heartbeat(4)))).toBe('LOG_WRITE_FAILED');
    expect(await log.append(heartbeat(1), { idempotencyKey: 'one' })).toMatchObject({ index: 1, repeated: true });
    expect(await log.append(heartbeat(2), { idempotencyKey: 'two' })).toMatchObject({ index: 3, repeated: false });
    await first.close();
    await log.close();
    cable.close();
  }, 60_000);
});
