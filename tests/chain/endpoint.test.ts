import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Address, beginCell, Cell } from '@ton/core';
import { afterEach, expect, test } from 'vitest';
import {
  ChainEndpoint,
  ChannelClient,
  type ChannelConfig,
  channelInitialData,
  contractCode,
  DEVELOPMENT_NETWORK,
  Wallet,
} from '../../src/chain/index.ts';
import { ed25519Key } from '../../src/core/crypto/node.ts';

/** A provider that answers whatever a test wants. */
let server: Server | undefined;
async function provider(answer: (method: string) => { status?: number; body: unknown; raw?: string }) {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = 'faucet' } = JSON.parse(Buffer.concat(chunks).toString()) as { method?: string };
      const { status = 200, body, raw } = answer(method);
      response.writeHead(status, { 'content-type': 'application/json' }).end(raw ?? JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return new ChainEndpoint({ endpoint: `http://127.0.0.1:${port}/jsonRPC`, requestMs: 500 });
}
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

const party = (byte: number) => new Address(0, Buffer.alloc(32, byte));
const config: ChannelConfig = {
  network: DEVELOPMENT_NETWORK,
  clientKey: ed25519Key(new Uint8Array(32).fill(7)).publicKey,
  closeDelaySeconds: 86_400,
  salt: 1n,
  client: party(0xaa),
  payee: party(0xbb),
};
const clock = () => 1_800_000_000_000;
const channels = (endpoint: ChainEndpoint) =>
  new ChannelClient({ endpoint, network: DEVELOPMENT_NETWORK, clock, randomness: (n) => new Uint8Array(n) });

const hash = Buffer.alloc(32).toString('base64');
const block = {
  '@type': 'ton.blockIdExt',
  workchain: -1,
  shard: '-9223372036854775808',
  seqno: 5,
  root_hash: hash,
  file_hash: hash,
};
const account = (code: Cell, data: Cell) => ({
  ok: true,
  result: {
    balance: '1',
    state: 'active',
    code: code.toBoc().toString('base64'),
    data: data.toBoc().toString('base64'),
    last_transaction_id: { '@type': 'internal.transactionId', lt: '1', hash },
    block_id: block,
    sync_utime: 1,
  },
});

test.each([
  ['no JSON', { body: null, raw: '<html>' }],
  ['nothing', { body: null, raw: '' }],
  ['another shape', { body: { ok: true, result: { last: { seqno: 'x' }, config: {}, '@type': 'ok' } } }],
  [
    'hashes of another length',
    { body: { ok: true, result: { last: { ...block, root_hash: 'AAAA' }, ...block, root_hash: 'AAAA' } } },
  ],
  ['too much', { body: { ok: true, result: 'x'.repeat(2 * 1024 * 1024) } }],
  ['an outage', { status: 503, body: { ok: false, error: 'busy', code: 503 } }],
  ['too many requests', { status: 429, body: { ok: false, error: 'slow down', code: 429 } }],
])('an endpoint that answers with %s is unreachable', async (_what, answer) => {
  const endpoint = await provider(() => answer);
  const unreachable = { code: 'CHAIN_UNREACHABLE' };
  await expect(endpoint.head()).rejects.toMatchObject(unreachable);
  await expect(endpoint.block(5)).rejects.toMatchObject(unreachable);
  await expect(endpoint.blockWithTime(5)).rejects.toMatchObject(unreachable);
  await expect(endpoint.network()).rejects.toMatchObject(unreachable);
  await expect(channels(endpoint).channelState(config)).rejects.toMatchObject(unreachable);
  const wallet = new Wallet(endpoint, ed25519Key(new Uint8Array(32)), DEVELOPMENT_NETWORK, clock);
  await expect(wallet.balance()).rejects.toMatchObject(unreachable);
});

test('an endpoint that does not answer in time is unreachable', async () => {
  const endpoint = await provider(() => ({ body: null, raw: '' }));
  server!.removeAllListeners('request');
  await expect(endpoint.head()).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE' });
});

test('another block than was asked for is no answer', async () => {
  const endpoint = await provider(() => ({ body: { ok: true, result: block } }));
  expect((await endpoint.block(5)).seqno).toBe(5);
  await expect(endpoint.block(6)).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE' });
});

test('a refusal is told with the endpoint’s reason, cut to a line', async () => {
  const endpoint = await provider(() => ({ status: 422, body: { ok: false, error: 'r'.repeat(5_000), code: 422 } }));
  const error = await endpoint.head().catch((thrown: unknown) => thrown as Error);
  expect(error).toMatchObject({ code: 'CHAIN_REFUSED' });
  expect((error as Error).message.length).toBeLessThan(300);
});

test('an account with other code, other configuration or another layout is no channel of ours', async () => {
  const good = channelInitialData(config);
  const cases: [Cell, Cell][] = [
    [beginCell().storeUint(1, 8).endCell(), good],
    [contractCode('channel'), channelInitialData({ ...config, payee: party(0xbc) })],
    [contractCode('channel'), beginCell().storeSlice(good.beginParse()).storeBit(1).endCell()],
    [contractCode('channel'), new Cell()],
  ];
  for (const [code, data] of cases) {
    const endpoint = await provider(() => ({ body: account(code, data) }));
    await expect(channels(endpoint).channelState(config)).rejects.toMatchObject({ code: 'CONTRACT_MISMATCH' });
    server!.close();
  }
  const endpoint = await provider(() => ({ body: account(contractCode('channel'), good) }));
  expect(await channels(endpoint).channelState(config)).toMatchObject({ state: 'open', deposited: 0n, seqno: 5 });
});
