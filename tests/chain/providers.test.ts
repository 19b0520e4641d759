import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beginCell, Cell, toNano } from '@ton/core';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  ChainEndpoint,
  ChannelClient,
  type ChannelConfig,
  type DevelopmentChain,
  startDevelopmentChain,
  Wallet,
} from '../../src/chain/index.ts';
import { ed25519Key } from '../../src/core/crypto/node.ts';

/** Several providers of one chain: they stand in for each other, and where that is asked for they must agree. */
type Mode = 'honest' | 'down' | 'broke' | 'lies' | 'back';
const folder = mkdtempSync(join(tmpdir(), 'chrysalis-providers-'));
const randomness = (length: number) => Uint8Array.from(randomBytes(length));
const key = ed25519Key(new Uint8Array(32).fill(7));
let chain: DevelopmentChain;
let servers: Server[];
let urls: string[];
const modes: Mode[] = ['honest', 'honest', 'honest'];
const asked = [0, 0, 0];
let config: ChannelConfig;

/** A million TON more than there is. */
function richer(data: string): string {
  const slice = Cell.fromBase64(data).beginParse();
  const head = slice.loadUint(18);
  const [deposited, claimed] = [slice.loadCoins() + toNano('1000000'), slice.loadCoins()];
  const cell = beginCell().storeUint(head, 18).storeCoins(deposited).storeCoins(claimed).storeSlice(slice).endCell();
  return cell.toBoc().toString('base64');
}

async function answer(at: number, body: string): Promise<{ status: number; text: string }> {
  const mode = modes[at] as Mode;
  asked[at] = (asked[at] ?? 0) + 1;
  if (mode === 'down') return { status: 503, text: '{"ok":false,"error":"down"}' };
  if (mode === 'broke') return { status: 200, text: '<html>' };
  const response = await fetch(chain.url, { method: 'POST', body });
  const text = await response.text();
  if (mode === 'honest') return { status: response.status, text };
  const json = JSON.parse(text) as { result: Record<string, unknown> };
  if (mode === 'lies' && typeof json.result.data === 'string' && json.result.data !== '') {
    json.result.data = richer(json.result.data);
  }
  if (mode === 'back' && json.result.last !== undefined) (json.result.last as { seqno: number }).seqno = 1;
  return { status: response.status, text: JSON.stringify(json) };
}

beforeAll(async () => {
  chain = await startDevelopmentChain({ dataDirectory: folder, clock: Date.now, randomness });
  servers = modes.map((_, at) =>
    createServer(async (request, response) => {
      let body = '';
      for await (const piece of request) body += piece;
      const { status, text } = await answer(at, body);
      response.writeHead(status, { 'content-type': 'application/json' }).end(text);
    }),
  );
  for (const server of servers) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  urls = servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/jsonRPC`);
  const endpoint = new ChainEndpoint({ endpoint: chain.url });
  const wallet = new Wallet(endpoint, key, chain.network, Date.now);
  await endpoint.faucet(wallet.address, toNano('10'));
  config = {
    network: chain.network,
    clientKey: key.publicKey,
    closeDelaySeconds: 86_400,
    salt: 1n,
    client: wallet.address,
    payee: wallet.address,
  };
  await channels(endpoint).openChannel(wallet, config, toNano('1'));
});
afterAll(async () => {
  for (const server of servers) server.close();
  await chain.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  modes.fill('honest');
  asked.fill(0);
});

const channels = (endpoint: ChainEndpoint) =>
  new ChannelClient({ endpoint, network: chain.network, clock: Date.now, randomness });
const deposited = async (endpoint: ChainEndpoint) => (await channels(endpoint).channelState(config))?.deposited;

test('one that is down, or answers nonsense, is passed over; the one that answered is asked first the next time', async () => {
  const endpoint = new ChainEndpoint({ endpoint: urls });
  modes[0] = 'down';
  modes[1] = 'broke';
  expect(await deposited(endpoint)).toBe(toNano('1'));
  const before = asked[0];
  expect(await deposited(endpoint)).toBe(toNano('1'));
  expect(asked[0]).toBe(before);
  modes[2] = 'down';
  await expect(deposited(endpoint)).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE' });
  modes[0] = 'honest';
  expect(await deposited(endpoint)).toBe(toNano('1'));
});

test('one that shows a deposit which is not there is believed alone, and by nobody where two must agree', async () => {
  modes[0] = 'lies';
  expect(await deposited(new ChainEndpoint({ endpoint: urls }))).toBe(toNano('1000001'));
  expect(await deposited(new ChainEndpoint({ endpoint: urls, quorum: 2 }))).toBe(toNano('1'));
  const two = new ChainEndpoint({ endpoint: urls.slice(0, 2), quorum: 2 });
  await expect(deposited(two)).rejects.toMatchObject({ code: 'CHAIN_UNCONFIRMED' });
  modes[1] = 'down';
  expect(await deposited(new ChainEndpoint({ endpoint: urls, quorum: 2 })).catch(({ code }) => code)).toBe(
    'CHAIN_UNCONFIRMED',
  );
});

test('one that goes back in its blocks is dropped for another', async () => {
  const endpoint = new ChainEndpoint({ endpoint: urls.slice(0, 2) });
  const { seqno } = await endpoint.head();
  modes[0] = 'back';
  expect((await endpoint.head()).seqno).toBeGreaterThanOrEqual(seqno);
  modes[1] = 'down';
  await expect(endpoint.head()).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE' });
});

test('a refusal is an answer: nobody else is asked', async () => {
  const endpoint = new ChainEndpoint({ endpoint: urls });
  await expect(endpoint.block(4_000_000_000)).rejects.toMatchObject({ code: 'CHAIN_REFUSED' });
  expect(asked).toEqual([1, 0, 0]);
});

test('more who must agree than there are is a wrong configuration', () => {
  for (const quorum of [0, 4]) {
    expect(() => new ChainEndpoint({ endpoint: urls, quorum })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  }
  expect(() => new ChainEndpoint({ endpoint: [urls[0]!, urls[0]!], quorum: 2 })).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID' }),
  );
});
