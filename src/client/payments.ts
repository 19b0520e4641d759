import { ed25519Key, type SigningKey } from '#crypto';
import { addressOfTerms, type ChannelTerms, signVoucher, voucherChannel } from '../chain/signed/index.ts';
import { type Bytes, CodedError, equalBytes, fromHex, ReceiptsTree, toHex, type UnixMs } from '../core/index.ts';
import { signDelegation } from '../session/index.ts';
import type { PaymentState } from './api.ts';
import type { CallOptions, RouterTransport } from './transport.ts';

/** What a client must never forget of a channel: signing a lower voucher, or another for the same receipts, costs money. */
export type VoucherBook = Readonly<{ cumulative: bigint; leaves: readonly Bytes[] }>;

/** Durable when `save` resolves; one process writes. */
export type VoucherStore = Readonly<{ load(): Promise<VoucherBook>; save(book: VoucherBook): Promise<void> }>;

export type PaymentOptions = Readonly<{
  terms: ChannelTerms;
  /** Ed25519 seed of the channel's client key. */
  clientSeed: Bytes;
  store: VoucherStore;
  /** Reads the channel on chain: deposited and claimed as the chain itself shows them. */
  onChain: () => Promise<Readonly<{ state: string; deposited: bigint; claimed: bigint }>>;
}>;

type View = Awaited<ReturnType<PaymentOptions['onChain']>>;
/** The book, its receipts as a tree, and their names: paying for one more costs what it adds. */
type Kept = Readonly<{ book: VoucherBook; tree: ReceiptsTree; named: Set<string> }>;

const DELEGATION_MS = 12 * 3_600_000;
/** What is told after a payment may be this old: nobody asks a chain once for each answer. */
const VIEW_FRESH_MS = 30_000;
const LEAVES_MAX = 100_000;

