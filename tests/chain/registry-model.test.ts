import { type Address, beginCell, type Cell, toNano } from '@ton/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  contractCode,
  type RegistrySet,
  type RegistryState,
  registryMessage,
  registryOrder,
} from '../../src/chain/index.ts';
import { by, empty, expectSeen, FUZZ_TIMEOUT_MS, fuzz, OPERATIONS, SEED, step, unknownOperation } from './fuzz.ts';
import { guardian, image, opened, operator, owner, router, stranger } from './registry-bench.ts';
import { modelOf, type Order } from './registry-model.ts';
import { bytes, DAY, HOUR, party, VALUE } from './support.ts';

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
  `contract and model agree over ${OPERATIONS} operations, seed ${SEED}`,
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
