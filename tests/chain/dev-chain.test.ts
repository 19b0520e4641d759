import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beginCell, internal, SendMode, toNano } from '@ton/core';
import { keyPairFromSeed } from '@ton/crypto';
import { TonClient, WalletContractV5R1 } from '@ton/ton';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  CHANNEL_RESERVE,
  ChainEndpoint,
  ChannelClient,
  type ChannelConfig,
  channelAddress,
  DEVELOPMENT_NETWORK,
  type DevelopmentChain,
  signVoucher,
  startDevelopmentChain,
  Wallet,
} from '../../src/chain/index.ts';
import { ed25519Key } from '../../src/core/crypto/node.ts';
import { CodedError, type ErrorCode, receiptsRoot, toHex } from '../../src/core/index.ts';

/** Counted, so that every run draws the same keys and query ids. */
function countedRandomness() {
  let drawn = 0;
  return (length: number) => {
    drawn++;
    return Uint8Array.from({ length }, (_, i) => (drawn * 31 + i * 7) & 0xff);
  };
}
const randomness = countedRandomness();
const codeOf = (thrown: unknown): ErrorCode | undefined => (thrown instanceof CodedError ? thrown.code : undefined);
const refused = (code: ErrorCode) => (error: unknown) => codeOf(error) === code;

const folders: string[] = [];
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'chrysalis-chain-'));
  folders.push(made);
  return made;
}
/** A wall clock that the tests move. */
let now = 1_800_000_000_000;
const clock = () => now;

function start(dataDirectory: string, port = 0): Promise<DevelopmentChain> {
  return startDevelopmentChain({ dataDirectory, port, clock, randomness });
}

const clientKey = ed25519Key(new Uint8Array(32).fill(7));

function fixture(chain: DevelopmentChain) {
  const endpoint = new ChainEndpoint({ endpoint: chain.url });
  const wallet = (seed: number) =>
    new Wallet(endpoint, ed25519Key(new Uint8Array(32).fill(seed)), DEVELOPMENT_NETWORK, clock);
  const channels = new ChannelClient({ endpoint, network: DEVELOPMENT_NETWORK, clock, randomness, waitMs: 2_000 });
  const client = wallet(1);
  const payee = wallet(2);
  const config: ChannelConfig = {
    network: DEVELOPMENT_NETWORK,
    clientKey: clientKey.publicKey,
    closeDelaySeconds: 86_400,
    salt: 1n,
    client: client.address,
    payee: payee.address,
  };
  return { endpoint, channels, client, payee, config };
}

let chain: DevelopmentChain;
const data = folder();
beforeAll(async () => {
  chain = await start(data);
});
afterAll(async () => {
  await chain.close();
  for (const made of folders) rmSync(made, { recursive: true, force: true });
});

