import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { leafHash, merkleRoot, toHex, u32 } from '../../src/core/index.ts';
import type { Ledger, ReceiptRow } from '../../src/store/index.ts';
import { KINDS, newStore, testOn } from './stores.ts';

const bytes = (fill: number, length = 32) => new Uint8Array(length).fill(fill);
const receipt = (n: number, request: number, kind: number, amount: bigint): ReceiptRow => ({
  digest: bytes(n),
  channel: '0:aa',
  sessionKey: bytes(1),
  requestId: bytes(request, 16),
  kind,
  amount,
  object: bytes(n, 3),
  signature: bytes(n, 64),
  storedAt: n,
  payee: n % 2 === 0 ? null : bytes(0xe0),
});

const reservation = (n: number) => ({ id: bytes(n, 16), requestId: bytes(0x80 + n, 16), sessionKey: bytes(1) });

describe.each(KINDS)('the ledger on %s', (_, kind) => {
  const newPlace = () => newStore(kind);
  const test = testOn(kind);

  test('a later receipt of a request takes the place of an earlier one; the same one counts once; a restart sums the same', async () => {
    const place = await newPlace();
    const ledger = await place.open();
    await ledger.putReceipt(receipt(1, 1, 1, 10n));
    await ledger.putReceipt(receipt(2, 1, 2, 25n));
    await ledger.putReceipt(receipt(2, 1, 2, 25n));
    await ledger.putReceipt(receipt(3, 2, 2, 5n));
    expect(await ledger.receipted('0:aa')).toEqual({ amount: 30n, count: 2 });
    await ledger.close();
    const again = await place.open();
    expect(await again.receipted('0:aa')).toEqual({ amount: 30n, count: 2 });
    expect(await again.receipt(bytes(3))).toEqual(receipt(3, 2, 2, 5n));
    await again.close();
  });

  test('receipts enter exactly one batch each, oldest first, and a batch is logged once', async () => {
    const ledger = await (await newPlace()).open();
    for (let n = 1; n <= 5; n++) await ledger.putReceipt(receipt(n, n, 2, 1n));
    const root = (digests: readonly Uint8Array[]) => merkleRoot(digests.map(leafHash));
    const first = (await ledger.newBatch(3, root))!;
    const second = (await ledger.newBatch(3, root))!;
    expect(first.leaves).toEqual([bytes(1), bytes(2), bytes(3)]);
    expect(second.leaves).toEqual([bytes(4), bytes(5)]);
    expect(await ledger.newBatch(3, root)).toBeNull();
    expect((await ledger.unloggedBatches()).map(({ id }) => id)).toEqual([first.id, second.id]);
    await ledger.markLogged(first.id, 77);
    expect((await ledger.unloggedBatches()).map(({ id }) => id)).toEqual([second.id]);
    expect(await ledger.batchOf(bytes(2))).toEqual({ ...first, logIndex: 77 });
    expect(await ledger.batchOf(bytes(9))).toBeNull();
    await ledger.close();
  });

  test('a voucher and the leaves it adds are stored together, in order', async () => {
    const ledger = await (await newPlace()).open();
    await ledger.putVoucher(
      { channel: '0:aa', cumulative: 5n, receipts: bytes(7), signature: bytes(8, 64), leaves: 2 },
      [bytes(1), bytes(2)],
    );
    const next = { channel: '0:aa', cumulative: 2n ** 70n, receipts: bytes(9), signature: bytes(8, 64), leaves: 3 };
    await ledger.putVoucher(next, [bytes(3)]);
    expect(await ledger.voucher('0:aa')).toEqual(next);
    expect(await ledger.voucherLeaves('0:aa')).toEqual([bytes(1), bytes(2), bytes(3)]);
    // A leaf that would take another's place is refused, and nothing of its voucher stays.
    expect(await ledger.putVoucher({ ...next, cumulative: 2n ** 71n, leaves: 3 }, [bytes(4)])).toBe(false);
    expect(await ledger.voucher('0:aa')).toEqual(next);
    await ledger.close();
  });

  test('what a collected voucher names is earned by its payees, each receipt once, over restarts', async () => {
    const place = await newPlace();
    const half = (amount: bigint) => amount / 2n;
    let ledger = await place.open();
    for (let n = 1; n <= 4; n++) await ledger.putReceipt(receipt(n, n, 2, BigInt(n) * 10n));
    const voucher = { channel: '0:aa', receipts: bytes(7), signature: bytes(8, 64) };
    await ledger.putVoucher({ ...voucher, cumulative: 30n, leaves: 2 }, [bytes(1), bytes(2)]);
    expect(await ledger.earned()).toEqual([]);
    await ledger.markCollected('0:aa', 2, half);
    await ledger.markCollected('0:aa', 2, half);
    await ledger.markCollected('0:aa', 1, half);
    // The even ones named nobody.
    expect(await ledger.earned()).toEqual([{ payee: bytes(0xe0), amount: 5n }]);
    await ledger.close();
    ledger = await place.open();
    await ledger.putVoucher({ ...voucher, cumulative: 100n, leaves: 4 }, [bytes(3), bytes(4)]);
    await ledger.markCollected('0:aa', 4, half);
    expect(await ledger.earned()).toEqual([{ payee: bytes(0xe0), amount: 20n }]);
    await ledger.close();
  });

  test('a root settles the batches whose receipts were all collected, each batch once, and the same ones for ever', async () => {
    const place = await newPlace();
    let ledger = await place.open();
    const batch = async (logIndex: number, ...receipts: ReturnType<typeof receipt>[]) => {
      for (const one of receipts) await ledger.putReceipt(one);
      const { id } = (await ledger.newBatch(10, () => bytes(1)))!;
      await ledger.markLogged(id, logIndex);
    };
    await batch(50, receipt(1, 1, 2, 10n), receipt(2, 2, 2, 20n));
    await batch(60, receipt(3, 3, 2, 30n));
    await batch(70, receipt(4, 4, 3, 0n));
    const voucher = { channel: '0:aa', receipts: bytes(7), signature: bytes(8, 64) };
    await ledger.putVoucher({ ...voucher, cumulative: 30n, leaves: 2 }, [bytes(1), bytes(2)]);
    await ledger.markCollected('0:aa', 1, (amount) => amount);
    // Half of the first batch is collected, of the second nothing, and the third is of an answer that cost nothing.
    expect(await ledger.settledBatches(bytes(1), 10)).toEqual([70]);
    await ledger.markCollected('0:aa', 2, (amount) => amount);
    expect(await ledger.settledBatches(bytes(1), 10)).toEqual([70]);
    await ledger.close();
    ledger = await place.open();
    expect(await ledger.settledBatches(bytes(2), 10)).toEqual([50]);
    expect(await ledger.settledBatches(bytes(3), 10)).toEqual([]);
    await ledger.putVoucher({ ...voucher, cumulative: 60n, leaves: 3 }, [bytes(3)]);
    await ledger.markCollected('0:aa', 3, (amount) => amount);
    expect(await ledger.settledBatches(bytes(3), 10)).toEqual([]);
    expect(await ledger.settledBatches(bytes(4), 10)).toEqual([60]);
    expect(await ledger.settledBatches(bytes(2), 10)).toEqual([50]);
    await ledger.close();
  });

  test('a posted root is kept with its leaves', async () => {
    const place = await newPlace();
    let ledger = await place.open();
    const leaves = [{ payee: bytes(1), cumulative: 2n ** 70n }];
    const row = { root: bytes(9), sum: 2n ** 70n, epoch: 3, covers: 1_800_000_000, leaves };
    await ledger.putRoot(row);
    await ledger.putRoot({ ...row, epoch: 4 });
    await ledger.close();
    ledger = await place.open();
    expect(await ledger.root(bytes(9))).toEqual({ ...row, epoch: 4 });
    expect(await ledger.root(bytes(8))).toBeNull();
    await ledger.close();
  });

  test('what is accepted of a payee counts a request once, by its highest receipt, and never falls', async () => {
    const ledger = await (await newPlace()).open();
    const payee = bytes(0xe0);
    await ledger.putReceipt({ ...receipt(1, 1, 1, 10n), payee });
    await ledger.putReceipt({ ...receipt(2, 1, 2, 25n), payee });
    await ledger.putReceipt({ ...receipt(2, 1, 2, 25n), payee });
    expect(await ledger.accepted(payee)).toBe(25n);
    await ledger.putReceipt({ ...receipt(3, 1, 2, 5n), payee });
    await ledger.putReceipt({ ...receipt(4, 2, 2, 7n), payee });
    await ledger.putReceipt({ ...receipt(5, 3, 2, 100n), payee: bytes(0xe1) });
    expect(await ledger.accepted(payee)).toBe(32n);
    expect(await ledger.accepted(bytes(0xe2))).toBe(0n);
    await ledger.close();
  });

  test('only the newest roots are kept', async () => {
    const ledger = await (await newPlace()).open();
    for (let epoch = 1; epoch <= 20; epoch++) {
      await ledger.putRoot({
        root: bytes(epoch),
        sum: 1n,
        epoch,
        covers: 1,
        leaves: [{ payee: bytes(1), cumulative: 1n }],
      });
    }
    expect(await ledger.root(bytes(4))).toBeNull();
    expect((await ledger.root(bytes(5)))?.epoch).toBe(5);
    await ledger.close();
  });

  const DELEGATION = { paymentRef: bytes(1, 16), channel: '0:aa', sessionKey: bytes(1), limit: 100n, notAfter: 9 };

  test('a session key is delegated once: who comes later gets the row that holds', async () => {
    const ledger = await (await newPlace()).open();
    const rows = await Promise.all(
      [1, 2, 3].map((n) => ledger.putDelegation({ ...DELEGATION, paymentRef: bytes(n, 16), limit: BigInt(n) })),
    );
    expect(new Set(rows.map(({ paymentRef }) => toHex(paymentRef))).size).toBe(1);
    expect(await ledger.delegation(rows[0]!.paymentRef)).toEqual(rows[0]);
    expect(await ledger.delegationOfKey(bytes(1))).toEqual(rows[0]);
    expect(await ledger.delegationOfKey(bytes(2))).toBeNull();
    await ledger.close();
  });

  test('what the chain showed earlier does not replace what it showed later', async () => {
    const ledger = await (await newPlace()).open();
    const row = {
      channel: '0:aa',
      terms: '{}',
      clientKey: bytes(1),
      state: 'open',
      deposited: 2n ** 80n,
      claimed: 1n,
    };
    await ledger.putChannel({ ...row, viewedAt: 10 });
    await ledger.putChannel({ ...row, state: 'unknown', viewedAt: 9 });
    expect(await ledger.channel('0:aa')).toEqual({ ...row, viewedAt: 10 });
    await ledger.putChannel({ ...row, state: 'closing', viewedAt: 11 });
    expect(await ledger.channels()).toEqual([{ ...row, state: 'closing', viewedAt: 11 }]);
    await ledger.close();
  });

  test('of amounts that are set aside at the same time no more are than fit, with receipts and until their end', async () => {
    const ledger = await (await newPlace()).open();
    await ledger.putReceipt(receipt(1, 1, 2, 10n));
    const most = { channel: 40n, key: 1_000n };
    const ask = (n: number, until = 100, now = 0) =>
      ledger.reserve({ ...reservation(n), channel: '0:aa', amount: 10n, until }, most, now);
    const answers = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => ask(n)));
    expect(answers.filter((answer) => answer === 'reserved')).toHaveLength(3);
    expect(answers.filter((answer) => answer === 'channel')).toHaveLength(3);
    await ledger.release(bytes(answers.indexOf('reserved') + 1, 16));
    expect(await ask(7)).toBe('reserved');
    expect(await ask(8)).toBe('channel');
    expect(await ask(9, 200, 100)).toBe('reserved'); // the others are over
    const byKey = await ledger.reserve(
      { ...reservation(20), channel: '0:bb', amount: 10n, until: 200 },
      { channel: 1_000n, key: 29n },
      100,
    );
    expect(byKey).toBe('key');
    await ledger.close();
  });

  test('of vouchers that come at the same time one follows the last, and the others hear so', async () => {
    const ledger = await (await newPlace()).open();
    const voucher = { channel: '0:aa', receipts: bytes(7), signature: bytes(8, 64), leaves: 1 };
    const race = (leaf: number, cumulative: bigint, leaves: number) =>
      ledger.putVoucher({ ...voucher, cumulative, leaves }, [bytes(leaf)]);
    const firsts = await Promise.all([1, 2, 3].map((n) => race(n, 5n, 1)));
    expect(firsts.filter(Boolean)).toHaveLength(1);
    const seconds = await Promise.all([4, 5, 6].map((n) => race(n, 9n, 2)));
    expect(seconds.filter(Boolean)).toHaveLength(1);
    expect(await race(7, 9n, 3)).toBe(false); // adds a leaf and no money
    expect(await ledger.voucherLeaves('0:aa')).toEqual([
      bytes(1 + firsts.indexOf(true)),
      bytes(4 + seconds.indexOf(true)),
    ]);
    await ledger.close();
  });

  test('receipts that a voucher names are told from the others, those of each channel', async () => {
    const ledger = await (await newPlace()).open();
    const voucher = { cumulative: 5n, receipts: bytes(7), signature: bytes(8, 64), leaves: 2 };
    await ledger.putVoucher({ ...voucher, channel: '0:aa' }, [bytes(1), bytes(2)]);
    await ledger.putVoucher({ ...voucher, channel: '0:bb' }, [bytes(3), bytes(4)]);
    const named = await ledger.vouchered('0:aa', [bytes(2), bytes(3), bytes(9)]);
    expect([...named]).toEqual([toHex(bytes(2))]);
    expect((await ledger.vouchered('0:aa', [])).size).toBe(0);
    await ledger.close();
  });

  test('receipts are told by their channel', async () => {
    const ledger = await (await newPlace()).open();
    await ledger.putReceipt(receipt(1, 1, 2, 10n));
    await ledger.putReceipt({ ...receipt(2, 2, 2, 20n), channel: '0:bb' });
    const amounts = await ledger.amountsOf('0:aa', [bytes(1), bytes(2), bytes(3)]);
    expect([...amounts]).toEqual([[toHex(bytes(1)), 10n]]);
    await ledger.close();
  });

  test('the same receipts from many sides count once, and enter one batch each', async () => {
    const place = await newPlace();
    const shared = kind === 'PostgreSQL' ? await Promise.all([place.open(), place.open()]) : [await place.open()];
    const all = Array.from({ length: 40 }, (_, n) => ({
      ...receipt(n + 1, n >> 1, 1 + (n & 1), 10n),
      payee: bytes(0xe0),
    }));
    await Promise.all(shared.flatMap((ledger) => all.map((row) => ledger.putReceipt(row))));
    const [ledger] = shared as [Ledger];
    expect(await ledger.receipted('0:aa')).toEqual({ amount: 200n, count: 20 });
    expect(await ledger.accepted(bytes(0xe0))).toBe(200n);
    const root = (digests: readonly Uint8Array[]) => merkleRoot(digests.map(leafHash));
    const batches = await Promise.all([...shared, ...shared].map((one) => one.newBatch(15, root)));
    const rest = await ledger.newBatch(100, root);
    const leaves = [...batches, rest].flatMap((batch) => batch?.leaves ?? []).map(toHex);
    expect(leaves.sort()).toEqual(all.map(({ digest }) => toHex(digest)).sort());
    for (const one of shared) await one.close();
  });

  test('whatever is written, a ledger answers as one that is opened after it: nothing that it keeps is old', async () => {
    const small = fc.integer({ min: 0, max: 2 });
    const write = fc.record({ what: small, channel: small, key: small, request: small, amount: fc.bigInt(0n, 9n) });
    await fc.assert(
      fc.asyncProperty(fc.array(write, { minLength: 1, maxLength: 12 }), async (writes) => {
        const place = await newPlace();
        const ledger = await place.open();
        let drawn = 0;
        // The least of the bounds under which a key's receipts leave room for nothing more.
        const answers = async (of: Ledger, bounds: number) =>
          Promise.all(
            [0, 1, 2].map(async (n) => {
              const channel = `0:${n}`;
              const outcomes = Array.from({ length: bounds }, (_, most) => {
                const id = Uint8Array.from([...bytes(n, 12), ...u32(drawn++)]);
                const row = { channel, amount: 0n, until: 9, id, requestId: id, sessionKey: bytes(n) };
                return of.reserve(row, { channel: 10n ** 9n, key: BigInt(most) }, 0);
              });
              const least = (await Promise.all(outcomes)).indexOf('reserved');
              const row = [await of.channel(channel), await of.voucher(channel), await of.receipted(channel)];
              return [...row, await of.delegation(bytes(n, 16)), await of.delegationOfKey(bytes(n)), least];
            }),
          );
        for (const [i, { what, channel: n, key, request, amount }] of writes.entries()) {
          const channel = `0:${n}`;
          await answers(ledger, 1);
          const view = { channel, terms: '{}', clientKey: bytes(n), state: 'open', claimed: amount, viewedAt: i % 5 };
          if (what === 0) await ledger.putChannel({ ...view, deposited: amount });
          else if (what === 1) {
            const named = {
              paymentRef: bytes(request, 16),
              channel,
              sessionKey: bytes(key),
              limit: amount,
              notAfter: i,
            };
            // A reference stands once: the store refuses it for another key.
            await ledger.putDelegation(named).catch(() => undefined);
            await ledger.putReceipt({
              ...receipt(i + 1, request, 2, amount),
              channel: `0:${key}`,
              sessionKey: bytes(key),
            });
          } else {
            const row = { channel, cumulative: amount, receipts: bytes(i), signature: bytes(i, 64) };
            const leaves = (await ledger.voucherLeaves(channel)).length + 1;
            await ledger.putVoucher({ ...row, leaves }, [bytes(i)]);
          }
        }
        const told = await answers(ledger, 110);
        await ledger.close();
        const again = await place.open();
        expect(told).toEqual(await answers(again, 110));
        await again.close();
      }),
      { numRuns: kind === 'SQLite' ? 20 : 1 },
    );
  });

  test('a setting is set by one, and replaced only by who knew it', async () => {
    const ledger = await (await newPlace()).open();
    expect(await ledger.setting('sheet')).toBeNull();
    const [a, b] = await Promise.all([1, 2].map((n) => ledger.putSetting('sheet', null, bytes(n, 4))));
    expect(a).toEqual(b);
    expect(await ledger.putSetting('sheet', bytes(9), bytes(8))).toEqual(a);
    expect(await ledger.putSetting('sheet', a!, bytes(8))).toEqual(bytes(8));
    expect(await ledger.setting('sheet')).toEqual(bytes(8));
    await ledger.close();
  });

  test('work that one does alone is done by nobody else meanwhile, and again afterwards, also after a failure', async () => {
    const ledger = await (await newPlace()).open();
    const inside = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    const first = ledger.alone('round', async () => {
      inside.resolve();
      await end.promise;
    });
    await inside.promise;
    if (kind === 'PostgreSQL') expect(await ledger.alone('round', async () => undefined)).toBe(false);
    expect(await ledger.alone('another', async () => undefined)).toBe(true);
    end.resolve();
    expect(await first).toBe(true);
    const failing = () => ledger.alone('round', () => Promise.reject(new Error('work')));
    await expect.poll(() => failing().catch((error: Error) => error.message)).toBe('work');
    await expect.poll(() => ledger.alone('round', async () => undefined)).toBe(true);
    await ledger.close();
  });
});
