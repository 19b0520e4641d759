import { beginCell, type Cell, toNano } from '@ton/core';
import { describe, expect, test } from 'vitest';
import {
  encodeWorkerVoucher,
  parseWorkerVoucher,
  poolMessage,
  rootFromSumProof,
  type SumProof,
  SumTree,
  signWorkerVoucher,
  sumLeafHash,
  TESTNET,
  verifyWorkerVoucher,
  workerVoucherCell,
} from '../../src/chain/index.ts';
import { ed25519Sign } from '../../src/core/crypto/node.ts';
import { toHex } from '../../src/core/index.ts';
import { empty, expectGarbageRefused, expectRefused } from './fuzz.ts';
import {
  challengeBody,
  channel,
  claim,
  config,
  key,
  opened,
  operator,
  owner,
  paidBody,
  paidTo,
  posted,
  proof,
  stranger,
  tree,
} from './pool-bench.ts';
import { coveringOf, walletOf } from './pool-model.ts';
import { bytes, DAY, HOUR, party, VALUE } from './support.ts';

describe('the sum tree and the worker voucher', () => {
  test('known answers', async () => {
    const leaves = { 51: 2_000_000_000n, 68: 3_000_000_000n, 85: 5n };
    const sums = tree(leaves);
    expect(toHex(sumLeafHash({ payee: bytes(0x33), cumulative: 2_000_000_000n }))).toBe(
      '995baa0cda8b11f4533570a145a43b0246ca68100bf85363c61c097fc268121f',
    );
    expect(sums.root.sum).toBe(5_000_000_005n);
    expect(toHex(sums.root.hash)).toBe('d2921173fb22b2be1dfff2067065b1c63a67a36abf8b3c7e66ad74d6c9fe3d76');
    const voucher = { pool: party(0x11), payee: bytes(0x33), cumulative: 2_000_000_000n, issued: 1_800_000_000 };
    expect(workerVoucherCell(voucher).bits.length).toBe(623);
    expect(workerVoucherCell(voucher).hash().toString('hex')).toBe(
      'b344ae2c0e3be15b793e0797c7ba8374cd929a286f86415dd8c6a5a36ac672e3',
    );
    const signature = await signWorkerVoucher(voucher, key(0));
    expect(await verifyWorkerVoucher(voucher, signature, key(0).publicKey)).toBe(true);
    expect(await verifyWorkerVoucher({ ...voucher, issued: 1 }, signature, key(0).publicKey)).toBe(false);
  });

  test('a worker voucher has one encoding; any flipped bit is refused or is another voucher', () => {
    const voucher = { pool: party(0x11), payee: bytes(0x33), cumulative: 7n, issued: 1_800_000_000 };
    const good = encodeWorkerVoucher(voucher);
    expect(encodeWorkerVoucher(parseWorkerVoucher(good))).toEqual(good);
    for (let bit = 0; bit < good.length * 8; bit += 3) {
      const flipped = Uint8Array.from(good);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      try {
        expect(workerVoucherCell(parseWorkerVoucher(flipped)).equals(workerVoucherCell(voucher))).toBe(false);
      } catch (error) {
        expect(error).toMatchObject({ code: 'VOUCHER_INVALID' });
      }
    }
    for (let length = 0; length < good.length; length += 7) {
      expect(() => parseWorkerVoucher(good.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'VOUCHER_INVALID' }),
      );
    }
  });

  test('every leaf of every tree of up to nine leads to the root, and no other amount, index or sum does', () => {
    for (let count = 1; count <= 9; count++) {
      const sums = tree(Object.fromEntries(Array.from({ length: count }, (_, i) => [i + 1, BigInt(i) * 10n])));
      for (let i = 1; i <= count; i++) {
        const good = proof(sums, i);
        expect(rootFromSumProof(good)).toEqual(sums.root);
        expect(
          rootFromSumProof({ ...good, leaf: { ...good.leaf, cumulative: good.leaf.cumulative + 1n } }),
        ).not.toEqual(sums.root);
        expect(rootFromSumProof({ ...good, index: good.index + 2 ** good.siblings.length })).toBeNull();
      }
    }
    const twice = [1n, 2n].map((cumulative) => ({ payee: bytes(1), cumulative }));
    expect(() => new SumTree(twice)).toThrow(expect.objectContaining({ code: 'CONTRACT_CONFIG_INVALID' }));
  });
});

