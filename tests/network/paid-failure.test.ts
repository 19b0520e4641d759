import { afterEach, expect, test } from 'vitest';
import { addressOfTerms } from '../../src/chain/index.ts';
import { type ChatEvent, type Client, PaidFailure, type RouterTransport } from '../../src/client/index.ts';
import { CodedError, toHex } from '../../src/core/index.ts';
import { ChrysalisError, connect } from '../../src/sdk/index.ts';
import { parseReceipt, type ResponsePart } from '../../src/session/index.ts';
import { ask, echoEngine, type InProcess, type InProcessOptions, startInProcess } from './in-process.ts';

/** Who is paid what after an answer that failed (AIS/1 section 8): one test for each who could gain by it. */
const networks: InProcess[] = [];
afterEach(async () => {
  for (const network of networks.splice(0)) await network.close();
});

async function started(options: InProcessOptions): Promise<InProcess> {
  const network = await startInProcess(options);
  networks.push(network);
  return network;
}

const words = Array.from({ length: 50 }, (_, i) => `word${i}`).join(' ');
/** 256 tokens at the development price. */
const CHECKPOINT = 51_200n;

type Failed = Readonly<{ error: CodedError; text: string; events: readonly ChatEvent[] }>;
async function failing(client: Client, options: Parameters<Client['chat']>[1] = {}): Promise<Failed> {
  const events: ChatEvent[] = [];
  try {
    const request = { messages: [{ role: 'user' as const, content: words }], maxTokens: 1000 };
    for await (const event of client.chat(request, options)) events.push(event);
  } catch (thrown) {
    const text = events.map((event) => (event.kind === 'text' ? event.text : '')).join('');
    return { error: thrown as CodedError, text, events };
  }
  throw new Error('the answer did not fail');
}
const receiptsOf = ({ error }: Failed) => (error instanceof PaidFailure ? error.receipts : []);

/** What the router says is owed, and what the client has signed for: once all payments that are under way arrived. */
async function sums(network: InProcess, client: Client): Promise<{ owed: bigint; signed: bigint }> {
  await client.close();
  const { channel, vouchered } = (await client.payment())!;
  const transport = network.transport();
  const account = await transport.getChannel(channel, { deadline: Date.now() + 10_000 });
  transport.close();
  expect(account.vouchered).toBe(vouchered);
  return { owed: account.receipted, signed: vouchered };
}

type Infer = RouterTransport['infer'];
/** A router that changes what it passes on. */
const passing =
  (change: (part: ResponsePart, frames: number) => ResponsePart | 'hide' | 'cut') => (transport: RouterTransport) => ({
    ...transport,
    infer: async function* (...args: Parameters<Infer>) {
      let frames = 0;
      for await (const part of transport.infer(...args)) {
        if (part.kind === 'frame') frames += 1;
        const changed = change(part, frames);
        if (changed === 'cut') throw new CodedError('ROUTER_UNREACHABLE', 'cut');
        if (changed !== 'hide') yield changed;
      }
    },
  });
const kindOf = (part: ResponsePart) => (part.kind === 'receipt' ? parseReceipt(part.receipt.receipt).kind : part.kind);

test('an engine that dies after a checkpoint: the checkpoint is paid, once, and the error says so', async () => {
  const network = await started({ engine: echoEngine({ tokens: 2000, diesAfter: 300 }) });
  const client = network.newClient();
  const failed = await failing(client);
  expect(failed.error.code).toBe('ENGINE_UNREACHABLE');
  expect(failed.text.split(' ')).toHaveLength(301);
  expect(receiptsOf(failed)).toMatchObject([{ kind: 'checkpoint', tokensOut: 256, amount: CHECKPOINT }]);
  expect(failed.error.facts).toMatchObject({ paid: '51200', receipts: receiptsOf(failed)[0]?.id });
  expect(client.receipts()).toEqual(receiptsOf(failed));
  expect(failed.events.some(({ kind }) => kind === 'done' || kind === 'paid')).toBe(false);
  // Both of its receipts are logged, and the log proves the one that was paid.
  expect((await client.receiptInLog(receiptsOf(failed)[0]!)).checks.every(({ outcome }) => outcome === 'passed')).toBe(
    true,
  );
  // To the router its worker failed: one that goes on so gets nothing more.
  expect(network.router.status().workers.map(({ failed: times }) => times)).toEqual([1]);
  expect(await sums(network, client)).toEqual({ owed: CHECKPOINT, signed: CHECKPOINT });
});

