import { Address, beginCell, type Cell, toNano } from '@ton/core';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { Emulator } from '../../src/chain/dev/emulator.ts';
import {
  contractCode,
  DEVELOPMENT_NETWORK,
  imageCounts,
  parseRegistryData,
  type RegistryConfig,
  type RegistrySet,
  type RegistryState,
  registryAddress,
  registryInit,
  registryMessage,
  registryOrder,
  TESTNET,
} from '../../src/chain/index.ts';
import { toHex } from '../../src/core/index.ts';
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
import { modelOf, type Order } from './registry-model.ts';

const party = (byte: number) => new Address(0, Buffer.alloc(32, byte));
const [owner, guardian, operator, stranger] = [0xd1, 0xd2, 0xd3, 0xd4].map(party) as [
  Address,
  Address,
  Address,
  Address,
];
const bytes = (byte: number) => new Uint8Array(32).fill(byte);
const config: RegistryConfig = {
  network: DEVELOPMENT_NETWORK,
  owner,
  guardian,
  timelockSeconds: 48 * 3600,
  params: bytes(1),
};
const VALUE = toNano('0.05');
const HOUR = 3600;
const DAY = 24 * HOUR;

let emulator: Emulator;
beforeAll(async () => {
  emulator = await Emulator.create(DEVELOPMENT_NETWORK);
});

type Bench = ContractBench<RegistryState>;
async function opened(of: RegistryConfig = config): Promise<Bench> {
  const bench = new ContractBench(emulator, registryInit(of), (data) => parseRegistryData(data, of.network));
  expect((await bench.send(stranger, toNano('0.3'), empty)).exitCode).toBe(0);
  return bench;
}
const propose = (bench: Bench, order: Cell, from = owner) => bench.send(from, VALUE, registryMessage.propose(order));
const execute = (bench: Bench, seq: number, order: Cell) =>
  bench.send(stranger, VALUE, registryMessage.execute(seq, order));
const revoke = (bench: Bench, set: RegistrySet, key: number, from = guardian) =>
  bench.send(from, VALUE, registryMessage.revoke(set, bytes(key)));

/** Proposes, waits for its time and executes. */
async function passed(bench: Bench, order: Cell): Promise<void> {
  const seq = bench.state!.nextOp;
  expect((await propose(bench, order)).exitCode).toBe(0);
  bench.now += bench.state!.timelock;
  expect((await execute(bench, seq, order)).exitCode).toBe(0);
}

const image = (manifest = 2, expires = 0) =>
  ({ kind: 'worker', tee: 'tdx', expires, manifest: bytes(manifest) }) as const;
const router = (by = operator) => ({ operator: by, pool: party(9), dispatch: bytes(3), endpoint: bytes(4) });

