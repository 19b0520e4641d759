import { type Address, type Cell, toNano } from '@ton/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  DEVELOPMENT_NETWORK,
  type PoolState,
  poolMessage,
  type SumLeaf,
  type SumProof,
  SumTree,
  signWorkerVoucher,
} from '../../src/chain/index.ts';
import { equalBytes, toHex } from '../../src/core/index.ts';
import { by, empty, expectSeen, FUZZ_TIMEOUT_MS, fuzz, OPERATIONS, SEED, step, unknownOperation } from './fuzz.ts';
import {
  type Bench,
  channel,
  config,
  key,
  keys,
  opened,
  operator,
  owner,
  paidBody,
  paidTo,
  stranger,
  tree,
} from './pool-bench.ts';
import { modelOf, type Order } from './pool-model.ts';
import { bytes, DAY, HOUR, VALUE } from './support.ts';

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
  `contract and model agree over ${OPERATIONS} operations, seed ${SEED}`,
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
