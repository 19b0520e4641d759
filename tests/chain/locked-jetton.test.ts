import { readFileSync } from 'node:fs';
import { type Address, beginCell, Cell, type StateInit, toNano } from '@ton/core';
import { runTolkCompiler } from '@ton/tolk-js';
import { beforeEach, expect, test } from 'vitest';
import {
  addressOfInit,
  type ContractInit,
  DEVELOPMENT_NETWORK,
  type JettonChannelConfig,
  type JettonChannelState,
  jettonChannelInit,
  jettonChannelMessage,
  parseJettonChannelData,
} from '../../src/chain/index.ts';
import { claimBody, clientKey } from './channel-j-bench.ts';
import { ContractBench, type Outcome } from './contract-bench.ts';
import { DAY, emulator, party } from './support.ts';

/**
 * Contracts section 2, "USDT issuer locks a wallet": the channel with a real minter and real wallets, message by message.
 * Nobody loses to anybody else: what can't be sent is owed until it can.
 */
const [issuer, client, payee, anyone] = [0xc1, 0xc2, 0xc3, 0xc4].map(party) as [Address, Address, Address, Address];
const VALUE = toNano('0.2');
const OPEN = 0;
const LOCKED_OUT = 1;
const LOCKED_IN = 2;

async function compiled(name: string): Promise<Cell> {
  const result = await runTolkCompiler({
    entrypointFileName: `${name}.tolk`,
    fsReadCallback: (path) => readFileSync(new URL(`./jetton/${path}`, import.meta.url), 'utf8'),
  });
  if (result.status === 'error') throw new Error(result.message);
  return Cell.fromBase64(result.codeBoc64);
}
const [minterCode, walletCode] = (await Promise.all(['minter', 'wallet'].map(compiled))) as [Cell, Cell];

const minter: ContractInit = {
  code: minterCode,
  data: beginCell().storeAddress(issuer).storeRef(walletCode).endCell(),
};
const master = addressOfInit(minter);
const walletInit = (owner: Address): ContractInit => ({
  code: walletCode,
  data: beginCell().storeUint(0, 4).storeCoins(0).storeAddress(owner).storeAddress(master).endCell(),
});
const config: JettonChannelConfig = {
  network: DEVELOPMENT_NETWORK,
  clientKey: clientKey.publicKey,
  closeDelaySeconds: DAY,
  salt: 1n,
  client,
  payee,
  master,
};

type Account = ContractBench<unknown>;
let accounts: Map<string, Account>;
let channel: ContractBench<JettonChannelState>;
let now: number;
const keyOf = (address: Address) => address.toRawString();
const tokensOf = (data: Cell) => data.beginParse().skip(4).loadCoins();
const tokens = (owner: Address) => accounts.get(keyOf(addressOfInit(walletInit(owner))))?.state ?? 0n;

/** Delivers a message and all that follow from it. @returns the first one's outcome */
async function deliver(from: Address, to: Address, value: bigint, body: Cell): Promise<Outcome> {
  const outcomes: Outcome[] = [];
  const queue = [{ from, to, value, body, bounced: false, bounce: true, init: undefined as StateInit | undefined }];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const account = accounts.get(keyOf(next.to));
    if (account === undefined) continue;
    account.now = now;
    const { bounced, bounce } = next;
    const outcome = await account.send(next.from, next.value, next.body, { bounced, bounce });
    outcomes.push(outcome);
    for (const out of outcome.outgoing) queue.push({ ...out, from: account.address, init: undefined });
  }
  return outcomes[0] as Outcome;
}

const operation = (tag: number) => beginCell().storeUint(tag, 32).storeUint(0, 64);
const govern = (owner: Address, status: number) =>
  deliver(issuer, master, VALUE, operation(0x16).storeAddress(owner).storeUint(status, 4).endCell());
const claim = async (cumulative: bigint) =>
  deliver(anyone, channel.address, VALUE, await claimBody(channel.address, cumulative));

