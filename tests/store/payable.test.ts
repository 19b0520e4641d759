import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { ed25519Key } from '#crypto';
import { addressOfTerms, type ChannelTerms, DEVELOPMENT_NETWORK } from '../../src/chain/index.ts';
import type { AnswerReceipt, RouterTransport, VoucherBook } from '../../src/client/index.ts';
import { createPayments } from '../../src/client/payments.ts';
import { Tab } from '../../src/client/tab.ts';
import { type Bytes, CodedError, toHex, u64 } from '../../src/core/index.ts';
import { createVouchers } from '../../src/router/vouchers.ts';
import { type Ledger, openPostgres, type ReceiptRow } from '../../src/store/index.ts';
import { KINDS, newStore, testOn } from './stores.ts';

/** What is payable of a request, as router and client each count it (AIS/1 section 8, contracts section 6). */
const KIND = { checkpoint: 1, final: 2, error: 3 } as const;
const SESSION = new Uint8Array(32).fill(5);
const seed = new Uint8Array(32).fill(7);
const terms: ChannelTerms = {
  network: DEVELOPMENT_NETWORK,
  clientKey: ed25519Key(seed).publicKey,
  closeDelaySeconds: 86_400,
  salt: 1n,
  client: `0:${'aa'.repeat(32)}`,
  payee: `0:${'bb'.repeat(32)}`,
};
const { raw: channel } = addressOfTerms(terms);
const named = (prefix: number, n: number, length: number): Bytes =>
  Uint8Array.from([prefix, ...new Uint8Array(length - 9), ...u64(n)]);
const payeeOf = (n: number) => named(0xe0, n, 32);

let drawn = 0;
const receipt = (request: number, kind: keyof typeof KIND, amount: bigint, payee = 0): ReceiptRow => ({
  digest: named(0xd0, ++drawn, 32),
  channel,
  sessionKey: SESSION,
  requestId: named(0xa0, request, 16),
  kind: KIND[kind],
  amount,
  object: new Uint8Array(1),
  signature: new Uint8Array(64),
  storedAt: drawn,
  payee: payeeOf(payee),
});

/** The client's side over a ledger: real vouchers, which the router's side takes or refuses. */
function payer(ledger: Ledger) {
  const vouchers = createVouchers(ledger);
  const transport = {
    getChannel: async () => ({ voucheredReceipts: (await ledger.voucher(channel))?.leaves ?? 0 }),
    submitVoucher: async (ask: Parameters<typeof vouchers.take>[0]) => {
      await vouchers.take(ask, { clientKey: terms.clientKey, deposited: 10n ** 12n });
      return ask.cumulative;
    },
  } as unknown as RouterTransport;
  let book: VoucherBook = { cumulative: 0n, leaves: [] };
  let isFull = false;
  const store = {
    load: async () => book,
    save: async (next: VoucherBook) => {
      if (isFull) throw new CodedError('STORAGE_FULL', 'the disk is full');
      book = next;
    },
  };
  const onChain = async () => ({ state: 'open', deposited: 10n ** 12n, claimed: 0n });
  const payments = createPayments(transport, { terms, clientSeed: seed, store, onChain }, () => 0);
  return {
    pay: ({ digest, amount }: AnswerReceipt) => payments.pay(digest, amount, { deadline: 0 }),
    resend: () => payments.resend({ deadline: 0 }),
    fill: (full: boolean) => {
      isFull = full;
    },
    signed: () => book.cumulative,
    leaves: () => book.leaves.map(toHex),
  };
}