/** The payer's side of one channel (contracts sections 1.2 and 6). Money moves on its signature and on nothing else. */
export function createPayments(transport: RouterTransport, options: PaymentOptions, now: () => UnixMs) {
  const key: SigningKey = ed25519Key(options.clientSeed);
  if (!equalBytes(key.publicKey, options.terms.clientKey)) {
    throw new CodedError('CONFIG_INVALID', 'the client key is not the channel’s');
  }
  const address = addressOfTerms(options.terms);
  const channel = { workchain: address.workchain, account: address.account };
  let kept: Kept | null = null;
  /** Leaves that the router has acknowledged; null until it has been asked. */
  let acknowledged: number | null = null;
  let view: View | null = null;
  let viewedAt: UnixMs = 0;
  let writing: Promise<unknown> = Promise.resolve();

  const exclusively = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const run = writing.then(work, work);
    writing = run.catch(() => undefined);
    return run;
  };

  const book = async (): Promise<Kept> => {
    if (kept === null) {
      const stored = await options.store.load();
      const named = new Set(stored.leaves.map(toHex));
      kept ??= { book: stored, tree: ReceiptsTree.EMPTY.with(stored.leaves), named };
    }
    return kept;
  };

  /** Sends the voucher over the whole book, with the leaves that the router does not have yet. */
  const send = async ({ book: signed, tree }: Kept, call: CallOptions): Promise<void> => {
    acknowledged ??= (await transport.getChannel(address.raw, call)).voucheredReceipts;
    if (acknowledged >= signed.leaves.length) return;
    const receipts = tree.root;
    const voucher = { channel: voucherChannel(address.raw), cumulative: signed.cumulative, receipts };
    const signature = await signVoucher(voucher, key);
    const newReceiptDigests = signed.leaves.slice(acknowledged);
    const { cumulative } = signed;
    acknowledged = null; // until it is answered, nobody knows
    await transport.submitVoucher({ channel: address.raw, cumulative, receipts, newReceiptDigests, signature }, call);
    acknowledged = signed.leaves.length;
  };

  type Waiting = Readonly<{
    receiptDigest: Bytes;
    amount: bigint;
    resolve: () => void;
    reject: (error: unknown) => void;
  }>;
  let waiting: Waiting[] = [];
  /** By digest: what is to be paid and is not in the stored book yet. What could not be stored goes with the next payment. */
  const due = new Map<string, Pick<Waiting, 'receiptDigest' | 'amount'>>();

  /** The book with these receipts behind, once it is stored. */
  const signedFor = async (before: Kept, added: typeof due): Promise<Kept> => {
    const digests = added
      .values()
      .map(({ receiptDigest }) => receiptDigest)
      .toArray();
    const leaves = [...before.book.leaves, ...digests];
    if (leaves.length > LEAVES_MAX) {
      throw new CodedError('VOUCHER_REFUSED', 'the channel holds its most receipts: close it and open another');
    }
    const cumulative = added.values().reduce((sum, { amount }) => sum + amount, before.book.cumulative);
    const next = { cumulative, leaves };
    await options.store.save(next);
    for (const name of added.keys()) before.named.add(name);
    kept = { book: next, tree: before.tree.with(digests), named: before.named };
    return kept;
  };

  const payDue = async (call: CallOptions): Promise<void> => {
    const before = await book();
    for (const name of due.keys()) if (before.named.has(name)) due.delete(name);
    if (due.size === 0) return;
    const signed = await signedFor(before, due);
    due.clear();
    await send(signed, call);
  };

  const payWaiting = async (call: CallOptions): Promise<void> => {
    const batch = waiting;
    waiting = [];
    if (batch.length === 0) return; // paid with one before
    for (const { receiptDigest, amount } of batch) {
      if (amount > 0n && due.size < LEAVES_MAX) due.set(toHex(receiptDigest), { receiptDigest, amount });
    }
    try {
      await payDue(call);
      for (const { resolve } of batch) resolve();
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  };

  /** The chain being away does not hide what it showed last; without any view there is no state to tell. */
  const look = async (): Promise<View> => {
    try {
      view = await options.onChain();
      viewedAt = now();
    } catch (error) {
      if (view === null) throw error;
    }
    return view;
  };

  const stateOf = async ({ state, deposited, claimed }: View, receipts: number | null): Promise<PaymentState> => {
    const { cumulative: vouchered, leaves } = (await book()).book;
    return { channel: address.raw, state, deposited, claimed, vouchered, receipts: receipts ?? leaves.length };
  };

  return {
    channel: address.raw,

    /** Lets a session key spend up to `limit` on the channel. @returns the header's payment reference, 16 bytes */
    async delegate(sessionKey: Bytes, limit: bigint, call: CallOptions): Promise<Bytes> {
      const notAfter = now() + DELEGATION_MS;
      const signature = await signDelegation(key, { channel, sessionKey, limit, notAfter });
      const ref = await transport.delegate({ channel: options.terms, sessionKey, limit, notAfter, signature }, call);
      if (ref.length !== 16) throw new CodedError('DELEGATION_REFUSED', 'the router gave no payment reference');
      return ref;
    },

    /**
     * Pays for one receipt. Those that wait while a voucher is on its way are paid by the next one together. A voucher is
     * stored before it is sent, so a crash between the two repeats it and never makes another. A receipt that is paid
     * already is not paid again.
     */
    pay: (receiptDigest: Bytes, amount: bigint, call: CallOptions): Promise<void> =>
      new Promise((resolve, reject) => {
        waiting.push({ receiptDigest, amount, resolve, reject });
        void exclusively(() => payWaiting(call));
      }),

    /** Sends the stored voucher again: what a crash or an outage kept from arriving. */
    resend: (call: CallOptions): Promise<void> =>
      exclusively(async () => {
        await payDue(call);
        const signed = await book();
        if (signed.book.leaves.length > 0) await send(signed, call);
      }),

    /** Deposit and claim as the chain shows them, vouchers as we signed them. */
    async state(call: CallOptions): Promise<PaymentState> {
      const account = transport.getChannel(address.raw, call).catch(() => null);
      return stateOf(await look(), (await account)?.receipts ?? null);
    },

    /** As {@link state}; what chain and router showed a moment ago will do. */
    async recentState(): Promise<PaymentState> {
      return stateOf(view !== null && now() - viewedAt < VIEW_FRESH_MS ? view : await look(), null);
    },

    settle: (call: CallOptions) => transport.requestClaim(address.raw, call),
  };
}

export type Payments = ReturnType<typeof createPayments>;

/** The book as JSON, for a store of files. */
export function encodeVoucherBook(book: VoucherBook): string {
  return `${JSON.stringify({ version: 1, cumulative: book.cumulative.toString(), leaves: book.leaves.map(toHex) })}\n`;
}

/** @throws CodedError CONFIG_INVALID for a file that is not ours: paying on from a guess would cost money */
export function parseVoucherBook(text: string): VoucherBook {
  try {
    const { version, cumulative, leaves } = JSON.parse(text) as {
      version: number;
      cumulative: string;
      leaves: string[];
    };
    if (version !== 1 || !/^\d+$/.test(cumulative)) throw new TypeError('version or amount');
    return { cumulative: BigInt(cumulative), leaves: leaves.map((leaf) => fromHex(leaf, 'leaf')) };
  } catch (cause) {
    throw new CodedError('CONFIG_INVALID', 'the voucher book cannot be read: restore it from a copy', {}, { cause });
  }
}
