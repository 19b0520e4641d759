import { DatabaseSync } from 'node:sqlite';
import { CodedError } from '../core/index.ts';
import { COPY_TIMEOUT_MS, type CopiedTable, copyRows, requireEmpty } from './copy-rows.ts';
import { type Ask, openPostgres, type PostgresOptions } from './postgres/database.ts';
import { LEDGER_SCHEMA } from './postgres/ledger-schema.ts';

/** Rows by table. */
export type Imported = Readonly<Record<string, number>>;

const TABLES: readonly CopiedTable[] = [
  {
    name: 'channels',
    columns: {
      ...{ channel: 'text', terms: 'text', client_key: 'bytea', state: 'text', deposited: 'numeric' },
      ...{ claimed: 'numeric', viewed_at: 'bigint' },
    },
    select: 'SELECT * FROM channels',
  },
  {
    name: 'delegations',
    columns: {
      ...{ payment_ref: 'bytea', channel: 'text', session_key: 'bytea', spend_limit: 'numeric', not_after: 'bigint' },
    },
    select: 'SELECT * FROM delegations',
  },
  {
    name: 'batches',
    columns: { id: 'bigint', root: 'bytea', log_index: 'bigint' },
    select: 'SELECT * FROM batches ORDER BY id',
    overriding: 'OVERRIDING SYSTEM VALUE',
  },
  {
    name: 'receipts',
    columns: {
      ...{ digest: 'bytea', channel: 'text', session_key: 'bytea', request_id: 'bytea', kind: 'integer' },
      ...{ amount: 'numeric', object: 'bytea', signature: 'bytea', stored_at: 'bigint', payee: 'bytea' },
      ...{ superseded: 'boolean', batch: 'bigint', place: 'integer' },
    },
    select: 'SELECT r.*, e.payee FROM receipts r LEFT JOIN earners e USING (digest)',
  },
  {
    name: 'vouchers',
    columns: { channel: 'text', cumulative: 'numeric', receipts: 'bytea', signature: 'bytea', leaves: 'integer' },
    select: 'SELECT * FROM vouchers',
  },
  {
    name: 'voucher_leaves',
    columns: { channel: 'text', place: 'integer', digest: 'bytea' },
    select: 'SELECT * FROM voucher_leaves',
  },
  { name: 'settled', columns: { root: 'bytea', log_index: 'bigint' }, select: 'SELECT * FROM settled' },
  { name: 'accepted', columns: { payee: 'bytea', amount: 'numeric' }, select: 'SELECT * FROM accepted' },
  { name: 'collected', columns: { channel: 'text', leaves: 'integer' }, select: 'SELECT * FROM collected' },
  { name: 'earned', columns: { payee: 'bytea', amount: 'numeric' }, select: 'SELECT * FROM earned' },
  {
    name: 'roots',
    columns: { root: 'bytea', sum: 'numeric', epoch: 'bigint', covers: 'bigint', leaves: 'text' },
    select: 'SELECT * FROM roots',
  },
  { name: 'settings', columns: { name: 'text', value: 'bytea' }, select: 'SELECT * FROM settings' },
];

const ALL = [...TABLES.map(({ name }) => name), 'totals', 'key_totals', 'reservations'];

/** Made anew from the receipts, as `put_receipt` keeps them. */
const SUMS = `
INSERT INTO totals SELECT channel, sum(amount), count(*) FROM receipts WHERE NOT superseded GROUP BY channel;
INSERT INTO key_totals SELECT session_key, sum(amount) FROM receipts WHERE NOT superseded GROUP BY session_key;
SELECT setval(pg_get_serial_sequence('batches', 'id'), coalesce(max(id), 0) + 1, false) FROM batches;
`;

/** Money, added up on both sides: each names a table, its amount there, and which rows. */
const AMOUNTS = [
  ['receipts', 'amount', 'superseded'],
  ['vouchers', 'cumulative', null],
  ['accepted', 'amount', null],
  ['earned', 'amount', null],
] as const;

const SQLITE_BUSY = 5;

/**
 * Copies an embedded ledger into a database that holds none, in one transaction, and holds the file for itself meanwhile.
 * What it is left with is compared in rows and amounts before it is committed.
 * @param hooks `held` before anything is copied, while no router can have the file; `committed` once all is in the
 *   database, while the file is still held
 * @throws CodedError STATE_LOCKED while a router has the file open, STORAGE_NOT_EMPTY, STORAGE_UNUSABLE, STORAGE_UNREACHABLE
 */
export async function importLedger(
  file: string,
  options: PostgresOptions,
  hooks: Readonly<{ held: () => Promise<void>; committed: () => void }>,
): Promise<Imported> {
  const source = openAlone(file);
  try {
    const target = await openPostgres({ connectionsMax: 1, timeoutMs: COPY_TIMEOUT_MS, ...options });
    try {
      await target.prepare(LEDGER_SCHEMA);
      await target.transaction((ask) => requireEmpty(ask, ALL));
      await hooks.held();
      const counts = await target.transaction((ask) => copyAll(source, ask));
      hooks.committed();
      return counts;
    } finally {
      await target.close();
    }
  } finally {
    source.close();
  }
}

async function copyAll(source: DatabaseSync, ask: Ask): Promise<Imported> {
  await requireEmpty(ask, ALL);
  const counts: Record<string, number> = {};
  for (const table of TABLES) counts[table.name] = await copyRows(source, ask, table);
  await ask(SUMS);
  for (const [table, amount, except] of AMOUNTS) {
    const [own] = await ask(
      `SELECT coalesce(sum(${amount}), 0)::text AS sum FROM ${table} ${except === null ? '' : `WHERE NOT ${except}`}`,
    );
    const rows = source.prepare(
      `SELECT ${amount} AS amount FROM ${table} ${except === null ? '' : `WHERE ${except} = 0`}`,
    );
    let sum = 0n;
    for (const row of rows.iterate()) sum += BigInt(row.amount as string);
    if (BigInt(own?.sum as string) !== sum) {
      throw new CodedError('STORAGE_UNUSABLE', `${table} came to another amount than it has in the file`, { table });
    }
  }
  return counts;
}

/** The file with nobody else in it, until it is closed. */
function openAlone(file: string): DatabaseSync {
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(file, { timeout: 0 });
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA wal_checkpoint(TRUNCATE); BEGIN EXCLUSIVE;');
    database.prepare('SELECT count(*) FROM receipts').get();
    return database;
  } catch (cause) {
    database?.close();
    if ((cause as { errcode?: number }).errcode === SQLITE_BUSY) {
      throw new CodedError('STATE_LOCKED', 'a router has this ledger open: stop it first', {}, { cause });
    }
    throw new CodedError('STORAGE_UNUSABLE', 'this is no ledger of an embedded router', {}, { cause });
  }
}