/** One answer of one worker: its checkpoints, how it ended, and whether the last receipt that was stored came through. */
type Answer = Readonly<{
  payee: number;
  checkpoints: readonly bigint[];
  end: 'final' | 'error' | 'cut';
  amount: bigint;
  isLastLost: boolean;
}>;
const byAmount = (a: bigint, b: bigint) => Number(a - b);
const amount = fc.bigInt(0n, 1_000n);
const answer = fc.record<Answer>({
  payee: fc.integer({ min: 0, max: 2 }),
  // Mostly as an honest worker counts, now and then one that takes back what it counted.
  checkpoints: fc.array(amount, { maxLength: 4 }).chain((all) => {
    const rising = [...all].sort(byAmount);
    return fc.oneof({ weight: 4, arbitrary: fc.constant(rising) }, { weight: 1, arbitrary: fc.constant(all) });
  }),
  end: fc.constantFrom('final', 'error', 'cut'),
  amount,
  isLastLost: fc.boolean(),
});
/** Each a request of a caller, with the workers that had to go on. */
const requests = fc.array(fc.array(answer, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 6 });

const highest = (rows: readonly ReceiptRow[]): bigint =>
  rows
    .map((one) => one.amount)
    .sort(byAmount)
    .at(-1) ?? 0n;

/** An answer as router and client live it. @returns by how much less the client owes than the router stored */
async function lived(ledger: Ledger, tab: Tab, number: number, of: Answer): Promise<bigint> {
  const rows = of.checkpoints.map((one) => receipt(number, 'checkpoint', one, of.payee));
  if (of.end === 'final') rows.push(receipt(number, 'final', of.amount, of.payee));
  if (of.end === 'error') rows.push(receipt(number, 'error', 0n, of.payee));
  const stored: ReceiptRow[] = [];
  const had: ReceiptRow[] = [];
  for (const [i, row] of rows.entries()) {
    await ledger.putReceipt(row);
    stored.push(row);
    if (of.isLastLost && i === rows.length - 1) break;
    if (row.kind === KIND.error) continue;
    if (row.amount < highest(had)) break; // the client refuses it, and the rest with it
    had.push(row);
    tab.add(row as unknown as AnswerReceipt);
  }
  return highest(stored) - highest(had);
}

