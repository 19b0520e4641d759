/** What a client of a channel signs and checks: no network and no disk, so that a web page has it too. */
export * from '../account.ts';
export { signVoucher, type Voucher, verifyVoucher } from '../voucher.ts';
