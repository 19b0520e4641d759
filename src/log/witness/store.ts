import { DatabaseSync } from 'node:sqlite';
import { type Bytes, CodedError } from '../../core/index.ts';

/** What a witness last saw of a log. @property note the log's whole signed checkpoint, with our cosignatures */
export type SeenHead = Readonly<{ size: number; root: Bytes; note: Bytes }>;

/** A witness's memory. Everything is on disk when a call answers: a witness that forgets can be shown another history. */
export type WitnessStore = Readonly<{
  head(origin: string): SeenHead | null;
  /** Compare-and-swap. @returns false where the head is no longer `from` */
  replace(origin: string, from: SeenHead | null, to: SeenHead): boolean;
  equivocation(origin: string): string | null;
  /** Keeps the first evidence against a log; later ones add nothing. */
  keepEquivocation(origin: string, evidence: string): void;
  close(): void;
}>;

const SCHEMA = `
CREATE TABLE IF NOT EXISTS head (origin TEXT PRIMARY KEY, size INTEGER NOT NULL,
  root BLOB NOT NULL CHECK (length(root) = 32), note BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS equivocation (origin TEXT PRIMARY KEY, evidence TEXT NOT NULL) STRICT;
`;
const SQLITE_BUSY = 5;

/** @throws CodedError STATE_LOCKED while another process has it, STORAGE_UNUSABLE where it cannot be opened */
export function openWitnessStore(path: string): WitnessStore {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT;`);
  } catch (cause) {
    database.close();
    const busy = typeof cause === 'object' && cause !== null && 'errcode' in cause && cause.errcode === SQLITE_BUSY;
    if (busy) throw new CodedError('STATE_LOCKED', 'another witness runs on this folder', {}, { cause });
    throw new CodedError('STORAGE_UNUSABLE', 'the memory of the witness cannot be opened', {}, { cause });
  }
  const select = database.prepare('SELECT size, root, note FROM head WHERE origin = ?');
  const insert = database.prepare('INSERT INTO head VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING');
  const update = database.prepare(
    'UPDATE head SET size = ?, root = ?, note = ? WHERE origin = ? AND size = ? AND root = ?',
  );
  const selectEvidence = database.prepare('SELECT evidence FROM equivocation WHERE origin = ?');
  const insertEvidence = database.prepare('INSERT INTO equivocation VALUES (?, ?) ON CONFLICT DO NOTHING');
  return {
    head(origin) {
      const row = select.get(origin);
      if (row === undefined) return null;
      const bytes = (value: unknown) => Uint8Array.from(value as Uint8Array);
      return { size: row.size as number, root: bytes(row.root), note: bytes(row.note) };
    },
    replace(origin, from, to) {
      const { changes } =
        from === null
          ? insert.run(origin, to.size, to.root, to.note)
          : update.run(to.size, to.root, to.note, origin, from.size, from.root);
      return changes === 1;
    },
    equivocation: (origin) => (selectEvidence.get(origin)?.evidence as string | undefined) ?? null,
    keepEquivocation: (origin, evidence) => void insertEvidence.run(origin, evidence),
    close: () => database.close(),
  };
}
