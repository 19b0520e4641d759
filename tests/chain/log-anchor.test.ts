import { toNano } from '@ton/core';
import { describe, expect, test } from 'vitest';
import { DISPUTE_DEPOSIT, logAnchorMessage, type SignedHead, TESTNET } from '../../src/chain/index.ts';
import { ed25519Sign } from '../../src/core/crypto/node.ts';
import { type Bytes, toHex } from '../../src/core/index.ts';
import { checkpointMessage } from '../../src/log/index.ts';
import { empty, expectGarbageRefused, expectRefused } from './fuzz.ts';
import {
  anchored,
  type Bench,
  config,
  head,
  key,
  ORIGIN,
  opened,
  owner,
  proofOf,
  relayer,
  rootOf,
  sign,
  sink,
  stranger,
  type Tree,
} from './log-anchor-bench.ts';
import { DAY, VALUE } from './support.ts';

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
