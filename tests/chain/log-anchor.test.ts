import { Address, type Cell, toNano } from '@ton/core';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { Emulator } from '../../src/chain/dev/emulator.ts';
import {
  DEVELOPMENT_NETWORK,
  DISPUTE_DEPOSIT,
  type LogAnchorConfig,
  type LogAnchorState,
  logAnchorInit,
  logAnchorMessage,
  parseLogAnchorData,
  type SignedHead,
  TESTNET,
} from '../../src/chain/index.ts';
import { ed25519Key, ed25519Sign } from '../../src/core/crypto/node.ts';
import { type Bytes, leafHash, merkleRoot, toBase64, toHex, utf8 } from '../../src/core/index.ts';
import { checkpointMessage, consistencyProof } from '../../src/log/index.ts';
import { ContractBench } from './contract-bench.ts';
import {
  empty,
  expectGarbageRefused,
  expectRefused,
  expectSeen,
  FUZZ_TIMEOUT_MS,
  fuzz,
  OPERATIONS,
  SEED,
  by as sentBy,
  step,
  unknownOperation,
} from './fuzz.ts';
import { modelOf, type Order, type Signer } from './log-anchor-model.ts';

const party = (byte: number) => new Address(0, Buffer.alloc(32, byte));
const [owner, relayer, sink, stranger] = [0xa1, 0xa2, 0xa3, 0xa4].map(party) as [Address, Address, Address, Address];
const keys = [7, 8, 9].map((byte) => ed25519Key(new Uint8Array(32).fill(byte)));
const key = (by: Signer) => keys[by] as (typeof keys)[number];
const ORIGIN = 'router.example.org/attest/eu1';
const config: LogAnchorConfig = {
  network: DEVELOPMENT_NETWORK,
  minGapSeconds: 600,
  owner,
  relayer,
  sink,
  origin: ORIGIN,
  key: key(0).publicKey,
};
const VALUE = toNano('0.05');
const DAY = 86_400;

let emulator: Emulator;
beforeAll(async () => {
  emulator = await Emulator.create(DEVELOPMENT_NETWORK);
});

type Bench = ContractBench<LogAnchorState>;
async function opened(of: LogAnchorConfig = config): Promise<Bench> {
  const bench = new ContractBench(emulator, logAnchorInit(of), (data) => parseLogAnchorData(data, of));
  expect((await bench.send(stranger, toNano('0.1'), empty)).exitCode).toBe(0);
  return bench;
}

/** Two logs: they have the first 40 leaves in common, and then not. */
const LEAVES = 200;
const COMMON = 40;
const leavesOf = (name: string) =>
  Array.from({ length: LEAVES }, (_, i) => leafHash(utf8(i < COMMON ? `${i}` : `${name} ${i}`)));
const trees = { honest: leavesOf('honest'), forked: leavesOf('forked') } as const;
type Tree = keyof typeof trees;
const roots = new Map<string, Bytes>();
function rootOf(tree: Tree, size: number): Bytes {
  const name = `${tree} ${size}`;
  const root = roots.get(name) ?? merkleRoot(trees[tree].slice(0, size));
  roots.set(name, root);
  return root;
}
const proofOf = (tree: Tree, from: number, to: number) =>
  from > 0 && from < to ? consistencyProof(trees[tree].slice(0, to), from) : [];

async function sign(size: number | bigint, root: Bytes, by: Signer = 0, origin = ORIGIN): Promise<SignedHead> {
  const text = utf8(`${origin}\n${size}\n${toBase64(root)}\n`);
  return { size: BigInt(size), root, signature: await ed25519Sign(key(by), text) };
}
const head = (size: number, tree: Tree = 'honest', by: Signer = 0) => sign(size, rootOf(tree, size), by);
const anchored = async (bench: Bench, size: number, from = relayer) =>
  bench.send(
    from,
    VALUE,
    logAnchorMessage.anchor(await head(size), proofOf('honest', Number(bench.state!.head.size), size)),
  );

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

describe('contract and model agree', () => {
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
    `over ${OPERATIONS} operations, seed ${SEED}`,
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
});

