import type { AnswerReceipt } from '../../client/index.ts';
import { CodedError, toHex, type UnixMs } from '../../core/index.ts';
import { counted, ton } from '../output.ts';

/** One signed receipt as a line of a bill. Amounts in the currency's smallest unit. */
export type InvoiceLine = Readonly<{
  receipt: string;
  digest: string;
  ended: string;
  worker: string;
  kind: string;
  tokensIn: number;
  tokensCached: number;
  tokensOut: number;
  amount: string;
  currency: string;
}>;

export type Invoice = Readonly<{
  from: string;
  to: string;
  lines: readonly InvoiceLine[];
  /** By currency. */
  totals: Readonly<Record<string, string>>;
}>;

const DAY_MS = 86_400_000;

/** A day of the calendar, UTC, as its first millisecond. @throws CodedError USAGE_INVALID */
export function day(text: string): UnixMs {
  const at = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  if (Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== text) {
    throw new CodedError('USAGE_INVALID', `${text.slice(0, 20)} is no day like 2026-11-26`);
  }
  return at;
}

/** What was answered on these days, each receipt once. @param to the last day, which is part of it */
export function invoiceOf(receipts: readonly AnswerReceipt[], from: UnixMs, to: UnixMs): Invoice {
  const seen = new Set<string>();
  const totals: Record<string, bigint> = {};
  const lines: InvoiceLine[] = [];
  for (const one of [...receipts].sort((a, b) => a.endedAt - b.endedAt)) {
    const digest = toHex(one.digest);
    if (one.endedAt < from || one.endedAt >= to + DAY_MS || seen.has(digest)) continue;
    seen.add(digest);
    totals[one.currency] = (totals[one.currency] ?? 0n) + one.amount;
    lines.push({
      receipt: one.id,
      digest,
      ended: new Date(one.endedAt).toISOString(),
      worker: one.workerId,
      kind: one.kind,
      tokensIn: one.tokensIn,
      tokensCached: one.tokensCached,
      tokensOut: one.tokensOut,
      amount: one.amount.toString(),
      currency: one.currency,
    });
  }
  const date = (at: UnixMs) => new Date(at).toISOString().slice(0, 10);
  const named = Object.entries(totals).map(([currency, amount]) => [currency, amount.toString()]);
  return { from: date(from), to: date(to), lines, totals: Object.fromEntries(named) };
}

const COLUMNS = [
  'receipt',
  'digest',
  'ended',
  'worker',
  'kind',
  'tokensIn',
  'tokensCached',
  'tokensOut',
  'amount',
  'currency',
] as const satisfies readonly (keyof InvoiceLine)[];

/** A spreadsheet takes a cell that begins like a formula for one; nothing here does, and what might is quoted. */
const cell = (value: string | number): string => {
  const text = String(value);
  return /^[\w:./-]+$/.test(text) && !/^[-=+@]/.test(text) ? text : `"'${text.replaceAll('"', '""')}"`;
};

/** RFC 4180 with a header line. */
export function csv<Column extends string>(
  columns: readonly Column[],
  lines: readonly Readonly<Record<Column, string | number>>[],
): string {
  const rows = lines.map((line) => columns.map((column) => cell(line[column])).join(','));
  return [columns.join(','), ...rows].map((row) => `${row}\r\n`).join('');
}

export const invoiceCsv = ({ lines }: Invoice): string => csv(COLUMNS, lines);

/** For people: the sum, and how many receipts stand behind it. */
export function invoiceText({ from, to, lines, totals }: Invoice): string {
  const sums = Object.entries(totals).map(([currency, amount]) =>
    currency.startsWith('TON/') ? `${ton(BigInt(amount))} TON (network ${currency.slice(4)})` : `${amount} ${currency}`,
  );
  const what =
    lines.length === 0 ? 'nothing was answered' : `${sums.join(', ')} for ${counted(lines.length, 'receipt')}`;
  return `${from} to ${to}: ${what}\n`;
}
