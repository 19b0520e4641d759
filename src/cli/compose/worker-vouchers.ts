import { parseWorkerVoucher, verifyWorkerVoucher } from '../../chain/index.ts';
import { CodedError, fromHex, toHex } from '../../core/index.ts';
import { readIfThere, writeDurably } from './files.ts';

/** The best voucher of each pool, as the payee's owner keeps it: what to challenge with should a root omit it. */
export type KeptVoucher = Readonly<{
  pool: string;
  payee: string;
  cumulative: string;
  issued: number;
  /** Bag of cells, signature and signing key, hexadecimal. */
  voucher: string;
  signature: string;
  key: string;
}>;

const POOLS_MAX = 64;

/** @throws CodedError CONFIG_INVALID for a file that is not ours: a better voucher in it must not be lost */
export function keptVouchers(path: string): readonly KeptVoucher[] {
  const text = readIfThere(path);
  if (text === null) return [];
  try {
    const { version, vouchers } = JSON.parse(text) as { version: number; vouchers: KeptVoucher[] };
    if (version === 1 && Array.isArray(vouchers)) return vouchers;
  } catch {
    // said below
  }
  throw new CodedError('CONFIG_INVALID', `${path} does not hold worker vouchers: move it away, it may be worth money`);
}

/**
 * Keeps vouchers in a file, on disk when it resolves: only ones for this payee, whose signature holds, that are above the
 * one kept of the same pool. Whether the key is one of the pool's is for the chain to say, when it is used.
 * @param payee raw address @throws CodedError VOUCHER_INVALID
 */
export function voucherKeeper(path: string, payee: string) {
  let kept = keptVouchers(path);
  return async (came: Readonly<{ voucher: string; signature: string; key: string }>): Promise<void> => {
    const parsed = parseWorkerVoucher(fromHex(came.voucher, 'voucher'));
    const invalid = (why: string) => new CodedError('VOUCHER_INVALID', `worker voucher: ${why}`);
    if (`0:${toHex(parsed.payee)}` !== payee) throw invalid('for another payee');
    const [signature, key] = [fromHex(came.signature, 'signature'), fromHex(came.key, 'key')];
    if (key.length !== 32 || !(await verifyWorkerVoucher(parsed, signature, key)))
      throw invalid('the signature is not good');
    const pool = parsed.pool.toRawString();
    const before = kept.find((one) => one.pool === pool);
    if (before !== undefined && BigInt(before.cumulative) >= parsed.cumulative) return;
    if (before === undefined && kept.length >= POOLS_MAX) throw invalid('of one pool more than are kept');
    const { cumulative, issued } = parsed;
    const signed = { voucher: came.voucher, signature: came.signature, key: came.key };
    const next = { pool, payee, cumulative: cumulative.toString(), issued, ...signed };
    kept = [...kept.filter((one) => one.pool !== pool), next];
    writeDurably(path, `${JSON.stringify({ version: 1, vouchers: kept }, null, 2)}\n`);
  };
}
