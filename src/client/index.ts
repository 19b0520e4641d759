export type * from './api.ts';
export { type ClientDeps, createClient } from './client.ts';
export * from './gateway/index.ts';
export type { SeenHead } from './log-proofs.ts';
export {
  encodeVoucherBook,
  type PaymentOptions,
  parseVoucherBook,
  type VoucherBook,
  type VoucherStore,
} from './payments.ts';
export type { PrefixCacheOptions } from './prefix-cache.ts';
export { encodeAnswerReceipt, parseAnswerReceipt, RECEIPTS_MAX, type ReceiptStore } from './receipts.ts';
export { severalRouters } from './several-routers.ts';
export { PaidFailure } from './tab.ts';
export { tracedClient } from './traced-client.ts';
export type { CallOptions, RouterTransport } from './transport.ts';