describe('a root', () => {
  test('pays each worker its leaf, once, by whoever asks; the next one pays the difference', async () => {
    const bench = await opened();
    const first = tree({ 1: toNano('1'), 2: toNano('2'), 3: toNano('3') });
    await posted(bench, first);
    for (const byte of [1, 2, 3]) {
      expect(paidTo(await claim(bench, first, byte), byte)).toEqual([toNano(String(byte))]);
      await expectRefused(bench, 413, () => claim(bench, first, byte));
    }
    const second = tree({ 1: toNano('1.5'), 2: toNano('2'), 3: toNano('3') });
    await posted(bench, second);
    expect(paidTo(await claim(bench, second, 1), 1)).toEqual([toNano('0.5')]);
    expect(bench.state).toMatchObject({ rootPaid: toNano('6.5'), sum: toNano('6.5') });
  });

  test('above what was collected, less the fee, is refused; a series of roots pays no more than the last sum', async () => {
    const bench = await opened(toNano('10'));
    const send = (sum: bigint, epoch = 1) =>
      bench.send(operator, VALUE, poolMessage.post({ root: bytes(1), sum, epoch, covers: 1 }));
    await expectRefused(bench, 422, () => send(toNano('9') + 1n));
    expect((await send(toNano('8.99'))).exitCode).toBe(0);
    await bench.send(owner, VALUE, poolMessage.veto());
    // {A: 3}, then {B: 3}, then {C: 3}: one sum of 3 is paid once, whoever is named.
    for (const byte of [1, 2, 3]) {
      const only = tree({ [byte]: toNano('3') });
      await posted(bench, only);
      if (byte === 1) expect(paidTo(await claim(bench, only, 1), 1)).toEqual([toNano('3')]);
      else await expectRefused(bench, 414, () => claim(bench, only, byte));
    }
  });

  test('counts after its delay; the one before stays good for one epoch; a veto drops it', async () => {
    const bench = await opened();
    const [first, second, third] = [1n, 2n, 3n].map((n) => tree({ 1: n * toNano('1'), 2: 1n })) as [
      SumTree,
      SumTree,
      SumTree,
    ];
    const post = (of: SumTree, epoch: number) =>
      bench.send(operator, VALUE, poolMessage.post({ root: of.root.hash, sum: of.root.sum, epoch, covers: bench.now }));
    await post(first, 1);
    await expectRefused(bench, 412, () => claim(bench, first, 1));
    await expectRefused(bench, 420, () => post(second, 2));
    bench.now += HOUR;
    await posted(bench, second);
    expect(paidTo(await claim(bench, first, 1), 1)).toEqual([toNano('1')]);
    await posted(bench, third);
    await expectRefused(bench, 412, () => claim(bench, first, 2));
    expect((await claim(bench, second, 2)).exitCode).toBe(0);
    await expectRefused(bench, 405, () => bench.send(operator, VALUE, poolMessage.veto()));
  });

  test('forged sums, a node for a leaf, too deep a path, wrong cells: refused', async () => {
    const bench = await opened();
    const sums = tree({ 1: toNano('1'), 2: toNano('2'), 3: toNano('3') });
    await posted(bench, sums);
    const good = proof(sums, 1);
    const send = (of: SumProof) => () => bench.send(stranger, VALUE, poolMessage.claimLeaf(of));
    const forged = good.siblings.map((one, i) => (i === 0 ? { ...one, sum: one.sum - 1n } : one));
    await expectRefused(bench, 412, send({ ...good, siblings: forged }));
    await expectRefused(bench, 412, send({ ...good, index: good.index + 4 }));
    const over = good.siblings.map((one, i) => (i === 1 ? { ...one, sum: (1n << 120n) - 1n } : one));
    await expectRefused(bench, 412, send({ ...good, siblings: over }));
    await expectRefused(
      bench,
      412,
      send({ ...good, siblings: over.map((one) => ({ ...one, sum: (1n << 128n) - 1n })) }),
    );
    const inner = { payee: sums.root.hash, cumulative: sums.root.sum };
    await expectRefused(bench, 412, send({ leaf: inner, index: 0, siblings: [] }));
    const deep = Array.from({ length: 33 }, () => ({ hash: bytes(0), sum: 0n }));
    await expectRefused(bench, 411, send({ ...good, siblings: deep }));
    const fields = () =>
      beginCell()
        .storeUint(0x504c0002, 32)
        .storeUint(0, 64)
        .storeBuffer(Buffer.from(bytes(1)))
        .storeCoins(toNano('1'));
    const forms = [
      beginCell().storeBit(0).endCell(),
      beginCell().storeBit(0).storeUint(0, 383).endCell(),
      beginCell().storeBit(0).storeUint(0, 256).storeUint(0, 128).storeRef(empty).endCell(),
    ];
    for (const form of forms) {
      const body = fields().storeUint(0, 32).storeMaybeRef(form).endCell();
      await expectRefused(bench, 411, () => bench.send(stranger, VALUE, body));
    }
    expect((await send(good)()).exitCode).toBe(0);
  });

  test('the fee is of what came in, at the rate of its time; a higher rate waits seven days', async () => {
    const bench = await opened(toNano('10'));
    await bench.send(owner, VALUE, poolMessage.setFee(5000));
    await bench.send(channel, toNano('1'), paidBody, { bounce: false });
    bench.now += 7 * DAY;
    await bench.send(owner, VALUE, poolMessage.setFee(5000));
    expect(bench.state!.fee / 1_000_000n).toBe(toNano('1.099') / 1_000_000n);
    await bench.send(channel, toNano('1'), paidBody, { bounce: false });
    await bench.send(owner, VALUE, poolMessage.setFee(0));
    expect(bench.state).toMatchObject({ bps: 0 });
    expect(bench.state!.fee / 1_000_000n).toBe(toNano('1.599') / 1_000_000n);
    const { fee } = bench.state!;
    await expectRefused(bench, 403, () => bench.send(owner, VALUE, poolMessage.withdraw(fee + 1n)));
    await expectRefused(bench, 405, () => bench.send(operator, VALUE, poolMessage.withdraw(1n)));
    const taken = await bench.send(owner, VALUE, poolMessage.withdraw(fee));
    expect(taken.outgoing.map((out) => out.value)).toContain(fee);
    await expectRefused(bench, 403, () => bench.send(owner, VALUE, poolMessage.withdraw(1n)));
  });
});