describe('a channel through the whole of its life', () => {
  test('open, top up, claim, start close, time passes, finish close', async () => {
    const { endpoint, channels, client, payee, config } = fixture(chain);
    await expect(channels.openChannel(client, config, toNano('1'))).rejects.toSatisfy(refused('CHAIN_FUNDS_MISSING'));
    await endpoint.faucet(client.address, toNano('5'));
    await endpoint.faucet(payee.address, toNano('1'));
    expect(await channels.channelState(config)).toBeNull();

    const opened = await channels.openChannel(client, config, toNano('1'));
    expect(opened).toMatchObject({ state: 'open', deposited: toNano('1'), claimed: 0n, closeAt: 0 });
    expect(opened.balance).toBe(toNano('1') + CHANNEL_RESERVE);
    await expect(channels.openChannel(client, config, 1n)).rejects.toSatisfy(refused('CHANNEL_STATE_INVALID'));
    expect(await channels.topUp(client, config, toNano('0.5'))).toMatchObject({ deposited: toNano('1.5') });

    const voucher = {
      channel: channelAddress(config),
      cumulative: toNano('0.3'),
      receipts: receiptsRoot([new Uint8Array(32).fill(9)]),
    };
    const signature = await signVoucher(voucher, clientKey);
    const before = await payee.balance();
    expect(await channels.claim(payee, config, voucher, signature)).toMatchObject({ claimed: toNano('0.3') });
    const earned = (await payee.balance()) - before;
    expect(earned).toBeGreaterThan(toNano('0.29'));
    expect(earned).toBeLessThan(toNano('0.3'));
    await expect(channels.claim(payee, config, voucher, signature)).rejects.toSatisfy(refused('VOUCHER_INVALID'));
    const bad = { ...voucher, cumulative: toNano('0.4') };
    await expect(channels.claim(payee, config, bad, signature)).rejects.toSatisfy(refused('VOUCHER_INVALID'));

    const closing = await channels.startClose(client, config);
    expect(closing).toMatchObject({ state: 'closing', closeAt: Math.floor(now / 1000) + 86_400 });
    await expect(channels.finishClose(client, config)).rejects.toSatisfy(
      (error) => codeOf(error) === 'CHAIN_REFUSED' && (error as CodedError).facts.exitCode === 461,
    );
    now += 86_400_000;
    const closed = await channels.finishClose(payee, config);
    expect(closed).toMatchObject({ state: 'closed', deposited: toNano('0.3'), balance: CHANNEL_RESERVE });
  });
});

describe('an unmodified TonClient and wallet', () => {
  test('deploys a wallet, transfers, runs get-methods, walks the transactions', async () => {
    const client = new TonClient({ endpoint: chain.url });
    const keys = keyPairFromSeed(Buffer.alloc(32, 5));
    const wallet = client.open(WalletContractV5R1.create({ publicKey: keys.publicKey }));
    expect(await client.isContractDeployed(wallet.address)).toBe(false);
    await new ChainEndpoint({ endpoint: chain.url }).faucet(wallet.address, toNano('3'));
    expect(await wallet.getBalance()).toBe(toNano('3'));
    const to = fixture(chain).config.payee;
    for (let seqno = 0; seqno < 3; seqno++) {
      await wallet.sendTransfer({
        seqno,
        secretKey: keys.secretKey,
        timeout: Math.floor(now / 1000) + 60,
        sendMode: SendMode.PAY_GAS_SEPARATELY,
        messages: [internal({ to, value: toNano('0.1'), body: `transfer ${seqno}`, bounce: false })],
      });
      expect(await wallet.getSeqno()).toBe(seqno + 1);
    }
    expect(await client.isContractDeployed(wallet.address)).toBe(true);
    const all = await client.getTransactions(wallet.address, { limit: 10 });
    expect(all).toHaveLength(4);
    const second = all[1]!;
    const older = await client.getTransactions(wallet.address, {
      limit: 2,
      lt: second.lt.toString(),
      hash: second.hash().toString('base64'),
    });
    expect(older.map((one) => one.lt)).toEqual([all[2]!.lt, all[3]!.lt]);
    const found = await client.getTransaction(wallet.address, second.lt.toString(), second.hash().toString('base64'));
    expect(found?.hash().equals(second.hash())).toBe(true);
    // A message that was used, and one of another key.
    const used = { seqno: 0, sendMode: SendMode.PAY_GAS_SEPARATELY, messages: [], timeout: 2_000_000_000 };
    await expect(wallet.sendTransfer({ ...used, secretKey: keys.secretKey })).rejects.toThrow();
    const other = keyPairFromSeed(Buffer.alloc(32, 6)).secretKey;
    await expect(wallet.sendTransfer({ ...used, seqno: 3, secretKey: other })).rejects.toThrow();
    expect(await wallet.getSeqno()).toBe(3);
  });
});

