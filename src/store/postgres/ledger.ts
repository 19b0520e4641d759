import { type Bytes, fromHex, toHex } from '../../core/index.ts';
import type { BatchRow, DelegationRow, Ledger, ReserveOutcome } from '../ledger.ts';
import { amount, bytes, channelRow, delegationRow, receiptRow, rootRow, voucherRow } from '../ledger-rows.ts';
import { type Ask, openPostgres, type Postgres, type PostgresOptions, type Row } from './database.ts';
import { LEDGER_SCHEMA } from './ledger-schema.ts';

/** Epochs whose trees are kept: proofs are made of the newest root and the one before. */
const ROOTS_KEPT = 16;
/** Batches handed out at once: their digests are read whole. */
const UNLOGGED_MAX = 16;

/**
 * The store of several replicas. What was acknowledged is committed with an fsync; a replica that is killed or cut off
 * leaves nothing half done.
 * @throws CodedError STORAGE_UNREACHABLE, CONFIG_INVALID
 */
export async function openPostgresLedger(options: PostgresOptions): Promise<Ledger> {
  const db = await openPostgres(options);
  await db.prepare(LEDGER_SCHEMA);
  return { ...accountsOf(db), ...receiptsOf(db), ...batchesOf(db), ...settlementOf(db), ...replicasOf(db) };
}

const first = async (rows: Promise<readonly Row[]>): Promise<Row | null> => (await rows)[0] ?? null;

function accountsOf({ ask }: Postgres) {
  const delegationOfKey: Ledger['delegationOfKey'] = async (sessionKey) => {
    const row = await first(ask('SELECT * FROM delegations WHERE session_key = $1', [sessionKey]));
    return row && delegationRow(row);
  };
  return {
    putChannel: async (row) => {
      await ask(
        'INSERT INTO channels VALUES ($1,$2,$3,$4,$5,$6,$7) ON CONFLICT (channel) DO UPDATE SET state = excluded.state, deposited = excluded.deposited, claimed = excluded.claimed, viewed_at = excluded.viewed_at WHERE excluded.viewed_at >= channels.viewed_at',
        [row.channel, row.terms, row.clientKey, row.state, row.deposited, row.claimed, row.viewedAt],
      );
    },
    channel: async (channel) => {
      const row = await first(ask('SELECT * FROM channels WHERE channel = $1', [channel]));
      return row && channelRow(row);
    },
    channels: async () => (await ask('SELECT * FROM channels')).map(channelRow),
    putDelegation: async (row) => {
      await ask('INSERT INTO delegations VALUES ($1,$2,$3,$4,$5) ON CONFLICT (session_key) DO NOTHING', [
        ...[row.paymentRef, row.channel, row.sessionKey, row.limit, row.notAfter],
      ]);
      return (await delegationOfKey(row.sessionKey)) as DelegationRow;
    },
    delegation: async (paymentRef) => {
      const row = await first(ask('SELECT * FROM delegations WHERE payment_ref = $1', [paymentRef]));
      return row && delegationRow(row);
    },
    delegationOfKey,
    reserve: async (row, most, now) => {
      const of = [row.id, row.channel, row.sessionKey, row.requestId, row.amount, row.until];
      const values = [...of, most.channel, most.key, now];
      const answer = await first(ask('SELECT reserve($1,$2,$3,$4,$5,$6,$7,$8,$9) AS outcome', values));
      return answer?.outcome as ReserveOutcome;
    },
    release: async (reservation) => void (await ask('DELETE FROM reservations WHERE id = $1', [reservation])),
  } satisfies Partial<Ledger>;
}