describe('contract and model agree', () => {
  const KEYS = [1, 2, 3];
  const key = fc.constantFrom(...KEYS);
  const set = fc.constantFrom<RegistrySet>('images', 'models', 'routers', 'logs');
  const proposal = fc.oneof(
    { weight: 5, arbitrary: fc.record({ of: fc.constantFrom('setImage', 'setModel', 'setRouter', 'setLog'), key }) },
    { weight: 3, arbitrary: fc.record({ of: fc.constant('unrevoke'), key, set }) },
    {
      weight: 1,
      arbitrary: fc.record({ of: fc.constantFrom('setParams', 'setOwner', 'setGuardian', 'upgrade'), key }),
    },
    { weight: 1, arbitrary: fc.record({ of: fc.constant('setTimelock'), key: fc.constantFrom(23, 24, 30, 720, 721) }) },
    { weight: 1, arbitrary: fc.record({ of: fc.constantFrom('zeroLogKey', 'malformed', 'unknownOrder'), key }) },
  );
  const drawn = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('propose'), proposal }) },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('execute'),
        // Mostly the lowest, with the order it was proposed with.
        which: fc.constantFrom(0, 0, 0, 0, 1, 9),
        right: fc.constantFrom(true, true, true, false),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constantFrom('cancel', 'drop'), which: fc.constantFrom(0, 0, 1, 9) }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('revoke'), set, key }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('routerKeys'), key }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('unknown', 'plain') }) },
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant('wait'), seconds: fc.constantFrom(1, HOUR, 2 * DAY, 2 * DAY, 9 * DAY) }),
    },
  );
  const action = fc.record({
    drawn,
    from: fc.constantFrom(owner, owner, owner, guardian, operator, stranger),
    value: fc.constantFrom(VALUE, VALUE, VALUE, VALUE, VALUE, toNano('0.02'), toNano('0.0199'), 0n),
  });
  const proposed = (of: 'setImage' | 'setModel' | 'malformed' | 'zeroLogKey') =>
    ({ kind: 'propose', proposal: { of, key: 1 } }) as const;
  const first = { kind: 'execute', which: 0, right: true } as const;
  const revoked = { kind: 'revoke', set: 'images', key: 1 } as const;
  const directed = [
    by(owner, { kind: 'unknown' }),
    by(owner, revoked, toNano('0.0199')),
    by(owner, proposed('malformed')),
    by(owner, proposed('zeroLogKey')),
    by(stranger, proposed('setImage')),
    by(owner, first),
    by(owner, proposed('setModel')),
    by(owner, proposed('setImage')),
    by(owner, { ...first, which: 1 }),
    by(owner, { ...first, right: false }),
    by(owner, first),
    by(owner, revoked),
    by(owner, revoked),
    by(owner, { kind: 'wait', seconds: 2 * DAY }),
    by(owner, first),
    // An image that was revoked while the order waited.
    by(owner, first),
    ...Array.from({ length: 32 }, () => by(owner, proposed('setModel'))),
  ];
  type Drawn = Record<string, unknown> & { kind: string };

  function orderCell(of: { of: string; key: number; set?: RegistrySet }): Cell {
    const at = bytes(of.key);
    switch (of.of) {
      case 'setImage':
        return registryOrder.setImage(at, image());
      case 'setModel':
        return registryOrder.setModel(at, { manifest: bytes(5) });
      case 'setRouter':
        return registryOrder.setRouter(at, router());
      case 'setLog':
        return registryOrder.setLog(at, { key: bytes(6), anchor: party(7) });
      case 'zeroLogKey':
        return registryOrder.setLog(at, { key: bytes(0), anchor: party(7) });
      case 'unrevoke':
        return registryOrder.unrevoke(of.set ?? 'images', at);
      case 'setParams':
        return registryOrder.setParams(at);
      case 'setOwner':
        return registryOrder.setOwner(owner);
      case 'setGuardian':
        return registryOrder.setGuardian(of.key === 1 ? stranger : guardian);
      case 'setTimelock':
        return registryOrder.setTimelock(of.key * HOUR);
      case 'upgrade':
        return registryOrder.upgrade(contractCode('registry'));
      case 'malformed':
        return beginCell().storeSlice(registryOrder.setParams(at).beginParse()).storeBit(1).endCell();
      default:
        return beginCell().storeUint(0x5247010b, 32).endCell();
    }
  }

  function orderOf(
    of: Drawn,
    base: { from: Address; value: bigint },
    state: RegistryState,
    known: Map<number, Cell>,
  ): Order {
    const seqs = [...state.pending.keys()].sort((a, b) => a - b);
    const seq = seqs[of.which as number] ?? state.nextOp + 5;
    switch (of.kind) {
      case 'propose':
        return { ...base, kind: 'propose', order: orderCell(of.proposal as { of: string; key: number }) };
      case 'execute': {
        const own = known.get(seq);
        const order = of.right === true && own !== undefined ? own : registryOrder.setParams(bytes(99));
        return { ...base, kind: 'execute', seq, order };
      }
      case 'cancel':
      case 'drop':
        return { ...base, kind: of.kind, seq };
      case 'revoke':
        return { ...base, kind: 'revoke', set: of.set as RegistrySet, key: bytes(of.key as number) };
      case 'routerKeys':
        return { ...base, kind: 'routerKeys', id: bytes(of.key as number), dispatch: bytes(8), endpoint: bytes(9) };
      default:
        return { ...base, kind: of.kind as 'unknown' | 'plain' };
    }
  }

  async function body(order: Order): Promise<Cell> {
    switch (order.kind) {
      case 'propose':
        return registryMessage.propose(order.order);
      case 'execute':
        return registryMessage.execute(order.seq, order.order);
      case 'cancel':
      case 'drop':
        return registryMessage[order.kind](order.seq);
      case 'revoke':
        return registryMessage.revoke(order.set, order.key);
      case 'routerKeys':
        return registryMessage.routerKeys(order.id, order.dispatch, order.endpoint);
      case 'unknown':
        return unknownOperation(0x52470007);
      case 'plain':
        return empty;
    }
  }

  test(
    `over ${OPERATIONS} operations, seed ${SEED}`,
    async () => {
      const model = modelOf();
      const seen = new Set<number>();
      await fuzz(action, directed, async (actions) => {
        const bench = await opened();
        const known = new Map<number, Cell>();
        for (const { drawn: of, from, value } of actions) {
          if (of.kind === 'wait') {
            bench.now += of.seconds as number;
            continue;
          }
          const before = bench.state!;
          const order = orderOf(of as unknown as Drawn, { from, value }, before, known);
          const outcome = await step(bench, { from, value, body: await body(order) }, model(order));
          seen.add(outcome.exitCode);
          if (order.kind === 'propose' && bench.state!.nextOp > before.nextOp) known.set(before.nextOp, order.order);
          for (const set of ['images', 'models', 'routers', 'logs'] as const) {
            const { count, tombs } = bench.state!;
            expect(bench.state![set].size).toBe(count[set] + tombs[set]);
          }
        }
      });
      expectSeen(seen, [0, 9, 402, 403, 405, 413, 420, 421, 424, 450, 460, 461, 65535]);
    },
    FUZZ_TIMEOUT_MS,
  );
});

