import { Address, beginCell, type Cell, toNano } from '@ton/core';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { Emulator } from '../../src/chain/dev/emulator.ts';
import {
  DEVELOPMENT_NETWORK,
  encodeWorkerVoucher,
  type PoolConfig,
  type PoolState,
  parsePoolData,
  parseWorkerVoucher,
  poolInit,
  poolMessage,
  rootFromSumProof,
  type SumLeaf,
  type SumProof,
  SumTree,
  signWorkerVoucher,
  sumLeafHash,
  TESTNET,
  verifyWorkerVoucher,
  type WorkerVoucher,
  workerVoucherCell,
} from '../../src/chain/index.ts';
import { ed25519Key, ed25519Sign } from '../../src/core/crypto/node.ts';
import { type Bytes, equalBytes, toHex } from '../../src/core/index.ts';
import { ContractBench } from './contract-bench.ts';
import {
  by,
  empty,
  expectGarbageRefused,
  expectRefused,
  expectSeen,
  FUZZ_TIMEOUT_MS,
  fuzz,
  OPERATIONS,
  SEED,
  step,
  unknownOperation,
} from './fuzz.ts';
import { coveringOf, modelOf, type Order, walletOf } from './pool-model.ts';

const party = (byte: number) => new Address(0, Buffer.alloc(32, byte));
const [owner, operator, stranger, channel] = [0xb1, 0xb2, 0xb3, 0xb4].map(party) as [
  Address,
  Address,
  Address,
  Address,
];
const keys = [7, 8, 9].map((byte) => ed25519Key(new Uint8Array(32).fill(byte)));
const key = (i: number) => keys[i] as (typeof keys)[number];
const bytes = (byte: number): Bytes => new Uint8Array(32).fill(byte);
const config: PoolConfig = {
  network: DEVELOPMENT_NETWORK,
  owner,
  operator,
  postDelaySeconds: 3600,
  minChallenge: toNano('0.1'),
  bps: 1000,
  voucherKey: key(0).publicKey,
};
const VALUE = toNano('0.05');
const HOUR = 3600;
const DAY = 24 * HOUR;

let emulator: Emulator;
beforeAll(async () => {
  emulator = await Emulator.create(DEVELOPMENT_NETWORK);
});

type Bench = ContractBench<PoolState>;
const paidBody = beginCell().storeUint(0x43480010, 32).storeUint(0, 64).storeCoins(1n).endCell();

/** A pool that has collected this much from channels. */
async function opened(collected = toNano('10'), of: PoolConfig = config): Promise<Bench> {
  const bench = new ContractBench(emulator, poolInit(of), (data) => parsePoolData(data, of));
  await bench.send(owner, toNano('0.2'), empty);
  const paid = await bench.send(channel, collected, paidBody, { bounce: false });
  expect(paid).toMatchObject({ exitCode: 0, outgoing: [] });
  return bench;
}

const tree = (leaves: Record<number, bigint>) =>
  new SumTree(
    Object.entries(leaves).map(([byte, cumulative]): SumLeaf => ({ payee: bytes(Number(byte)), cumulative })),
  );
const proof = (of: SumTree, byte: number) => of.proof(bytes(byte)) as SumProof;

/** Posts a root and waits until it counts. */
async function posted(bench: Bench, of: SumTree): Promise<void> {
  const { epoch, pending } = bench.state as PoolState;
  const next = (pending?.epoch ?? epoch) + 1;
  const root = { root: of.root.hash, sum: of.root.sum, epoch: next, covers: bench.now };
  expect((await bench.send(operator, VALUE, poolMessage.post(root))).exitCode).toBe(0);
  bench.now += HOUR;
}
const claim = (bench: Bench, of: SumTree, byte: number, from = stranger) =>
  bench.send(from, VALUE, poolMessage.claimLeaf(proof(of, byte)));
const paidTo = (outcome: Awaited<ReturnType<Bench['send']>>, byte: number) =>
  outcome.outgoing.filter((out) => out.to.equals(party(byte))).map((out) => out.value);