function receiptsOf({ ask, transaction }: Postgres) {
  return {
    putReceipt: async (row) => {
      const { digest, channel, sessionKey, requestId, kind, object, signature, storedAt, payee } = row;
      await ask('SELECT put_receipt($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)', [
        ...[digest, channel, sessionKey, requestId, kind, row.amount, object, signature, storedAt, payee],
      ]);
    },
    receipt: async (digest) => {
      const row = await first(ask('SELECT * FROM receipts WHERE digest = $1', [digest]));
      return row && receiptRow(row);
    },
    amountsOf: async (channel, digests) => {
      const sql = 'SELECT digest, amount FROM receipts WHERE channel = $1 AND digest = ANY($2::bytea[])';
      const rows = await ask(sql, [channel, digests]);
      return new Map(rows.map((row) => [toHex(row.digest as Uint8Array), amount(row.amount)]));
    },
    vouchered: async (channel, digests) => {
      const sql = 'SELECT digest FROM voucher_leaves WHERE channel = $1 AND digest = ANY($2::bytea[])';
      return new Set((await ask(sql, [channel, digests])).map((row) => toHex(row.digest as Uint8Array)));
    },
    receipted: async (channel) => {
      const row = await first(ask('SELECT amount, count FROM totals WHERE channel = $1', [channel]));
      return row === null ? { amount: 0n, count: 0 } : { amount: amount(row.amount), count: Number(row.count) };
    },
    voucher: async (channel) => {
      const row = await first(ask('SELECT * FROM vouchers WHERE channel = $1', [channel]));
      return row && voucherRow(row);
    },
    voucherLeaves: async (channel) => {
      const rows = await ask('SELECT digest FROM voucher_leaves WHERE channel = $1 ORDER BY place', [channel]);
      return rows.map((row) => bytes(row.digest));
    },
    putVoucher: (row, newLeaves) =>
      transaction(async (within) => {
        const before = row.leaves - newLeaves.length;
        const values = [row.channel, row.cumulative, row.receipts, row.signature, row.leaves];
        let stored = await within(
          'UPDATE vouchers SET cumulative = $2, receipts = $3, signature = $4, leaves = $5 WHERE channel = $1 AND leaves = $6 AND cumulative < $2 RETURNING leaves',
          [...values, before],
        );
        if (stored.length === 0 && before === 0) {
          const sql = 'INSERT INTO vouchers VALUES ($1,$2,$3,$4,$5) ON CONFLICT DO NOTHING RETURNING leaves';
          stored = await within(sql, values);
        }
        if (stored.length === 0) return false;
        await within(
          'INSERT INTO voucher_leaves SELECT $1, $2 + place - 1, digest FROM unnest($3::bytea[]) WITH ORDINALITY AS of (digest, place)',
          [row.channel, before, newLeaves],
        );
        return true;
      }),
  } satisfies Partial<Ledger>;
}

function batchesOf({ ask, transaction }: Postgres) {
  const batch = async (row: Row): Promise<BatchRow> => {
    const leaves = await ask('SELECT digest FROM receipts WHERE batch = $1 ORDER BY place', [row.id as string]);
    return {
      id: Number(row.id),
      root: bytes(row.root),
      leaves: leaves.map((leaf) => bytes(leaf.digest)),
      logIndex: row.log_index === null ? null : Number(row.log_index),
    };
  };
  return {
    newBatch: (max, rootOf) =>
      transaction(async (within) => {
        const rows = await within(
          'SELECT digest FROM receipts WHERE batch IS NULL ORDER BY stored_at, digest LIMIT $1 FOR UPDATE SKIP LOCKED',
          [max],
        );
        if (rows.length === 0) return null;
        const leaves = rows.map((row) => bytes(row.digest));
        const root = rootOf(leaves);
        const added = await first(within('INSERT INTO batches (root) VALUES ($1) RETURNING id', [root]));
        const id = added?.id as string;
        await within(
          'UPDATE receipts SET batch = $1, place = of.place - 1 FROM unnest($2::bytea[]) WITH ORDINALITY AS of (digest, place) WHERE receipts.digest = of.digest',
          [id, leaves],
        );
        return { id: Number(id), root, leaves, logIndex: null };
      }),
    unloggedBatches: async () => {
      const rows = await ask('SELECT * FROM batches WHERE log_index IS NULL ORDER BY id LIMIT $1', [UNLOGGED_MAX]);
      return Promise.all(rows.map(batch));
    },
    markLogged: async (id, logIndex) => {
      await ask('UPDATE batches SET log_index = $2 WHERE id = $1', [id, logIndex]);
    },
    batchOf: async (receiptDigest) => {
      const sql = 'SELECT b.* FROM batches b JOIN receipts r ON r.batch = b.id WHERE r.digest = $1';
      const row = await first(ask(sql, [receiptDigest]));
      return row && batch(row);
    },
  } satisfies Partial<Ledger>;
}

/** In the place of an entry: the root has its batches, if any. */
const ASKED = -1;
const SETTLE_BATCHES = `
INSERT INTO settled SELECT $1, b.log_index FROM batches b
WHERE b.log_index IS NOT NULL AND NOT EXISTS (SELECT 1 FROM settled s WHERE s.log_index = b.log_index) AND NOT EXISTS (
  SELECT 1 FROM receipts r LEFT JOIN voucher_leaves v ON v.channel = r.channel AND v.digest = r.digest
  LEFT JOIN collected c ON c.channel = r.channel
  WHERE r.batch = b.id AND NOT r.superseded AND r.amount <> 0
    AND (v.place IS NULL OR c.leaves IS NULL OR v.place >= c.leaves))
ORDER BY b.log_index LIMIT $2`;