describe('a checkpoint rebuilt on chain is the log’s own', () => {
  test('the known answer', async () => {
    const root = new Uint8Array(32).fill(0x66);
    const message = checkpointMessage({ origin: ORIGIN, size: 1000, root, extensions: [] });
    expect(message.length).toBe(80);
    const signature = await ed25519Sign(key(0), message);
    expect(toHex(signature)).toBe(
      'ceb4c8bfddc411917b4c402bb7a89ac3a3f80d939e1583f369a083b71bbf9cf4' +
        '91433024f63698ac8ab4867da7121c5cacf02e71faabdfa337c5f88de4877407',
    );
    const bench = await opened();
    const body = logAnchorMessage.anchor({ size: 1000n, root, signature }, []);
    expect((await bench.send(relayer, VALUE, body)).exitCode).toBe(0);
    expect(bench.state).toMatchObject({ seq: 1, head: { size: 1000n, root, at: bench.now } });
    const next = await sign(1001, root);
    const off = { ...next, signature: Uint8Array.from(next.signature, (byte, i) => (i === 20 ? byte ^ 1 : byte)) };
    await expectRefused(bench, 401, () => bench.send(relayer, VALUE, logAnchorMessage.anchor(off, [root])));
  });

  test('for sizes of one to twenty digits and origins of one to sixty bytes', async () => {
    const sizes = [0n, 9n, 10n, 99n, 100n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];
    const root = Uint8Array.from({ length: 32 }, (_, i) => (i * 37 + 251) & 0xff);
    for (const length of [1, 2, 29, 59, 60]) {
      const origin = 'a.example/'.repeat(6).slice(0, length);
      const bench = await opened({ ...config, origin });
      for (const size of sizes) {
        const signed = await sign(size, root, 0, origin);
        const dispute = logAnchorMessage.dispute(signed);
        const other = logAnchorMessage.dispute({ ...signed, size: size === 0n ? 1n : size - 1n });
        await expectRefused(bench, 401, () => bench.send(stranger, toNano('1.1'), other));
        expect((await bench.send(stranger, toNano('1.1'), dispute)).exitCode, `${origin} ${size}`).toBe(0);
      }
      expect(bench.state!.disputes.size).toBe(sizes.length);
    }
  });
});

describe('a head', () => {
  test('of a fork, with the log’s own signature, is refused; the honest one is taken', async () => {
    const bench = await opened();
    await anchored(bench, 100);
    const forked = logAnchorMessage.anchor(await head(150, 'forked'), proofOf('forked', 100, 150));
    await expectRefused(bench, 412, () => bench.send(relayer, VALUE, forked));
    expect((await anchored(bench, 150)).exitCode).toBe(0);
  });

  test('of every size follows every smaller one by its proof, and by no proof with one hash changed', async () => {
    for (const [from, to] of [
      [1, 2],
      [1, 3],
      [4, 7],
      [7, 8],
      [8, 200],
      [127, 128],
      [128, 129],
      [199, 200],
    ] as const) {
      const bench = await opened();
      await anchored(bench, from);
      const proof = proofOf('honest', from, to);
      const signed = await head(to);
      const send = (hashes: readonly Uint8Array[]) => () =>
        bench.send(relayer, VALUE, logAnchorMessage.anchor(signed, hashes));
      for (const at of proof.keys()) {
        const wrong = proof.map((one, i) => (i === at ? Uint8Array.from(one, (byte) => byte ^ 1) : one));
        await expectRefused(bench, 412, send(wrong));
      }
      await expectRefused(bench, proof.length === 1 ? 411 : 412, send(proof.slice(1)));
      await expectRefused(bench, 412, send([...proof, proof[0] as Bytes]));
      expect((await send(proof)()).exitCode, `${from} to ${to}`).toBe(0);
    }
  });

  test('too far ahead is refused: one jump to 2^64 would be the end of a log', async () => {
    const bench = await opened();
    const root = new Uint8Array(32);
    const send = async (size: bigint) =>
      bench.send(relayer, VALUE, logAnchorMessage.anchor(await sign(size, root), []));
    await expectRefused(bench, 403, () => send(2n ** 26n + 1n));
    expect((await send(2n ** 26n)).exitCode).toBe(0);
  });

  test('comes from a stranger only after the gap, from the relayer at any time', async () => {
    const bench = await opened();
    await anchored(bench, 10);
    const send = async () => anchored(bench, 20, stranger);
    await expectRefused(bench, 405, send);
    bench.now += 599;
    await expectRefused(bench, 405, send);
    bench.now += 1;
    expect((await send()).exitCode).toBe(0);
    expect((await anchored(bench, 21)).exitCode).toBe(0);
  });

  test('a proof whose cells have another form is refused', async () => {
    const { beginCell } = await import('@ton/core');
    const bench = await opened();
    await anchored(bench, 3);
    const { size, root, signature } = await head(200);
    const fields = () =>
      beginCell().storeUint(0x4c410001, 32).storeUint(0, 64).storeUint(size, 64).storeBuffer(Buffer.from(root));
    const hash = Buffer.alloc(32, 1);
    const forms = [
      beginCell().endCell(),
      beginCell().storeBuffer(hash).storeBit(1).endCell(),
      beginCell().storeBuffer(hash).storeRef(empty).endCell(),
      beginCell().storeBuffer(hash).storeRef(empty).storeRef(empty).endCell(),
    ];
    for (const form of forms) {
      const body = fields().storeBuffer(Buffer.from(signature)).storeMaybeRef(form).endCell();
      await expectRefused(bench, 411, () => bench.send(relayer, VALUE, body));
    }
  });
});