describe('an order', () => {
  test('waits its 48 hours in public, runs once, and is stale after seven days more', async () => {
    const bench = await opened();
    const order = registryOrder.setImage(bytes(1), image());
    await propose(bench, order);
    expect(bench.state!.pending.get(1)).toMatchObject({ tag: 0x52470101, eta: bench.now + 48 * HOUR });
    bench.now += 48 * HOUR - 1;
    await expectRefused(bench, 461, () => execute(bench, 1, order));
    expect(imageCounts(bench.state!, bytes(1), bench.now)).toBe(false);
    bench.now += 1;
    expect((await execute(bench, 1, order)).exitCode).toBe(0);
    expect(imageCounts(bench.state!, bytes(1), bench.now)).toBe(true);
    await expectRefused(bench, 424, () => execute(bench, 1, order));
    const late = registryOrder.setParams(bytes(2));
    await propose(bench, late);
    bench.now += 48 * HOUR + 7 * DAY;
    await expectRefused(bench, 461, () => execute(bench, 2, late));
    expect((await bench.send(stranger, VALUE, registryMessage.drop(2))).exitCode).toBe(0);
  });

  test('runs only as the lowest, and only as it was proposed', async () => {
    const bench = await opened();
    const [first, second] = [2, 3].map((byte) => registryOrder.setParams(bytes(byte))) as [Cell, Cell];
    await propose(bench, first);
    await propose(bench, second);
    bench.now += 48 * HOUR;
    await expectRefused(bench, 421, () => execute(bench, 2, second));
    await expectRefused(bench, 402, () => execute(bench, 1, second));
    await execute(bench, 1, first);
    await execute(bench, 2, second);
    expect(toHex(bench.state!.params)).toBe(toHex(bytes(3)));
  });

  test('that is none, or says what may not be, is refused when it is proposed', async () => {
    const bench = await opened();
    await expectRefused(bench, 0xffff, () => propose(bench, beginCell().storeUint(7, 32).endCell()));
    await expectRefused(bench, 403, () => propose(bench, registryOrder.setTimelock(24 * HOUR - 1)));
    await expectRefused(bench, 403, () => propose(bench, registryOrder.setTimelock(30 * DAY + 1)));
    await expectRefused(bench, 403, () =>
      propose(bench, registryOrder.setLog(bytes(1), { key: bytes(0), anchor: owner })),
    );
    const inner = beginCell()
      .storeUint(0x52470104, 32)
      .storeBuffer(Buffer.from(bytes(1)))
      .storeRef(empty)
      .endCell();
    await expectRefused(bench, 9, () => propose(bench, inner));
    for (const from of [guardian, stranger]) {
      await expectRefused(bench, 405, () => propose(bench, registryOrder.setParams(bytes(2)), from));
    }
    for (let i = 0; i < 32; i++) await propose(bench, registryOrder.setParams(bytes(i)));
    await expectRefused(bench, 420, () => propose(bench, registryOrder.setParams(bytes(1))));
  });

  test('upgrades the code and no data: a revocation made while it waited survives', async () => {
    const bench = await opened();
    await passed(bench, registryOrder.setImage(bytes(1), image()));
    const order = registryOrder.upgrade(contractCode('registry'));
    await propose(bench, order);
    await revoke(bench, 'images', 1);
    const before = bench.state!;
    bench.now += 48 * HOUR;
    expect((await execute(bench, 2, order)).exitCode).toBe(0);
    expect(bench.state).toEqual({ ...before, seq: before.seq + 1, pending: new Map() });
    expect(imageCounts(bench.state!, bytes(1), bench.now)).toBe(false);
  });
});

