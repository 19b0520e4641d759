import { DatabaseSync } from 'node:sqlite';
import type { Bytes } from '../../core/index.ts';

/**
 * Cosigned checkpoints that are kept for auditors: they bound from outside when an entry was made, and show which
 * policy the quorum had seen at what time. Only what the quorum cosigned comes in here.
 */
export type CosignedStore = Readonly<{
  keep(size: number, note: Uint8Array): Promise<void>;
  /** The oldest kept checkpoint that covers an entry, or null. */
  covering(index: number): Promise<Bytes | null>;
  newest(): Promise<Bytes | null>;
  close(): Promise<void>;
}>;

const SCHEMA = 'CREATE TABLE IF NOT EXISTS cosigned (size INTEGER PRIMARY KEY, note BLOB NOT NULL) STRICT';

export function openCosignedStore(path: string): CosignedStore {
  const database = new DatabaseSync(path);
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
  database.exec(SCHEMA);
  const insert = database.prepare('INSERT INTO cosigned VALUES (?, ?) ON CONFLICT DO NOTHING');
  const select = database.prepare('SELECT note FROM cosigned WHERE size > ? ORDER BY size LIMIT 1');
  const selectNewest = database.prepare('SELECT note FROM cosigned ORDER BY size DESC LIMIT 1');
  const noteOf = (row: Record<string, unknown> | undefined) =>
    row === undefined ? null : Uint8Array.from(row.note as Uint8Array);
  return {
    keep: async (size, note) => void insert.run(size, note),
    covering: async (index) => noteOf(select.get(index)),
    newest: async () => noteOf(selectNewest.get()),
    close: async () => database.close(),
  };
}
