import { type Address, type Cell, toNano } from '@ton/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  DEVELOPMENT_NETWORK,
  parseStakeData,
  type StakeConfig,
  type StakeState,
  stakeAddress,
  stakeInit,
  stakeMessage,
  TESTNET,
} from '../../src/chain/index.ts';
import { ContractBench } from './contract-bench.ts';
import {
  by,
  type Expected,
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
import { DAY, emulator, party, VALUE } from './support.ts';

const [owner, court, victim] = [0xe1, 0xe2, 0xe3].map(party) as [Address, Address, Address];
const config: StakeConfig = { network: DEVELOPMENT_NETWORK, owner, court };

type Bench = ContractBench<StakeState>;
async function opened(bond = toNano('5')): Promise<Bench> {
  const bench = new ContractBench(emulator, stakeInit(config), (data) => parseStakeData(data, config));
  expect((await bench.send(owner, bond + toNano('0.07'), stakeMessage.bondIn(bond))).exitCode).toBe(0);
  return bench;
}

type Order = Readonly<{ from: Address; value: bigint }> &
  Readonly<
    | { kind: 'slash' | 'bondIn' | 'unbond'; amount: bigint }
    | { kind: 'hold'; days: number }
    | { kind: 'takeBond' | 'unknown' | 'plain' }
  >;

const most = (a: bigint, b: bigint) => (a < b ? b : a);

/** The rules of contracts section 1.5 once more. */
const expectedOf =
  (order: Order) =>
  (before: StakeState, base: bigint, now: number): Expected<StakeState> => {
    const same = (exitCode: number) => ({ exitCode, state: before, payouts: [], keep: null });
    const done = (state: StakeState, change = 0n, to = owner): Expected<StakeState> => {
      const [left, owed] = [base + change, state.bond + toNano('0.02')];
      const payouts = change < 0n ? [{ to, amount: -change }] : [];
      return { exitCode: 0, state, payouts, keep: most(left, owed) };
    };
    const least = (a: bigint, b: bigint) => (a > b ? b : a);
    if (order.kind === 'plain') return same(0);
    if (order.kind === 'unknown') return same(0xffff);
    if (order.value < toNano('0.02')) return same(450);
    const byCourt = order.from.equals(court);
    const byOwner = order.from.equals(owner);
    switch (order.kind) {
      case 'slash': {
        const taken = least(order.amount, before.bond);
        if (!byCourt) return same(405);
        return taken === 0n ? same(425) : done({ ...before, bond: before.bond - taken }, -taken, victim);
      }
      case 'hold': {
        if (!byCourt) return same(405);
        if (order.days > 7) return same(461);
        return done({ ...before, holdUntil: Math.max(before.holdUntil, now + order.days * DAY) });
      }
      case 'bondIn':
        if (order.amount === 0n) return same(403);
        if (order.value < order.amount + toNano('0.02')) return same(451);
        return done({ ...before, bond: before.bond + order.amount }, order.amount);
      case 'unbond':
        return byOwner ? done({ ...before, unbond: order.amount, unbondAt: now + 14 * DAY }) : same(405);
      case 'takeBond': {
        if (!byOwner) return same(405);
        if (now < before.holdUntil) return same(420);
        if (now < before.unbondAt) return same(461);
        const taken = least(before.unbond, before.bond);
        return taken === 0n ? same(425) : done({ ...before, bond: before.bond - taken, unbond: 0n }, -taken);
      }
    }
  };

function body(order: Order, now: number): Cell {
  switch (order.kind) {
    case 'slash':
      return stakeMessage.slash(order.amount, victim);
    case 'hold':
      return stakeMessage.hold(now + order.days * DAY);
    case 'bondIn':
    case 'unbond':
      return stakeMessage[order.kind](order.amount);
    case 'takeBond':
      return stakeMessage.takeBond();
    case 'unknown':
      return unknownOperation(0x53540006);
    case 'plain':
      return empty;
  }
}

const directed = [
  by(owner, { kind: 'unknown' }),
  by(court, { kind: 'slash', amount: 1n }, toNano('0.0199')),
  by(owner, { kind: 'slash', amount: 1n }),
  by(court, { kind: 'hold', days: 8 }),
  by(owner, { kind: 'bondIn', amount: 0n }),
  by(owner, { kind: 'bondIn', amount: toNano('0.5') }),
  by(court, { kind: 'hold', days: 7 }),
  by(owner, { kind: 'takeBond' }),
  by(owner, { kind: 'unbond', amount: 1n }),
  by(owner, { kind: 'wait', days: 1 }),
  by(court, { kind: 'hold', days: 0 }),
  by(owner, { kind: 'wait', days: 14 }),
  by(owner, { kind: 'takeBond' }),
  by(owner, { kind: 'takeBond' }),
  by(owner, { kind: 'unbond', amount: 1n }),
  by(owner, { kind: 'takeBond' }),
];

test(
  `contract and model agree over ${OPERATIONS} operations, seed ${SEED}`,
  async () => {
    const amount = fc.bigInt({ min: 0n, max: toNano('1') });
    const drawn = fc.oneof(
      { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('slash', 'bondIn', 'unbond'), amount }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('hold'), days: fc.constantFrom(0, 1, 7, 8) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('takeBond', 'takeBond', 'unknown', 'plain') }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait'), days: fc.constantFrom(1, 14, 365) }) },
    );
    const from = fc.constantFrom(owner, owner, court, victim);
    const value = fc.constantFrom(VALUE, VALUE, VALUE, toNano('1.1'), toNano('0.02'), toNano('0.0199'), 0n);
    const seen = new Set<number>();
    await fuzz(fc.record({ drawn, from, value }), directed, async (actions) => {
      const bench = await opened(toNano('1'));
      for (const { drawn: of, from, value } of actions) {
        if (of.kind === 'wait') {
          bench.now += (of as { days: number }).days * DAY;
          continue;
        }
        const order = { ...of, from, value } as unknown as Order;
        const outcome = await step(bench, { from, value, body: body(order, bench.now) }, expectedOf(order));
        seen.add(outcome.exitCode);
        expect(bench.balance >= bench.state!.bond || outcome.aborted || order.kind === 'plain').toBe(true);
      }
    });
    expectSeen(seen, [0, 403, 405, 420, 425, 450, 451, 461, 65535]);
  },
  FUZZ_TIMEOUT_MS,
);

