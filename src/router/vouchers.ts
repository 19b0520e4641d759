import { type VoucherAsk, verifyVoucher, voucherChannel } from '../chain/index.ts';
import { CodedError, equalBytes, ReceiptsTree, toHex } from '../core/index.ts';
import type { ChannelRow, Ledger, VoucherRow } from '../store/index.ts';
import { keepNewest } from './fleet.ts';

const LEAVES_PER_VOUCHER_MAX = 10_000;
/** Vouchers of one channel that come through several routers at once. */
const VOUCHER_TRIES_MAX = 4;
/** Channels of which it is kept what their best voucher names: some two KiB each. */
const NAMED_MAX = 8_192;

/** What a voucher names: its receipts as a tree, and what they come to. */
type Named = Readonly<{ tree: ReceiptsTree; owed: bigint }>;
const NOTHING: Named = { tree: ReceiptsTree.EMPTY, owed: 0n };

/** Takes vouchers (contracts sections 1.2 and 6). What the voucher before named is known: one costs what it adds. */
export function createVouchers(ledger: Ledger) {
  const kept = new Map<string, Named>();

  /** Of the voucher that the ledger has; it may have come through another router, or before this one started. */
  const namedBy = async (best: VoucherRow | null): Promise<Named> => {
    if (best === null) return NOTHING;
    const known = kept.get(best.channel);
    if (known !== undefined && known.tree.count === best.leaves && equalBytes(known.tree.root, best.receipts)) {
      return known;
    }
    const leaves = await ledger.voucherLeaves(best.channel);
    const named = { tree: ReceiptsTree.EMPTY.with(leaves), owed: sumOf(await ledger.amountsOf(best.channel, leaves)) };
    keepNewest(kept, best.channel, named, NAMED_MAX);
    return named;
  };

  /** The voucher as it is stored after the one that is there; null where it is that one. @throws CodedError VOUCHER_REFUSED */
  const following = async (
    ask: VoucherAsk,
    deposited: bigint,
  ): Promise<Readonly<{ row: VoucherRow; named: Named }> | null> => {
    const { channel, cumulative, receipts, signature, newReceiptDigests: added } = ask;
    const best = await ledger.voucher(channel);
    if (best !== null && best.cumulative === cumulative && equalBytes(best.receipts, receipts)) return null;
    if (added.length > LEAVES_PER_VOUCHER_MAX) throw voucherRefused('too many receipts');
    const before = await namedBy(best);
    const amounts = await ledger.amountsOf(channel, added);
    const twice = await ledger.vouchered(channel, added);
    const names = added.map(toHex);
    if (names.some((name) => !amounts.has(name))) throw voucherRefused('names a receipt that is not of this channel');
    if (twice.size > 0 || new Set(names).size < names.length) throw voucherRefused('pays a receipt twice');
    const named = { tree: before.tree.with(added), owed: before.owed + sumOf(amounts) };
    if (!equalBytes(named.tree.root, receipts)) throw voucherRefused('the receipts root is of other receipts');
    if (cumulative < named.owed) throw voucherRefused('is below the receipts it names');
    if (cumulative <= (best?.cumulative ?? 0n)) throw voucherRefused('is not above the one before');
    if (cumulative > deposited) throw voucherRefused('is above the deposit');
    return { row: { channel, cumulative, receipts, signature, leaves: named.tree.count }, named };
  };

  return {
    /**
     * Durable when it resolves. @param of whose channel it is, as the chain showed it last
     * @returns false for the one that is stored already
     * @throws CodedError VOUCHER_REFUSED with the reason in `facts`, ROUTER_BUSY
     */
    async take(ask: VoucherAsk, of: Pick<ChannelRow, 'clientKey' | 'deposited'>): Promise<boolean> {
      const voucher = { channel: voucherChannel(ask.channel), cumulative: ask.cumulative, receipts: ask.receipts };
      if (ask.receipts.length !== 32 || !(await verifyVoucher(voucher, ask.signature, of.clientKey)))
        throw voucherRefused('signature');
      for (let tries = 1; tries <= VOUCHER_TRIES_MAX; tries++) {
        const next = await following(ask, of.deposited);
        if (next === null) return false;
        if (!(await ledger.putVoucher(next.row, ask.newReceiptDigests))) continue; // another came between
        keepNewest(kept, ask.channel, next.named, NAMED_MAX);
        return true;
      }
      throw new CodedError('ROUTER_BUSY', 'too many vouchers of this channel at once', { retryAfterMs: 1_000 });
    },
  };
}

function sumOf(amounts: ReadonlyMap<string, bigint>): bigint {
  return amounts.values().reduce((sum, amount) => sum + amount, 0n);
}

function voucherRefused(reason: string): CodedError {
  return new CodedError('VOUCHER_REFUSED', `voucher: ${reason}`, { reason });
}
