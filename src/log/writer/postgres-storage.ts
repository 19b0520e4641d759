import { setTimeout as sleep } from 'node:timers/promises';
import { type Bytes, CodedError } from '../../core/index.ts';
import { type Ask, openPostgres, type Postgres, type PostgresOptions } from '../../store/index.ts';
import type { CosignedStore } from './cosigned-store.ts';
import type { LockStore } from './lock-store.ts';
import type { LogFiles, LogStorage } from './storage.ts';

export const LOG_SCHEMA = `
CREATE TABLE IF NOT EXISTS log_head (
  id integer PRIMARY KEY CHECK (id = 1), origin text NOT NULL, size bigint NOT NULL,
  root bytea NOT NULL CHECK (length(root) = 32), checkpoint bytea NOT NULL);
CREATE TABLE IF NOT EXISTS log_idempotency (key bytea PRIMARY KEY CHECK (length(key) = 32), entry bigint NOT NULL);
CREATE TABLE IF NOT EXISTS log_subject (name text PRIMARY KEY, last bigint NOT NULL);
CREATE TABLE IF NOT EXISTS log_file (path text COLLATE "C" PRIMARY KEY, bytes bytea NOT NULL);
CREATE TABLE IF NOT EXISTS log_cosigned (size bigint PRIMARY KEY, note bytea NOT NULL);
`;
/** Whoever holds this lock is the log's one sequencer. */
export const SEQUENCER_LOCK = 0x6c6f_6731; // "log1"
/** The character after "/": paths under a folder are between the two. */
const AFTER_SLASH = '0';
const READERS_MAX = 8;
const STANDBY_POLL_MS = 200;

const bytesOf = (value: unknown): Bytes => Uint8Array.from(value as Uint8Array);

/**
 * A log in PostgreSQL, for processes that stand by for each other. All writes go through the one session that holds the
 * sequencer's lock, each in one statement: a process that was cut off or stopped has lost the session, and with it every
 * way to write. The compare-and-swap of the head stands behind that.
 * @param waiting called once where another process has the log; then this one stands by until it has not, or `stop`
 * @returns null where it was stopped first
 * @throws CodedError STORAGE_UNREACHABLE, CONFIG_INVALID
 */
