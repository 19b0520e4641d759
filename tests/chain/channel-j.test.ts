import { Address, beginCell, type Cell, toNano } from '@ton/core';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { Emulator } from '../../src/chain/dev/emulator.ts';
import {
  DEVELOPMENT_NETWORK,
  type JettonChannelConfig,
  type JettonChannelState,
  jettonChannelAddress,
  jettonChannelInit,
  jettonChannelMessage,
  parseJettonChannelData,
  signVoucher,
  TESTNET,
} from '../../src/chain/index.ts';
import { ed25519Key } from '../../src/core/crypto/node.ts';
import { ContractBench, type Outcome } from './contract-bench.ts';
import { empty, expectRefused, FUZZ_TIMEOUT_MS, fuzz, OPERATIONS, SEED } from './fuzz.ts';

const party = (byte: number) => new Address(0, Buffer.alloc(32, byte));
const [client, payee, stranger, master, wallet] = [0xa1, 0xa2, 0xa3, 0xa4, 0xa5].map(party) as [
  Address,
  Address,
  Address,
  Address,
  Address,
];
const clientKey = ed25519Key(new Uint8Array(32).fill(7));
const config: JettonChannelConfig = {
  network: DEVELOPMENT_NETWORK,
  clientKey: clientKey.publicKey,
  closeDelaySeconds: 86_400,
  salt: 1n,
  client,
  payee,
  master,
};
const VALUE = toNano('0.2');
const TRANSFER = 0x0f8a7ea5;

let emulator: Emulator;
beforeAll(async () => {
  emulator = await Emulator.create(DEVELOPMENT_NETWORK);
});

type Bench = ContractBench<JettonChannelState>;
const fresh = (of = config): Bench =>
  new ContractBench(emulator, jettonChannelInit(of), (data) => parseJettonChannelData(data, of));

/** TEP-89: what a master answers. */
const walletIs = (address: Address | null) =>
  beginCell().storeUint(0xd1735400, 32).storeUint(0, 64).storeAddress(address).storeMaybeRef(null).endCell();
/** TEP-74: what the own wallet says when tokens came. */
const tokensCame = (amount: bigint, from = client) =>
  beginCell().storeUint(0x7362d09c, 32).storeUint(0, 64).storeCoins(amount).storeAddress(from).storeBit(0).endCell();

async function opened(tokens = 1000n): Promise<Bench> {
  const bench = fresh();
  expect((await bench.send(client, VALUE, jettonChannelMessage.initWallet())).exitCode).toBe(0);
  expect((await bench.send(master, toNano('0.05'), walletIs(wallet))).exitCode).toBe(0);
  if (tokens > 0n) expect((await bench.send(wallet, toNano('0.01'), tokensCame(tokens))).exitCode).toBe(0);
  return bench;
}
async function claimBody(bench: Bench, cumulative: bigint, key = clientKey): Promise<Cell> {
  const voucher = { channel: bench.address, cumulative, receipts: new Uint8Array(32) };
  return jettonChannelMessage.claim(voucher, await signVoucher(voucher, key));
}
type Sent = { kind: number; amount: bigint; to: Address; body: Cell; value: bigint; forward: bigint };
function transfers(outcome: Outcome): Sent[] {
  return outcome.outgoing
    .filter((out) => out.to.equals(wallet) && out.body.bits.length > 32)
    .map(({ body, value }) => {
      const slice = body.beginParse();
      expect(slice.loadUint(32)).toBe(TRANSFER);
      const kind = slice.loadUint(8);
      slice.skip(56);
      const [amount, to, change] = [slice.loadCoins(), slice.loadAddress(), slice.loadAddress()];
      expect(change).toBeDefined();
      expect(slice.loadMaybeRef()).toBeNull();
      const forward = slice.loadCoins();
      expect(slice.loadBit()).toBe(false);
      slice.endParse();
      return { kind, amount, to, body, value, forward };
    });
}
/** The wallet sends a transfer back: the network puts a prefix before its first 256 bits. */
const bounce = (bench: Bench, { body }: Sent, from = wallet) => {
  const first = body.bits.substring(0, Math.min(256, body.bits.length));
  const bounced = beginCell().storeUint(0xffffffff, 32).storeBits(first).endCell();
  return bench.send(from, toNano('0.05'), bounced, { bounced: true, bounce: false });
};

