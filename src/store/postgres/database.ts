import { DatabaseError, Pool, type PoolClient, type QueryResultRow } from 'pg';
import { CodedError } from '../../core/index.ts';

type Scalar = string | number | bigint | boolean | null | Uint8Array;
export type Value = Scalar | readonly Scalar[];
export type Row = Readonly<Record<string, unknown>>;
export type Ask = (sql: string, values?: readonly Value[]) => Promise<readonly Row[]>;

/** @property url `postgres://user:password@host:port/database`, or with `?host=/folder/of/socket` */
export type PostgresOptions = Readonly<{ url: string; connectionsMax?: number; timeoutMs?: number }>;

const CONNECTIONS_MAX = 16;
/** A database that says nothing for so long is away. Its sessions end themselves as soon, with every lock they hold. */
const TIMEOUT_MS = 5_000;
const HEARTBEAT_MS = 1_000;
const RETRIES_MAX = 4;
/** Two transactions that waited for each other: one of them is told to begin again. */
const AGAIN: ReadonlySet<string> = new Set(['40001', '40P01']);
const DISK_FULL = '53100';
/** Classes of SQLSTATE in which the statement itself is wrong: data, constraint, syntax or access rule. */
const OURS = /^(22|23|42)/;

/** PostgreSQL as the stores use it: durable commits, every wait bounded, errors coded. */
export type Postgres = Readonly<{
  /** One statement, a transaction of its own. @throws CodedError STORAGE_UNREACHABLE, STORAGE_FULL */
  ask: Ask;
  /** All of the work or nothing of it; run again where it collided with another transaction. */
  transaction<Result>(work: (ask: Ask) => Promise<Result>): Promise<Result>;
  /** Creates what is not there; several processes may start at the same time. */
  prepare(schema: string): Promise<void>;
  /** A session of its own; what it locks ends with it. */
  session(): Promise<PostgresSession>;
  close(): Promise<void>;
}>;

/** @property lost answers once the session has ended, whatever ended it */
export type PostgresSession = Readonly<{ ask: Ask; lost: Promise<CodedError>; close(): void }>;

/** @throws CodedError STORAGE_UNREACHABLE; CONFIG_INVALID for a URL that is none */
export async function openPostgres(options: PostgresOptions): Promise<Postgres> {
  const { url, connectionsMax = CONNECTIONS_MAX, timeoutMs = TIMEOUT_MS } = options;
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    throw new CodedError('CONFIG_INVALID', 'the address of the database is not a postgres:// URL');
  }
  const pool = new Pool({
    connectionString: url,
    max: connectionsMax,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    application_name: 'chrysalis',
    // A commit that is answered is on the disk; and nobody who is cut off keeps others waiting.
    options: `-c synchronous_commit=on -c statement_timeout=${timeoutMs} -c idle_in_transaction_session_timeout=${timeoutMs}`,
  });
  pool.on('error', () => undefined); // an idle connection that is lost: the next query opens another
  const ask: Ask = async (sql, values = []) => {
    try {
      return (await pool.query<QueryResultRow>(sql, values.map(toPostgres))).rows;
    } catch (error) {
      throw coded(error);
    }
  };
  const attempt = async <Result>(work: (ask: Ask) => Promise<Result>): Promise<Result> => {
    const client = await pool.connect().catch((error: unknown) => {
      throw coded(error);
    });
    const within = asking(client);
    let whole = false;
    try {
      await within('BEGIN');
      const result = await work(within);
      await within('COMMIT');
      whole = true;
      return result;
    } finally {
      client.release(!whole); // a connection in an unknown state is closed, which rolls back
    }
  };
  const transaction: Postgres['transaction'] = async (work) => {
    for (let tries = 1; ; tries++) {
      try {
        return await attempt(work);
      } catch (error) {
        if (!(error instanceof Collision) || tries >= RETRIES_MAX) throw error;
      }
    }
  };
  const database: Postgres = {
    ask,
    transaction,
    prepare: (schema) =>
      transaction(async (within) => {
        await within('SELECT pg_advisory_xact_lock($1)', [SCHEMA_LOCK]);
        await within(schema);
      }),
    session: async () => {
      const client = await pool.connect().catch((error: unknown) => {
        throw coded(error);
      });
      return sessionOf(client, timeoutMs);
    },
    close: () => pool.end(),
  };
  await ask('SELECT 1');
  return database;
}

const SCHEMA_LOCK = 0x6368_7279; // "chry"

async function sessionOf(client: PoolClient, timeoutMs: number): Promise<PostgresSession> {
  const lost = Promise.withResolvers<CodedError>();
  let open = true;
  const close = (error?: unknown) => {
    if (!open) return;
    open = false;
    clearInterval(heartbeat);
    lost.resolve(coded(error ?? new Error('closed')));
    client.release(true);
  };
  client.on('error', close);
  client.on('end', close);
  const one = asking(client);
  /** One statement after the other: a session has no other way. */
  let last: Promise<unknown> = Promise.resolve();
  const within: Ask = (sql, values) => {
    const run = last.then(() => one(sql, values));
    last = run.catch(() => undefined);
    return run;
  };
  // The database ends the session of a process that is cut off or stopped, and so gives away what it locked.
  const heartbeat = setInterval(() => void within('SELECT 1').catch(close), HEARTBEAT_MS);
  heartbeat.unref();
  await within(`SET idle_session_timeout = ${timeoutMs}`).catch((error: unknown) => {
    close(error);
    throw error;
  });
  return {
    // After an error nobody knows what state the session is in, or whether it is there.
    ask: async (sql, values) => {
      if (!open) throw await lost.promise;
      try {
        return await within(sql, values);
      } catch (error) {
        close(error);
        throw error;
      }
    },
    lost: lost.promise,
    close: () => close(),
  };
}

function asking(client: PoolClient): Ask {
  return async (sql, values = []) => {
    try {
      // Without values several statements may come at once.
      if (values.length === 0) return (await client.query<QueryResultRow>(sql)).rows ?? [];
      return (await client.query<QueryResultRow>(sql, values.map(toPostgres))).rows;
    } catch (error) {
      throw coded(error);
    }
  };
}

class Collision extends CodedError {}

/** The code is safe to show; what the database said of a statement may hold its values, and stays the cause. */
function coded(error: unknown): CodedError {
  if (error instanceof CodedError) return error;
  const state = error instanceof DatabaseError ? (error.code ?? '') : '';
  if (AGAIN.has(state)) return new Collision('STORAGE_UNREACHABLE', 'the database is too busy', {}, { cause: error });
  if (state === DISK_FULL) return new CodedError('STORAGE_FULL', 'the database’s disk is full', {}, { cause: error });
  if (OURS.test(state))
    return new CodedError('STORAGE_UNUSABLE', 'the database is not of this version', { state }, { cause: error });
  return new CodedError('STORAGE_UNREACHABLE', 'the database does not answer', { state }, { cause: error });
}

function toPostgres(value: Value): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (Array.isArray(value)) return value.map(toPostgres);
  return value;
}