describe.each(KINDS)('what is payable, over the ledger on %s', (_, kind) => {
  const test = testOn(kind);
  const opened = async () => (await newStore(kind)).open();
  const owed = async (ledger: Ledger) => (await ledger.receipted(channel)).amount;

  test('an error receipt takes no checkpoint’s place; it is kept, and counts once where it is the only one', async () => {
    const ledger = await opened();
    const [checkpoint, error] = [receipt(1, 'checkpoint', 10n), receipt(1, 'error', 0n)];
    await ledger.putReceipt(checkpoint);
    await ledger.putReceipt(error);
    await ledger.putReceipt(error);
    expect(await ledger.receipted(channel)).toEqual({ amount: 10n, count: 1 });
    expect(await ledger.receipt(error.digest)).toEqual(error);
    await ledger.putReceipt(receipt(2, 'error', 0n));
    expect(await ledger.receipted(channel)).toEqual({ amount: 10n, count: 2 });
    // What the router owes the worker is what the client owes the router.
    expect(await ledger.accepted(payeeOf(0))).toBe(10n);
    await ledger.close();
  });

  test('a worker and a client in league: no later receipt lowers what the client owes while the worker’s stays', async () => {
    const ledger = await opened();
    for (const [request, kind] of [
      [1, 'error'],
      [2, 'checkpoint'],
      [3, 'final'],
    ] as const) {
      await ledger.putReceipt(receipt(request, 'checkpoint', 100n));
      await ledger.putReceipt(receipt(request, kind, kind === 'error' ? 0n : 1n));
    }
    expect([await owed(ledger), await ledger.accepted(payeeOf(0))]).toEqual([300n, 300n]);
    await ledger.close();
  });

  test('a request id that was served, or is being served, is not served again; once it ended without a receipt, it is', async () => {
    const ledger = await opened();
    const most = { channel: 1_000n, key: 1_000n };
    const reserve = (id: number, request: number, now = 0) =>
      ledger.reserve(
        {
          id: named(1, id, 16),
          channel,
          sessionKey: SESSION,
          requestId: named(0xa0, request, 16),
          amount: 1n,
          until: 100,
        },
        most,
        now,
      );
    expect([await reserve(1, 1), await reserve(2, 1), await reserve(3, 2)]).toEqual(['reserved', 'again', 'reserved']);
    await ledger.release(named(1, 1, 16));
    expect(await reserve(4, 1)).toBe('reserved');
    await ledger.putReceipt(receipt(1, 'checkpoint', 0n));
    await ledger.release(named(1, 4, 16));
    expect(await reserve(5, 1)).toBe('again');
    // A router that died does not hold a request for ever.
    expect(await reserve(6, 2)).toBe('again');
    expect(await reserve(7, 2, 100)).toBe('reserved');
    const other = { id: named(1, 8, 16), channel, sessionKey: named(9, 9, 32), requestId: named(0xa0, 1, 16) };
    expect(await ledger.reserve({ ...other, amount: 1n, until: 100 }, most, 0)).toBe('reserved');
    await ledger.close();
  });

  test('a batch is settled once the checkpoint is collected, whatever became of the answer after it', async () => {
    const ledger = await opened();
    const { pay } = payer(ledger);
    const checkpoint = receipt(1, 'checkpoint', 10n);
    await ledger.putReceipt(checkpoint);
    await ledger.putReceipt(receipt(1, 'error', 0n));
    const { id } = (await ledger.newBatch(10, () => SESSION))!;
    await ledger.markLogged(id, 50);
    expect(await ledger.settledBatches(named(1, 1, 32), 10)).toEqual([]);
    await pay(checkpoint as unknown as AnswerReceipt);
    await ledger.markCollected(channel, 1, (all) => all);
    expect(await ledger.settledBatches(named(1, 2, 32), 10)).toEqual([50]);
    expect(await ledger.earned()).toEqual([{ payee: payeeOf(0), amount: 10n }]);
    await ledger.close();
  });

  test('what could not be signed for while the disk was full is paid by the next voucher, or before the next session', async () => {
    const ledger = await opened();
    const { pay, resend, fill, signed } = payer(ledger);
    const rows = [3n, 4n, 5n].map((one, i) => receipt(i, 'final', one));
    for (const row of rows) await ledger.putReceipt(row);
    const [first, second, third] = rows as unknown as AnswerReceipt[];
    fill(true);
    await expect(pay(first!)).rejects.toThrow('full');
    fill(false);
    await pay(second!);
    expect(signed()).toBe(7n);
    fill(true);
    await expect(pay(third!)).rejects.toThrow('full');
    await expect(resend()).rejects.toThrow('full');
    fill(false);
    await resend();
    await pay(third!);
    expect([signed(), (await ledger.voucher(channel))?.cumulative]).toEqual([12n, 12n]);
    expect(await owed(ledger)).toBe(12n);
    await ledger.close();
  });

  test('however answers end, are cut, and are gone on with: router and client come to the same sum, and each is paid once', async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (all) => {
        const place = await newStore(kind);
        const ledger = await place.open();
        const { pay, signed, leaves } = payer(ledger);
        let number = 0;
        let lost = 0n;
        const tabs: Tab[] = [];
        const under: Promise<void>[] = [];
        for (const answers of all) {
          const tab = new Tab();
          tabs.push(tab);
          for (const of of answers) {
            lost += await lived(ledger, tab, ++number, of);
            const due = tab.close();
            if (due !== null) under.push(pay(due));
          }
        }
        await Promise.all(under); // no voucher was refused
        const receipts = tabs.flatMap((tab) => tab.receipts) as unknown as ReceiptRow[];
        expect(signed()).toBe(receipts.reduce((sum, one) => sum + one.amount, 0n));
        expect(leaves().sort()).toEqual(
          receipts
            .filter((one) => one.amount > 0n)
            .map((one) => toHex(one.digest))
            .sort(),
        );
        expect(new Set(receipts.map((one) => toHex(one.requestId))).size).toBe(receipts.length);
        expect((await owed(ledger)) - signed()).toBe(lost);
        expect((await ledger.voucher(channel))?.cumulative ?? 0n).toBe(signed());
        // The router owes its workers what its clients owe it, and they earn what was paid.
        const accepted = await Promise.all([0, 1, 2].map((n) => ledger.accepted(payeeOf(n))));
        expect(accepted.reduce((sum, one) => sum + one)).toBe(await owed(ledger));
        await ledger.markCollected(channel, leaves().length, (share) => share);
        expect((await ledger.earned()).reduce((sum, one) => sum + one.amount, 0n)).toBe(signed());
        const before = await owed(ledger);
        await ledger.close();
        const again = await place.open();
        expect(await owed(again)).toBe(before);
        await again.close();
      }),
      { numRuns: kind === 'SQLite' ? 40 : 5 },
    );
  });
});