function settlementOf({ ask, transaction }: Postgres) {
  return {
    markCollected: (channel, leaves, share) =>
      transaction(async (within) => {
        await within('INSERT INTO collected VALUES ($1, 0) ON CONFLICT DO NOTHING', [channel]);
        const row = await first(within('SELECT leaves FROM collected WHERE channel = $1 FOR UPDATE', [channel]));
        const before = row?.leaves as number;
        if (leaves <= before) return;
        const paid = await within(
          'SELECT r.payee, r.amount FROM voucher_leaves v JOIN receipts r USING (digest) WHERE v.channel = $1 AND v.place >= $2 AND v.place < $3 AND r.payee IS NOT NULL',
          [channel, before, leaves],
        );
        await addEarned(within, paid, share);
        await within('UPDATE collected SET leaves = $2 WHERE channel = $1', [channel, leaves]);
      }),
    accepted: async (payee) => {
      const row = await first(ask('SELECT amount FROM accepted WHERE payee = $1', [payee]));
      return row === null ? 0n : amount(row.amount);
    },
    earned: async () =>
      (await ask('SELECT * FROM earned')).map((row) => ({ payee: bytes(row.payee), amount: amount(row.amount) })),
    settledBatches: (root, max) =>
      transaction(async (within) => {
        const asked = await within('INSERT INTO settled VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1 AS one', [
          root,
          ASKED,
        ]);
        if (asked.length > 0) await within(SETTLE_BATCHES, [root, max]);
        const rows = await within('SELECT log_index FROM settled WHERE root = $1 AND log_index <> $2 ORDER BY 1', [
          root,
          ASKED,
        ]);
        return rows.map((row) => Number(row.log_index));
      }),
    putRoot: async (row) => {
      const leaves = JSON.stringify(row.leaves.map(({ payee, cumulative }) => [toHex(payee), cumulative.toString()]));
      await ask(
        'INSERT INTO roots VALUES ($1,$2,$3,$4,$5) ON CONFLICT (root) DO UPDATE SET epoch = excluded.epoch, covers = excluded.covers',
        [row.root, row.sum, row.epoch, row.covers, leaves],
      );
      await ask('DELETE FROM roots WHERE epoch <= $1', [row.epoch - ROOTS_KEPT]);
    },
    root: async (root) => {
      const row = await first(ask('SELECT * FROM roots WHERE root = $1', [root]));
      return row && rootRow(row);
    },
  } satisfies Partial<Ledger>;
}

/** In the order of payees: two transactions never wait for each other. */
async function addEarned(within: Ask, paid: readonly Row[], share: (amount: bigint) => bigint): Promise<void> {
  const sums = new Map<string, bigint>();
  for (const row of paid) {
    const payee = toHex(row.payee as Uint8Array);
    sums.set(payee, (sums.get(payee) ?? 0n) + share(amount(row.amount)));
  }
  for (const [payee, sum] of [...sums].sort(([a], [b]) => (a < b ? -1 : 1))) {
    await within(
      'INSERT INTO earned VALUES ($1,$2) ON CONFLICT (payee) DO UPDATE SET amount = earned.amount + excluded.amount',
      [fromHex(payee, 'payee'), sum],
    );
  }
}

function replicasOf({ ask, session, close }: Postgres) {
  const setting: Ledger['setting'] = async (name) => {
    const row = await first(ask('SELECT value FROM settings WHERE name = $1', [name]));
    return row && bytes(row.value);
  };
  return {
    setting,
    putSetting: async (name, from, to) => {
      if (from === null) await ask('INSERT INTO settings VALUES ($1,$2) ON CONFLICT DO NOTHING', [name, to]);
      else await ask('UPDATE settings SET value = $3 WHERE name = $1 AND value = $2', [name, from, to]);
      return (await setting(name)) as Bytes;
    },
    alone: async (name, work) => {
      const own = await session();
      try {
        const locked = await first(own.ask('SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS locked', [name]));
        if (locked?.locked !== true) return false;
        await work();
        return true;
      } finally {
        own.close(); // the lock goes with the session, however this ends
      }
    },
    close,
  } satisfies Partial<Ledger>;
}
