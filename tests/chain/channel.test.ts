import { type Address, beginCell, type Cell, toNano } from '@ton/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CHANNEL_RESERVE,
  type ChannelConfig,
  channelAddress,
  channelMessage,
  DEVELOPMENT_NETWORK,
  signVoucher,
  TESTNET,
  type Voucher,
  voucherCell,
} from '../../src/chain/index.ts';
import { ed25519Sign } from '../../src/core/crypto/node.ts';
import { ChannelBench } from './channel-bench.ts';
import { expectedOf, type Order } from './channel-model.ts';
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
import { emulator, party, signingKey, VALUE } from './support.ts';

const client = party(0xaa);
const payee = party(0xbb);
const stranger = party(0xcc);
const clientKey = signingKey(7);
const otherKey = signingKey(8);
const config: ChannelConfig = {
  network: DEVELOPMENT_NETWORK,
  clientKey: clientKey.publicKey,
  closeDelaySeconds: 86_400,
  salt: 1n,
  client,
  payee,
};

const bench = (of: ChannelConfig = config) => new ChannelBench(emulator, of);

async function claimBody(voucher: Voucher, key = clientKey): Promise<Cell> {
  return channelMessage.claim(voucher, await signVoucher(voucher, key), 5n);
}

async function opened(deposit = toNano('1'), of: ChannelConfig = config): Promise<ChannelBench> {
  const channel = bench(of);
  const outcome = await channel.send(client, deposit + toNano('0.07'), channelMessage.topUp(deposit));
  expect(outcome.exitCode).toBe(0);
  return channel;
}

const voucher = (channel: ChannelBench, cumulative: bigint): Voucher => ({
  channel: channel.address,
  cumulative,
  receipts: new Uint8Array(32).fill(0x22),
});

async function body(order: Order, channel: ChannelBench): Promise<Cell> {
  switch (order.kind) {
    case 'topUp':
      return channelMessage.topUp(order.amount);
    case 'claim': {
      const to = order.channel === 'own' ? channel.address : party(0x11);
      const key = order.signedBy === 'client' ? clientKey : otherKey;
      return claimBody({ ...voucher(channel, order.cumulative), channel: to }, key);
    }
    case 'unknown':
      return unknownOperation(0x43480006);
    case 'plain':
      return empty;
    default:
      return channelMessage[order.kind]();
  }
}

