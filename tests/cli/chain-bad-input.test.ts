import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toNano } from '@ton/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  ChainEndpoint,
  ChannelClient,
  type ChannelConfig,
  type DevelopmentChain,
  MAINNET,
  PoolClient,
  parseVoucher,
  parseWorkerVoucher,
  startDevelopmentChain,
  Wallet,
} from '../../src/chain/index.ts';
import { EXIT, exitCodeOf, todoOf } from '../../src/cli/output.ts';
import { CodedError } from '../../src/core/index.ts';
import { bytes, party, signingKey } from '../chain/support.ts';

/** What goes wrong with a chain: what happened and what to do next is said in words, and nothing is lost. */
const folder = mkdtempSync(join(tmpdir(), 'chrysalis-bad-chain-'));
const randomness = (length: number) => Uint8Array.from(randomBytes(length));
let chain: DevelopmentChain;
/** In front of the chain, with every contract's data cut short. */
let cutting: Server;
let cut: string;
beforeAll(async () => {
  chain = await startDevelopmentChain({ dataDirectory: join(folder, 'chain'), clock: Date.now, randomness });
  cutting = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    const text = await (await fetch(chain.url, { method: 'POST', body })).text();
    response.end(text.replace(/"data":"([\w+/=]{20,})"/g, (_, data: string) => `"data":"${data.slice(0, 16)}"`));
  });
  await new Promise<void>((resolve) => cutting.listen(0, '127.0.0.1', resolve));
  cut = `http://127.0.0.1:${(cutting.address() as AddressInfo).port}/jsonRPC`;
});
afterAll(async () => {
  cutting.close();
  await chain.close();
  rmSync(folder, { recursive: true });
});

const endpointOf = (url = chain.url) => new ChainEndpoint({ endpoint: url });
const walletOf = (byte: number) => new Wallet(endpointOf(), signingKey(byte), chain.network, Date.now);
const channels = (url = chain.url, waitMs = 10_000) =>
  new ChannelClient({ endpoint: endpointOf(url), network: chain.network, clock: Date.now, randomness, waitMs });
const configOf = (wallet: Wallet, salt = 1n): ChannelConfig => ({
  network: chain.network,
  clientKey: signingKey(7).publicKey,
  closeDelaySeconds: 86_400,
  salt,
  client: wallet.address,
  payee: party(9),
});

/** The error of work that fails, and what a person is told to do. */
async function told(work: () => Promise<unknown>) {
  const error = await work().then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(CodedError);
  const { code, message } = error as CodedError;
  return { code, message, exit: exitCodeOf(code), todo: todoOf(error as CodedError) };
}

test('a malformed bag of cells: a voucher that is none is refused, a provider that answers one has not answered', async () => {
  for (const parse of [parseVoucher, parseWorkerVoucher]) {
    for (const bad of [bytes(0), new Uint8Array(0), Uint8Array.from(Buffer.from('b5ee9c72', 'hex'))]) {
      const answer = await told(async () => parse(bad));
      expect(answer).toMatchObject({ code: 'VOUCHER_INVALID', exit: EXIT.refused });
      expect(answer.todo).toContain('nothing is lost');
    }
  }
  const wallet = walletOf(1);
  await endpointOf().faucet(wallet.address, toNano('5'));
  await channels().openChannel(wallet, configOf(wallet), toNano('1'));
  const answer = await told(() => channels(cut).channelState(configOf(wallet)));
  expect(answer).toMatchObject({ code: 'CHAIN_UNREACHABLE', exit: EXIT.unavailable });
  expect(answer.todo).toContain('name more providers');
  const endpoint = new ChainEndpoint({ endpoint: [cut, chain.url] });
  const both = new ChannelClient({ endpoint, network: chain.network, clock: Date.now, randomness });
  expect(await both.channelState(configOf(wallet))).toMatchObject({ deposited: toNano('1') });
});

test('a wrong network: nothing is sent there', async () => {
  const wallet = walletOf(1);
  const before = await wallet.balance();
  const answer = await told(() => channels().openChannel(wallet, { ...configOf(wallet), network: MAINNET }, 1n));
  expect(answer).toMatchObject({ code: 'CHAIN_NETWORK_MISMATCH', exit: EXIT.refused });
  expect(answer.todo).toContain('--chain');
  expect((await told(() => endpointOf().requireNetwork(MAINNET))).message).toContain(`network ${chain.network}`);
  expect(await wallet.balance()).toBe(before);
});

test('a wallet without money: how much is missing, and the same again works when it is there', async () => {
  const wallet = walletOf(2);
  const open = () => channels().openChannel(wallet, configOf(wallet), toNano('2'));
  const answer = await told(open);
  expect(answer).toMatchObject({ code: 'CHAIN_FUNDS_MISSING', exit: EXIT.refused });
  expect(answer.todo).toContain('send TON to the wallet');
  await endpointOf().faucet(wallet.address, toNano('3'));
  expect(await open()).toMatchObject({ state: 'open', deposited: toNano('2') });
});

test('a contract that is not deployed: what would deploy it', async () => {
  const wallet = walletOf(1);
  const topUp = await told(() => channels().topUp(wallet, configOf(wallet, 77n), 1n));
  expect(topUp).toMatchObject({ code: 'CHANNEL_STATE_INVALID', exit: EXIT.refused });
  expect(topUp.todo).toContain('channel open');
  const config = {
    network: chain.network,
    owner: party(1),
    operator: party(2),
    postDelaySeconds: 3600,
    minChallenge: 1n,
    bps: 0,
    voucherKey: bytes(3),
  };
  const caller = { endpoint: endpointOf(), network: chain.network, clock: Date.now, randomness };
  const pool = await told(() => new PoolClient(caller, config).view());
  expect(pool).toMatchObject({ code: 'CHAIN_REFUSED', exit: EXIT.refused });
  expect(pool.todo).toContain('its router deploys it');
});

test('a chain at a stand: "could not find out", and the same again counts once', async () => {
  const wallet = walletOf(3);
  await endpointOf().faucet(wallet.address, toNano('5'));
  const config = configOf(wallet);
  await channels().openChannel(wallet, config, toNano('1'));
  const ask = (path: string, body: object) =>
    fetch(new URL(path, chain.url), { method: 'POST', body: JSON.stringify(body) });
  await ask('/faults', { drop: 1 });
  const answer = await told(() => channels(chain.url, 300).topUp(wallet, config, toNano('0.5')));
  expect(answer).toMatchObject({ code: 'CHAIN_UNCONFIRMED', exit: EXIT.unavailable });
  expect(answer.todo).toContain('look at the state before trying again');
  expect(await channels().channelState(config)).toMatchObject({ deposited: toNano('1') });
  // What was signed can be applied for a minute; then the next one is signed.
  await ask('/skip', { seconds: 120 });
  expect(await channels().topUp(wallet, config, toNano('0.5'))).toMatchObject({ deposited: toNano('1.5') });
  await ask('/faults', { status: 503, failures: 1_000 });
  const away = await told(() => channels().channelState(config));
  expect(away).toMatchObject({ code: 'CHAIN_UNREACHABLE', exit: EXIT.unavailable });
  await ask('/faults', {});
  expect(await channels().channelState(config)).toMatchObject({ deposited: toNano('1.5') });
});
