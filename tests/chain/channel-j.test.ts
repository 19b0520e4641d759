import { beginCell, toNano } from '@ton/core';
import { describe, expect, test } from 'vitest';
import {
  type JettonChannelConfig,
  jettonChannelAddress,
  jettonChannelMessage,
  TESTNET,
} from '../../src/chain/index.ts';
import {
  type Bench,
  bounce,
  claimBody,
  client,
  config,
  fresh,
  master,
  opened,
  payee,
  type Sent,
  stranger,
  tokensCame,
  transfers,
  TRANSFER_VALUE as VALUE,
  wallet,
  walletIs,
} from './channel-j-bench.ts';
import type { Outcome } from './contract-bench.ts';
import { empty, expectRefused } from './fuzz.ts';
import { bytes, signingKey } from './support.ts';

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
    const outcome = await bench.send(stranger, VALUE, await claimBody(bench.address, 400n));
    expect(transfers(outcome)).toMatchObject([
      { kind: 1, amount: 400n, value: toNano('0.06'), forward: toNano('0.01') },
    ]);
    expect(transfers(outcome)[0]?.to.equals(payee)).toBe(true);
    const again = await claimBody(bench.address, 400n);
    await expectRefused(bench, 403, () => bench.send(stranger, VALUE, again));
    await expectRefused(bench, 403, async () => bench.send(stranger, VALUE, await claimBody(bench.address, 1001n)));
    const other = await claimBody(bench.address, 500n, signingKey(8));
    await expectRefused(bench, 401, () => bench.send(stranger, VALUE, other));
    await expectRefused(bench, 450, async () =>
      bench.send(stranger, toNano('0.0999'), await claimBody(bench.address, 500n)),
    );
  });

  test('that the wallet sends back is owed again, also after the close', async () => {
    const bench = await opened();
    const [sent] = transfers(await bench.send(stranger, VALUE, await claimBody(bench.address, 400n)));
    await expectRefusedQuietly(bench, () => bounce(bench, sent as Sent, stranger));
    await bounce(bench, sent as Sent);
    expect(bench.state).toMatchObject({ claimed: 0n, deposited: 1000n, state: 'open' });
    const [second] = transfers(await bench.send(stranger, VALUE, await claimBody(bench.address, 400n)));
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

  test('cannot be taken back below nothing by a wallet that lies', async () => {
    const bench = await opened();
    const [sent] = transfers(await bench.send(stranger, VALUE, await claimBody(bench.address, 400n)));
    await bounce(bench, sent as Sent);
    const before = bench.state;
    expect((await bounce(bench, sent as Sent)).aborted).toBe(true);
    expect(bench.state).toEqual(before);
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
    { ...config, clientKey: bytes(0) },
  ];
  expect(new Set(others.map((one) => jettonChannelAddress(one).toRawString())).size).toBe(8);
});

test('garbage and external messages change nothing', async () => {
  const bench = await opened();
  const before = bench.state;
  for (const body of [
    jettonChannelMessage.initWallet(),
    jettonChannelMessage.startClose(),
    await claimBody(bench.address, 5n),
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