async function challengeBody(
  bench: Bench,
  payee: number,
  cumulative: bigint,
  changes: Partial<WorkerVoucher> = {},
  by = 0,
) {
  const voucher: WorkerVoucher = {
    pool: bench.address,
    payee: bytes(payee),
    cumulative,
    issued: bench.now - 26 * HOUR,
    ...changes,
  };
  return poolMessage.challenge(key(by).publicKey, voucher, await signWorkerVoucher(voucher, key(by)));
}

async function body(order: Order, bench: Bench): Promise<Cell> {
  switch (order.kind) {
    case 'post':
      return poolMessage.post({ ...order, root: Uint8Array.from(order.root) });
    case 'claimLeaf':
      return poolMessage.claimLeaf(order.proof);
    case 'challenge': {
      const { payee, cumulative, issued, pool, named, by } = order.voucher;
      const voucher = {
        pool: pool === 'own' ? bench.address : stranger,
        payee: Uint8Array.from(payee),
        cumulative,
        issued,
      };
      const signer = keys.find((one) => equalBytes(one.publicKey, by)) as (typeof keys)[number];
      return poolMessage.challenge(named, voucher, await signWorkerVoucher(voucher, signer));
    }
    case 'enforce':
      return poolMessage.enforce(order.payee);
    case 'veto':
    case 'takeBond':
      return poolMessage[order.kind]();
    case 'withdraw':
    case 'bondIn':
    case 'unbond':
      return poolMessage[order.kind](order.amount);
    case 'setOperator':
      return poolMessage.setOperator(order.operator);
    case 'setKey':
      return poolMessage.setKey(order.key);
    case 'setFee':
      return poolMessage.setFee(order.bps);
    case 'release':
      return poolMessage.release(order.channel);
    case 'channelPaid':
      return paidBody;
    case 'unknown':
      return unknownOperation(0x504c000e);
    case 'plain':
      return empty;
  }
}

