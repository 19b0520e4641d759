import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beginCell, Cell, toNano } from '@ton/core';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  ChainEndpoint,
  ChannelClient,
  type ChannelConfig,
  type DevelopmentChain,
  startDevelopmentChain,
  Wallet,
} from '../../src/chain/index.ts';
import { frame, frameReader, parseTlBytes, tlBytes } from '../../src/chain/provider/adnl.ts';
import { bagOf, fakeLiteserver, type Mode } from './fake-liteserver.ts';
import { signingKey } from './support.ts';

/** A liteserver on loopback that speaks ADNL over the development chain: the same wallet and channel as over HTTP. */
const folder = mkdtempSync(join(tmpdir(), 'chrysalis-liteserver-'));
const randomness = (length: number) => Uint8Array.from(randomBytes(length));
let chain: DevelopmentChain;
let server: Awaited<ReturnType<typeof fakeLiteserver>>;
let lite: ChainEndpoint;
const endpoints: ChainEndpoint[] = [];
const endpoint = (of: string | string[], quorum = 1, requestMs = 10_000) => {
  const made = new ChainEndpoint({ endpoint: of, quorum, requestMs, randomness });
  endpoints.push(made);
  return made;
};

beforeAll(async () => {
  chain = await startDevelopmentChain({ dataDirectory: folder, clock: Date.now, randomness });
  server = await fakeLiteserver(chain.url);
  lite = endpoint(server.url);
});
afterAll(async () => {
  for (const one of endpoints) one.close();
  server.close();
  await chain.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => server.set('honest'));

const key = signingKey(7);
const walletOver = (of: ChainEndpoint) => new Wallet(of, key, chain.network, Date.now);
const configOf = (wallet: Wallet): ChannelConfig => ({
  network: chain.network,
  clientKey: key.publicKey,
  closeDelaySeconds: 86_400,
  salt: 1n,
  client: wallet.address,
  payee: wallet.address,
});
const channelsOver = (of: ChainEndpoint) =>
  new ChannelClient({ endpoint: of, network: chain.network, clock: Date.now, randomness });

test('network, blocks and their times are told by headers that have the blocks’ hashes', async () => {
  expect(await lite.network()).toBe(chain.network);
  const head = await lite.head();
  expect(await lite.block(head.seqno)).toEqual(head);
  expect((await lite.blockWithTime(head.seqno)).at).toBe(1000 * (1_700_000_000 + head.seqno));
  await expect(lite.block(4_000_000)).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE' });
  expect((await lite.account(walletOver(lite).address)).state).toBe('uninitialized');
});

test('a wallet opens a channel and adds to it, all through the liteserver', async () => {
  const wallet = walletOver(lite);
  await expect(lite.faucet(wallet.address, 1n)).rejects.toMatchObject({ code: 'CHAIN_REFUSED' });
  await endpoint(chain.url).faucet(wallet.address, toNano('10'));
  const config = configOf(wallet);
  const channels = channelsOver(lite);
  expect(await channels.channelState(config)).toBeNull();
  expect(await channels.openChannel(wallet, config, toNano('1'))).toMatchObject({ deposited: toNano('1') });
  expect(await channels.topUp(wallet, config, toNano('2'))).toMatchObject({ state: 'open', deposited: toNano('3') });
  expect(await channelsOver(endpoint(chain.url)).channelState(config)).toMatchObject({ deposited: toNano('3') });
  await expect(wallet.send({ to: wallet.address, value: toNano('100'), body: new Cell() })).rejects.toMatchObject({
    code: 'CHAIN_FUNDS_MISSING',
  });
});

test('it stands in for an HTTP provider and the other way round, and counts for a quorum', async () => {
  const config = configOf(walletOver(lite));
  const both = [server.url, chain.url];
  const deposited = async (of: ChainEndpoint) => (await channelsOver(of).channelState(config))?.deposited;
  expect(await deposited(endpoint(both, 2))).toBe(toNano('3'));
  server.set('silent');
  expect(await deposited(endpoint(both, 1, 300))).toBe(toNano('3'));
  await expect(deposited(endpoint(both, 2, 300))).rejects.toMatchObject({ code: 'CHAIN_UNCONFIRMED' });
  server.set('honest');
  expect(await deposited(endpoint(['http://127.0.0.1:9/jsonRPC', server.url]))).toBe(toNano('3'));
});

test.each<Mode>(['silent', 'checksum', 'endless', 'garbage', 'busy'])(
  'one that is %s is unreachable, and served by again when it is well',
  async (mode) => {
    const of = endpoint(server.url, 1, 400);
    expect(await of.network()).toBe(chain.network);
    server.set(mode);
    for (let i = 0; i < 2; i++) await expect(of.head()).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE' });
    server.set('honest');
    expect(await of.network()).toBe(chain.network);
  },
);

test('a connection that was cut is opened again by the next question', async () => {
  await lite.head();
  server.cut();
  await expect
    .poll(() =>
      lite.head().then(
        () => true,
        () => false,
      ),
    )
    .toBe(true);
});

test('who has another key than the one that was named is nobody', async () => {
  const other = server.url.replace(/[0-9a-f]{64}/, Buffer.from(signingKey(9).publicKey).toString('hex'));
  await expect(endpoint(other, 1, 400).head()).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE' });
});

test('what names no liteserver is a wrong configuration', () => {
  const good = server.url;
  for (const bad of [
    good.replace('@', ''),
    good.replace(/:\d+$/, ':0'),
    `${good}0`,
    good.replace(/[0-9a-f]{4}@/, '@'),
  ]) {
    expect(() => endpoint(bad)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  }
});

test('frames come in any pieces; one with a wrong length or checksum is refused', () => {
  const payloads = [0, 1, 253, 254, 70_000].map((length) => new Uint8Array(length).fill(length & 0xff));
  const stream = Buffer.concat(payloads.map((payload, i) => frame(payload, new Uint8Array(32).fill(i))));
  for (const size of [1, 7, 4096, stream.length]) {
    const came: Uint8Array[] = [];
    const take = frameReader((payload) => came.push(Uint8Array.from(payload)));
    for (let at = 0; at < stream.length; at += size) take(stream.subarray(at, at + size));
    expect(came).toEqual(payloads);
  }
  for (const [at, by] of [
    [3, 0x7f],
    [0, 0xff],
    [70, 1],
  ] as const) {
    const wrong = Uint8Array.from(frame(new Uint8Array(90), new Uint8Array(32)));
    wrong[at] = (wrong[at] as number) ^ by;
    expect(() => frameReader(() => undefined)(Buffer.concat([wrong, Buffer.alloc(400)]))).toThrow(RangeError);
  }
});

test('whatever bytes come, reading them gives payloads or a RangeError', () => {
  const some = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 60 }).map((of) => frame(of, of)),
  );
  fc.assert(
    fc.property(fc.array(some, { maxLength: 5 }), fc.integer({ min: 1, max: 64 }), (pieces, size) => {
      const stream = Buffer.concat(pieces);
      const outcome = (work: () => unknown) => {
        try {
          work();
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      };
      outcome(() => parseTlBytes(stream));
      outcome(() => {
        const take = frameReader((payload) => expect(payload.length).toBeLessThanOrEqual(stream.length));
        for (let at = 0; at < stream.length; at += size) take(stream.subarray(at, at + size));
      });
    }),
    { numRuns: 300 },
  );
});

test('TL bytes have one encoding', () => {
  for (const length of [0, 1, 2, 3, 253, 254, 255, 65_536]) {
    const content = new Uint8Array(length).fill(7);
    expect(parseTlBytes(tlBytes(content))).toEqual(content);
    for (const wrong of [tlBytes(content).subarray(1), Uint8Array.from([...tlBytes(content), 0])]) {
      expect(() => parseTlBytes(wrong)).toThrow(RangeError);
    }
  }
  expect(() => parseTlBytes(Uint8Array.of(254, 1, 0, 0, 9, 0, 0, 0))).toThrow(RangeError);
  const cells = [1, 2, 3].map((n) => beginCell().storeUint(n, 8).endCell());
  expect(Cell.fromBoc(bagOf(cells)).map((cell) => cell.hash())).toEqual(cells.map((cell) => cell.hash()));
});