describe('contract and model agree', () => {
  const from = fc.constantFrom(client, payee, stranger);
  const nano = (max: string) => fc.bigInt({ min: 0n, max: toNano(max) });
  const value = fc.oneof(
    { weight: 1, arbitrary: fc.constantFrom(0n, toNano('0.0199'), toNano('0.02')) },
    { weight: 3, arbitrary: fc.constant(VALUE) },
    { weight: 1, arbitrary: nano('0.5') },
  );
  const kind = <K extends string>(...names: K[]) => fc.constantFrom(...names);
  const drawn = fc.oneof(
    // Half of the time the value covers the deposit.
    { weight: 3, arbitrary: fc.record({ kind: kind('topUp'), amount: nano('0.3'), more: fc.boolean() }) },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: kind('claim'),
        // Of the deposit, in hundredths: also nothing, less than was claimed, and more than there is.
        share: fc.integer({ min: 0, max: 110 }),
        signedBy: kind('client', 'client', 'client', 'other'),
        channel: kind('own', 'own', 'own', 'other'),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: kind('startClose', 'finishClose', 'payeeClose') }) },
    { weight: 1, arbitrary: fc.record({ kind: kind('unknown', 'plain') }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: kind('wait'), seconds: fc.constantFrom(1, 86_400, 31_536_000 * 3) }),
    },
  );
  const action = fc.record({ drawn, from, value });

  const claimed = { kind: 'claim', share: 50, signedBy: 'client', channel: 'own' } as const;
  const directed = [
    by(stranger, { kind: 'unknown' }),
    by(client, { kind: 'startClose' }, toNano('0.0199')),
    by(client, { kind: 'topUp', amount: 0n, more: false }),
    by(client, { kind: 'topUp', amount: toNano('0.3'), more: false }),
    by(stranger, { ...claimed, signedBy: 'other' }),
    by(stranger, { ...claimed, channel: 'other' }),
    by(stranger, claimed),
    by(stranger, claimed),
    by(stranger, { kind: 'startClose' }),
    by(client, { kind: 'startClose' }),
    by(client, { kind: 'finishClose' }),
    by(client, { kind: 'startClose' }),
    by(client, { kind: 'wait', seconds: 86_400 }),
    by(client, { kind: 'finishClose' }),
    by(stranger, { ...claimed, share: 60 }),
  ];

  type Drawn = Record<string, unknown> & { kind: string };
  function orderOf(of: Drawn, base: { from: Address; value: bigint }, channel: ChannelBench): Order {
    if (of.kind === 'topUp' && of.more === true) {
      return { ...base, ...of, value: (of.amount as bigint) + VALUE + base.value } as unknown as Order;
    }
    if (of.kind !== 'claim') return { ...base, ...of } as unknown as Order;
    const cumulative = (channel.state!.deposited * BigInt(of.share as number)) / 100n;
    return { ...base, ...of, cumulative } as unknown as Order;
  }

  test(
    `over ${OPERATIONS} operations with years between some, seed ${SEED}`,
    async () => {
      const seen = new Set<number>();
      await fuzz(action, directed, async (actions) => {
        const channel = await opened();
        for (const { drawn: of, from, value } of actions) {
          if (of.kind === 'wait') {
            channel.now += of.seconds as number;
            continue;
          }
          const order = orderOf(of as unknown as Drawn, { from, value }, channel);
          const sent = { from, value: order.value, body: await body(order, channel) };
          const outcome = await step(channel, sent, expectedOf(config, DEVELOPMENT_NETWORK, order));
          seen.add(outcome.exitCode);
          const { deposited, claimed } = channel.state!;
          // Who only waits, or is refused, pays storage and nothing else; the next operation makes up for it.
          const operated = order.kind !== 'plain' && outcome.exitCode === 0 && !outcome.aborted;
          expect(channel.balance).toBeGreaterThanOrEqual(operated ? deposited - claimed : outcome.base);
        }
      });
      expectSeen(seen, [0, 401, 402, 403, 405, 450, 451, 460, 461, 65535]);
    },
    FUZZ_TIMEOUT_MS,
  );
});