describe('a revocation', () => {
  test('is immediate, also of what is not there yet, and stays until it is lifted in public', async () => {
    const bench = await opened();
    await passed(bench, registryOrder.setImage(bytes(1), image()));
    expect((await revoke(bench, 'images', 1)).exitCode).toBe(0);
    expect(imageCounts(bench.state!, bytes(1), bench.now)).toBe(false);
    await expectRefused(bench, 413, () => revoke(bench, 'images', 1));
    const add = registryOrder.setImage(bytes(2), image());
    await propose(bench, add);
    await revoke(bench, 'images', 2);
    bench.now += 48 * HOUR;
    await expectRefused(bench, 460, () => execute(bench, 2, add));
    await bench.send(owner, VALUE, registryMessage.cancel(2));
    await passed(bench, registryOrder.unrevoke('images', bytes(2)));
    await passed(bench, add);
    expect(imageCounts(bench.state!, bytes(2), bench.now)).toBe(true);
    expect(bench.state!.tombs.images).toBe(0);
    for (const from of [operator, stranger]) await expectRefused(bench, 405, () => revoke(bench, 'images', 2, from));
  });

  test('an image past its date counts no more than a revoked one', async () => {
    const bench = await opened();
    const expires = bench.now + 3 * DAY;
    await passed(bench, registryOrder.setImage(bytes(1), image(2, expires)));
    expect(imageCounts(bench.state!, bytes(1), expires - 1)).toBe(true);
    expect(imageCounts(bench.state!, bytes(1), expires)).toBe(false);
  });
});

describe('who may what', () => {
  test('the guardian only takes away: it cancels any order but the one that replaces it', async () => {
    const bench = await opened();
    await propose(bench, registryOrder.setParams(bytes(2)));
    await propose(bench, registryOrder.setGuardian(stranger));
    expect((await bench.send(guardian, VALUE, registryMessage.cancel(1))).exitCode).toBe(0);
    await expectRefused(bench, 405, () => bench.send(guardian, VALUE, registryMessage.cancel(2)));
    bench.now += 48 * HOUR;
    await execute(bench, 2, registryOrder.setGuardian(stranger));
    await expectRefused(bench, 405, () => revoke(bench, 'logs', 1, guardian));
    expect((await revoke(bench, 'logs', 1, stranger)).exitCode).toBe(0);
  });

  test('a router’s operator replaces its own keys at once, and nobody else’s', async () => {
    const bench = await opened();
    await passed(bench, registryOrder.setRouter(bytes(1), router()));
    const keys = registryMessage.routerKeys(bytes(1), bytes(8), bytes(9));
    await expectRefused(bench, 405, () => bench.send(owner, VALUE, keys));
    expect((await bench.send(operator, VALUE, keys)).exitCode).toBe(0);
    expect(bench.state!.routers.get(toHex(bytes(1)))).toMatchObject({ dispatch: bytes(8), updated: bench.now });
    await expectRefused(bench, 424, () =>
      bench.send(operator, VALUE, registryMessage.routerKeys(bytes(2), bytes(8), bytes(9))),
    );
    await revoke(bench, 'routers', 1);
    await expectRefused(bench, 460, () => bench.send(operator, VALUE, keys));
  });
});

test('initial data, get-methods and addresses', async () => {
  const bench = await opened();
  await passed(bench, registryOrder.setModel(bytes(1), { manifest: bytes(5) }));
  await propose(bench, registryOrder.setParams(bytes(3)));
  const { stack } = await bench.get('registry_info');
  expect(stack.slice(0, 4).map((item) => (item.type === 'int' ? item.value : null))).toEqual([1n, 1n, 3n, 172_800n]);
  const entry = await bench.get('entry', [
    { type: 'int', value: 2n },
    { type: 'int', value: BigInt(`0x${toHex(bytes(1))}`) },
  ]);
  expect(entry.stack[0]?.type).toBe('cell');
  const absent = await bench.get('entry', [
    { type: 'int', value: 1n },
    { type: 'int', value: 5n },
  ]);
  expect(absent.stack[0]).toEqual({ type: 'null' });
  const pending = await bench.get('pending', [{ type: 'int', value: 2n }]);
  expect(pending.stack[2]).toEqual({ type: 'int', value: BigInt(bench.now + 48 * HOUR) });
  const others: RegistryConfig[] = [
    { ...config, network: TESTNET },
    { ...config, owner: stranger },
    { ...config, guardian: stranger },
    { ...config, timelockSeconds: 1 },
    { ...config, params: bytes(2) },
  ];
  expect(new Set([config, ...others].map((one) => registryAddress(one).toRawString())).size).toBe(6);
  expect(() => parseRegistryData(registryInit(config).data, TESTNET)).toThrow(
    expect.objectContaining({ code: 'CONTRACT_MISMATCH' }),
  );
});

test('garbage, too little value, bounces and external messages change nothing', async () => {
  const bench = await opened();
  const bodies = [
    registryMessage.propose(registryOrder.setParams(bytes(2))),
    registryMessage.execute(1, registryOrder.setParams(bytes(2))),
    registryMessage.cancel(1),
    registryMessage.revoke('images', bytes(1)),
    registryMessage.routerKeys(bytes(1), bytes(2), bytes(3)),
  ];
  await expectGarbageRefused(bench, owner, bodies, toNano('0.02'));
});
