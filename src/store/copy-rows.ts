import type { DatabaseSync } from 'node:sqlite';
import { CodedError } from '../core/index.ts';
import type { Ask, Row, Value } from './postgres/database.ts';

/** How the rows of one table get from SQLite into PostgreSQL. */
export type CopiedTable = Readonly<{
  /** In PostgreSQL. */
  name: string;
  /** Its columns with their types there, in the order of `select`. */
  columns: Readonly<Record<string, string>>;
  /** In SQLite; all rows, each column under its name there. */
  select: string;
  /** More of the `INSERT` than its columns. */
  overriding?: string;
}>;

const ROWS_AT_ONCE = 500;
/** For one statement: a sum over all receipts of a year takes its time. */
export const COPY_TIMEOUT_MS = 600_000;

/** Locks the tables for this transaction. @throws CodedError STORAGE_NOT_EMPTY naming the first that holds anything */
export async function requireEmpty(ask: Ask, tables: readonly string[]): Promise<void> {
  await ask(`LOCK TABLE ${tables.join(', ')} IN ACCESS EXCLUSIVE MODE`);
  for (const table of tables) {
    const [found] = await ask(`SELECT 1 AS found FROM ${table} LIMIT 1`);
    if (found !== undefined) {
      throw new CodedError('STORAGE_NOT_EMPTY', `the database holds something already, in ${table}`, { table });
    }
  }
}

/** Copies all rows and counts them on both sides. @throws CodedError STORAGE_UNUSABLE where the counts differ */
export async function copyRows(from: DatabaseSync, ask: Ask, table: CopiedTable): Promise<number> {
  const names = Object.keys(table.columns);
  let rows: Row[] = [];
  let read = 0;
  const write = async () => {
    const places = names.map((name, i) => `$${i + 1}::${table.columns[name]}[]`);
    const values = names.map((name) => rows.map((row) => row[name] as Exclude<Value, readonly unknown[]>));
    await ask(
      `INSERT INTO ${table.name} (${names.join(', ')}) ${table.overriding ?? ''} SELECT * FROM unnest(${places.join(', ')})`,
      values,
    );
    rows = [];
  };
  for (const row of from.prepare(table.select).iterate()) {
    rows.push(row);
    read += 1;
    if (rows.length >= ROWS_AT_ONCE) await write();
  }
  if (rows.length > 0) await write();
  const [counted] = await ask(`SELECT count(*) AS count FROM ${table.name}`);
  if (Number(counted?.count) !== read) {
    throw new CodedError('STORAGE_UNUSABLE', `${table.name}: ${read} rows were read, and others are there`);
  }
  return read;
}
