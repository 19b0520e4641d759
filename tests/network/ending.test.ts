import { afterEach, expect, test } from 'vitest';
import { ed25519Key } from '#crypto';
import type { ChatEvent } from '../../src/client/index.ts';
import { CodedError } from '../../src/core/index.ts';
import { encodePriceSheet, NO_MODEL, parsePriceSheet, signPriceOffer } from '../../src/session/index.ts';
import { ask, echoEngine, type InProcess, type InProcessOptions, startInProcess } from './in-process.ts';

/** How answers end before their time: who pays for what, and who goes on (AIS/1 sections 6 to 8). */
const networks: InProcess[] = [];
afterEach(async () => {
  for (const network of networks.splice(0)) await network.close();
});

async function started(options: InProcessOptions): Promise<InProcess> {
  const network = await startInProcess(options);
  networks.push(network);
  return network;
}

const request = (content: string, maxTokens = 2000) => ({
  messages: [{ role: 'user' as const, content }],
  maxTokens,
});
const texts = (events: readonly ChatEvent[]) => events.flatMap((event) => (event.kind === 'text' ? [event.text] : []));
const doneOf = (events: readonly ChatEvent[]) => events.find((event) => event.kind === 'done');

test('a cancelled answer stops the engine at once, and exactly what was made is signed for and paid', async () => {
  const engine = echoEngine({ delayMs: 5, tokens: 2000 });
  const { client } = await started({ engine });
  const abort = new AbortController();
  const events: ChatEvent[] = [];
  let abortedAt = 0;
  for await (const event of client.chat(request('go on'), { signal: abort.signal })) {
    events.push(event);
    if (texts(events).length === 100 && abortedAt === 0) {
      abortedAt = performance.now();
      abort.abort();
    }
  }
  // Two hundred milliseconds, with room for a machine that others use.
  expect(engine.stoppedAt - abortedAt).toBeLessThan(1_000);
  const done = doneOf(events);
  expect(done?.finish).toBe('cancelled');
  expect(done?.usage.tokensOut).toBe(engine.generated);
  expect(texts(events)).toHaveLength(engine.generated); // every token that is billed was delivered
  expect(done?.receipt).toMatchObject({ kind: 'final', tokensOut: Math.ceil(engine.generated / 64) * 64 });
  expect(events.at(-1)?.kind).toBe('paid');
  const { vouchered } = (await client.payment())!;
  expect(vouchered).toBe(done?.receipt.amount);
});

test('whoever leaves the loop ends the answer: the engine stops, and the receipt is kept and paid', async () => {
  const engine = echoEngine({ delayMs: 5, tokens: 2000 });
  const { client } = await started({ engine });
  let seen = 0;
  for await (const event of client.chat(request('go on'))) if (event.kind === 'text' && ++seen === 5) break;
  await expect.poll(() => client.receipts().length, { timeout: 5_000 }).toBe(1);
  const generated = engine.generated;
  const [receipt] = client.receipts();
  expect(receipt?.tokensOut).toBe(64);
  await expect.poll(async () => (await client.payment())?.vouchered, { timeout: 5_000 }).toBe(receipt?.amount);
  expect(engine.generated).toBe(generated);
});

test('a request that is cancelled before anything was sent ends, and disturbs nobody who shares its session', async () => {
  const { client } = await started({});
  const gone = AbortSignal.abort();
  const first = ask(client, 'never', { signal: gone });
  const second = ask(client, 'one two');
  await expect(first).rejects.toMatchObject({ code: 'REQUEST_CANCELLED' });
  expect((await second).answer).toBe('one two ');
});

test('wrapped to two: both are named as readers before anything is sent, one answers, its receipt names both', async () => {
  const { client } = await started({ tees: ['tdx', 'tdx'] });
  const { events, done } = await ask(client, 'one two', { candidates: 2 });
  const readers = events.find((event) => event.kind === 'readers')?.workers.map(({ workerId }) => workerId);
  expect(new Set(readers).size).toBe(2);
  expect(readers).toContain(events.find((event) => event.kind === 'worker')?.worker.workerId);
  expect(done?.receipt.readers).toEqual(readers);
});

test('failover before the first frame: the other candidate answers the same bytes', async () => {
  const network = await started({ tees: ['tdx', 'tdx'] });
  const { client } = network;
  const first = await ask(client, 'one', { candidates: 2 });
  const worker = first.events.find((event) => event.kind === 'worker')!.worker;
  network.stopWorker(worker.workerId);
  const second = await ask(client, 'two three', { candidates: 2 });
  expect(second.answer).toBe('two three ');
  expect(second.events.find((event) => event.kind === 'worker')?.worker.workerId).not.toBe(worker.workerId);
});

