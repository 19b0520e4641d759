import { type Bytes, fromHex } from '../core/index.ts';
import type { ChannelRow, DelegationRow, ReceiptRow, RootRow, VoucherRow } from './ledger.ts';

/** A row as either database gives it: amounts are text, times a number or its text. */
type Row = Readonly<Record<string, unknown>>;

export const bytes = (value: unknown): Bytes => Uint8Array.from(value as Uint8Array);
export const amount = (value: unknown): bigint => BigInt(value as string);

export const channelRow = (row: Row): ChannelRow => ({
  channel: row.channel as string,
  terms: row.terms as string,
  clientKey: bytes(row.client_key),
  state: row.state as string,
  deposited: amount(row.deposited),
  claimed: amount(row.claimed),
  viewedAt: Number(row.viewed_at),
});

export const delegationRow = (row: Row): DelegationRow => ({
  paymentRef: bytes(row.payment_ref),
  channel: row.channel as string,
  sessionKey: bytes(row.session_key),
  limit: amount(row.spend_limit),
  notAfter: Number(row.not_after),
});

export const receiptRow = (row: Row): ReceiptRow => ({
  digest: bytes(row.digest),
  channel: row.channel as string,
  sessionKey: bytes(row.session_key),
  requestId: bytes(row.request_id),
  kind: row.kind as number,
  amount: amount(row.amount),
  object: bytes(row.object),
  signature: bytes(row.signature),
  storedAt: Number(row.stored_at),
  payee: row.payee === null ? null : bytes(row.payee),
});

export const voucherRow = (row: Row): VoucherRow => ({
  channel: row.channel as string,
  cumulative: amount(row.cumulative),
  receipts: bytes(row.receipts),
  signature: bytes(row.signature),
  leaves: row.leaves as number,
});

export const rootRow = (row: Row): RootRow => ({
  root: bytes(row.root),
  sum: amount(row.sum),
  epoch: Number(row.epoch),
  covers: Number(row.covers),
  leaves: (JSON.parse(row.leaves as string) as [string, string][]).map(([payee, cumulative]) => ({
    payee: fromHex(payee, 'payee'),
    cumulative: BigInt(cumulative),
  })),
});
