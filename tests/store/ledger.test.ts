import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { leafHash, merkleRoot } from '../../src/core/index.ts';
import { openSqliteLedger, type ReceiptRow } from '../../src/store/index.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function ledgerFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-ledger-'));
  folders.push(folder);
  return join(folder, 'ledger.sqlite');
}

const bytes = (fill: number, length = 32) => new Uint8Array(length).fill(fill);
const receipt = (n: number, request: number, kind: number, amount: bigint): ReceiptRow => ({
  digest: bytes(n),
  channel: '0:aa',
  sessionKey: bytes(1),
  requestId: bytes(request, 16),
  kind,
  amount,
  object: bytes(n, 3),
  signature: bytes(n, 64),
  storedAt: n,
  payee: n % 2 === 0 ? null : bytes(0xe0),
});

test('a later receipt of a request takes the place of an earlier one; the same one counts once; a restart sums the same', () => {
  const file = ledgerFile();
  const ledger = openSqliteLedger(file);
  ledger.putReceipt(receipt(1, 1, 1, 10n));
  ledger.putReceipt(receipt(2, 1, 2, 25n));
  ledger.putReceipt(receipt(2, 1, 2, 25n));
  ledger.putReceipt(receipt(3, 2, 2, 5n));
  expect(ledger.receipted('0:aa')).toEqual({ amount: 30n, count: 2 });
  ledger.close();
  const again = openSqliteLedger(file);
  expect(again.receipted('0:aa')).toEqual({ amount: 30n, count: 2 });
  expect(again.receiptedByKey(bytes(1))).toBe(30n);
  expect(again.receipt(bytes(3))).toEqual(receipt(3, 2, 2, 5n));
  again.close();
});

test('receipts enter exactly one batch each, oldest first, and a batch is logged once', () => {
  const ledger = openSqliteLedger(ledgerFile());
  for (let n = 1; n <= 5; n++) ledger.putReceipt(receipt(n, n, 2, 1n));
  const root = (digests: readonly Uint8Array[]) => merkleRoot(digests.map(leafHash));
  const first = ledger.newBatch(3, root)!;
  const second = ledger.newBatch(3, root)!;
  expect(first.leaves).toEqual([bytes(1), bytes(2), bytes(3)]);
  expect(second.leaves).toEqual([bytes(4), bytes(5)]);
  expect(ledger.newBatch(3, root)).toBeNull();
  expect(ledger.unloggedBatches().map(({ id }) => id)).toEqual([first.id, second.id]);
  ledger.markLogged(first.id, 77);
  expect(ledger.unloggedBatches().map(({ id }) => id)).toEqual([second.id]);
  expect(ledger.batchOf(bytes(2))).toEqual({ ...first, logIndex: 77 });
  expect(ledger.batchOf(bytes(9))).toBeNull();
  ledger.close();
});

test('a voucher and the leaves it adds are stored together, in order', () => {
  const ledger = openSqliteLedger(ledgerFile());
  ledger.putVoucher({ channel: '0:aa', cumulative: 5n, receipts: bytes(7), signature: bytes(8, 64), leaves: 2 }, [
    bytes(1),
    bytes(2),
  ]);
  const next = { channel: '0:aa', cumulative: 2n ** 70n, receipts: bytes(9), signature: bytes(8, 64), leaves: 3 };
  ledger.putVoucher(next, [bytes(3)]);
  expect(ledger.voucher('0:aa')).toEqual(next);
  expect(ledger.voucherLeaves('0:aa')).toEqual([bytes(1), bytes(2), bytes(3)]);
  // A leaf that would take another's place is refused, and nothing of its voucher stays.
  expect(() => ledger.putVoucher({ ...next, cumulative: 2n ** 71n, leaves: 3 }, [bytes(4)])).toThrow();
  expect(ledger.voucher('0:aa')).toEqual(next);
  ledger.close();
});

test('what a collected voucher names is earned by its payees, each receipt once, over restarts', () => {
  const file = ledgerFile();
  const half = (amount: bigint) => amount / 2n;
  let ledger = openSqliteLedger(file);
  for (let n = 1; n <= 4; n++) ledger.putReceipt(receipt(n, n, 2, BigInt(n) * 10n));
  const voucher = { channel: '0:aa', receipts: bytes(7), signature: bytes(8, 64) };
  ledger.putVoucher({ ...voucher, cumulative: 30n, leaves: 2 }, [bytes(1), bytes(2)]);
  expect(ledger.earned()).toEqual([]);
  ledger.markCollected('0:aa', 2, half);
  ledger.markCollected('0:aa', 2, half);
  ledger.markCollected('0:aa', 1, half);
  // The even ones named nobody.
  expect(ledger.earned()).toEqual([{ payee: bytes(0xe0), amount: 5n }]);
  ledger.close();
  ledger = openSqliteLedger(file);
  ledger.putVoucher({ ...voucher, cumulative: 100n, leaves: 4 }, [bytes(3), bytes(4)]);
  ledger.markCollected('0:aa', 4, half);
  expect(ledger.earned()).toEqual([{ payee: bytes(0xe0), amount: 20n }]);
  ledger.close();
});

test('a posted root is kept with its leaves', () => {
  const file = ledgerFile();
  let ledger = openSqliteLedger(file);
  const leaves = [{ payee: bytes(1), cumulative: 2n ** 70n }];
  const row = { root: bytes(9), sum: 2n ** 70n, epoch: 3, covers: 1_800_000_000, leaves };
  ledger.putRoot(row);
  ledger.putRoot({ ...row, epoch: 4 });
  ledger.close();
  ledger = openSqliteLedger(file);
  expect(ledger.root(bytes(9))).toEqual({ ...row, epoch: 4 });
  expect(ledger.root(bytes(8))).toBeNull();
  ledger.close();
});

test('what is accepted of a payee counts a request once, by its highest receipt, and never falls', () => {
  const ledger = openSqliteLedger(ledgerFile());
  const payee = bytes(0xe0);
  ledger.putReceipt({ ...receipt(1, 1, 1, 10n), payee });
  ledger.putReceipt({ ...receipt(2, 1, 2, 25n), payee });
  ledger.putReceipt({ ...receipt(2, 1, 2, 25n), payee });
  expect(ledger.accepted(payee)).toBe(25n);
  ledger.putReceipt({ ...receipt(3, 1, 2, 5n), payee });
  ledger.putReceipt({ ...receipt(4, 2, 2, 7n), payee });
  ledger.putReceipt({ ...receipt(5, 3, 2, 100n), payee: bytes(0xe1) });
  expect(ledger.accepted(payee)).toBe(32n);
  expect(ledger.accepted(bytes(0xe2))).toBe(0n);
  ledger.close();
});

test('only the newest roots are kept', () => {
  const ledger = openSqliteLedger(ledgerFile());
  for (let epoch = 1; epoch <= 20; epoch++) {
    ledger.putRoot({ root: bytes(epoch), sum: 1n, epoch, covers: 1, leaves: [{ payee: bytes(1), cumulative: 1n }] });
  }
  expect(ledger.root(bytes(4))).toBeNull();
  expect(ledger.root(bytes(5))?.epoch).toBe(5);
  ledger.close();
});
