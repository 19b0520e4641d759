import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leafHash, merkleRoot, toHex } from '../../src/core/index.ts';
import {
  importLedger,
  type Ledger,
  openPostgres,
  openPostgresLedger,
  openSqliteLedger,
} from '../../src/store/index.ts';
import { type Cluster, postgresAbsent, startCluster } from './postgres.ts';

const absent = postgresAbsent();
const folder = mkdtempSync(join(tmpdir(), 'chrysalis-import-'));
let cluster: Cluster;
let files = 0;
const newFile = () => join(folder, `${files++}.sqlite`);
const hooks = { held: async () => undefined, committed: () => undefined };
const bytes = (fill: number, length = 32) => new Uint8Array(length).fill(fill);
const rootOf = (digests: readonly Uint8Array[]) => merkleRoot(digests.map((digest) => leafHash(digest)));
const CHANNELS = ['0:aa', '0:bb'];

/** What somebody did to a ledger: receipts, vouchers over them, batches, collections. */
type Step = Readonly<{ channel: number; request: number; kind: number; amount: number; payee: number; also: number }>;
const anyStep: fc.Arbitrary<Step> = fc.record({
  channel: fc.nat({ max: 1 }),
  request: fc.nat({ max: 5 }),
  kind: fc.constantFrom(1, 2, 3),
  amount: fc.nat({ max: 1_000_000 }),
  payee: fc.nat({ max: 3 }),
  also: fc.nat({ max: 5 }),
});

/** @returns digests of the receipts that it stored */
async function lived(ledger: Ledger, steps: readonly Step[]): Promise<Uint8Array[]> {
  for (const channel of CHANNELS) {
    await ledger.putChannel({
      ...{ channel, terms: '{"a":1}', clientKey: bytes(7), state: 'open', deposited: 2n ** 80n, claimed: 1n },
      viewedAt: 1_790_000_000_000,
    });
  }
  const digests: Uint8Array[] = [];
  const covered = new Map<string, bigint>();
  for (const [at, { channel: which, request, kind, amount, payee, also }] of steps.entries()) {
    const [channel, sessionKey] = [CHANNELS[which] as string, bytes(0x40 + which)];
    const delegation = { paymentRef: bytes(which + 1, 16), channel, sessionKey, limit: 10n ** 20n, notAfter: 5 };
    await ledger.putDelegation(delegation);
    const digest = new Uint8Array(32).fill(at + 1);
    digest[31] = which;
    const row = { digest, channel, sessionKey, requestId: bytes(request, 16), kind, amount: BigInt(amount) };
    const more = { object: bytes(at, 9), signature: bytes(at, 64), storedAt: 1000 + at };
    await ledger.putReceipt({ ...row, ...more, payee: payee === 0 ? null : bytes(0xe0 + payee) });
    digests.push(digest);
    if (also === 1) await ledger.newBatch(3, rootOf);
    if (also === 2) {
      const leaves = (covered.get(channel) ?? 0n) + 1n;
      covered.set(channel, leaves);
      const voucher = { channel, cumulative: leaves * 10n, receipts: bytes(at), signature: bytes(at, 64) };
      await ledger.putVoucher({ ...voucher, leaves: Number(leaves) }, [digest]);
    }
    if (also === 3) await ledger.markCollected(channel, Number(covered.get(channel) ?? 0n), (all) => all / 2n);
    if (also === 4) {
      for (const { id } of await ledger.unloggedBatches()) await ledger.markLogged(id, 100 + id);
      await ledger.settledBatches(bytes(at), 10);
      const leaves = [{ payee: bytes(1), cumulative: 5n }];
      await ledger.putRoot({ root: bytes(at), sum: 5n, epoch: at, covers: 9, leaves });
    }
    if (also === 5) await ledger.putSetting('prices', await ledger.setting('prices'), bytes(at, 3));
  }
  return digests;
}

/** Everything that a ledger answers about that. */
async function told(ledger: Ledger, steps: readonly Step[], digests: readonly Uint8Array[]) {
  const sorted = (rows: readonly object[]) => rows.map((row) => JSON.stringify(row, text)).sort();
  const payees = [1, 2, 3].map((n) => bytes(0xe0 + n));
  return {
    channels: sorted(await ledger.channels()),
    delegations: await Promise.all([0, 1].map((n) => ledger.delegationOfKey(bytes(0x40 + n)))),
    receipts: await Promise.all(digests.map((digest) => ledger.receipt(digest))),
    sums: await Promise.all(CHANNELS.map((channel) => ledger.receipted(channel))),
    vouchers: await Promise.all(CHANNELS.map((channel) => ledger.voucher(channel))),
    leaves: await Promise.all(CHANNELS.map((channel) => ledger.voucherLeaves(channel))),
    batches: await Promise.all(digests.map((digest) => ledger.batchOf(digest))),
    earned: sorted(await ledger.earned()),
    accepted: await Promise.all(payees.map((payee) => ledger.accepted(payee))),
    roots: await Promise.all(steps.map((_, at) => ledger.root(bytes(at)))),
    prices: await ledger.setting('prices'),
  };
}
const text = (_: string, value: unknown) =>
  typeof value === 'bigint' ? `${value}` : value instanceof Uint8Array ? toHex(value) : value;