describe('tokens', () => {
  test('count only when the very wallet that the pinned master named says that they came', async () => {
    const bench = fresh();
    const asked = await bench.send(client, VALUE, jettonChannelMessage.initWallet());
    const [question] = asked.outgoing;
    expect(question?.to.equals(master)).toBe(true);
    expect(question?.body.beginParse().loadUint(32)).toBe(0x2c76b973);
    await expectRefused(bench, 460, () => bench.send(wallet, VALUE, tokensCame(5n)));
    await expectRefused(bench, 405, () => bench.send(stranger, VALUE, walletIs(stranger)));
    await expectRefused(bench, 413, () => bench.send(master, VALUE, walletIs(null)));
    await bench.send(master, VALUE, walletIs(wallet));
    await expectRefused(bench, 460, () => bench.send(master, VALUE, walletIs(stranger)));
    await expectRefused(bench, 460, () => bench.send(client, VALUE, jettonChannelMessage.initWallet()));
    await expectRefused(bench, 405, () => bench.send(stranger, VALUE, tokensCame(5n)));
    await bench.send(wallet, toNano('0.01'), tokensCame(5n));
    expect(bench.state).toMatchObject({ deposited: 5n, claimed: 0n });
  });

  test('another network takes none', async () => {
    const bench = fresh({ ...config, network: TESTNET });
    const outcome = await bench.send(client, VALUE, jettonChannelMessage.initWallet());
    expect(outcome.exitCode).toBe(463);
  });

  test('that come while it closes go back to who sent them', async () => {
    const bench = await opened();
    await bench.send(client, VALUE, jettonChannelMessage.startClose());
    const back = await bench.send(wallet, VALUE, tokensCame(77n, stranger));
    expect(transfers(back)).toMatchObject([{ kind: 3, amount: 77n, forward: 1n }]);
    expect(transfers(back)[0]?.to.equals(stranger)).toBe(true);
    expect(bench.state).toMatchObject({ deposited: 1000n });
    await bounce(bench, transfers(back)[0] as Sent);
    expect(bench.state).toMatchObject({ state: 'closing', deposited: 1000n, claimed: 0n });
  });
});

describe('a claim', () => {
  test('sends the difference to the payee; refused vouchers are refused as in the channel', async () => {
    const bench = await opened();
    const outcome = await bench.send(stranger, VALUE, await claimBody(bench, 400n));
    expect(transfers(outcome)).toMatchObject([
      { kind: 1, amount: 400n, value: toNano('0.06'), forward: toNano('0.01') },
    ]);
    expect(transfers(outcome)[0]?.to.equals(payee)).toBe(true);
    const again = await claimBody(bench, 400n);
    await expectRefused(bench, 403, () => bench.send(stranger, VALUE, again));
    await expectRefused(bench, 403, async () => bench.send(stranger, VALUE, await claimBody(bench, 1001n)));
    const other = await claimBody(bench, 500n, ed25519Key(new Uint8Array(32).fill(8)));
    await expectRefused(bench, 401, () => bench.send(stranger, VALUE, other));
    await expectRefused(bench, 450, async () => bench.send(stranger, toNano('0.0999'), await claimBody(bench, 500n)));
  });

  test('that the wallet sends back is owed again, also after the close', async () => {
    const bench = await opened();
    const [sent] = transfers(await bench.send(stranger, VALUE, await claimBody(bench, 400n)));
    await expectRefusedQuietly(bench, () => bounce(bench, sent as Sent, stranger));
    await bounce(bench, sent as Sent);
    expect(bench.state).toMatchObject({ claimed: 0n, deposited: 1000n, state: 'open' });
    const [second] = transfers(await bench.send(stranger, VALUE, await claimBody(bench, 400n)));
    const [rest] = transfers(await bench.send(payee, VALUE, jettonChannelMessage.payeeClose()));
    expect(rest).toMatchObject({ kind: 2, amount: 600n });
    expect(bench.state).toMatchObject({ state: 'closed', deposited: 400n, claimed: 400n });
    await bounce(bench, rest as Sent);
    expect(bench.state).toMatchObject({
      state: 'closing',
      deposited: 1000n,
      claimed: 400n,
      closeAt: bench.now + 86_400,
    });
    await bounce(bench, second as Sent);
    expect(bench.state).toMatchObject({ state: 'closing', deposited: 1000n, claimed: 0n });
  });
});

/** A bounce that is not the wallet's changes nothing. */
async function expectRefusedQuietly(bench: Bench, send: () => Promise<Outcome>): Promise<void> {
  const before = bench.state;
  expect((await send()).exitCode).toBe(405);
  expect(bench.state).toEqual(before);
}

