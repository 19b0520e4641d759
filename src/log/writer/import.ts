import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CodedError } from '../../core/index.ts';
import {
  type Ask,
  COPY_TIMEOUT_MS,
  type CopiedTable,
  copyRows,
  type Imported,
  openPostgres,
  type PostgresOptions,
  requireEmpty,
} from '../../store/index.ts';
import { LOG_SCHEMA, SEQUENCER_LOCK } from './postgres-storage.ts';
import { CHECKPOINT_FILE } from './recovery.ts';

const HEAD: CopiedTable = {
  name: 'log_head',
  columns: { id: 'integer', origin: 'text', size: 'bigint', root: 'bytea', checkpoint: 'bytea' },
  select: 'SELECT * FROM head',
};
const TABLES: readonly CopiedTable[] = [
  HEAD,
  { name: 'log_idempotency', columns: { key: 'bytea', entry: 'bigint' }, select: 'SELECT * FROM idempotency' },
  { name: 'log_subject', columns: { name: 'text', last: 'bigint' }, select: 'SELECT * FROM subject' },
];
const COSIGNED: CopiedTable = {
  name: 'log_cosigned',
  columns: { size: 'bigint', note: 'bytea' },
  select: 'SELECT * FROM cosigned',
};
/** What a log keeps as files beside its keys and databases. */
const FOLDERS = ['tile', 'blobs', 'staging'];
const FILES_AT_ONCE = 64;
const BYTES_AT_ONCE = 16 * 1024 * 1024;
const SQLITE_BUSY = 5;

/**
 * Copies a log on disk into a database that holds none, in one transaction, and holds the log for itself meanwhile: head,
 * tiles, archived files, cosigned checkpoints. Its key stays a file. Whoever serves it from there checks it as after a crash.
 * @param committed called once all is in the database, while the folder is still held
 * @throws CodedError LOG_IN_USE while it is served, from the folder or the database; STORAGE_NOT_EMPTY,
 *   STORAGE_UNUSABLE for a folder that holds no log, STORAGE_UNREACHABLE
 */
export async function importLog(directory: string, options: PostgresOptions, committed: () => void): Promise<Imported> {
  const lock = openAlone(join(directory, 'log.db'));
  const cosigned = new DatabaseSync(join(directory, 'cosigned.db'), { readOnly: true });
  try {
    const target = await openPostgres({ connectionsMax: 1, timeoutMs: COPY_TIMEOUT_MS, ...options });
    try {
      await target.prepare(LOG_SCHEMA);
      const counts = await target.transaction(async (ask) => {
        const [row] = await ask('SELECT pg_try_advisory_xact_lock($1) AS held', [SEQUENCER_LOCK]);
        if (row?.held !== true) throw new CodedError('LOG_IN_USE', 'another process serves a log from this database');
        await requireEmpty(ask, [...TABLES.map(({ name }) => name), COSIGNED.name, 'log_file']);
        const counts: Record<string, number> = {};
        for (const table of TABLES) counts[table.name] = await copyRows(lock, ask, table);
        if (counts[HEAD.name] !== 1) throw new CodedError('STORAGE_UNUSABLE', 'this log has no head');
        counts[COSIGNED.name] = await copyRows(cosigned, ask, COSIGNED);
        counts.log_file = await copyFiles(directory, ask);
        return counts;
      });
      committed();
      return counts;
    } finally {
      await target.close();
    }
  } finally {
    cosigned.close();
    lock.close();
  }
}

function openAlone(path: string): DatabaseSync {
  if (!existsSync(path)) throw new CodedError('STORAGE_UNUSABLE', 'there is no log in this folder');
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA wal_checkpoint(TRUNCATE); BEGIN EXCLUSIVE;');
    return database;
  } catch (cause) {
    database.close();
    if ((cause as { errcode?: number }).errcode === SQLITE_BUSY) {
      throw new CodedError('LOG_IN_USE', 'another process serves this log: stop it first', {}, { cause });
    }
    throw new CodedError('STORAGE_UNUSABLE', 'the lock store cannot be read', {}, { cause });
  }
}

/** @returns how many there are, the same on both sides */
async function copyFiles(directory: string, ask: Ask): Promise<number> {
  let [files, bytes, copied] = [[] as { path: string; content: Uint8Array }[], 0, 0];
  const write = async () => {
    const columns = [files.map(({ path }) => path), files.map(({ content }) => content)];
    await ask('INSERT INTO log_file SELECT * FROM unnest($1::text[], $2::bytea[])', columns);
    copied += files.length;
    [files, bytes] = [[], 0];
  };
  for await (const path of filesIn(directory)) {
    const content = await readFile(join(directory, path));
    if (files.length > 0 && bytes + content.length > BYTES_AT_ONCE) await write();
    files.push({ path, content });
    bytes += content.length;
    if (files.length >= FILES_AT_ONCE) await write();
  }
  if (files.length > 0) await write();
  const [counted] = await ask('SELECT count(*) AS count, coalesce(sum(length(bytes)), 0) AS bytes FROM log_file');
  if (Number(counted?.count) !== copied)
    throw new CodedError('STORAGE_UNUSABLE', 'other files are there than were read');
  return copied;
}

/** Paths below the folder, with slashes; drafts that a crash left are none of the log's files. */
async function* filesIn(directory: string): AsyncGenerator<string> {
  if (existsSync(join(directory, CHECKPOINT_FILE))) yield CHECKPOINT_FILE;
  for (const folder of FOLDERS.filter((name) => existsSync(join(directory, name)))) {
    const entries = await readdir(join(directory, folder), { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      if (entry.isFile() && !entry.name.endsWith('.tmp')) {
        yield relative(directory, join(entry.parentPath, entry.name)).replaceAll('\\', '/');
      }
    }
  }
}