beforeAll(async () => {
  if (absent === null) cluster = await startCluster();
}, 60_000);
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(absent !== null)(absent ?? 'an embedded ledger in PostgreSQL', () => {
  test('answers whatever it answered before, and goes on as it would have', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyStep, { maxLength: 40 }),
        fc.array(anyStep, { maxLength: 10 }),
        async (before, after) => {
          const file = newFile();
          const first = openSqliteLedger(file);
          const digests = await lived(first, before);
          const expected = await told(first, before, digests);
          await first.close();
          const copy = `${file}.copy`;
          copyFileSync(file, copy); // to go on from as well
          const url = await cluster.database();
          const counts = await importLedger(file, { url }, hooks);
          expect(counts).toMatchObject({ channels: 2, receipts: digests.length });
          const moved = await openPostgresLedger({ url, connectionsMax: 2 });
          expect(await told(moved, before, digests)).toEqual(expected);
          const stayed = openSqliteLedger(copy);
          const later = after.map((step) => ({ ...step, request: step.request + 3 }));
          for (const ledger of [moved, stayed]) {
            for (const [at, step] of later.entries()) await goOn(ledger, step, at);
          }
          const all = [...digests, ...later.map((_, at) => bytes(0xa0 + at))];
          const numbers = ({ batches, ...rest }: Awaited<ReturnType<typeof told>>) => ({
            ...rest,
            batches: batches.map((batch) => batch && { ...batch, id: 0 }), // numbers of batches are each store's own
          });
          expect(numbers(await told(moved, before, all))).toEqual(numbers(await told(stayed, before, all)));
          await moved.close();
          await stayed.close();
        },
      ),
      { numRuns: 12 },
    );
  }, 120_000);

  test('a router that has it open keeps it, and one that starts meanwhile does not get it', async () => {
    const file = newFile();
    const router = openSqliteLedger(file);
    const url = await cluster.database();
    await expect(importLedger(file, { url }, hooks)).rejects.toMatchObject({ code: 'STATE_LOCKED' });
    await router.close();
    let second: unknown = null;
    const committed = () => {
      const other = new DatabaseSync(file, { timeout: 0 });
      try {
        other.exec('BEGIN IMMEDIATE');
      } catch (error) {
        second = error;
      }
      other.close();
    };
    await importLedger(file, { url }, { ...hooks, committed });
    expect((second as { errcode?: number }).errcode).toBe(5);
  });

  test('into a database that holds anything nothing is copied, the second time too', async () => {
    const file = newFile();
    const ledger = openSqliteLedger(file);
    await lived(ledger, [{ channel: 0, request: 0, kind: 2, amount: 5, payee: 1, also: 1 }]);
    await ledger.close();
    const url = await cluster.database();
    await importLedger(file, { url }, hooks);
    await expect(importLedger(file, { url }, hooks)).rejects.toMatchObject({ code: 'STORAGE_NOT_EMPTY' });
    const other = await cluster.database();
    const there = await openPostgresLedger({ url: other, connectionsMax: 1 });
    await there.putSetting('a', null, bytes(1));
    await there.close();
    await expect(importLedger(file, { url: other }, hooks)).rejects.toMatchObject({ code: 'STORAGE_NOT_EMPTY' });
  });

  test('what cannot be copied whole leaves the database empty', async () => {
    const file = newFile();
    const ledger = openSqliteLedger(file);
    await lived(ledger, [{ channel: 0, request: 0, kind: 2, amount: 5, payee: 1, also: 0 }]);
    await ledger.close();
    const damaged = new DatabaseSync(file);
    damaged.exec("UPDATE accepted SET amount = 'much'");
    damaged.close();
    const url = await cluster.database();
    await expect(importLedger(file, { url }, hooks)).rejects.toMatchObject({ code: 'STORAGE_UNUSABLE' });
    const database = await openPostgres({ url, connectionsMax: 1 });
    expect(await database.ask('SELECT * FROM receipts')).toEqual([]);
    expect(await database.ask('SELECT * FROM channels')).toEqual([]);
    await database.close();
    await expect(importLedger(join(folder, 'text'), { url }, hooks)).rejects.toMatchObject({
      code: 'STORAGE_UNUSABLE',
    });
  });

  test('where something must be done first and cannot be, nothing is copied', async () => {
    const file = newFile();
    await openSqliteLedger(file).close();
    const url = await cluster.database();
    const held = () => Promise.reject(new Error('the log is away'));
    await expect(importLedger(file, { url }, { ...hooks, held })).rejects.toThrow('the log is away');
    await importLedger(file, { url }, hooks);
  });
});

async function goOn(ledger: Ledger, { channel: which, request, kind, amount, payee }: Step, at: number): Promise<void> {
  const [channel, sessionKey] = [CHANNELS[which] as string, bytes(0x40 + which)];
  const row = { digest: bytes(0xa0 + at), channel, sessionKey, requestId: bytes(request, 16), kind };
  const more = { amount: BigInt(amount), object: bytes(at, 9), signature: bytes(at, 64), storedAt: 9_000 + at };
  await ledger.putReceipt({ ...row, ...more, payee: payee === 0 ? null : bytes(0xe0 + payee) });
  await ledger.newBatch(2, rootOf);
}
