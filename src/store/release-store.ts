import { DatabaseSync } from 'node:sqlite';
import { type Bytes, CodedError } from '../core/index.ts';

/** A registered secret as it is at rest: encrypted, under a key that is not in the store. */
export type SecretRow = Readonly<{
  name: string;
  /** 16 random bytes: what log entries call it. */
  secretId: Bytes;
  owner: string;
  policyText: string;
  policyDigest: Bytes;
  policyNumber: number;
  salt: Bytes;
  sealed: Bytes;
  state: 'active' | 'revoked';
  /** Of the entry that registered or revoked it; null for a revocation that the log does not have yet. */
  logIndex: number | null;
}>;

/** What a release service remembers. Each write is on disk when it returns. */
export type ReleaseStore = Readonly<{
  secrets(): readonly SecretRow[];
  put(row: SecretRow): void;
  revokedPolicies(): readonly Bytes[];
  revokePolicy(digest: Bytes): void;
  close(): void;
}>;

const SQLITE_FULL = 13;

const SCHEMA = `
CREATE TABLE IF NOT EXISTS released_secrets (
  name TEXT PRIMARY KEY, secret_id BLOB NOT NULL UNIQUE, owner TEXT NOT NULL, policy_text TEXT NOT NULL,
  policy_digest BLOB NOT NULL, policy_number INTEGER NOT NULL, salt BLOB NOT NULL, sealed BLOB NOT NULL,
  state TEXT NOT NULL, log_index INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS revoked_policies (policy_digest BLOB PRIMARY KEY) STRICT;
`;

const bytes = (value: unknown): Bytes => Uint8Array.from(value as Uint8Array);

const secretRow = (row: Record<string, unknown>): SecretRow => ({
  name: row.name as string,
  secretId: bytes(row.secret_id),
  owner: row.owner as string,
  policyText: row.policy_text as string,
  policyDigest: bytes(row.policy_digest),
  policyNumber: row.policy_number as number,
  salt: bytes(row.salt),
  sealed: bytes(row.sealed),
  state: row.state as SecretRow['state'],
  logIndex: row.log_index as number | null,
});

/** SQLite with a write-ahead log and an fsync for each commit. @throws CodedError STORAGE_UNUSABLE, STORAGE_FULL */
export function openReleaseStore(file: string): ReleaseStore {
  let db: DatabaseSync;
  try {
    db = new DatabaseSync(file);
    // What is replaced is overwritten, encrypted as it is, once the write-ahead log is folded into the file.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;');
    db.exec(SCHEMA);
  } catch (cause) {
    const why = 'the store of secrets cannot be opened: is it a file of this version?';
    throw new CodedError('STORAGE_UNUSABLE', why, {}, { cause });
  }
  const write = (run: () => unknown): void => {
    try {
      run();
    } catch (error) {
      if ((error as { errcode?: number }).errcode !== SQLITE_FULL) throw error;
      throw new CodedError('STORAGE_FULL', 'the disk is full: the secret is not stored', {}, { cause: error });
    }
  };
  const put = db.prepare('INSERT OR REPLACE INTO released_secrets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
  const revoke = db.prepare('INSERT OR IGNORE INTO revoked_policies VALUES (?)');
  return {
    secrets: () => db.prepare('SELECT * FROM released_secrets ORDER BY name').all().map(secretRow),
    put: ({ name, secretId, owner, policyText, policyDigest, policyNumber, salt, sealed, state, logIndex }) =>
      write(() =>
        put.run(name, secretId, owner, policyText, policyDigest, policyNumber, salt, sealed, state, logIndex),
      ),
    revokedPolicies: () =>
      db
        .prepare('SELECT policy_digest FROM revoked_policies')
        .all()
        .map((row) => bytes(row.policy_digest)),
    revokePolicy: (digest) => write(() => revoke.run(digest)),
    close: () => db.close(),
  };
}