beforeEach(async () => {
  now = 1_800_000_000;
  channel = new ContractBench(emulator, jettonChannelInit(config), (data) => parseJettonChannelData(data, config));
  const wallets = [client, payee, channel.address].map(
    (owner) => new ContractBench<unknown>(emulator, walletInit(owner), tokensOf),
  );
  const all: Account[] = [channel, new ContractBench<unknown>(emulator, minter, () => null), ...wallets];
  accounts = new Map(all.map((account) => [keyOf(account.address), account]));
  for (const account of all) await deliver(anyone, account.address, toNano('0.5'), new Cell());
  await deliver(issuer, master, VALUE, operation(0x15).storeAddress(client).storeCoins(1000).endCell());
  await deliver(client, channel.address, VALUE, jettonChannelMessage.initWallet());
  const deposit = operation(0x0f8a7ea5).storeCoins(600).storeAddress(channel.address).storeAddress(client);
  const whole = deposit.storeBit(0).storeCoins(toNano('0.05')).storeBit(0).endCell();
  await deliver(client, addressOfInit(walletInit(client)), VALUE, whole);
  expect(channel.state).toMatchObject({ deposited: 600n, claimed: 0n });
});

test('while nothing is locked tokens go where vouchers say, and the rest back to the client', async () => {
  await claim(250n);
  expect([tokens(payee), tokens(channel.address)]).toEqual([250n, 350n]);
  await deliver(payee, channel.address, VALUE, jettonChannelMessage.payeeClose());
  expect([tokens(payee), tokens(client), tokens(channel.address)]).toEqual([250n, 750n, 0n]);
});

test('the channel’s wallet is locked: a claim and a close are owed again, and paid when the lock is gone', async () => {
  await govern(channel.address, LOCKED_OUT);
  await claim(250n);
  expect(channel.state).toMatchObject({ state: 'open', deposited: 600n, claimed: 0n });
  await deliver(client, channel.address, VALUE, jettonChannelMessage.startClose());
  now += DAY;
  await deliver(client, channel.address, VALUE, jettonChannelMessage.finishClose());
  expect(channel.state).toMatchObject({ state: 'closing', deposited: 600n, claimed: 0n, closeAt: now + DAY });
  expect([tokens(payee), tokens(client), tokens(channel.address)]).toEqual([0n, 400n, 600n]);
  await govern(channel.address, OPEN);
  await claim(250n);
  now += DAY;
  await deliver(client, channel.address, VALUE, jettonChannelMessage.finishClose());
  expect(channel.state).toMatchObject({ state: 'closed', deposited: 250n, claimed: 250n });
  expect([tokens(payee), tokens(client), tokens(channel.address)]).toEqual([250n, 750n, 0n]);
});

test('a wallet that may not receive: what was sent to it comes back unseen and counts as paid, the others keep theirs', async () => {
  await govern(payee, LOCKED_IN);
  await claim(250n);
  expect(channel.state).toMatchObject({ deposited: 600n, claimed: 250n });
  expect([tokens(payee), tokens(channel.address)]).toEqual([0n, 600n]);
  await deliver(client, channel.address, VALUE, jettonChannelMessage.startClose());
  now += DAY;
  await deliver(client, channel.address, VALUE, jettonChannelMessage.finishClose());
  expect([tokens(client), tokens(channel.address)]).toEqual([750n, 250n]);
});

test('a minter of the same code with another issuer, and its wallets, change nothing', async () => {
  const other: ContractInit = {
    code: minterCode,
    data: beginCell().storeAddress(anyone).storeRef(walletCode).endCell(),
  };
  const fake = new ContractBench<unknown>(emulator, other, () => null);
  const fakeWallet: ContractInit = {
    code: walletCode,
    data: beginCell().storeUint(0, 4).storeCoins(0).storeAddress(client).storeAddress(fake.address).endCell(),
  };
  const from = new ContractBench<unknown>(emulator, fakeWallet, tokensOf);
  for (const account of [fake, from]) {
    accounts.set(keyOf(account.address), account);
    await deliver(anyone, account.address, toNano('0.5'), new Cell());
  }
  const before = channel.state;
  await deliver(anyone, fake.address, VALUE, operation(0x15).storeAddress(client).storeCoins(1000).endCell());
  expect(from.state).toBe(1000n);
  const come = operation(0x7362d09c).storeCoins(1000).storeAddress(client).storeBit(0).endCell();
  for (const sender of [fake.address, from.address, anyone]) await deliver(sender, channel.address, VALUE, come);
  expect(channel.state).toEqual(before);
});
