import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beginCell, toNano } from '@ton/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeBody } from '../../src/chain/dev/decode.ts';
import {
  ChainEndpoint,
  ChannelClient,
  type ChannelConfig,
  channelAddress,
  channelMessage,
  type DevelopmentChain,
  logAnchorMessage,
  poolMessage,
  startDevelopmentChain,
  Wallet,
} from '../../src/chain/index.ts';
import { ed25519Key } from '../../src/core/crypto/node.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-explorer-'));
const randomness = (length: number) => Uint8Array.from(randomBytes(length));
const key = ed25519Key(new Uint8Array(32).fill(7));
let chain: DevelopmentChain;
let endpoint: ChainEndpoint;
let wallet: Wallet;
let config: ChannelConfig;
let base: string;

beforeAll(async () => {
  chain = await startDevelopmentChain({ dataDirectory: folder, clock: Date.now, randomness });
  endpoint = new ChainEndpoint({ endpoint: chain.url });
  wallet = new Wallet(endpoint, key, chain.network, Date.now);
  base = `http://127.0.0.1:${chain.port}`;
  await endpoint.faucet(wallet.address, toNano('10'));
  config = {
    network: chain.network,
    clientKey: key.publicKey,
    closeDelaySeconds: 86_400,
    salt: 1n,
    client: wallet.address,
    payee: wallet.address,
  };
  const channels = new ChannelClient({ endpoint, network: chain.network, clock: Date.now, randomness });
  await channels.openChannel(wallet, config, toNano('1'));
});
afterAll(async () => {
  await chain.close();
  rmSync(folder, { recursive: true });
});

const page = async (path: string) => {
  const response = await fetch(base + path);
  return { status: response.status, type: response.headers.get('content-type'), html: await response.text() };
};
const faults = (plan: Record<string, number>) =>
  fetch(`${base}/faults`, { method: 'POST', body: JSON.stringify(plan) }).then((response) => response.json());

describe('the explorer', () => {
  test('shows the accounts by what they are, and what happened in words', async () => {
    const { status, type, html } = await page('/');
    expect([status, type]).toEqual([200, 'text/html; charset=utf-8']);
    for (const shown of [
      'Not TON',
      'wallet v5',
      'channel',
      'channel top_up',
      '1 TON',
      channelAddress(config).toRawString(),
    ]) {
      expect(html).toContain(shown);
    }
  });

  test('an account’s page has its state by name and every message with its fields', async () => {
    const { html } = await page(`/account/${channelAddress(config).toRawString()}`);
    for (const shown of [
      'channel_state',
      'deposited',
      '<dd>1 TON</dd>',
      'client_key',
      Buffer.from(key.publicKey).toString('hex'),
    ]) {
      expect(html).toContain(shown);
    }
  });

  test('fetches nothing and runs nothing', async () => {
    for (const path of ['/', `/account/${wallet.address.toRawString()}`]) {
      const { html } = await page(path);
      expect(html).not.toMatch(/<script|src=|https?:\/\/|@import|url\(/i);
    }
  });

  test('an account that is not there, or a path that is none, is 404 in JSON', async () => {
    for (const path of [`/account/0:${'00'.repeat(32)}`, '/account/x', '/account/..%2f', '/nothing']) {
      expect((await page(path)).status).toBe(404);
    }
  });
});

describe('a message body', () => {
  test('is told by its operation and fields', () => {
    expect(decodeBody(channelMessage.topUp(toNano('0.5'), 3n))).toEqual({
      name: 'channel top_up',
      fields: [
        ['query', '3'],
        ['amount', '0.5 TON'],
      ],
    });
    expect(decodeBody(logAnchorMessage.freeze(true)).fields.at(-1)).toEqual(['on', 'yes']);
    expect(
      decodeBody(poolMessage.claimLeaf({ leaf: { payee: new Uint8Array(32), cumulative: 5n }, index: 1, siblings: [] }))
        .name,
    ).toBe('pool claim_leaf');
    expect(decodeBody(beginCell().endCell()).name).toBe('plain transfer');
    expect(decodeBody(beginCell().storeUint(5, 32).endCell()).name).toBe('operation 0x00000005');
    const cut = channelMessage.topUp(1n).bits.substring(0, 90);
    expect(decodeBody(beginCell().storeBits(cut).endCell()).name).toBe('operation 0x43480001, malformed');
  });
});

describe('faults on demand', () => {
  const transfer = () =>
    wallet.send({ to: channelAddress(config), value: toNano('0.01'), body: beginCell().endCell() });
  const seqno = async () => {
    const [item] = (await endpoint.runGetMethod(wallet.address, 'seqno')).stack;
    return item?.type === 'int' ? Number(item.value) : Number.NaN;
  };

  test('a dropped message is acknowledged and never applied', async () => {
    const before = await seqno();
    await faults({ drop: 1 });
    await transfer();
    expect(await seqno()).toBe(before);
  });

  test('a wallet waits with the next number until the last message cannot be applied any more', async () => {
    // The clock of the chain goes on for it.
    const skipped = fetch(`${base}/skip`, { method: 'POST', body: JSON.stringify({ seconds: 120 }) });
    await skipped;
    const before = await seqno();
    await transfer();
    expect(await seqno()).toBe(before + 1);
  });

  test('a duplicated one is applied once, a delayed one later', async () => {
    const before = await seqno();
    await faults({ duplicate: 1 });
    await transfer();
    expect(await seqno()).toBe(before + 1);
    await faults({ delayMs: 400 });
    await transfer();
    expect(await seqno()).toBe(before + 1);
    await expect.poll(seqno, { timeout: 5_000 }).toBe(before + 2);
    await faults({});
  });

  test('calls fail with the status that was asked for, as often as was asked for', async () => {
    for (const [status, failures] of [
      [429, 2],
      [503, 1],
    ] as const) {
      await faults({ status, failures });
      for (let i = 0; i < failures; i++) {
        await expect(endpoint.head()).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE' });
      }
      expect((await endpoint.head()).seqno).toBeGreaterThan(0);
    }
  });

  test('a plan that is none is refused', async () => {
    expect(await faults({ status: 200 })).toMatchObject({ ok: false });
    expect(await faults({ drop: -1 })).toMatchObject({ ok: false });
  });
});
