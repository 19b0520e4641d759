import type { AnswerReceipt } from '../../client/index.ts';
import type { UnixMs } from '../../core/index.ts';
import { csv, invoiceOf } from './invoice.ts';

/** What one worker answered on one day, UTC. Amounts in the currency's smallest unit. */
export type UsageRow = Readonly<{
  day: string;
  worker: string;
  answers: number;
  /** Answers that failed or were cut, and were paid up to their last checkpoint. */
  errors: number;
  tokensIn: number;
  tokensCached: number;
  tokensOut: number;
  amount: string;
  currency: string;
}>;

/** Sums of the receipts of these days, by day, worker and currency. @param to the last day, which is part of it */
export function usageOf(receipts: readonly AnswerReceipt[], from: UnixMs, to: UnixMs): readonly UsageRow[] {
  const rows = new Map<string, UsageRow>();
  for (const line of invoiceOf(receipts, from, to).lines) {
    const { worker, currency } = line;
    const day = line.ended.slice(0, 10);
    const key = `${day} ${worker} ${currency}`;
    const before = rows.get(key);
    rows.set(key, {
      day,
      worker,
      answers: (before?.answers ?? 0) + (line.kind === 'final' ? 1 : 0),
      errors: (before?.errors ?? 0) + (line.kind === 'final' ? 0 : 1),
      tokensIn: (before?.tokensIn ?? 0) + line.tokensIn,
      tokensCached: (before?.tokensCached ?? 0) + line.tokensCached,
      tokensOut: (before?.tokensOut ?? 0) + line.tokensOut,
      amount: (BigInt(before?.amount ?? 0) + BigInt(line.amount)).toString(),
      currency,
    });
  }
  return [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}

const COLUMNS = [
  'day',
  'worker',
  'answers',
  'errors',
  'tokensIn',
  'tokensCached',
  'tokensOut',
  'amount',
  'currency',
] as const satisfies readonly (keyof UsageRow)[];

export const usageCsv = (rows: readonly UsageRow[]): string => csv(COLUMNS, rows);