describe('a claim', () => {
  test('pays exactly the difference, with the pool’s receipt, and not twice', async () => {
    const channel = await opened();
    for (const [cumulative, paid] of [
      [toNano('0.25'), toNano('0.25')],
      [toNano('0.7'), toNano('0.45')],
      [toNano('1'), toNano('0.3')],
    ] as const) {
      const body = await claimBody(voucher(channel, cumulative));
      const outcome = await channel.send(stranger, VALUE, body);
      const payment = outcome.outgoing.find((out) => out.to.equals(payee))!;
      expect(payment.value).toBe(paid);
      const receipt = payment.body.beginParse();
      expect([receipt.loadUint(32), receipt.loadUint(64), receipt.loadCoins()]).toEqual([0x43480010, 5, cumulative]);
      receipt.endParse();
      await expectRefused(channel, 403, () => channel.send(stranger, VALUE, body));
    }
  });

  test('is good while closing, also after the hour has come, until the close is finished', async () => {
    const channel = await opened();
    await channel.send(client, VALUE, channelMessage.startClose());
    channel.now += 86_400 + 1;
    expect((await channel.send(stranger, VALUE, await claimBody(voucher(channel, 1n)))).exitCode).toBe(0);
    await channel.send(stranger, VALUE, channelMessage.finishClose());
    expect(channel.state).toMatchObject({ state: 'closed', deposited: 1n, claimed: 1n });
    const late = await claimBody(voucher(channel, 2n));
    await expectRefused(channel, 460, () => channel.send(stranger, VALUE, late));
  });

  test('of another key, channel, network, salt, above the deposit, not above what was claimed: refused', async () => {
    const channel = await opened();
    const send =
      (of: Voucher, key = clientKey) =>
      async () =>
        channel.send(stranger, VALUE, await claimBody(of, key));
    const good = voucher(channel, toNano('0.5'));
    await expectRefused(channel, 401, send(good, otherKey));
    for (const other of [
      { ...config, salt: 2n },
      { ...config, network: TESTNET },
      { ...config, closeDelaySeconds: 1 },
    ]) {
      await expectRefused(channel, 402, send({ ...good, channel: channelAddress(other) }));
    }
    await expectRefused(channel, 403, send(voucher(channel, toNano('1') + 1n)));
    await expectRefused(channel, 403, send(voucher(channel, 0n)));
    expect((await send(good)()).exitCode).toBe(0);
    await expectRefused(channel, 403, send(voucher(channel, toNano('0.5') - 1n)));
  });

  test('with one bit of signature or voucher flipped is refused', async () => {
    const channel = await opened();
    const good = voucher(channel, toNano('0.5'));
    const signature = await signVoucher(good, clientKey);
    const bits = voucherCell(good).bits;
    for (let bit = 0; bit < bits.length; bit += 37) {
      const flipped = beginCell();
      for (let i = 0; i < bits.length; i++) flipped.storeBit(i === bit ? !bits.at(i) : bits.at(i));
      const body = beginCell().storeUint(0x43480002, 32).storeUint(0, 64).storeBuffer(Buffer.from(signature));
      const message = body.storeRef(flipped.endCell()).endCell();
      await expectRefused(channel, 401, () => channel.send(stranger, VALUE, message));
    }
    for (let bit = 0; bit < 512; bit += 41) {
      const flipped = Uint8Array.from(signature);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      await expectRefused(channel, 401, () => channel.send(stranger, VALUE, channelMessage.claim(good, flipped)));
    }
  });

  test('of a signed cell that is no voucher, or has bits or cells left over, is refused', async () => {
    const channel = await opened();
    const fields = voucherCell(voucher(channel, toNano('0.5'))).beginParse();
    const whole = () => beginCell().storeSlice(fields);
    const cells: [number, Cell][] = [
      [402, beginCell().storeUint(0x57564331, 32).storeSlice(fields.clone().skip(32)).endCell()],
      [9, whole().storeBit(0).endCell()],
      [9, whole().storeRef(beginCell().endCell()).endCell()],
      [9, beginCell().storeUint(0x43484e31, 32).endCell()],
    ];
    for (const [exitCode, cell] of cells) {
      const body = beginCell().storeUint(0x43480002, 32).storeUint(0, 64);
      body.storeBuffer(Buffer.from(await ed25519Sign(clientKey, cell.hash()))).storeRef(cell);
      await expectRefused(channel, exitCode, () => channel.send(stranger, VALUE, body.endCell()));
    }
  });
});

describe('a deposit', () => {
  test('of nothing, or more than the value covers, or on another network, is refused', async () => {
    const channel = await opened();
    await expectRefused(channel, 403, () => channel.send(client, VALUE, channelMessage.topUp(0n)));
    await expectRefused(channel, 451, () => channel.send(client, VALUE, channelMessage.topUp(toNano('0.030000001'))));
    const foreign = bench({ ...config, network: TESTNET });
    const refused = await foreign.send(client, toNano('1.1'), channelMessage.topUp(toNano('1')));
    expect(refused.exitCode).toBe(463);
  });

  test('that is a plain transfer is none, and comes back to the client at the close', async () => {
    const channel = await opened();
    const plain = await channel.send(stranger, toNano('3'), beginCell().endCell(), { bounce: false });
    expect(plain).toMatchObject({ exitCode: 0, outgoing: [] });
    expect(channel.state).toMatchObject({ deposited: toNano('1'), claimed: 0n });
    const next = await channel.send(stranger, VALUE, await claimBody(voucher(channel, toNano('0.4'))));
    expect(next.outgoing.find((out) => out.to.equals(stranger))!.value).toBeLessThan(VALUE);
    const closed = await channel.send(payee, VALUE, channelMessage.payeeClose());
    const back = closed.outgoing.find((out) => out.to.equals(client))!.value;
    expect(back).toBeGreaterThan(toNano('3.59'));
    expect(channel.balance).toBe(CHANNEL_RESERVE);
  });
});

