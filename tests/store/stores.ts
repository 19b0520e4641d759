import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, test } from 'vitest';
import { type Ledger, openPostgresLedger, openSqliteLedger } from '../../src/store/index.ts';
import { type Cluster, postgresAbsent, startCluster } from './postgres.ts';

/** A store that is there after it was closed: `open` opens it again, or, where processes share it, once more. */
export type Place = Readonly<{ open(): Promise<Ledger> /** Of the database, or the file's path. */; where: string }>;
export type Kind = 'SQLite' | 'PostgreSQL';

const folders: string[] = [];
let cluster: Cluster | null = null;
const absent = postgresAbsent();
const without = (kind: Kind) => (kind === 'PostgreSQL' ? absent : null);

/** For `describe.each`: a title, which says why where it is skipped, and the kind. */
export const KINDS = (['SQLite', 'PostgreSQL'] as const).map((kind) => [without(kind) ?? kind, kind] as const);
export const testOn = (kind: Kind) => (without(kind) === null ? test : test.skip);

/** An empty one. */
export async function newStore(kind: Kind): Promise<Place> {
  if (kind === 'PostgreSQL') {
    const url = await (cluster as Cluster).database();
    return { where: url, open: () => openPostgresLedger({ url, connectionsMax: 4 }) };
  }
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-ledger-'));
  folders.push(folder);
  const where = join(folder, 'ledger.sqlite');
  return { where, open: async () => openSqliteLedger(where) };
}

beforeAll(async () => {
  if (absent === null) cluster = await startCluster();
}, 60_000);
afterAll(async () => {
  for (const folder of folders) rmSync(folder, { recursive: true });
  await cluster?.stop();
});