describe('contract and model agree', () => {
  const PAYEES = [1, 2, 3, 4, 5];
  const nano = (max: string) => fc.bigInt({ min: 0n, max: toNano(max) });
  const payee = fc.constantFrom(...PAYEES);
  const kind = <K extends string>(...names: K[]) => fc.constantFrom(...names);
  const drawn = fc.oneof(
    // Leaves may fall, vanish and come again from one root to the next: only the count of what was paid bounds them.
    {
      weight: 5,
      arbitrary: fc.record({
        kind: kind('post'),
        leaves: fc.dictionary(fc.constantFrom('1', '2', '3', '4', '5'), nano('2'), { minKeys: 1 }),
        extra: fc.constantFrom(0n, 0n, 0n, 1n, toNano('3')),
        epoch: fc.constantFrom(1, 1, 1, 1, 1, 0, 2),
        covers: fc.constantFrom(0, 0, 0, 0, 1, -1),
        top: fc.boolean(),
      }),
    },
    {
      weight: 7,
      arbitrary: fc.record({
        kind: kind('claimLeaf'),
        payee,
        old: fc.nat({ max: 2 }),
        forged: fc.constantFrom('no', 'no', 'no', 'no', 'sum', 'index', 'amount', 'leaf', 'deep'),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: kind('challenge'),
        payee,
        cumulative: nano('6'),
        age: fc.constantFrom(26 * HOUR, 26 * HOUR, 30 * HOUR, 26 * HOUR - 1, 0),
        pool: kind('own', 'own', 'own', 'own', 'other'),
        named: fc.nat({ max: 2 }),
        same: fc.constantFrom(true, true, true, false),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: kind('enforce'), payee }) },
    { weight: 2, arbitrary: fc.record({ kind: kind('veto', 'takeBond', 'channelPaid', 'plain', 'unknown') }) },
    { weight: 2, arbitrary: fc.record({ kind: kind('bondIn', 'unbond', 'withdraw'), amount: nano('0.4') }) },
    { weight: 1, arbitrary: fc.record({ kind: kind('setKey'), key: fc.nat({ max: 2 }) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: kind('setFee'), bps: fc.constantFrom(0, 500, 1000, 3000, 10_000, 10_001) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: kind('setOperator', 'release') }) },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: kind('wait'),
        seconds: fc.constantFrom(1, HOUR, HOUR, 48 * HOUR, 8 * DAY, 365 * DAY),
      }),
    },
  );
  const action = fc.record({
    drawn,
    from: fc.constantFrom(owner, owner, operator, operator, operator, stranger),
    value: fc.constantFrom(VALUE, VALUE, VALUE, VALUE, VALUE, toNano('0.02'), toNano('0.0199'), toNano('0.5'), 0n),
  });
  const root = (leaves: Record<string, bigint>) =>
    ({ kind: 'post', leaves, extra: 0n, epoch: 1, covers: 0, top: false }) as const;
  const leaf = (payee: number) => ({ kind: 'claimLeaf', payee, old: 0, forged: 'no' }) as const;
  const overdue = {
    kind: 'challenge',
    payee: 1,
    cumulative: toNano('2'),
    age: 26 * HOUR,
    pool: 'own',
    named: 0,
    same: true,
  } as const;
  const directed = [
    by(owner, { kind: 'unknown' }),
    by(owner, { kind: 'veto' }, toNano('0.0199')),
    by(operator, { kind: 'veto' }),
    by(owner, { kind: 'takeBond' }),
    by(owner, { kind: 'setFee', bps: 10_001 }),
    by(owner, { kind: 'bondIn', amount: toNano('0.3') }),
    by(stranger, { ...overdue, same: false }),
    by(stranger, { ...overdue, pool: 'other' }),
    by(stranger, { ...overdue, age: 0 }),
    by(stranger, { ...overdue, cumulative: 0n }),
    by(stranger, overdue),
    by(stranger, { kind: 'enforce', payee: 1 }),
    by(stranger, { kind: 'enforce', payee: 2 }),
    by(owner, { kind: 'takeBond' }),
    by(operator, { ...root({ 1: 1n }), epoch: 0 }),
    by(operator, { ...root({ 1: 1n }), extra: toNano('4') }),
    by(operator, root({ 1: toNano('1'), 2: toNano('1') })),
    by(operator, root({ 3: toNano('2') })),
    by(operator, { kind: 'wait', seconds: HOUR }),
    by(stranger, { ...leaf(1), old: 1, forged: 'sum' }),
    by(stranger, { ...leaf(1), old: 1, forged: 'deep' }),
    by(stranger, { ...leaf(1), old: 1 }),
    // One sum is paid once, whomever the next root names.
    by(operator, root({ 3: toNano('2') })),
    by(operator, { kind: 'wait', seconds: HOUR }),
    by(stranger, leaf(3)),
  ];
  type Drawn = Record<string, unknown> & { kind: string };

  /** Roots that were posted, newest last: claims are proven against one of the last three. */
  function orderOf(of: Drawn, base: { from: Address; value: bigint }, bench: Bench, trees: SumTree[]): Order {
    const state = bench.state as PoolState;
    switch (of.kind) {
      case 'post': {
        const made = tree(of.leaves as Record<number, bigint>);
        const extra =
          (of.extra as bigint) + (of.top === true && made.root.sum < state.sum ? state.sum - made.root.sum : 0n);
        // What lifts the sum to the one before is owed to somebody who never claims.
        const whole = new SumTree([...made.leaves, { payee: bytes(0xee), cumulative: extra }]);
        trees.push(whole);
        const covers = (of.covers as number) < 0 ? state.covers - 1 : bench.now + (of.covers as number);
        const epoch = state.epoch + (of.epoch as number);
        return {
          ...base,
          kind: 'post',
          root: whole.root.hash,
          sum: whole.root.sum,
          epoch,
          covers: Math.max(0, covers),
        };
      }
      case 'claimLeaf':
        return { ...base, kind: 'claimLeaf', proof: drawnProof(of, trees) };
      case 'challenge': {
        const [named, other] = [of.named as number, ((of.named as number) + 1) % 3];
        const voucher = {
          payee: bytes(of.payee as number),
          cumulative: of.cumulative as bigint,
          issued: bench.now - (of.age as number),
          pool: of.pool as 'own' | 'other',
          named: key(named).publicKey,
          by: key(of.same === true ? named : other).publicKey,
        };
        return { ...base, kind: 'challenge', voucher };
      }
      case 'enforce':
        return { ...base, kind: 'enforce', payee: bytes(of.payee as number) };
      case 'setKey':
        return { ...base, kind: 'setKey', key: key(of.key as number).publicKey };
      case 'setOperator':
        return { ...base, kind: 'setOperator', operator };
      case 'release':
        return { ...base, kind: 'release', channel };
      default:
        return { ...base, ...of } as unknown as Order;
    }
  }

  function drawnProof(of: Drawn, trees: readonly SumTree[]): SumProof {
    const from = trees.at(-1 - (of.old as number)) ?? trees.at(-1) ?? tree({ 1: 1n });
    const good = from.proof(bytes(of.payee as number)) ?? (from.proof((from.leaves[0] as SumLeaf).payee) as SumProof);
    const siblings = [...good.siblings];
    const last = siblings.at(-1);
    switch (of.forged) {
      case 'sum':
        return last === undefined
          ? good
          : { ...good, siblings: [...siblings.slice(0, -1), { ...last, sum: last.sum + 1n }] };
      case 'index':
        return { ...good, index: good.index ^ 1 };
      case 'amount':
        return { ...good, leaf: { ...good.leaf, cumulative: good.leaf.cumulative + toNano('1') } };
      case 'leaf':
        return { ...good, leaf: { payee: from.root.hash, cumulative: from.root.sum }, siblings: [] };
      case 'deep':
        return { ...good, siblings: [...siblings, ...Array(33 - siblings.length).fill({ hash: bytes(0), sum: 0n })] };
      default:
        return good;
    }
  }

  test(
    `over ${OPERATIONS} operations, seed ${SEED}`,
    async () => {
      const model = modelOf(config, DEVELOPMENT_NETWORK);
      const seen = new Set<number>();
      await fuzz(action, directed, async (actions) => {
        const bench = await opened(toNano('4'));
        const trees: SumTree[] = [];
        const received = new Map<string, bigint>();
        for (const { drawn: of, from, value } of actions) {
          if (of.kind === 'wait') {
            bench.now += of.seconds as number;
            continue;
          }
          const before = bench.state as PoolState;
          const order = orderOf(of as unknown as Drawn, { from, value }, bench, trees);
          const outcome = await step(bench, { from, value, body: await body(order, bench) }, model(order));
          seen.add(outcome.exitCode);
          for (const payeeByte of PAYEES) {
            const id = toHex(bytes(payeeByte));
            const got = paidTo(outcome, payeeByte).reduce((sum, amount) => sum + amount, 0n);
            received.set(id, (received.get(id) ?? 0n) + got);
          }
          requireInvariants(before, bench.state as PoolState, received);
        }
      });
      const refusals = [401, 402, 403, 405, 411, 412, 413, 414, 420, 421, 422, 423, 424, 425, 450, 451, 461, 65535];
      expectSeen(seen, [0, ...refusals]);
    },
    FUZZ_TIMEOUT_MS,
  );

  /** Contracts section 3, 8 and 9. */
  function requireInvariants(before: PoolState, after: PoolState, received: ReadonlyMap<string, bigint>): void {
    expect(after.rootPaid <= after.sum).toBe(true);
    const inRoot = [...after.payees.values()].reduce((sum, payee) => sum + payee.inRoot, 0n);
    expect(inRoot).toBe(after.rootPaid);
    for (const field of ['sum', 'epoch', 'covers', 'seen', 'rootPaid', 'withdrawn', 'paid'] as const) {
      expect(after[field] >= before[field], field).toBe(true);
    }
    expect(after.withdrawn <= after.fee).toBe(true);
    for (const [id, payee] of after.payees) {
      expect(payee.claimed >= (before.payees.get(id)?.claimed ?? 0n)).toBe(true);
      if (received.has(id)) expect(received.get(id), 'each payee got exactly what is booked').toBe(payee.claimed);
    }
  }
});

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
