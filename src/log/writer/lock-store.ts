import { DatabaseSync } from 'node:sqlite';
import { type Bytes, CodedError } from '../../core/index.ts';

/** What the log last signed. @property checkpoint the signed note */
export type Head = Readonly<{ origin: string; size: number; root: Bytes; checkpoint: Bytes }>;
/** What one batch adds beside the head. Idempotency keys are SHA-256 digests. */
export type BatchIndex = Readonly<{
  idempotency: readonly Readonly<{ key: Bytes; index: number }>[];
  subjects: ReadonlyMap<string, number>;
}>;

/**
 * The lock store: the one place that decides which tree the log stands behind (compare-and-swap of the head), in the
 * same transaction as the idempotency keys and the last index of each subject. It is trusted; tile files are not.
 */
export type LockStore = Readonly<{
  head(): Promise<Head | null>;
  /** Stores the first head. @throws CodedError LOG_INCONSISTENT where there is one */
  create(head: Head): Promise<void>;
  /** The commit point. @throws CodedError LOG_INCONSISTENT where the head is no longer `from` */
  replace(from: Head, to: Head, index: BatchIndex): Promise<void>;
  /** Where each key's entry is, in the order asked; null where the key is new. */
  indexesOfKeys(keys: readonly Bytes[]): Promise<readonly (number | null)[]>;
  /** The last entry about each subject; a subject without one is not in the answer. */
  lastOfSubjects(subjects: readonly string[]): Promise<ReadonlyMap<string, number>>;
  close(): void;
}>;

const SCHEMA = `
CREATE TABLE IF NOT EXISTS head (
  id INTEGER PRIMARY KEY CHECK (id = 1), origin TEXT NOT NULL, size INTEGER NOT NULL,
  root BLOB NOT NULL CHECK (length(root) = 32), checkpoint BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS idempotency (
  key BLOB PRIMARY KEY CHECK (length(key) = 32), entry INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS subject (name TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;

const SQLITE_BUSY = 5;

function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // Exclusive: a second process (or a second opening in this one) fails here instead of at the first append.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT;`);
    return database;
  } catch (cause) {
    database.close();
    const busy = typeof cause === 'object' && cause !== null && 'errcode' in cause && cause.errcode === SQLITE_BUSY;
    if (busy) throw new CodedError('LOG_IN_USE', 'another process holds this log', {}, { cause });
    throw new CodedError('LOG_INCONSISTENT', 'the lock store cannot be opened', {}, { cause });
  }
}

/** @throws CodedError LOG_IN_USE while another process has it open */
export function openLockStore(path: string): LockStore {
  const database = openDatabase(path);
  const selectHead = database.prepare('SELECT origin, size, root, checkpoint FROM head');
  const insertHead = database.prepare('INSERT INTO head VALUES (1, ?, ?, ?, ?)');
  const updateHead = database.prepare(
    'UPDATE head SET size = ?, root = ?, checkpoint = ? WHERE id = 1 AND origin = ? AND size = ? AND root = ?',
  );
  const insertKey = database.prepare('INSERT INTO idempotency VALUES (?, ?)');
  const selectKey = database.prepare('SELECT entry FROM idempotency WHERE key = ?');
  const upsertSubject = database.prepare(
    'INSERT INTO subject VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET last = excluded.last',
  );
  const selectSubject = database.prepare('SELECT last FROM subject WHERE name = ?');

  const transaction = (work: () => void): void => {
    database.exec('BEGIN IMMEDIATE');
    try {
      work();
      database.exec('COMMIT');
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  };

  return {
    async head() {
      const row = selectHead.get();
      if (row === undefined) return null;
      return {
        origin: row.origin as string,
        size: row.size as number,
        root: Uint8Array.from(row.root as Uint8Array),
        checkpoint: Uint8Array.from(row.checkpoint as Uint8Array),
      };
    },
    async create(head) {
      transaction(() => insertHead.run(head.origin, head.size, head.root, head.checkpoint));
    },
    async replace(from, to, index) {
      transaction(() => {
        const { changes } = updateHead.run(to.size, to.root, to.checkpoint, from.origin, from.size, from.root);
        if (changes !== 1) throw new CodedError('LOG_INCONSISTENT', 'the head is not the one this log last signed');
        for (const { key, index: entry } of index.idempotency) insertKey.run(key, entry);
        for (const [name, last] of index.subjects) upsertSubject.run(name, last);
      });
    },
    indexesOfKeys: async (keys) => keys.map((key) => (selectKey.get(key)?.entry as number | undefined) ?? null),
    lastOfSubjects: async (subjects) =>
      new Map(
        subjects.flatMap((subject) => {
          const last = selectSubject.get(subject)?.last as number | undefined;
          return last === undefined ? [] : [[subject, last] as const];
        }),
      ),
    close: () => database.close(),
  };
}