/** As the version before made it; a replica that is not replaced yet goes on calling it. */
const EARLIER = `
ALTER TABLE reservations DROP COLUMN request_id;
DROP FUNCTION reserve(bytea, text, bytea, bytea, numeric, bigint, numeric, numeric, bigint);
CREATE FUNCTION reserve(
  p_id bytea, p_channel text, p_key bytea, p_amount numeric, p_until bigint,
  p_most_channel numeric, p_most_key numeric, p_now bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO reservations VALUES (p_id, p_channel, p_key, p_amount, p_until);
  RETURN 'reserved';
END $$;`;

describe.each(KINDS)('a ledger of the version before on %s', (_, kind) => {
  testOn(kind)('is gone on with: what an error receipt took away then is not owed now', async () => {
    const place = await newStore(kind);
    let ledger = await place.open();
    const rows = [receipt(1, 'checkpoint', 10n), receipt(1, 'error', 0n), receipt(2, 'final', 7n)];
    for (const row of rows) await ledger.putReceipt(row);
    await ledger.close();
    // The client of that time paid nothing for the first answer, and will not: it was settled by the rule it was made under.
    const [checkpoint, error] = rows.map(({ digest }) => toHex(digest));
    if (kind === 'SQLite') {
      const db = new DatabaseSync(place.where);
      db.exec(`UPDATE receipts SET superseded = (hex(digest) = upper('${checkpoint}')) WHERE kind <> 2`);
      db.close();
    } else {
      const db = await openPostgres({ url: place.where, connectionsMax: 1 });
      await db.ask(`UPDATE receipts SET superseded = (encode(digest, 'hex') = '${checkpoint}') WHERE kind <> 2`);
      await db.ask('UPDATE totals SET amount = 7');
      await db.ask('UPDATE key_totals SET amount = 7');
      await db.ask(EARLIER);
      await db.close();
    }
    ledger = await place.open();
    expect(await ledger.receipted(channel)).toEqual({ amount: 7n, count: 2 });
    expect(toHex((await ledger.receipt(rows[1]!.digest))!.digest)).toBe(error);
    const most = { channel: 1_000n, key: 8n };
    const ask = { channel, sessionKey: SESSION, requestId: named(0xa0, 9, 16), amount: 1n, until: 9 };
    expect(await ledger.reserve({ ...ask, id: named(1, 1, 16) }, most, 0)).toBe('reserved');
    expect(await ledger.reserve({ ...ask, id: named(1, 2, 16), requestId: named(0xa0, 2, 16) }, most, 0)).toBe('again');
    if (kind === 'PostgreSQL') {
      const db = await openPostgres({ url: place.where, connectionsMax: 1 });
      const earlier = [named(1, 3, 16), channel, SESSION, 1n, 9, 1_000n, 8n, 0];
      expect(await db.ask('SELECT reserve($1,$2,$3,$4,$5,$6,$7,$8) AS outcome', earlier)).toEqual([
        { outcome: 'reserved' },
      ]);
      await db.close();
    }
    await ledger.close();
  });
});
