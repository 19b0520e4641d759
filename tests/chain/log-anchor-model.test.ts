import { type Address, type Cell, toNano } from '@ton/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEVELOPMENT_NETWORK, DISPUTE_DEPOSIT, type LogAnchorState, logAnchorMessage } from '../../src/chain/index.ts';
import type { Bytes } from '../../src/core/index.ts';
import {
  empty,
  expectSeen,
  FUZZ_TIMEOUT_MS,
  fuzz,
  OPERATIONS,
  SEED,
  by as sentBy,
  step,
  unknownOperation,
} from './fuzz.ts';
import {
  config,
  keys,
  LEAVES,
  opened,
  owner,
  proofOf,
  relayer,
  rootOf,
  sign,
  stranger,
  type Tree,
} from './log-anchor-bench.ts';
import { modelOf, type Order, type Signer } from './log-anchor-model.ts';
import { DAY, VALUE } from './support.ts';

async function body(order: Order): Promise<Cell> {
  const signed = async (one: { size: bigint; root: Uint8Array; by: Signer }) =>
    sign(one.size, Uint8Array.from(one.root), one.by);
  switch (order.kind) {
    case 'anchor':
      return logAnchorMessage.anchor(await signed(order.head), order.proof);
    case 'equivocation':
      return logAnchorMessage.equivocation(await signed(order.a), await signed(order.b));
    case 'dispute':
      return logAnchorMessage.dispute(await signed(order.head));
    case 'answer':
      return logAnchorMessage.answer(order.size, order.proof);
    case 'expire':
    case 'queryHead':
      return logAnchorMessage[order.kind](order.size);
    case 'proposeKey':
      return logAnchorMessage.proposeKey(order.key);
    case 'freeze':
      return logAnchorMessage.freeze(order.on);
    case 'bondIn':
    case 'unbond':
      return logAnchorMessage[order.kind](order.amount);
    case 'acceptKey':
    case 'takeBond':
      return logAnchorMessage[order.kind]();
    case 'unknown':
      return unknownOperation(0x4c41000d);
    case 'plain':
      return empty;
  }
}

const size = fc.integer({ min: 0, max: LEAVES });
const tree = fc.constantFrom<Tree>('honest', 'honest', 'honest', 'forked');
const by = fc.constantFrom<Signer>(0, 0, 0, 0, 1, 2);
const proof = fc.constantFrom('right', 'right', 'right', 'right', 'cut', 'long', 'other', 'none');
const kind = <K extends string>(...names: K[]) => fc.constantFrom(...names);
const drawn = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: kind('anchor'), grow: fc.integer({ min: 0, max: 12 }), tree, by, proof }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('equivocation'), size, a: tree, b: tree, by, otherBy: by }) },
  { weight: 3, arbitrary: fc.record({ kind: kind('dispute'), size, tree, by, covered: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: kind('answer'), pick: fc.nat(), proof }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('expire'), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('proposeKey'), by: fc.constantFrom(0, 1, 2, 3) }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('acceptKey', 'takeBond', 'unknown', 'plain') }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('freeze'), on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('queryHead'), size }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: kind('bondIn', 'unbond'), amount: fc.bigInt({ min: 0n, max: toNano('0.5') }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: kind('wait'), seconds: fc.constantFrom(1, 600, DAY, 3 * DAY, 365 * DAY) }),
  },
);
const action = fc.record({
  drawn,
  from: fc.constantFrom(owner, owner, relayer, relayer, stranger),
  value: fc.constantFrom(VALUE, VALUE, VALUE, VALUE, toNano('0.03'), toNano('0.0299'), toNano('0.6'), 0n),
});