test('only the court takes of it, also of what is being unbonded, and never more than there is', async () => {
  const bench = await opened();
  await bench.send(owner, VALUE, stakeMessage.unbond(toNano('5')));
  for (const from of [owner, victim]) {
    await expectRefused(bench, 405, () => bench.send(from, VALUE, stakeMessage.slash(toNano('1'), victim)));
  }
  const taken = await bench.send(court, VALUE, stakeMessage.slash(toNano('9'), victim));
  expect(taken.outgoing.filter((out) => out.to.equals(victim)).map((out) => out.value)).toEqual([toNano('5')]);
  bench.now += 14 * DAY;
  await expectRefused(bench, 425, () => bench.send(owner, VALUE, stakeMessage.takeBond()));
});

test('what is held does not leave; a hold is for seven days at most', async () => {
  const bench = await opened();
  await bench.send(owner, VALUE, stakeMessage.unbond(toNano('5')));
  bench.now += 14 * DAY;
  await expectRefused(bench, 461, () => bench.send(court, VALUE, stakeMessage.hold(bench.now + 7 * DAY + 1)));
  await bench.send(court, VALUE, stakeMessage.hold(bench.now + 7 * DAY));
  await expectRefused(bench, 420, () => bench.send(owner, VALUE, stakeMessage.takeBond()));
  bench.now += 7 * DAY;
  const left = await bench.send(owner, VALUE, stakeMessage.takeBond());
  expect(left.outgoing.map((out) => out.value)).toContain(toNano('5'));
});

test('its address means owner, court and network; garbage changes nothing', async () => {
  const others = [config, { ...config, network: TESTNET }, { ...config, owner: victim }, { ...config, court: victim }];
  expect(new Set(others.map((one) => stakeAddress(one).toRawString())).size).toBe(4);
  for (const other of others.slice(1)) {
    expect(() => parseStakeData(stakeInit(config).data, other)).toThrow(
      expect.objectContaining({ code: 'CONTRACT_MISMATCH' }),
    );
  }
  const bench = await opened();
  const bodies = [stakeMessage.slash(1n, victim), stakeMessage.hold(bench.now), stakeMessage.bondIn(1n)];
  await expectGarbageRefused(bench, court, bodies, toNano('0.02'));
  const stack = (await bench.get('stake_state')).stack.map((item) => (item.type === 'int' ? item.value : null));
  expect(stack).toEqual([toNano('5'), 0n, 0n, 0n]);
});