test('an application is told by the SDK what a failed answer cost', async () => {
  const network = await started({ engine: echoEngine({ tokens: 2000, diesAfter: 300 }) });
  const session = await connect({
    ...{ router: network.address, payments: network.payments(), policy: network.relying.policyText },
    ...{ logPolicy: network.logPolicyText, trustAnchors: network.anchors },
    // A full disk is not what failed first.
    receipts: { load: () => [], add: () => Promise.reject(new CodedError('STORAGE_FULL', 'the disk is full')) },
  });
  const error = await session
    .ask({ messages: [{ role: 'user', content: words }], maxTokens: 1000 })
    .catch((thrown) => thrown);
  expect(error).toBeInstanceOf(ChrysalisError);
  expect(error).toMatchObject({ kind: 'could-not-find-out', receipts: [{ kind: 'checkpoint', amount: CHECKPOINT }] });
  expect(session.receipts()).toEqual(error.receipts);
  await session.close();
});

test.each([
  ['a whole answer', { engine: echoEngine({ tokens: 300 }) }],
  [
    'a try that another one follows',
    {
      ...{ tees: ['tdx', 'tdx'] as const, engine: echoEngine({ tokens: 2000 }) },
      misbehave: (serve) =>
        async function* (request, signal) {
          let frames = 0;
          for await (const part of serve(request, signal)) {
            yield part;
            if (part.kind === 'frame' && ++frames === 300) throw new Error('gone');
          }
        },
    },
  ],
] satisfies [string, InProcessOptions][])(
  '%s whose receipt cannot be kept is paid all the same',
  async (_, options) => {
    const network = await started(options);
    const payments = network.payments();
    const full = new CodedError('STORAGE_FULL', 'the disk is full');
    const session = await connect({
      ...{ router: network.address, payments, policy: network.relying.policyText },
      ...{ logPolicy: network.logPolicyText, trustAnchors: network.anchors },
      receipts: { load: () => [], add: () => Promise.reject(full) },
    });
    const asked = { messages: [{ role: 'user' as const, content: words }], maxTokens: 1000 };
    const error = (await session.ask(asked).catch((thrown) => thrown)) as ChrysalisError;
    expect(error).toMatchObject({ code: 'STORAGE_FULL', receipts: [{ tokensOut: expect.any(Number) }] });
    expect(session.receipts()).toEqual(error.receipts);
    await session.close();
    const transport = network.transport();
    const { raw } = addressOfTerms(payments.terms);
    const account = await transport.getChannel(raw, { deadline: Date.now() + 10_000 });
    transport.close();
    expect(account.receipted).toBe(error.receipts[0]?.amount);
    expect(account.vouchered).toBe(account.receipted);
  },
);

test('an engine that dies before its first checkpoint is paid nothing', async () => {
  const network = await started({ engine: echoEngine({ tokens: 2000, diesAfter: 255 }) });
  const client = network.newClient();
  const failed = await failing(client);
  expect(failed.error).not.toBeInstanceOf(PaidFailure);
  expect(failed.error.facts).toEqual({});
  expect(network.router.status().workers.map(({ failed: times }) => times)).toEqual([0]);
  expect(await sums(network, client)).toEqual({ owed: 0n, signed: 0n });
});

test('a router that hides how the answer failed gains nothing by it, and nothing by showing it', async () => {
  const network = await started({ engine: echoEngine({ tokens: 2000, diesAfter: 600 }) });
  const paid: bigint[] = [];
  for (const hide of [[], ['error'], ['error', 'errorFrame']]) {
    let frames = 0;
    const client = network.newClient(
      passing((part) => {
        if (part.kind === 'frame' && (part.frame[0] as number) === 2 && hide.includes('errorFrame')) return 'cut';
        if (part.kind === 'frame') frames += 1;
        return hide.includes(kindOf(part)) ? 'hide' : part;
      }),
    );
    const failed = await failing(client);
    expect(frames).toBeGreaterThanOrEqual(600);
    expect(receiptsOf(failed).map(({ kind }) => kind)).toEqual(['checkpoint']);
    paid.push((await sums(network, client)).signed);
  }
  expect(paid).toEqual([2n * CHECKPOINT, 2n * CHECKPOINT, 2n * CHECKPOINT]);
});

