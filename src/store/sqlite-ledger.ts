import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { type Bytes, CodedError, equalBytes, takesItsPlace, toHex } from '../core/index.ts';
import { Kept } from './kept.ts';
import type { BatchRow, ChannelRow, DelegationRow, Ledger, ReceiptRow, VoucherRow } from './ledger.ts';
import { amount, bytes, channelRow, delegationRow, receiptRow, rootRow, voucherRow } from './ledger-rows.ts';
import { Reservations } from './reservations.ts';

type Row = Record<string, unknown>;
type Value = string | number | Uint8Array | null;

const SQLITE_FULL = 13;
/** Epochs whose trees are kept: proofs are made of the newest root and the one before. */
const ROOTS_KEPT = 16;
/** Of each kind of what every request asks for. */
const KEPT_MAX = 16_384;

function storageError(error: unknown): unknown {
  if ((error as { errcode?: number }).errcode !== SQLITE_FULL) return error;
  return new CodedError('STORAGE_FULL', 'the disk is full: the ledger cannot be written', {}, { cause: error });
}

// Amounts are text: SQLite's integers end at 2^63.
const SCHEMA = `
CREATE TABLE IF NOT EXISTS channels (
  channel TEXT PRIMARY KEY, terms TEXT NOT NULL, client_key BLOB NOT NULL, state TEXT NOT NULL,
  deposited TEXT NOT NULL, claimed TEXT NOT NULL, viewed_at INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS delegations (
  payment_ref BLOB PRIMARY KEY, channel TEXT NOT NULL, session_key BLOB NOT NULL UNIQUE,
  spend_limit TEXT NOT NULL, not_after INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS batches (
  id INTEGER PRIMARY KEY AUTOINCREMENT, root BLOB NOT NULL, log_index INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS receipts (
  digest BLOB PRIMARY KEY, channel TEXT NOT NULL, session_key BLOB NOT NULL, request_id BLOB NOT NULL,
  kind INTEGER NOT NULL, amount TEXT NOT NULL, object BLOB NOT NULL, signature BLOB NOT NULL,
  stored_at INTEGER NOT NULL, superseded INTEGER NOT NULL DEFAULT 0,
  batch INTEGER REFERENCES batches(id), place INTEGER) STRICT;
CREATE INDEX IF NOT EXISTS receipts_by_request ON receipts (session_key, request_id);
CREATE INDEX IF NOT EXISTS receipts_by_channel ON receipts (channel);
CREATE INDEX IF NOT EXISTS receipts_by_batch ON receipts (batch);
CREATE INDEX IF NOT EXISTS receipts_unbatched ON receipts (stored_at) WHERE batch IS NULL;
CREATE TABLE IF NOT EXISTS vouchers (
  channel TEXT PRIMARY KEY, cumulative TEXT NOT NULL, receipts BLOB NOT NULL, signature BLOB NOT NULL,
  leaves INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS voucher_leaves (
  channel TEXT NOT NULL, place INTEGER NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (channel, place)) STRICT;
CREATE INDEX IF NOT EXISTS voucher_leaves_by_digest ON voucher_leaves (digest);
CREATE TABLE IF NOT EXISTS settled (root BLOB NOT NULL, log_index INTEGER NOT NULL, PRIMARY KEY (root, log_index)) STRICT;
CREATE TABLE IF NOT EXISTS earners (digest BLOB PRIMARY KEY, payee BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS accepted (payee BLOB PRIMARY KEY, amount TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS collected (channel TEXT PRIMARY KEY, leaves INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS earned (payee BLOB PRIMARY KEY, amount TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS roots (
  root BLOB PRIMARY KEY, sum TEXT NOT NULL, epoch INTEGER NOT NULL, covers INTEGER NOT NULL,
  leaves TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
`;

/** In the place of an entry: the root has its batches, if any. */
const ASKED = -1;
const SETTLE_BATCHES = `
INSERT INTO settled SELECT ?, b.log_index FROM batches b
WHERE b.log_index IS NOT NULL AND b.log_index NOT IN (SELECT log_index FROM settled) AND NOT EXISTS (
  SELECT 1 FROM receipts r LEFT JOIN voucher_leaves v ON v.channel = r.channel AND v.digest = r.digest
  LEFT JOIN collected c ON c.channel = r.channel
  WHERE r.batch = b.id AND r.superseded = 0 AND r.amount <> '0'
    AND (v.place IS NULL OR c.leaves IS NULL OR v.place >= c.leaves))
ORDER BY b.log_index LIMIT ?`;

/**
 * The embedded store: SQLite with a write-ahead log and an fsync for each commit, so what was acknowledged survives
 * `kill -9` and a power cut.
 * @throws CodedError STORAGE_UNUSABLE where the file cannot be opened or is not ours
 */