const words = Array.from({ length: 50 }, (_, i) => `word${i}`).join(' ');
const seven = Array.from({ length: 700 }, (_, i) => `word${i % 50} `).join('');

test('failover after it: another worker goes on from the text that came; the cut answer is paid to its checkpoint', async () => {
  const network = await started({ tees: ['tdx', 'tdx'], engine: echoEngine({ tokens: 700 }) });
  let cuts = 0;
  const client = network.newClient((transport) => ({
    ...transport,
    infer: async function* (...args) {
      let frames = 0;
      for await (const part of transport.infer(...args)) {
        yield part;
        if (part.kind === 'frame' && ++frames === 400 && cuts++ === 0) throw new CodedError('WORKER_GONE', 'cut');
      }
    },
  }));
  const { answer, events, done } = await ask(client, words, {}, 1000);
  const asked = events.flatMap((event) => (event.kind === 'worker' ? [event.worker.workerId] : []));
  expect(answer).toBe(seven);
  expect(new Set(asked).size).toBe(2);
  expect(done?.earlier).toHaveLength(1);
  expect(done?.earlier[0]).toMatchObject({ kind: 'checkpoint', tokensOut: 256, workerId: asked[0] });
  expect(done?.receipt.workerId).toBe(asked[1]);
  expect(done?.usage.tokensOut).toBe(700);
  const due = (done?.earlier[0]?.amount ?? 0n) + (done?.receipt.amount ?? 0n);
  expect((await client.payment())?.vouchered).toBe(due);
});

test('a worker that is shut down ends its answer with a receipt, and another goes on', async () => {
  const network = await started({ tees: ['tdx', 'tdx'], engine: echoEngine({ delayMs: 1, tokens: 700 }) });
  const events: ChatEvent[] = [];
  const asked: string[] = [];
  for await (const event of network.client.chat(request(words, 1000))) {
    events.push(event);
    if (event.kind === 'worker') asked.push(event.worker.workerId);
    if (event.kind === 'text' && texts(events).length === 300) network.stopWorker(asked[0] as string);
  }
  expect(texts(events).join('')).toBe(seven);
  expect(new Set(asked).size).toBe(2);
  expect(doneOf(events)?.earlier[0]).toMatchObject({ kind: 'final', workerId: asked[0] });
});

test('tick padding: the frames tell neither length nor rhythm, and the answer is whole', async () => {
  const network = await started({ engine: echoEngine({ delayMs: 3 }) });
  const sizes: number[] = [];
  const client = network.newClient((transport) => ({
    ...transport,
    infer: async function* (...args) {
      for await (const part of transport.infer(...args)) {
        if (part.kind === 'frame') sizes.push(part.frame.length);
        yield part;
      }
    },
  }));
  const { answer, done } = await ask(client, words, { padding: 'tick' });
  expect(answer).toBe(`${words} `);
  expect(done?.usage.tokensOut).toBe(50);
  expect(new Set(sizes).size).toBe(1);
  expect(sizes.length).toBeLessThan(20); // far fewer frames than tokens
  expect((await ask(client, words, { padding: 'off' })).answer).toBe(`${words} `);
});

test('a price sheet that is about to end is asked for again, and no oftener', async () => {
  const network = await started({});
  let asked = 0;
  const ends = Date.now() + 30_000;
  const other = ed25519Key(new Uint8Array(32).fill(1));
  const client = network.newClient((transport) => ({
    ...transport,
    getTerms: async (options) => {
      asked += 1;
      const terms = await transport.getTerms(options);
      const sheet = { ...parsePriceSheet(terms.priceSheet), notAfter: ends };
      if (asked > 1) return terms;
      const priceSheet = encodePriceSheet(sheet);
      const priceSignature = await signPriceOffer(other, NO_MODEL, priceSheet);
      return { ...terms, priceSheet, priceSignature, dispatchKey: other.publicKey };
    },
  }));
  // The first sheet is not the router's own: it refuses the price that the header names.
  await expect(ask(client, 'one')).rejects.toMatchObject({ code: 'CHANNEL_REFUSED' });
  expect((await ask(client, 'two')).answer).toBe('two ');
  expect((await ask(client, 'three')).answer).toBe('three ');
  expect(asked).toBe(2);
});