test('closing by whom and when the rules say; TON that nobody asked for goes to the client at the end', async () => {
  const bench = await opened();
  await bench.send(stranger, toNano('1'), empty, { bounce: false });
  await expectRefused(bench, 405, () => bench.send(stranger, VALUE, jettonChannelMessage.startClose()));
  await expectRefused(bench, 460, () => bench.send(stranger, VALUE, jettonChannelMessage.finishClose()));
  await bench.send(client, VALUE, jettonChannelMessage.startClose());
  await expectRefused(bench, 461, () => bench.send(stranger, VALUE, jettonChannelMessage.finishClose()));
  bench.now += 86_400;
  const done = await bench.send(stranger, VALUE, jettonChannelMessage.finishClose());
  expect(transfers(done)).toMatchObject([{ kind: 2, amount: 1000n }]);
  expect(done.outgoing.some((out) => out.to.equals(client) && out.value > toNano('0.99'))).toBe(true);
  expect(done.outgoing.filter((out) => out.to.equals(stranger)).every((out) => out.value < VALUE)).toBe(true);
  for (const body of [jettonChannelMessage.startClose(), jettonChannelMessage.finishClose()]) {
    await expectRefused(bench, 460, () => bench.send(client, VALUE, body));
  }
});

test('its address means every field of its configuration', () => {
  const others: JettonChannelConfig[] = [
    config,
    { ...config, master: stranger },
    { ...config, network: TESTNET },
    { ...config, salt: 2n },
    { ...config, payee: stranger },
    { ...config, client: stranger },
    { ...config, closeDelaySeconds: 1 },
    { ...config, clientKey: new Uint8Array(32) },
  ];
  expect(new Set(others.map((one) => jettonChannelAddress(one).toRawString())).size).toBe(8);
});

test(
  `what is owed never exceeds what the wallet holds, over ${OPERATIONS} operations with bounces, seed ${SEED}`,
  async () => {
    const amount = fc.bigInt({ min: 1n, max: 500n });
    const kinds = [
      'came',
      'claim',
      'startClose',
      'finishClose',
      'payeeClose',
      'bounce',
      'deliver',
      'fake',
      'wait',
    ] as const;
    const action = fc.record({
      kind: fc.constantFrom(...kinds, 'came', 'claim', 'claim', 'bounce', 'deliver'),
      amount,
      share: fc.integer({ min: 0, max: 105 }),
      value: fc.constantFrom(VALUE, VALUE, VALUE, toNano('0.1'), toNano('0.05')),
    });
    await fuzz(action, [], async (actions) => {
      const bench = await opened(0n);
      /** Tokens in the wallet, transfers under way, and what payee and client have. */
      let held = 0n;
      let received = 0n;
      const underWay: Sent[] = [];
      const inFlight = () => underWay.reduce((sum, one) => sum + one.amount, 0n);
      for (const { kind, amount: tokens, share, value } of actions) {
        const before = bench.state as JettonChannelState;
        let outcome: Outcome | null = null;
        if (kind === 'wait') bench.now += 40_000;
        else if (kind === 'came') {
          held += tokens;
          outcome = await bench.send(wallet, value, tokensCame(tokens));
        } else if (kind === 'fake') outcome = await bench.send(stranger, value, tokensCame(tokens));
        else if (kind === 'claim') {
          outcome = await bench.send(
            stranger,
            value,
            await claimBody(bench, (before.deposited * BigInt(share)) / 100n),
          );
        } else if (kind === 'bounce' || kind === 'deliver') {
          const [one] = underWay.splice(0, 1);
          if (one === undefined) continue;
          if (kind === 'bounce') await bounce(bench, one);
          else {
            held -= one.amount;
            received += one.amount;
          }
        } else outcome = await bench.send(kind === 'payeeClose' ? payee : client, value, jettonChannelMessage[kind]());
        if (outcome !== null && !outcome.aborted) underWay.push(...transfers(outcome));
        const { deposited, claimed, state } = bench.state as JettonChannelState;
        expect(claimed <= deposited).toBe(true);
        if (state === 'closed') expect(deposited).toBe(claimed);
        expect(deposited - claimed + inFlight() <= held, 'owed and under way is there').toBe(true);
        expect(held).toBeGreaterThanOrEqual(0n);
        expect(received).toBeGreaterThanOrEqual(0n);
      }
    });
  },
  FUZZ_TIMEOUT_MS,
);

test('garbage and external messages change nothing', async () => {
  const bench = await opened();
  const before = bench.state;
  for (const body of [
    jettonChannelMessage.initWallet(),
    jettonChannelMessage.startClose(),
    await claimBody(bench, 5n),
  ]) {
    const cut = beginCell().storeBits(body.bits.substring(0, body.bits.length - 1));
    for (const ref of body.refs) cut.storeRef(ref);
    expect((await bench.send(client, VALUE, cut.endCell())).exitCode).not.toBe(0);
    const longer = beginCell().storeSlice(body.beginParse()).storeBit(0).endCell();
    expect((await bench.send(client, VALUE, longer)).exitCode).not.toBe(0);
    await expect(bench.sendExternal(body)).rejects.toMatchObject({ code: 'CHAIN_REFUSED' });
  }
  await expectRefused(bench, 0xffff, () => bench.send(client, VALUE, beginCell().storeUint(1, 32).endCell()));
  expect(bench.state).toEqual(before);
});