test('a router that withholds checkpoints has none paid: what it stored is its own loss, and stands as owed', async () => {
  const network = await started({ engine: echoEngine({ tokens: 2000, diesAfter: 300 }) });
  const client = network.newClient(passing((part) => (kindOf(part) === 'checkpoint' ? 'hide' : part)));
  expect((await failing(client)).error).not.toBeInstanceOf(PaidFailure);
  expect(await sums(network, client)).toEqual({ owed: CHECKPOINT, signed: 0n });
});

test('a router that withholds the final receipt has the last checkpoint paid', async () => {
  const network = await started({ engine: echoEngine({ tokens: 300 }) });
  const client = network.newClient(passing((part) => (kindOf(part) === 'final' ? 'hide' : part)));
  const failed = await failing(client);
  expect(failed.error).toMatchObject({ code: 'RECEIPT_REFUSED', facts: { check: 'receiptPresent' } });
  expect(receiptsOf(failed).map(({ amount }) => amount)).toEqual([CHECKPOINT]);
  expect((await sums(network, client)).signed).toBe(CHECKPOINT);
});

test('a router that spoils a frame after a checkpoint has that checkpoint paid, and no more', async () => {
  const network = await started({ engine: echoEngine({ tokens: 700 }) });
  const client = network.newClient(
    passing((part, frames) => {
      if (part.kind !== 'frame' || frames !== 400) return part;
      const frame = Uint8Array.from(part.frame);
      frame[20] = (frame[20] as number) ^ 1;
      return { ...part, frame };
    }),
  );
  const failed = await failing(client);
  expect(failed.error.code).toBe('FRAME_NOT_AUTHENTIC');
  expect(receiptsOf(failed).map(({ amount }) => amount)).toEqual([CHECKPOINT]);
  expect((await sums(network, client)).signed).toBe(CHECKPOINT);
});

test('a way that breaks off after the final receipt takes nothing from the answer: it is whole, and paid once', async () => {
  const network = await started({ engine: echoEngine({ tokens: 300 }) });
  let asked = 0;
  const client = network.newClient((transport) => ({
    ...transport,
    infer: async function* (...args) {
      asked += 1;
      for await (const part of transport.infer(...args)) {
        yield part;
        if (kindOf(part) === 'final') throw new CodedError('ROUTER_CHANGED', 'gone');
      }
    },
  }));
  const events: ChatEvent[] = [];
  const request = { messages: [{ role: 'user' as const, content: words }], maxTokens: 1000 };
  for await (const event of client.chat(request)) events.push(event);
  const done = events.find((event) => event.kind === 'done');
  expect(done?.earlier).toEqual([]);
  expect(asked).toBe(1);
  const { owed, signed } = await sums(network, client);
  expect([owed, signed]).toEqual([done?.receipt.amount, done?.receipt.amount]);
});

test('workers that all fail after a checkpoint: each is paid what came of it, none twice, and the error names all', async () => {
  // Such as a worker says when it is shut down: another one goes on.
  const network = await started({
    tees: ['tdx', 'tdx', 'tdx'],
    engine: echoEngine({ tokens: 2000 }),
    misbehave: (serve) =>
      async function* (request, signal) {
        let frames = 0;
        for await (const part of serve(request, signal)) {
          yield part;
          if (part.kind === 'frame' && ++frames === 300) throw new Error('gone');
        }
      },
  });
  const client = network.newClient();
  const failed = await failing(client);
  expect(failed.error.code).toBe('WORKER_GONE');
  const receipts = receiptsOf(failed);
  expect(receipts.map(({ kind, amount }) => [kind, amount])).toEqual(Array(3).fill(['checkpoint', CHECKPOINT]));
  expect(new Set(receipts.map(({ workerId }) => workerId)).size).toBe(3);
  expect(await sums(network, client)).toEqual({ owed: 3n * CHECKPOINT, signed: 3n * CHECKPOINT });
});

test('a worker that is gone for good: the request ends for want of another, and says what the first one was paid', async () => {
  const network = await started({ engine: echoEngine({ tokens: 2000, delayMs: 1 }) });
  const client = network.newClient((transport) => ({
    ...transport,
    infer: async function* (...args) {
      let frames = 0;
      for await (const part of transport.infer(...args)) {
        yield part;
        if (part.kind === 'frame' && ++frames === 300) {
          for (const { workerId } of network.router.listWorkers()) network.stopWorker(toHex(workerId));
          throw new CodedError('WORKER_GONE', 'gone');
        }
      }
    },
  }));
  const failed = await failing(client, { deadlineMs: 20_000 });
  expect(failed.error.code).toBe('NO_WORKER');
  expect(receiptsOf(failed).map(({ amount }) => amount)).toEqual([CHECKPOINT]);
  expect((await sums(network, client)).signed).toBe(CHECKPOINT);
});