describe('a worker that the root omits', () => {
  test('challenges with its voucher, and is paid from free money 48 hours later', async () => {
    const bench = await opened();
    await posted(bench, tree({ 1: toNano('1') }));
    expect((await bench.send(stranger, VALUE, await challengeBody(bench, 2, toNano('2')))).exitCode).toBe(0);
    const enforce = () => bench.send(stranger, VALUE, poolMessage.enforce(bytes(2)));
    bench.now += 48 * HOUR - 1;
    await expectRefused(bench, 461, enforce);
    bench.now += 1;
    expect(paidTo(await enforce(), 2)).toEqual([toNano('2')]);
    await expectRefused(bench, 424, enforce);
    // What was enforced is not paid again by a later root.
    const late = tree({ 1: toNano('1'), 2: toNano('2.5') });
    await posted(bench, late);
    expect(paidTo(await claim(bench, late, 2), 2)).toEqual([toNano('0.5')]);
  });

  test('is answered by the payment itself', async () => {
    const bench = await opened();
    await bench.send(stranger, VALUE, await challengeBody(bench, 2, toNano('2')));
    await expectRefused(bench, 420, async () => bench.send(owner, VALUE, poolMessage.takeBond()));
    const late = tree({ 2: toNano('2') });
    await posted(bench, late);
    expect(paidTo(await claim(bench, late, 2), 2)).toEqual([toNano('2')]);
    expect(bench.state!.challenges.size).toBe(0);
    bench.now += 48 * HOUR;
    await expectRefused(bench, 424, () => bench.send(stranger, VALUE, poolMessage.enforce(bytes(2))));
  });

  test('takes from the bond what free money does not cover, and never from what a root has promised', async () => {
    const bench = await opened(toNano('10'));
    await bench.send(owner, toNano('1.1'), poolMessage.bondIn(toNano('1')));
    const promised = tree({ 1: toNano('8.5') });
    await posted(bench, promised);
    await bench.send(stranger, VALUE, await challengeBody(bench, 2, toNano('4')));
    bench.now += 48 * HOUR;
    const enforced = await bench.send(stranger, VALUE, poolMessage.enforce(bytes(2)));
    const [amount] = paidTo(enforced, 2) as [bigint];
    expect(amount > toNano('1.49') && amount <= toNano('1.51')).toBe(true);
    expect(bench.state).toMatchObject({ bond: 0n });
    await expectRefused(bench, 425, () => bench.send(stranger, VALUE, poolMessage.enforce(bytes(2))));
    expect(paidTo(await claim(bench, promised, 1), 1)).toEqual([toNano('8.5')]);
  });

  test('a voucher too young, of another pool, of another key, below what was paid, or with a bit flipped: refused', async () => {
    const bench = await opened();
    const send = (body: Cell) => () => bench.send(stranger, VALUE, body);
    await expectRefused(
      bench,
      423,
      send(await challengeBody(bench, 2, toNano('2'), { issued: bench.now - 26 * HOUR + 1 })),
    );
    await expectRefused(bench, 402, send(await challengeBody(bench, 2, toNano('2'), { pool: stranger })));
    await expectRefused(bench, 401, send(await challengeBody(bench, 2, toNano('2'), {}, 1)));
    await expectRefused(bench, 413, send(await challengeBody(bench, 2, config.minChallenge)));
    const voucher = { pool: bench.address, payee: bytes(2), cumulative: toNano('2'), issued: bench.now - 26 * HOUR };
    const signature = await signWorkerVoucher(voucher, key(0));
    for (let bit = 0; bit < 512; bit += 61) {
      const flipped = Uint8Array.from(signature);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      await expectRefused(bench, 401, send(poolMessage.challenge(key(0).publicKey, voucher, flipped)));
    }
    for (const cell of [
      [
        402,
        beginCell().storeUint(0x43484e31, 32).storeSlice(workerVoucherCell(voucher).beginParse().skip(32)).endCell(),
      ],
      [9, beginCell().storeSlice(workerVoucherCell(voucher).beginParse()).storeBit(1).endCell()],
    ] as const) {
      const signed = Buffer.from(await ed25519Sign(key(0), cell[1].hash()));
      const body = beginCell()
        .storeUint(0x504c0003, 32)
        .storeUint(0, 64)
        .storeBuffer(Buffer.from(key(0).publicKey));
      await expectRefused(bench, cell[0], send(body.storeBuffer(signed).storeRef(cell[1]).endCell()));
    }
  });
});