const grow = { kind: 'anchor', grow: 5, tree: 'honest', by: 0, proof: 'right' } as const;
const disputed = { kind: 'dispute', size: 3, tree: 'honest', by: 0, covered: true } as const;
const directed = [
  sentBy(owner, { kind: 'unknown' }),
  sentBy(relayer, grow, toNano('0.0299')),
  sentBy(owner, { kind: 'takeBond' }),
  sentBy(owner, { kind: 'acceptKey' }),
  sentBy(owner, { kind: 'proposeKey', by: 1 }),
  sentBy(owner, { kind: 'acceptKey' }),
  sentBy(relayer, { ...grow, grow: 0 }),
  sentBy(relayer, { ...grow, by: 1 }),
  sentBy(relayer, grow),
  sentBy(stranger, grow),
  sentBy(relayer, { ...grow, proof: 'none' }),
  sentBy(relayer, { ...grow, proof: 'other' }),
  sentBy(stranger, { kind: 'equivocation', size: 3, a: 'honest', b: 'honest', by: 0, otherBy: 0 }),
  sentBy(stranger, { ...disputed, covered: false }),
  sentBy(stranger, disputed),
  sentBy(stranger, disputed),
  sentBy(stranger, { kind: 'expire', pick: 0 }),
  sentBy(owner, { kind: 'freeze', on: true }),
  sentBy(relayer, grow),
];
type Drawn = Record<string, unknown> & { kind: string };
const changed = (hashes: readonly Bytes[], how: string): readonly Uint8Array[] => {
  if (how === 'none') return [];
  if (how === 'cut') return hashes.slice(0, -1);
  if (how === 'long') return [...hashes, new Uint8Array(32).fill(1)];
  return how === 'other' && hashes.length > 0 ? [...hashes.slice(0, -1), new Uint8Array(32).fill(2)] : hashes;
};
const picked = (state: LogAnchorState, pick: number) =>
  [...state.disputes.keys(), BigInt(pick % LEAVES)][pick % (state.disputes.size + 1)] as bigint;

function orderOf(of: Drawn, from: Address, value: bigint, state: LogAnchorState): Order {
  const base = { from, value };
  const at = Number(state.head.size);
  const signed = (size: number, tree: Tree, by: unknown) => ({
    size: BigInt(size),
    root: rootOf(tree, size),
    by: by as Signer,
  });
  switch (of.kind) {
    case 'anchor': {
      const size = Math.min(at + (of.grow as number), LEAVES);
      const tree = of.tree as Tree;
      const proof = changed(proofOf(tree, at, size), of.proof as string);
      return { ...base, kind: 'anchor', head: signed(size, tree, of.by), proof };
    }
    case 'equivocation': {
      const a = signed(of.size as number, of.a as Tree, of.by);
      return { ...base, kind: 'equivocation', a, b: signed(of.size as number, of.b as Tree, of.otherBy) };
    }
    case 'dispute': {
      const more = of.covered === true ? DISPUTE_DEPOSIT : 0n;
      const head = signed(of.size as number, of.tree as Tree, of.by);
      return { from, value: value + more, kind: 'dispute', head };
    }
    case 'answer': {
      const size = picked(state, of.pick as number);
      return {
        ...base,
        kind: 'answer',
        size,
        proof: changed(proofOf('honest', Number(size), at), of.proof as string),
      };
    }
    case 'expire':
      return { ...base, kind: 'expire', size: picked(state, of.pick as number) };
    case 'proposeKey': {
      const key = keys[of.by as number]?.publicKey ?? new Uint8Array(32);
      return { ...base, kind: 'proposeKey', key };
    }
    case 'queryHead':
      return { ...base, kind: 'queryHead', size: BigInt(of.size as number) };
    default:
      return { ...base, ...of } as unknown as Order;
  }
}

test(
  `contract and model agree over ${OPERATIONS} operations, seed ${SEED}`,
  async () => {
    const model = modelOf(
      config,
      DEVELOPMENT_NETWORK,
      keys.map((one) => one.publicKey),
    );
    const seen = new Set<number>();
    await fuzz(action, directed, async (actions) => {
      const bench = await opened();
      for (const { drawn: of, from, value } of actions) {
        if (of.kind === 'wait') {
          bench.now += of.seconds as number;
          continue;
        }
        const before = bench.state!;
        const order = orderOf(of as unknown as Drawn, from, value, before);
        const outcome = await step(bench, { from, value: order.value, body: await body(order) }, model(order));
        seen.add(outcome.exitCode);
        const after = bench.state!;
        expect(after.head.size, 'size strictly grows or stays').toBeGreaterThanOrEqual(before.head.size);
        if (after.seq !== before.seq) expect(after.head.size).toBeGreaterThan(before.head.size);
        if (before.state !== 'active') expect(after.head).toEqual(before.head);
        if (before.state === 'slashed') expect(after.state).toBe('slashed');
      }
    });
    expectSeen(seen, [0, 401, 403, 405, 411, 412, 413, 420, 424, 425, 450, 451, 460, 461, 65535]);
  },
  FUZZ_TIMEOUT_MS,
);
