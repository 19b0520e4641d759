import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../src/core/index.ts';
import { importLog, type LogStorage, openLog, openPostgresStorage } from '../../src/log/writer/index.ts';
import { openPostgres } from '../../src/store/index.ts';
import { type Cluster, postgresAbsent, startCluster } from '../store/postgres.ts';
import { codeOf, folder, heartbeat, options } from './support.ts';

const absent = postgresAbsent();
let cluster: Cluster;
beforeAll(async () => {
  if (absent === null) cluster = await startCluster();
}, 60_000);
afterAll(() => cluster?.stop());
const never = new AbortController().signal;
const nothing = () => undefined;
const inPostgres = async (url: string) => (await openPostgresStorage({ url }, never, nothing)) as LogStorage;
const ENTRIES = 300; // more than a tile

async function lived(directory: string) {
  const log = await openLog(options(directory));
  for (let i = 0; i < ENTRIES; i += 50) {
    await Promise.all(
      Array.from({ length: 50 }, (_, j) => log.append(heartbeat(i + j, `s${j}`), { idempotencyKey: `k${i + j}` })),
    );
  }
  const blob = await log.blobs.put(utf8('a file that entries name'));
  const size = log.head().size;
  const said = {
    size,
    blob,
    checkpoint: log.checkpoint(),
    entries: (await log.entries(0, size)).map(({ entry }) => entry),
    proof: await log.proof(17),
  };
  await log.close();
  return said;
}

describe.skipIf(absent !== null)(absent ?? 'a log on disk, carried over into PostgreSQL', () => {
  test('is the same log: head, entries, proofs, files, keys that were used; and goes on', async () => {
    const directory = folder();
    const said = await lived(directory);
    const url = await cluster.database();
    let isAside = false;
    const counts = await importLog(directory, { url }, () => {
      renameSync(join(directory, 'log.db'), join(directory, 'log.db.imported'));
      isAside = true;
    });
    expect(isAside).toBe(true);
    expect(counts).toMatchObject({ log_head: 1, log_idempotency: ENTRIES });
    expect(counts.log_file).toBeGreaterThan(3);
    const log = await openLog(options(directory, { storage: await inPostgres(url) }));
    expect(log.checkpoint()).toEqual(said.checkpoint);
    expect((await log.entries(0, said.size)).map(({ entry }) => entry)).toEqual(said.entries);
    expect(await log.proof(17)).toBe(said.proof);
    expect(await log.blobs.get(said.blob)).toEqual(utf8('a file that entries name'));
    expect(await log.append(heartbeat(3, 's3'), { idempotencyKey: 'k3' })).toMatchObject({ repeated: true });
    expect(await log.append(heartbeat(999))).toMatchObject({ index: said.size, repeated: false });
    await log.close();
  });

  test('is left alone while it is served, and comes into no database that holds one or serves one', async () => {
    const directory = folder();
    const log = await openLog(options(directory));
    const url = await cluster.database();
    expect(await codeOf(importLog(directory, { url }, nothing))).toBe('LOG_IN_USE');
    await log.close();
    const serving = await inPostgres(url);
    expect(await codeOf(importLog(directory, { url }, nothing))).toBe('LOG_IN_USE');
    await serving.close();
    await importLog(directory, { url }, nothing);
    expect(await codeOf(importLog(directory, { url }, nothing))).toBe('STORAGE_NOT_EMPTY');
    expect(await codeOf(importLog(folder(), { url: await cluster.database() }, nothing))).toBe('STORAGE_UNUSABLE');
  });

  test('with a file that cannot be read nothing of it is there', async () => {
    const directory = folder();
    await lived(directory);
    writeFileSync(join(directory, 'tile', 'draft.tmp'), 'what a crash left is no file of the log');
    mkdirSync(join(directory, 'blobs', 'x'), { recursive: true });
    writeFileSync(join(directory, 'blobs', 'x', 'a'), new Uint8Array(0));
    const url = await cluster.database();
    const whole = await importLog(directory, { url }, nothing);
    const second = await cluster.database();
    renameSync(join(directory, 'cosigned.db'), join(directory, 'cosigned.away'));
    await expect(importLog(directory, { url: second }, nothing)).rejects.toThrow();
    const database = await openPostgres({ url: second, connectionsMax: 1 });
    const tables = await database.ask("SELECT tablename FROM pg_tables WHERE tablename = 'log_head'");
    if (tables.length > 0) expect(await database.ask('SELECT * FROM log_head')).toEqual([]);
    const first = await openPostgres({ url, connectionsMax: 1 });
    const paths = await first.ask('SELECT path FROM log_file');
    expect(paths).toHaveLength(whole.log_file as number);
    expect(paths.map(({ path }) => path)).not.toContain('tile/draft.tmp');
    await database.close();
    await first.close();
  });
});