describe('voucher keys', () => {
  test('an old key counts for seven days after a new one; at most 32 are kept', async () => {
    const bench = await opened();
    await bench.send(operator, VALUE, poolMessage.setKey(key(1).publicKey));
    bench.now += 7 * DAY;
    expect((await bench.send(stranger, VALUE, await challengeBody(bench, 2, toNano('1')))).exitCode).toBe(0);
    bench.now += 1;
    const late = await challengeBody(bench, 3, toNano('1'));
    await expectRefused(bench, 401, () => bench.send(stranger, VALUE, late));
    for (let i = 0; i < 31; i++) await bench.send(owner, toNano('0.2'), poolMessage.setKey(bytes(100 + i)));
    expect(bench.state!.keys.size).toBe(32);
    await expectRefused(bench, 403, () => bench.send(owner, toNano('0.2'), poolMessage.setKey(bytes(1))));
    await expectRefused(bench, 405, () => bench.send(stranger, VALUE, poolMessage.setKey(bytes(1))));
    bench.now += 7 * DAY + 1;
    expect((await bench.send(owner, toNano('0.2'), poolMessage.setKey(bytes(1)))).exitCode).toBe(0);
    expect([...bench.state!.keys.keys()]).toEqual([toHex(bytes(1)), toHex(bytes(130))].sort());
  });
});