export async function openPostgresStorage(
  options: PostgresOptions,
  stop: AbortSignal,
  waiting: () => void,
): Promise<LogStorage | null> {
  const database = await openPostgres({ connectionsMax: READERS_MAX, ...options });
  try {
    await database.prepare(LOG_SCHEMA);
    const session = await database.session();
    if (!(await elected(session.ask, stop, waiting))) {
      session.close();
      await database.close();
      return null;
    }
    return {
      files: filesIn(database, session.ask),
      store: lockStoreIn(database, session.ask),
      cosigned: cosignedIn(database, session.ask),
      lost: session.lost,
      close: async () => {
        session.close();
        await database.close();
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function elected(ask: Ask, stop: AbortSignal, waiting: () => void): Promise<boolean> {
  for (let tries = 0; !stop.aborted; tries++) {
    const [row] = await ask('SELECT pg_try_advisory_lock($1) AS held', [SEQUENCER_LOCK]);
    if (row?.held === true) return true;
    if (tries === 0) waiting();
    await sleep(STANDBY_POLL_MS);
  }
  return false;
}

function filesIn({ ask: read }: Postgres, write: Ask): LogFiles {
  return {
    async read(path, bytesMax) {
      const [row] = await read('SELECT bytes FROM log_file WHERE path = $1', [path]);
      if (row === undefined) return null;
      const bytes = bytesOf(row.bytes);
      if (bytes.length <= bytesMax) return bytes;
      throw new CodedError('LOG_INCONSISTENT', `${path} is larger than it can be`, { size: bytes.length });
    },
    async list(path) {
      const folder = path === '.' ? '' : `${path}/`;
      const sql = `SELECT DISTINCT split_part(substr(path, $1), '/', 1) AS name FROM log_file
        WHERE path >= $2 AND ($3 = '' OR path < $3) ORDER BY name`;
      const rows = await read(sql, [folder.length + 1, folder, path === '.' ? '' : `${path}${AFTER_SLASH}`]);
      return rows.map((row) => row.name as string);
    },
    async replace(path, bytes) {
      const sql = 'INSERT INTO log_file VALUES ($1,$2) ON CONFLICT (path) DO UPDATE SET bytes = excluded.bytes';
      await write(sql, [path, bytes]);
    },
    async createAll(files) {
      const [paths, contents] = [files.map(({ path }) => path), files.map(({ bytes }) => bytes)];
      const sql =
        'INSERT INTO log_file SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT DO NOTHING RETURNING path';
      const created = await write(sql, [paths, contents]);
      if (created.length === files.length) return;
      const others = await write(
        'SELECT path FROM log_file JOIN unnest($1::text[], $2::bytea[]) AS given (path, bytes) USING (path) WHERE log_file.bytes <> given.bytes',
        [paths, contents],
      );
      if (others.length > 0) {
        throw new CodedError('LOG_INCONSISTENT', `${others[0]?.path as string} is there with other bytes`);
      }
    },
    async remove(path) {
      await write('DELETE FROM log_file WHERE path = $1', [path]);
    },
    async removeFolder(path) {
      await write('DELETE FROM log_file WHERE path >= $1 AND path < $2', [`${path}/`, `${path}${AFTER_SLASH}`]);
    },
  };
}

function lockStoreIn({ ask: read }: Postgres, write: Ask): LockStore {
  return {
    async head() {
      const [row] = await write('SELECT origin, size, root, checkpoint FROM log_head');
      if (row === undefined) return null;
      const { origin, size, root, checkpoint } = row;
      return { origin: origin as string, size: Number(size), root: bytesOf(root), checkpoint: bytesOf(checkpoint) };
    },
    async create({ origin, size, root, checkpoint }) {
      const sql = 'INSERT INTO log_head VALUES (1,$1,$2,$3,$4) ON CONFLICT DO NOTHING RETURNING id';
      const created = await write(sql, [origin, size, root, checkpoint]);
      if (created.length !== 1) throw new CodedError('LOG_INCONSISTENT', 'there is a head already');
    },
    async replace(from, to, index) {
      const moved = await write(
        `WITH moved AS (
          UPDATE log_head SET size = $1, root = $2, checkpoint = $3
          WHERE origin = $4 AND size = $5 AND root = $6 RETURNING 1),
        keys AS (
          INSERT INTO log_idempotency SELECT * FROM unnest($7::bytea[], $8::bigint[]) WHERE EXISTS (SELECT 1 FROM moved)),
        subjects AS (
          INSERT INTO log_subject SELECT * FROM unnest($9::text[], $10::bigint[]) WHERE EXISTS (SELECT 1 FROM moved)
          ON CONFLICT (name) DO UPDATE SET last = excluded.last)
        SELECT 1 FROM moved`,
        [
          ...[to.size, to.root, to.checkpoint, from.origin, from.size, from.root],
          ...[index.idempotency.map(({ key }) => key), index.idempotency.map(({ index: entry }) => entry)],
          ...[[...index.subjects.keys()], [...index.subjects.values()]],
        ],
      );
      if (moved.length === 1) return;
      throw new CodedError('LOG_INCONSISTENT', 'the head is not the one this log last signed');
    },
    async indexesOfKeys(keys) {
      if (keys.length === 0) return [];
      const sql = `SELECT known.entry FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (key, place)
        LEFT JOIN log_idempotency known USING (key) ORDER BY place`;
      return (await read(sql, [keys])).map(({ entry }) => (entry === null ? null : Number(entry)));
    },
    async lastOfSubjects(names) {
      const rows = await read('SELECT name, last FROM log_subject WHERE name = ANY($1::text[])', [names]);
      return new Map(rows.map(({ name, last }) => [name as string, Number(last)]));
    },
    close: () => undefined,
  };
}

function cosignedIn({ ask: read }: Postgres, write: Ask): CosignedStore {
  const noteOf = (row: Readonly<Record<string, unknown>> | undefined) => (row === undefined ? null : bytesOf(row.note));
  return {
    keep: async (size, note) => {
      await write('INSERT INTO log_cosigned VALUES ($1,$2) ON CONFLICT DO NOTHING', [size, note]);
    },
    covering: async (index) =>
      noteOf((await read('SELECT note FROM log_cosigned WHERE size > $1 ORDER BY size LIMIT 1', [index]))[0]),
    newest: async () => noteOf((await read('SELECT note FROM log_cosigned ORDER BY size DESC LIMIT 1'))[0]),
    close: async () => undefined,
  };
}