describe('closing', () => {
  test('only by whom and when the rules say', async () => {
    const channel = await opened();
    const send = (from: Address, body: Cell) => () => channel.send(from, VALUE, body);
    for (const from of [payee, stranger]) await expectRefused(channel, 405, send(from, channelMessage.startClose()));
    for (const from of [client, stranger]) await expectRefused(channel, 405, send(from, channelMessage.payeeClose()));
    await expectRefused(channel, 460, send(client, channelMessage.finishClose()));
    await send(client, channelMessage.startClose())();
    expect(channel.state).toMatchObject({ state: 'closing', closeAt: channel.now + 86_400 });
    await expectRefused(channel, 460, send(client, channelMessage.startClose()));
    await expectRefused(channel, 460, () => channel.send(client, toNano('1'), channelMessage.topUp(toNano('0.5'))));
    channel.now += 86_399;
    await expectRefused(channel, 461, send(client, channelMessage.finishClose()));
    channel.now += 1;
    const closed = await send(stranger, channelMessage.finishClose())();
    expect(closed.outgoing.find((out) => out.to.equals(client))!.value).toBeGreaterThanOrEqual(toNano('1'));
    for (const body of [channelMessage.finishClose(), channelMessage.payeeClose(), channelMessage.startClose()]) {
      for (const from of [client, payee]) await expectRefused(channel, 460, send(from, body));
    }
    expect((await send(stranger, beginCell().endCell())()).exitCode).toBe(0);
    expect(channel.state).toMatchObject({ state: 'closed' });
  });
});

describe('messages that are none of the contract’s', () => {
  test('garbage, too little value, bounces and external messages change nothing', async () => {
    const channel = await opened();
    const bodies = [
      channelMessage.topUp(toNano('0.01')),
      await claimBody(voucher(channel, 1n)),
      channelMessage.startClose(),
      channelMessage.finishClose(),
    ];
    await expectGarbageRefused(channel, client, bodies, toNano('0.02'));
    await expectGarbageRefused(channel, payee, [channelMessage.payeeClose()], toNano('0.02'));
  });

  test('forged initial data gives another address, and at the right one nothing is deployed', async () => {
    const honest = channelAddress(config);
    const rich = bench({ ...config, salt: 99n });
    const forged = new ChannelBench(emulator, { ...config, salt: 99n }, honest);
    const outcome = await forged.send(client, toNano('1.1'), channelMessage.topUp(toNano('1')));
    expect(outcome.exitCode).toBe(-1);
    expect(forged.state).toBeNull();
    expect(rich.address.equals(honest)).toBe(false);
  });
});

describe('forty idle years', () => {
  test('eat the reserve: a small claim bounces, a larger one heals the account and later ones pay the rest', async () => {
    const channel = await opened();
    channel.now += 40 * 31_536_000;
    const small = await channel.send(stranger, toNano('0.02'), await claimBody(voucher(channel, toNano('0.6'))));
    expect(small).toMatchObject({ exitCode: 0, aborted: true });
    expect(small.actionCode).not.toBe(0);
    expect(channel.state).toMatchObject({ claimed: 0n });
    const healed = await channel.send(stranger, toNano('0.1'), await claimBody(voucher(channel, toNano('0.6'))));
    expect(healed.aborted).toBe(false);
    const last = await channel.send(stranger, VALUE, await claimBody(voucher(channel, toNano('1'))));
    expect(last.outgoing.find((out) => out.to.equals(payee))!.value).toBe(toNano('0.4'));
    expect(channel.balance).toBe(CHANNEL_RESERVE);
  });
});

describe('get-methods', () => {
  test('tell state and configuration', async () => {
    const channel = await opened(toNano('0.5'));
    const ints = (await channel.get('channel_state')).stack.map((item) => (item.type === 'int' ? item.value : null));
    expect(ints).toEqual([1n, 0n, toNano('0.5'), 0n, 0n]);
    const { stack } = await channel.get('channel_config');
    const [network, key, delay, salt, ofClient, ofPayee] = stack;
    expect(network).toEqual({ type: 'int', value: BigInt(DEVELOPMENT_NETWORK) });
    expect(key).toEqual({ type: 'int', value: BigInt(`0x${Buffer.from(clientKey.publicKey).toString('hex')}`) });
    expect([delay, salt]).toEqual([
      { type: 'int', value: 86_400n },
      { type: 'int', value: 1n },
    ]);
    const address = (item: typeof ofClient) => (item?.type === 'slice' ? item.cell.beginParse().loadAddress() : null);
    expect(address(ofClient)?.equals(client)).toBe(true);
    expect(address(ofPayee)?.equals(payee)).toBe(true);
  });
});