test('a request that fails at its deadline fails then, and its checkpoint is paid behind', async () => {
  const network = await started({ engine: echoEngine({ tokens: 2000 }) });
  let held: (() => void) | null = null;
  const mayPay = new Promise<void>((resolve) => (held = resolve));
  const client = network.newClient((transport) => ({
    ...transport,
    infer: async function* (...args) {
      for await (const part of transport.infer(...args)) {
        yield part;
        // The first checkpoint is there: what comes now is a router that says nothing until the deadline.
        if (kindOf(part) === 'checkpoint') {
          await new Promise((resolve) => setTimeout(resolve, args[2].deadline - Date.now()));
          throw new CodedError('DEADLINE_EXCEEDED', 'late');
        }
      }
    },
    submitVoucher: async (...args) => {
      await mayPay;
      return transport.submitVoucher(...args);
    },
  }));
  const failed = await failing(client, { deadlineMs: 3_000 });
  expect(receiptsOf(failed)).toHaveLength(1);
  held!();
  expect((await sums(network, client)).signed).toBe(CHECKPOINT);
});

test('a caller that leaves pays for what came, also where the answer fails after it left', async () => {
  const network = await started({ engine: echoEngine({ tokens: 2000, diesAfter: 300, delayMs: 1 }) });
  const client = network.newClient((transport) => ({
    ...transport,
    // A router that does not pass on that the client wants no more.
    infer: (open, frames, { stop: _, ...call }) => transport.infer(open, frames, call),
  }));
  let seen = 0;
  const request = { messages: [{ role: 'user' as const, content: words }], maxTokens: 1000 };
  for await (const event of client.chat(request)) if (event.kind === 'text' && ++seen === 270) break;
  expect(await sums(network, client)).toEqual({ owed: CHECKPOINT, signed: CHECKPOINT });
  expect(client.receipts()).toHaveLength(1);
});

test('one receipt closes an answer: a worker that shows another one, which might count more, has failed', async () => {
  const network = await started({
    engine: echoEngine({ tokens: 300 }),
    misbehave: (serve) =>
      async function* (request, signal) {
        for await (const part of serve(request, signal)) {
          yield part;
          if (part.kind === 'receipt' && kindOf(part) === 'final') yield part;
        }
      },
  });
  const client = network.newClient();
  const { done } = await ask(client, words);
  await expect
    .poll(() => network.router.status().workers.map(({ failed }) => failed), { timeout: 20_000 })
    .toEqual([1]);
  const { owed, signed } = await sums(network, client);
  expect([owed, signed]).toEqual([done?.receipt.amount, done?.receipt.amount]);
});

test('an engine that counts less at the end than it gave: the worker’s receipts do not fall', async () => {
  const network = await started({ engine: echoEngine({ tokens: 300, says: 10 }) });
  const client = network.newClient();
  const events: ChatEvent[] = [];
  const request = { messages: [{ role: 'user' as const, content: words }], maxTokens: 1000 };
  for await (const event of client.chat(request)) events.push(event);
  const done = events.find((event) => event.kind === 'done');
  expect(done?.receipt).toMatchObject({ kind: 'final', tokensOut: 256 });
  const { owed, signed } = await sums(network, client);
  expect([owed, signed]).toEqual([done?.receipt.amount, done?.receipt.amount]);
});

test('a request id is served once: asked for again, it would be an answer for which nothing more is payable', async () => {
  const network = await started({ tees: ['tdx', 'tdx'] });
  const answers: string[] = [];
  const client = network.newClient((transport) => ({
    ...transport,
    infer: async function* (...args) {
      yield* transport.infer(...args);
      for (let i = 0; i < 3; i++) {
        try {
          for await (const _ of transport.infer(...args)) answers.push('served');
        } catch (error) {
          answers.push((error as CodedError).code);
        }
      }
    },
  }));
  const { answer, done } = await ask(client, 'one two', { candidates: 2 });
  expect(answer).toBe('one two ');
  expect(answers).toEqual(['REQUEST_REPLAYED', 'REQUEST_REPLAYED', 'REQUEST_REPLAYED']);
  const { owed, signed } = await sums(network, client);
  expect([owed, signed]).toEqual([done?.receipt.amount, done?.receipt.amount]);
});