test('a forged message of payment gives nothing; money that came some other way counts', async () => {
  const bench = await opened(toNano('1'));
  const rich = beginCell().storeUint(0x43480010, 32).storeUint(0, 64).storeCoins(toNano('1000')).endCell();
  await bench.send(stranger, 1_000_000n, rich, { bounce: false });
  for (const body of [beginCell().storeSlice(rich.beginParse()).storeBit(0), beginCell().storeUint(0x43480010, 32)]) {
    await expectRefused(bench, 9, () => bench.send(stranger, VALUE, body.endCell()));
  }
  const send = (sum: bigint) =>
    bench.send(operator, VALUE, poolMessage.post({ root: bytes(1), sum, epoch: 1, covers: 1 }));
  await expectRefused(bench, 422, () => send(toNano('0.95')));
  await bench.send(stranger, toNano('1'), empty, { bounce: false });
  expect((await send(toNano('1.8'))).exitCode).toBe(0);
  expect(coveringOf(bench.state!, bench.balance) >= toNano('1.8') - 1_000_000n).toBe(true);
});

test('release closes a channel from the payee’s side, only by the operator', async () => {
  const bench = await opened();
  await expectRefused(bench, 405, () => bench.send(owner, VALUE, poolMessage.release(channel)));
  const outcome = await bench.send(operator, VALUE, poolMessage.release(channel, 9n));
  const [sent] = outcome.outgoing;
  expect(sent!.to.equals(channel)).toBe(true);
  const slice = sent!.body.beginParse();
  expect([slice.loadUint(32), slice.loadUint(64)]).toEqual([0x43480005, 9]);
  expect(sent!.bounce).toBe(true);
});

test('a bond is not taken on another network', async () => {
  const bench = await opened(toNano('1'), { ...config, network: TESTNET });
  await expectRefused(bench, 463, () => bench.send(owner, toNano('2'), poolMessage.bondIn(toNano('1'))));
});

test('get-methods tell all of the state', async () => {
  const bench = await opened();
  await posted(bench, tree({ 1: toNano('1') }));
  await bench.send(stranger, VALUE, await challengeBody(bench, 2, toNano('2')));
  const ints = async (method: string, ...args: bigint[]) =>
    (
      await bench.get(
        method,
        args.map((value) => ({ type: 'int', value })),
      )
    ).stack.map((item) => (item.type === 'int' ? item.value : null));
  const state = bench.state!;
  const scalars = await ints('pool_state');
  expect(scalars.length).toBe(23);
  expect(scalars.slice(0, 8)).toEqual([
    1n,
    BigInt(`0x${toHex(state.root)}`),
    state.sum,
    0n,
    0n,
    0n,
    1n,
    BigInt(state.covers),
  ]);
  expect(scalars.slice(13, 21)).toEqual([state.seen, state.fee, 0n, 0n, 0n, 0n, 0n, 1000n]);
  const id = (byte: number) => BigInt(`0x${toHex(bytes(byte))}`);
  expect(await ints('payee', id(2))).toEqual([0n, 0n, toNano('2'), BigInt(state.challenges.get(toHex(bytes(2)))!.due)]);
  expect(await ints('payee', id(9))).toEqual([0n, 0n, 0n, 0n]);
  expect(await ints('key_until', BigInt(`0x${toHex(key(0).publicKey)}`))).toEqual([2n ** 32n - 1n]);
  expect(await ints('key_until', 5n)).toEqual([0n]);
  expect(walletOf(bytes(1)).equals(party(1))).toBe(true);
});

test('garbage, too little value, bounces and external messages change nothing', async () => {
  const bench = await opened();
  const sums = tree({ 1: toNano('1'), 2: toNano('1') });
  await posted(bench, sums);
  await bench.send(stranger, VALUE, await challengeBody(bench, 3, toNano('1')));
  const bodies = [
    poolMessage.post({ root: bytes(2), sum: toNano('3'), epoch: 2, covers: bench.now }),
    poolMessage.claimLeaf(proof(sums, 1)),
    await challengeBody(bench, 2, toNano('2')),
    poolMessage.setKey(key(1).publicKey),
    poolMessage.setFee(10),
    poolMessage.bondIn(1n),
    poolMessage.release(channel),
    poolMessage.veto(),
  ];
  await expectGarbageRefused(bench, operator, bodies, toNano('0.02'));
});