describe('the bond', () => {
  async function bonded(): Promise<Bench> {
    const bench = await opened();
    const bond = toNano('10');
    expect((await bench.send(stranger, bond + VALUE, logAnchorMessage.bondIn(bond))).exitCode).toBe(0);
    return bench;
  }

  test('goes for two signed roots of one size: a tenth to who shows it, the rest to the sink, once', async () => {
    const bench = await bonded();
    const body = logAnchorMessage.equivocation(await head(100), await head(100, 'forked'));
    const outcome = await bench.send(stranger, VALUE, body);
    expect(outcome.exitCode).toBe(0);
    expect(outcome.outgoing.filter((out) => out.to.equals(sink)).map((out) => out.value)).toEqual([toNano('9')]);
    expect(outcome.outgoing.filter((out) => out.to.equals(stranger)).map((out) => out.value)).toContain(toNano('1'));
    expect(bench.state).toMatchObject({ state: 'slashed', bond: 0n });
    await expectRefused(bench, 460, () => bench.send(stranger, VALUE, body));
    await expectRefused(bench, 460, () => anchored(bench, 5));
  });

  test('stays for one root twice, two sizes, two keys', async () => {
    const bench = await bonded();
    const a = await head(100);
    const send = (b: SignedHead) => () => bench.send(stranger, VALUE, logAnchorMessage.equivocation(a, b));
    await expectRefused(bench, 413, send(a));
    await expectRefused(bench, 401, send(await head(101)));
    await expectRefused(bench, 401, send(await head(100, 'forked', 1)));
    expect(bench.state).toMatchObject({ state: 'active', bond: toNano('10') });
  });

  test('answers for what the old key signed, thirty days', async () => {
    for (const [days, exitCode] of [
      [29, 0],
      [31, 401],
    ] as const) {
      const bench = await bonded();
      await bench.send(owner, VALUE, logAnchorMessage.proposeKey(key(1).publicKey));
      await expectRefused(bench, 461, () => bench.send(stranger, VALUE, logAnchorMessage.acceptKey()));
      bench.now += 2 * DAY;
      expect((await bench.send(stranger, VALUE, logAnchorMessage.acceptKey())).exitCode).toBe(0);
      bench.now += days * DAY;
      const body = logAnchorMessage.equivocation(await head(100), await head(100, 'forked'));
      expect((await bench.send(stranger, VALUE, body)).exitCode).toBe(exitCode);
    }
  });

  test('goes for a signed head that the log cannot explain in 72 hours; with an answer the deposit does', async () => {
    const bench = await bonded();
    await anchored(bench, 150);
    const dispute = async (tree: Tree) =>
      bench.send(stranger, toNano('1.05'), logAnchorMessage.dispute(await head(100, tree)));
    expect((await dispute('honest')).exitCode).toBe(0);
    const answered = await bench.send(relayer, VALUE, logAnchorMessage.answer(100n, proofOf('honest', 100, 150)));
    expect(answered.outgoing.map((out) => out.value)).toContain(DISPUTE_DEPOSIT);
    expect((await dispute('forked')).exitCode).toBe(0);
    const wrong = logAnchorMessage.answer(100n, proofOf('honest', 100, 150));
    await expectRefused(bench, 412, () => bench.send(relayer, VALUE, wrong));
    await expectRefused(bench, 420, () => bench.send(owner, VALUE, logAnchorMessage.takeBond()));
    bench.now += 3 * DAY - 1;
    await expectRefused(bench, 461, () => bench.send(stranger, VALUE, logAnchorMessage.expire(100n)));
    bench.now += 1;
    const expired = await bench.send(relayer, VALUE, logAnchorMessage.expire(100n));
    const toReporter = expired.outgoing.filter((out) => out.to.equals(stranger)).map((out) => out.value);
    expect(toReporter.sort()).toEqual([DISPUTE_DEPOSIT, toNano('1')]);
    expect(bench.state).toMatchObject({ state: 'slashed', bond: 0n });
  });

  test('leaves only to the owner, after seven days', async () => {
    const bench = await bonded();
    await expectRefused(bench, 405, () => bench.send(stranger, VALUE, logAnchorMessage.unbond(toNano('4'))));
    await bench.send(owner, VALUE, logAnchorMessage.unbond(toNano('4')));
    bench.now += 7 * DAY - 1;
    await expectRefused(bench, 461, () => bench.send(owner, VALUE, logAnchorMessage.takeBond()));
    bench.now += 1;
    const taken = await bench.send(owner, VALUE, logAnchorMessage.takeBond());
    expect(taken.outgoing.map((out) => out.value)).toContain(toNano('4'));
    await expectRefused(bench, 425, () => bench.send(owner, VALUE, logAnchorMessage.takeBond()));
  });

  test('is not taken on another network than the one the address was made for', async () => {
    const bench = await opened({ ...config, network: TESTNET });
    await expectRefused(bench, 463, () => bench.send(owner, toNano('2'), logAnchorMessage.bondIn(toNano('1'))));
    const signed = await head(10);
    await expectRefused(bench, 463, () => bench.send(owner, toNano('2'), logAnchorMessage.dispute(signed)));
  });
});