describe('blocks', () => {
  test('one a second of the clock, each with a root hash that can be looked up again', async () => {
    const { endpoint } = fixture(chain);
    const first = await endpoint.head();
    expect((await endpoint.head()).rootHash).toEqual(first.rootHash);
    now += 3_000;
    const later = await endpoint.head();
    expect(later.seqno).toBe(first.seqno + 3);
    now -= 60_000;
    expect((await endpoint.head()).seqno).toBe(later.seqno);
    now += 60_000;
    expect(await endpoint.block(first.seqno)).toEqual(first);
    expect(toHex((await endpoint.block(first.seqno + 1)).rootHash)).not.toBe(toHex(first.rootHash));
    await expect(endpoint.block(later.seqno + 1)).rejects.toSatisfy(refused('CHAIN_REFUSED'));
    expect(await endpoint.network()).toBe(DEVELOPMENT_NETWORK);
    await expect(endpoint.requireNetwork(-239)).rejects.toSatisfy(refused('CHAIN_NETWORK_MISMATCH'));
    const shown = await fetch(new URL(`/block?seqno=${first.seqno}`, chain.url)).then((answer) => answer.json());
    expect(shown).toEqual({ ok: true, seqno: first.seqno, rootHash: toHex(first.rootHash) });
  });

  test('after a restart balances, transactions and shown blocks are the same, and none is shown twice', async () => {
    const { endpoint, client, channels, config } = fixture(chain);
    now += 5_000;
    const head = await endpoint.head();
    const balance = await client.balance();
    const channel = await channels.channelState(config);
    await chain.close();
    chain = await start(data);
    const again = fixture(chain);
    const restarted = await again.endpoint.head();
    expect(restarted.seqno).toBeGreaterThanOrEqual(head.seqno);
    expect(await again.endpoint.block(head.seqno)).toEqual(head);
    expect(await again.client.balance()).toBe(balance);
    const { address, seqno, ...after } = (await again.channels.channelState(config))!;
    expect(address.equals(channel!.address)).toBe(true);
    expect(seqno).toBe(restarted.seqno);
    expect(channel).toMatchObject(after);
    const recent = await again.endpoint.transactions(again.client.address, 3);
    expect(recent).toHaveLength(3);
  });
});