export function openSqliteLedger(file: string): Ledger {
  let db: DatabaseSync;
  try {
    db = new DatabaseSync(file);
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;');
    db.exec(SCHEMA);
  } catch (cause) {
    throw new CodedError(
      'STORAGE_UNUSABLE',
      'the ledger cannot be opened: is it a file of this version?',
      {},
      { cause },
    );
  }
  const statements = new Map<string, StatementSync>();
  const prepared = (sql: string): StatementSync => {
    const known = statements.get(sql) ?? db.prepare(sql);
    statements.set(sql, known);
    return known;
  };
  const get = (sql: string, ...args: Value[]): Row | null => (prepared(sql).get(...args) as Row | undefined) ?? null;
  const all = (sql: string, ...args: Value[]): Row[] => prepared(sql).all(...args) as Row[];
  const run = (sql: string, ...args: Value[]): number => {
    try {
      return Number(prepared(sql).run(...args).lastInsertRowid);
    } catch (error) {
      throw storageError(error);
    }
  };
  const atomically = <Result>(work: () => Result): Result => {
    db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      db.exec('COMMIT');
      return result;
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw storageError(error);
    }
  };
  const total = (rows: readonly Row[]) => rows.reduce((sum, row) => sum + BigInt(row.amount as string), 0n);
  type Total = { amount: bigint; count: number };
  const sumOf = (rows: readonly Row[]): Total => ({ amount: total(rows), count: rows.length });
  // The credit rule asks for these at every request: beside the tables, whose only writer this is.
  const channels = new Kept<ChannelRow>(KEPT_MAX);
  const delegations = new Kept<DelegationRow>(KEPT_MAX);
  const vouchers = new Kept<VoucherRow>(KEPT_MAX);
  const ofChannels = new Kept<Total>(KEPT_MAX);
  const ofKeys = new Kept<Total>(KEPT_MAX);
  /** U. */
  const totalOf = (channel: string): Total =>
    ofChannels.get(channel, () =>
      sumOf(all('SELECT amount FROM receipts WHERE channel = ? AND superseded = 0', channel)),
    );
  const ofKey = (sessionKey: Uint8Array): Total =>
    ofKeys.get(toHex(sessionKey), () =>
      sumOf(all('SELECT amount FROM receipts WHERE session_key = ? AND superseded = 0', sessionKey)),
    );
  const batch = (row: Row): BatchRow => ({
    id: row.id as number,
    root: bytes(row.root),
    leaves: all('SELECT digest FROM receipts WHERE batch = ? ORDER BY place', row.id as number).map((r) =>
      bytes(r.digest),
    ),
    logIndex: row.log_index as number | null,
  });

  /** A later receipt of a request counts for what it has more than the payee's own earlier ones. */
  const accept = (row: ReceiptRow, payee: Uint8Array): void => {
    run('INSERT INTO earners VALUES (?,?)', row.digest, payee);
    const counted = all(
      'SELECT r.amount FROM receipts r JOIN earners e USING (digest) WHERE r.session_key = ? AND r.request_id = ? AND e.payee = ? AND digest <> ?',
      ...[row.sessionKey, row.requestId, payee, row.digest],
    ).reduce((most, one) => (BigInt(one.amount as string) > most ? BigInt(one.amount as string) : most), 0n);
    if (row.amount <= counted) return;
    run(
      'INSERT INTO accepted VALUES (?,?) ON CONFLICT (payee) DO UPDATE SET amount = excluded.amount',
      ...[payee, String(acceptedOf(payee) + row.amount - counted)],
    );
  };
  const acceptedOf = (payee: Uint8Array): bigint =>
    BigInt((get('SELECT amount FROM accepted WHERE payee = ?', payee)?.amount as string | undefined) ?? 0);

  const reservations = new Reservations();
  const settingOf = (name: string): Bytes | null => {
    const row = get('SELECT value FROM settings WHERE name = ?', name);
    return row && bytes(row.value);
  };

  return {
    putChannel: async (row) => {
      run(
        'INSERT INTO channels VALUES (?,?,?,?,?,?,?) ON CONFLICT (channel) DO UPDATE SET state = excluded.state, deposited = excluded.deposited, claimed = excluded.claimed, viewed_at = excluded.viewed_at WHERE excluded.viewed_at >= viewed_at',
        ...[row.channel, row.terms, row.clientKey, row.state, String(row.deposited), String(row.claimed), row.viewedAt],
      );
      channels.forget(row.channel);
    },
    channel: async (channel) =>
      channels.get(channel, () => {
        const row = get('SELECT * FROM channels WHERE channel = ?', channel);
        return row && channelRow(row);
      }),
    channels: async () => all('SELECT * FROM channels').map(channelRow),
    putDelegation: async (row) => {
      run(
        'INSERT INTO delegations VALUES (?,?,?,?,?) ON CONFLICT (session_key) DO NOTHING',
        ...[row.paymentRef, row.channel, row.sessionKey, String(row.limit), row.notAfter],
      );
      return delegationRow(get('SELECT * FROM delegations WHERE session_key = ?', row.sessionKey) as Row);
    },
    // Once there it never changes.
    delegation: async (paymentRef) =>
      delegations.get(toHex(paymentRef), () => {
        const row = get('SELECT * FROM delegations WHERE payment_ref = ?', paymentRef);
        return row && delegationRow(row);
      }),
    delegationOfKey: async (sessionKey) => {
      const row = get('SELECT * FROM delegations WHERE session_key = ?', sessionKey);
      return row && delegationRow(row);
    },
    reserve: async (row, most, now) => {
      const of = [row.sessionKey, row.requestId] as const;
      if (get('SELECT 1 AS found FROM receipts WHERE session_key = ? AND request_id = ?', ...of) !== null)
        return 'again';
      const receipted = { channel: totalOf(row.channel).amount, key: ofKey(row.sessionKey).amount };
      return reservations.reserve(row, receipted, most, now);
    },
    release: async (reservation) => reservations.release(reservation),
    putReceipt: async (row) => {
      const sums = [totalOf(row.channel), ofKey(row.sessionKey)];
      const change = atomically(() => {
        if (get('SELECT 1 AS found FROM receipts WHERE digest = ?', row.digest) !== null) return null;
        const of = [row.sessionKey, row.requestId] as const;
        const payable = get(
          'SELECT digest, amount FROM receipts WHERE session_key = ? AND request_id = ? AND superseded = 0',
          ...of,
        );
        const before = payable && { digest: bytes(payable.digest), amount: amount(payable.amount) };
        const isPayable = takesItsPlace(row, before);
        if (isPayable && before !== null) run('UPDATE receipts SET superseded = 1 WHERE digest = ?', before.digest);
        run(
          'INSERT INTO receipts (digest, channel, session_key, request_id, kind, amount, object, signature, stored_at, superseded) VALUES (?,?,?,?,?,?,?,?,?,?)',
          ...[row.digest, row.channel, row.sessionKey, row.requestId, row.kind, String(row.amount)],
          ...[row.object, row.signature, row.storedAt, isPayable ? 0 : 1],
        );
        if (row.payee !== null) accept(row, row.payee);
        if (!isPayable) return null;
        return { amount: row.amount - (before?.amount ?? 0n), count: before === null ? 1 : 0 };
      });
      if (change === null) return;
      for (const sum of sums) {
        sum.amount += change.amount;
        sum.count += change.count;
      }
    },
    receipt: async (digest) => {
      const row = get(
        'SELECT r.*, e.payee FROM receipts r LEFT JOIN earners e USING (digest) WHERE digest = ?',
        digest,
      );
      return row && receiptRow(row);
    },
    amountsOf: async (channel, digests) => {
      const found = digests.map((digest) => get('SELECT channel, amount FROM receipts WHERE digest = ?', digest));
      return new Map(
        found.flatMap((row, i) =>
          row?.channel === channel ? [[toHex(digests[i] as Uint8Array), BigInt(row.amount as string)] as const] : [],
        ),
      );
    },
    vouchered: async (channel, digests) => {
      const sql = 'SELECT 1 FROM voucher_leaves WHERE digest = ? AND channel = ?';
      return new Set(digests.filter((digest) => get(sql, digest, channel) !== null).map(toHex));
    },
    receipted: async (channel) => ({ ...totalOf(channel) }),
    voucher: async (channel) =>
      vouchers.get(channel, () => {
        const row = get('SELECT * FROM vouchers WHERE channel = ?', channel);
        return row && voucherRow(row);
      }),
    voucherLeaves: async (channel) =>
      all('SELECT digest FROM voucher_leaves WHERE channel = ? ORDER BY place', channel).map((row) =>
        bytes(row.digest),
      ),
    putVoucher: async (row: VoucherRow, newLeaves) => {
      const stored = atomically(() => {
        const first = row.leaves - newLeaves.length;
        const last = get('SELECT cumulative, leaves FROM vouchers WHERE channel = ?', row.channel);
        if ((last?.leaves ?? 0) !== first || row.cumulative <= BigInt((last?.cumulative as string) ?? -1)) return false;
        for (const [i, digest] of newLeaves.entries()) {
          run('INSERT INTO voucher_leaves VALUES (?,?,?)', row.channel, first + i, digest);
        }
        run(
          'INSERT INTO vouchers VALUES (?,?,?,?,?) ON CONFLICT (channel) DO UPDATE SET cumulative = excluded.cumulative, receipts = excluded.receipts, signature = excluded.signature, leaves = excluded.leaves',
          ...[row.channel, String(row.cumulative), row.receipts, row.signature, row.leaves],
        );
        return true;
      });
      if (stored) vouchers.put(row.channel, row);
      return stored;
    },
    newBatch: async (max, rootOf) =>
      atomically(() => {
        const rows = all('SELECT digest FROM receipts WHERE batch IS NULL ORDER BY stored_at, digest LIMIT ?', max);
        if (rows.length === 0) return null;
        const leaves = rows.map((row) => bytes(row.digest));
        const root = rootOf(leaves);
        const id = run('INSERT INTO batches (root) VALUES (?)', root);
        for (const [place, digest] of leaves.entries()) {
          run('UPDATE receipts SET batch = ?, place = ? WHERE digest = ?', id, place, digest);
        }
        return { id, root, leaves, logIndex: null };
      }),
    unloggedBatches: async () => all('SELECT * FROM batches WHERE log_index IS NULL ORDER BY id').map(batch),
    markLogged: async (id, logIndex) => void run('UPDATE batches SET log_index = ? WHERE id = ?', logIndex, id),
    batchOf: async (receiptDigest) => {
      const row = get('SELECT b.* FROM batches b JOIN receipts r ON r.batch = b.id WHERE r.digest = ?', receiptDigest);
      return row && batch(row);
    },
    markCollected: async (channel, leaves, share) => {
      const before =
        (get('SELECT leaves FROM collected WHERE channel = ?', channel)?.leaves as number | undefined) ?? 0;
      if (leaves <= before) return;
      atomically(() => {
        const paid = all(
          'SELECT e.payee, r.amount FROM voucher_leaves v JOIN receipts r USING (digest) JOIN earners e USING (digest) WHERE v.channel = ? AND v.place >= ? AND v.place < ?',
          ...[channel, before, leaves],
        );
        for (const { payee, amount } of paid) {
          const of = payee as Uint8Array;
          const sum = BigInt((get('SELECT amount FROM earned WHERE payee = ?', of)?.amount as string | undefined) ?? 0);
          run(
            'INSERT INTO earned VALUES (?,?) ON CONFLICT (payee) DO UPDATE SET amount = excluded.amount',
            ...[of, String(sum + share(BigInt(amount as string)))],
          );
        }
        run(
          'INSERT INTO collected VALUES (?,?) ON CONFLICT (channel) DO UPDATE SET leaves = excluded.leaves',
          ...[channel, leaves],
        );
      });
    },
    accepted: async (payee) => acceptedOf(payee),
    earned: async () =>
      all('SELECT * FROM earned').map((row) => ({ payee: bytes(row.payee), amount: BigInt(row.amount as string) })),
    settledBatches: async (root, max) =>
      atomically(() => {
        if (get('SELECT 1 FROM settled WHERE root = ? AND log_index = ?', root, ASKED) === null) {
          run('INSERT INTO settled VALUES (?,?)', root, ASKED);
          run(SETTLE_BATCHES, root, max);
        }
        const rows = all('SELECT log_index FROM settled WHERE root = ? AND log_index <> ? ORDER BY 1', root, ASKED);
        return rows.map((row) => row.log_index as number);
      }),
    putRoot: async (row) => {
      const leaves = JSON.stringify(row.leaves.map(({ payee, cumulative }) => [toHex(payee), cumulative.toString()]));
      run(
        'INSERT INTO roots VALUES (?,?,?,?,?) ON CONFLICT (root) DO UPDATE SET epoch = excluded.epoch, covers = excluded.covers',
        ...[row.root, String(row.sum), row.epoch, row.covers, leaves],
      );
      run('DELETE FROM roots WHERE epoch <= ?', row.epoch - ROOTS_KEPT);
    },
    root: async (root) => {
      const row = get('SELECT * FROM roots WHERE root = ?', root);
      return row && rootRow(row);
    },
    setting: async (name) => settingOf(name),
    putSetting: async (name, from, to) =>
      atomically(() => {
        const now = settingOf(name);
        if (now !== null && !(from !== null && equalBytes(now, from))) return now;
        run('INSERT INTO settings VALUES (?,?) ON CONFLICT (name) DO UPDATE SET value = excluded.value', name, to);
        return bytes(to);
      }),
    // One process writes this file.
    alone: async (_, work) => {
      await work();
      return true;
    },
    close: async () => db.close(),
  };
}