test('a reader on chain is told a head of the newest 64, and of no other', async () => {
  const bench = await opened();
  for (let size = 1; size <= 70; size++) await anchored(bench, size);
  const ask = (size: bigint) => bench.send(stranger, VALUE, logAnchorMessage.queryHead(size, 77n));
  for (const size of [7, 70]) {
    const reply = (await ask(BigInt(size))).outgoing[0]!.body.beginParse();
    expect([reply.loadUint(32), reply.loadUint(64), reply.loadUint(64)]).toEqual([0x4c410010, 77, size]);
    expect(Uint8Array.from(reply.loadBuffer(32))).toEqual(rootOf('honest', size));
  }
  await expectRefused(bench, 424, () => ask(6n));
  const at = async (seq: bigint) => bench.get('anchor_at', [{ type: 'int', value: seq }]);
  expect((await at(7n)).stack[0]).toEqual({ type: 'int', value: 7n });
  expect((await at(6n)).exitCode).toBe(424);
  expect((await at(71n)).exitCode).toBe(424);
  const ints = async (method: string) =>
    (await bench.get(method)).stack.map((item) => (item.type === 'int' ? item.value : null));
  expect(await ints('anchor_head')).toEqual([
    0n,
    70n,
    70n,
    BigInt(`0x${toHex(rootOf('honest', 70))}`),
    BigInt(bench.now),
  ]);
  expect(await ints('anchor_keys')).toEqual([BigInt(`0x${toHex(config.key)}`), 0n, 0n, 0n, 0n]);
  expect(await ints('anchor_bond')).toEqual([0n, 0n, 0n, 0n]);
});

test('garbage, too little value, bounces and external messages change nothing', async () => {
  const bench = await opened();
  await anchored(bench, 5);
  const bodies = [
    logAnchorMessage.anchor(await head(9), proofOf('honest', 5, 9)),
    logAnchorMessage.equivocation(await head(100), await head(100, 'forked')),
    logAnchorMessage.dispute(await head(4)),
    logAnchorMessage.answer(4n, []),
    logAnchorMessage.proposeKey(key(1).publicKey),
    logAnchorMessage.freeze(true),
    logAnchorMessage.bondIn(1n),
    logAnchorMessage.takeBond(),
  ];
  await expectGarbageRefused(bench, owner, bodies, toNano('0.03'));
});