describe('what is not right is refused', () => {
  const post = async (body: string | Buffer, path = '/jsonRPC') => {
    const answer = await fetch(new URL(path, chain.url), { method: 'POST', body: body as string });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const call = (method: string, params: unknown) => post(JSON.stringify({ id: 'x', jsonrpc: '2.0', method, params }));

  test.each([
    ['no JSON', () => post('{"id":')],
    ['null', () => post('null')],
    ['an array', () => post('[]')],
    ['an unknown method', () => call('constructor', {})],
    ['no address', () => call('getAddressInformation', {})],
    ['a broken address', () => call('getAddressInformation', { address: '0:zz' })],
    ['a boc that is none', () => call('sendBoc', { boc: 'AAAA' })],
    ['an empty cell as message', () => call('sendBoc', { boc: beginCell().endCell().toBoc().toString('base64') })],
    ['a limit over the bound', () => call('getTransactions', { address: `0:${'00'.repeat(32)}`, limit: 1e9 })],
    ['a number for a block', () => call('lookupBlock', { seqno: -1 })],
    [
      'a stack that is none',
      () => call('runGetMethod', { address: `0:${'00'.repeat(32)}`, method: 'seqno', stack: 7 }),
    ],
    [
      'a faucet without an end',
      () => post(JSON.stringify({ address: `0:${'00'.repeat(32)}`, amount: '9'.repeat(20) }), '/faucet'),
    ],
    ['a body over the bound', () => post(Buffer.alloc(300 * 1024, 0x20))],
    ['a body far over the bound', () => post(Buffer.alloc(4 * 1024 * 1024, 0x20))],
  ])('%s', async (_name, ask) => {
    const { status, body } = await ask();
    expect(status).toBe(422);
    expect(body).toMatchObject({ ok: false, code: 422 });
    expect(typeof body.error).toBe('string');
    expect((await fetch(new URL('/status', chain.url))).status).toBe(200);
  });

  test('whatever is asked, it answers and never fails inside', async () => {
    const { METHODS, OWN_METHODS } = await import('../../src/chain/dev/json-rpc.ts');
    const own = Object.keys(OWN_METHODS).filter((name) => name !== 'skip');
    const some = fc.oneof(
      fc.constantFrom(fixture(chain).config.client.toString(), `-1:${'ff'.repeat(32)}`, '', 'te6cckEBAQEAAgAAAEysuc0='),
      fc.jsonValue({ maxDepth: 2 }),
      fc.integer(),
    );
    const fields = ['address', 'boc', 'method', 'stack', 'seqno', 'limit', 'lt', 'hash', 'config_id', 'amount'];
    const params = fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...fields), some));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.keys(METHODS), ...own), params, async (method, asked) => {
        const answers = [await call(method, asked), await post(JSON.stringify(asked), `/${method}`)];
        for (const { status, body } of answers) {
          expect([200, 422]).toContain(status);
          expect(body.ok).toBe(status === 200);
        }
      }),
      { numRuns: 150 },
    );
  });

  test('a path that is not there, and money by GET', async () => {
    expect((await fetch(new URL('/nothing', chain.url))).status).toBe(404);
    expect((await fetch(new URL('/faucet?amount=1', chain.url))).status).toBe(404);
  });

  test('a disk that does not take the state: nothing is acknowledged, and it goes on when there is room', async () => {
    const { endpoint, client } = fixture(chain);
    const before = await client.balance();
    const last = await endpoint.transactions(client.address, 1);
    mkdirSync(join(data, 'state.next'));
    await expect(endpoint.faucet(client.address, 5n)).rejects.toSatisfy(refused('CHAIN_UNREACHABLE'));
    rmdirSync(join(data, 'state.next'));
    expect(await client.balance()).toBe(before);
    const same = await endpoint.transactions(client.address, 1);
    expect(same[0]?.lt).toBe(last[0]?.lt);
    await endpoint.faucet(client.address, 7n);
    expect(await client.balance()).toBeGreaterThan(before);
    await chain.close();
    chain = await start(data);
    expect(await fixture(chain).client.balance()).toBeGreaterThan(before);
  });

  test('a data directory in use, a port in use', async () => {
    await expect(start(data)).rejects.toSatisfy(refused('STATE_LOCKED'));
    await expect(start(folder(), chain.port)).rejects.toSatisfy(refused('PORT_IN_USE'));
  });

  test('an endpoint that is not there', async () => {
    const endpoint = new ChainEndpoint({ endpoint: 'http://127.0.0.1:9/jsonRPC' });
    await expect(endpoint.head()).rejects.toSatisfy(refused('CHAIN_UNREACHABLE'));
    const { config } = fixture(chain);
    const channels = new ChannelClient({ endpoint, network: DEVELOPMENT_NETWORK, clock, randomness });
    await expect(channels.channelState(config)).rejects.toSatisfy(refused('CHAIN_UNREACHABLE'));
  });

  test('a state file that is foreign, cut or altered', async () => {
    const copy = folder();
    const state = join(copy, 'state');
    const text = readFileSync(join(data, 'state'), 'utf8');
    const cases: [string, ErrorCode][] = [
      ['something else\n', 'CHAIN_STATE_FOREIGN'],
      ['', 'CHAIN_STATE_FOREIGN'],
      [text.slice(0, -1), 'CHAIN_STATE_CORRUPT'],
      [text.replace('"time":1', '"time":2'), 'CHAIN_STATE_CORRUPT'],
      [text.replace('/1 ', '/2 '), 'CHAIN_STATE_FOREIGN'],
    ];
    for (const [altered, code] of cases) {
      writeFileSync(state, altered);
      await expect(start(copy), code).rejects.toSatisfy(refused(code));
      expect(readFileSync(state, 'utf8')).toBe(altered);
    }
    writeFileSync(state, text);
    await (await start(copy)).close();
  });
});
