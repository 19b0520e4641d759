import { expect, test } from 'vitest';
import { day, invoiceCsv, invoiceOf, invoiceText } from '../../src/cli/channel/invoice.ts';
import { usageCsv, usageOf } from '../../src/cli/channel/usage.ts';
import type { AnswerReceipt } from '../../src/client/index.ts';

const receipt = (n: number, at: string, amount: bigint, currency = 'TON/-239'): AnswerReceipt =>
  ({
    id: `r_${n}`,
    digest: new Uint8Array(32).fill(n),
    kind: 'final',
    workerId: 'ab'.repeat(32),
    amount,
    currency,
    tokensIn: 128,
    tokensCached: 0,
    tokensOut: 64,
    endedAt: Date.parse(at),
  }) as unknown as AnswerReceipt;

const receipts = [
  receipt(2, '2026-11-30T23:59:59.999Z', 2n ** 70n),
  receipt(1, '2026-11-01T00:00:00.000Z', 1n),
  receipt(1, '2026-11-01T00:00:00.000Z', 1n),
  receipt(3, '2026-12-01T00:00:00.000Z', 5n),
  receipt(4, '2026-10-31T23:59:59.999Z', 5n),
];

test('a bill has every receipt of its days once, in order, and exact sums', () => {
  const bill = invoiceOf(receipts, day('2026-11-01'), day('2026-11-30'));
  expect(bill.lines.map((line) => line.receipt)).toEqual(['r_1', 'r_2']);
  expect(bill.totals).toEqual({ 'TON/-239': (2n ** 70n + 1n).toString() });
  expect(invoiceText(bill)).toBe(
    '2026-11-01 to 2026-11-30: 1180591620717.411303425 TON (network -239) for 2 receipts\n',
  );
});

test('CSV: a header, a line a receipt, and no cell that a spreadsheet takes for a formula', () => {
  const bill = invoiceOf([receipt(1, '2026-11-01T00:00:00Z', 1n, '=1+1,"x"')], day('2026-11-01'), day('2026-11-01'));
  const [header, line, end] = invoiceCsv(bill).split('\r\n');
  expect(header).toBe('receipt,digest,ended,worker,kind,tokensIn,tokensCached,tokensOut,amount,currency');
  expect(line).toMatch(/^r_1,0101.*,2026-11-01T00:00:00\.000Z,(ab)+,final,128,0,64,1,"'=1\+1,""x"""$/);
  expect(end).toBe('');
});

test('no receipt is no bill, and a day that is none is wrong usage', () => {
  const none = invoiceOf(receipts, day('2026-02-01'), day('2026-02-28'));
  expect(none).toMatchObject({ lines: [], totals: {} });
  expect(invoiceText(none)).toContain('nothing was answered');
  for (const bad of ['2026-02-30', '2026-1-1', 'today', '']) {
    expect(() => day(bad)).toThrow(expect.objectContaining({ code: 'USAGE_INVALID' }));
  }
});

test('usage sums them by day, worker and currency; an answer that failed is told apart', () => {
  const failed = { ...receipt(5, '2026-11-01T10:00:00Z', 2n), kind: 'checkpoint' } as AnswerReceipt;
  const other = { ...receipt(6, '2026-11-01T11:00:00Z', 7n), workerId: 'cd'.repeat(32) } as AnswerReceipt;
  const rows = usageOf(
    [
      ...receipts,
      failed,
      other,
      receipt(7, '2026-11-01T12:00:00Z', 4n),
      receipt(8, '2026-11-01T12:00:00Z', 3n, 'TON/-3'),
    ],
    day('2026-11-01'),
    day('2026-11-30'),
  );
  expect(
    rows.map(({ day, worker, answers, errors, amount, currency }) => [
      day,
      worker.slice(0, 2),
      answers,
      errors,
      amount,
      currency,
    ]),
  ).toEqual([
    ['2026-11-01', 'ab', 2, 1, '7', 'TON/-239'],
    ['2026-11-01', 'ab', 1, 0, '3', 'TON/-3'],
    ['2026-11-01', 'cd', 1, 0, '7', 'TON/-239'],
    ['2026-11-30', 'ab', 1, 0, (2n ** 70n).toString(), 'TON/-239'],
  ]);
  expect(rows[0]).toMatchObject({ tokensIn: 3 * 128, tokensOut: 3 * 64 });
  const [header, first] = usageCsv(rows).split('\r\n');
  expect(header).toBe('day,worker,answers,errors,tokensIn,tokensCached,tokensOut,amount,currency');
  expect(first).toBe(`2026-11-01,${'ab'.repeat(32)},2,1,384,0,192,7,TON/-239`);
  expect(usageOf([], day('2026-11-01'), day('2026-11-30'))).toEqual([]);
});
