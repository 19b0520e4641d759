import { expect, test } from 'vitest';
import {
  createGateway,
  createKeyRing,
  encodeKeyFile,
  type KeyRing,
  keyDigest,
  parseKeyFile,
} from '../../src/client/gateway/index.ts';
import { PaidFailure } from '../../src/client/index.ts';
import { CodedError } from '../../src/core/index.ts';
import { receiptNumber, type Script, scriptedClient } from './scripted-client.ts';

const messages = [{ role: 'user' as const, content: 'Write one sentence about the sea.' }];
const chatPath = '/v1/chat/completions';

function gateway(changes: Partial<Script>, keys: KeyRing) {
  const { client, script } = scriptedClient(changes);
  const deps = { client, now: () => 0, randomId: () => 'id', version: '0.0.0', policy: 'p', simulated: true, keys };
  return { app: createGateway(deps), script };
}

function post(
  app: ReturnType<typeof gateway>['app'],
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
) {
  return app.request(`http://127.0.0.1${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', host: '127.0.0.1', ...headers },
    body: JSON.stringify(body),
  });
}

function get(app: ReturnType<typeof gateway>['app'], path: string) {
  return app.request(`http://127.0.0.1${path}`, { headers: { host: '127.0.0.1' } });
}

const KEY = { budget: null, requestsPerMinute: null, concurrentMax: null, admin: false };
const keyed = (changes: Partial<Parameters<typeof createKeyRing>[0][number]> = {}, spent = 0n) => {
  const kept = new Map([['alice', spent]]);
  let now = 1_000_000;
  const keys = createKeyRing(
    [
      { ...KEY, id: 'alice', sha256: keyDigest('sk-alice'), ...changes },
      { ...KEY, id: 'root', sha256: keyDigest('sk-root'), admin: true },
    ],
    { load: () => kept, save: (next) => next.forEach((amount, id) => void kept.set(id, amount)) },
    () => now,
  );
  return { keys, kept, later: (ms: number) => (now += ms) };
};
const withKey = (key: string) => ({ authorization: `Bearer ${key}` });

test('with API keys: none, a wrong one and a missing right are refused; what a key spends is kept', async () => {
  const { keys, kept } = keyed();
  const { app, script } = gateway({}, keys);
  expect((await post(app, chatPath, { messages })).status).toBe(401);
  const wrong = await post(app, chatPath, { messages }, withKey('sk-other'));
  expect(wrong.status).toBe(401);
  expect(await wrong.json()).toMatchObject({ error: { type: 'authentication_error', code: 'API_KEY_REFUSED' } });
  expect(script.asked).toEqual([]);
  expect((await post(app, chatPath, { messages }, withKey('sk-alice'))).status).toBe(200);
  expect(kept.get('alice')).toBe(21_000n);
  const at = (path: string, key: string) =>
    app.request(`http://127.0.0.1${path}`, { headers: { host: '127.0.0.1', ...withKey(key) } });
  expect((await at('/v1/receipts', 'sk-alice')).status).toBe(401);
  expect((await at('/v1/receipts', 'sk-root')).status).toBe(200);
  expect(await (await at('/v1/usage', 'sk-alice')).json()).toMatchObject({ key: 'alice', spent: '21000', running: 0 });
  expect(await (await get(app, '/')).text()).not.toContain('r_0000000000000001');
});

test('a key’s budget, rate and number at the same time hold', async () => {
  const poor = keyed({ budget: 30_000n });
  const { app } = gateway({}, poor.keys);
  const asks = () => post(app, chatPath, { messages }, withKey('sk-alice'));
  expect([(await asks()).status, (await asks()).status, (await asks()).status]).toEqual([200, 200, 429]);
  expect(await (await asks()).json()).toMatchObject({ error: { code: 'BUDGET_EXHAUSTED' } });
  const hasty = keyed({ requestsPerMinute: 2 });
  const second = gateway({}, hasty.keys).app;
  const hurry = () => post(second, chatPath, { messages }, withKey('sk-alice'));
  expect([(await hurry()).status, (await hurry()).status, (await hurry()).status]).toEqual([200, 200, 429]);
  hasty.later(60_001);
  expect((await hurry()).status).toBe(200);
  const narrow = keyed({ concurrentMax: 1 });
  const third = gateway({ answer: ['The ', 'wait'] }, narrow.keys).app;
  const held = await post(third, chatPath, { messages, stream: true }, withKey('sk-alice'));
  expect((await post(third, chatPath, { messages }, withKey('sk-alice'))).status).toBe(429);
  await held.body?.cancel();
});

test('an answer that fails costs its key what was paid of it, told whole, streamed, read by nobody, or embedded', async () => {
  const failure = new PaidFailure(new CodedError('WORKER_GONE', 'gone'), [receiptNumber(1), receiptNumber(2)]);
  const { keys, kept } = keyed({ concurrentMax: 1 });
  const facts = { receipts: [{ id: receiptNumber(1).id, amount: '21000' }, { id: receiptNumber(2).id }] };
  const script = { answer: ['The sea ', failure], embedded: failure };
  const { app } = gateway(script, keys);
  const ask = (path: string, body: object) => post(app, path, body, withKey('sk-alice'));
  const whole = await ask(chatPath, { messages });
  expect(whole.status).toBe(503);
  expect(await whole.json()).toMatchObject({ error: { code: 'WORKER_GONE', chrysalis: facts } });
  const lastEvent = async (response: Response) => {
    const events = (await response.text()).trim().split('\n\n');
    return JSON.parse(events.at(-1)!.replace(/^(event: \w+\n)?data: /, ''));
  };
  const streamed = await ask(chatPath, { messages, stream: true });
  expect(await lastEvent(streamed)).toMatchObject({ error: { code: 'WORKER_GONE', chrysalis: facts } });
  const responses = await ask('/v1/responses', { input: 'The sea', stream: true });
  expect(await lastEvent(responses)).toMatchObject({ type: 'error', code: 'WORKER_GONE', chrysalis: facts });
  const embedding = await ask('/v1/embeddings', { input: 'The sea', model: 'sea-stories' });
  expect(await embedding.json()).toMatchObject({ error: { chrysalis: facts } });
  expect(kept.get('alice')).toBe(4n * 42_000n);
  await (await ask(chatPath, { messages, stream: true })).body?.cancel();
  await expect.poll(() => kept.get('alice')).toBe(5n * 42_000n);
  // What failed before anything was payable says nothing of receipts.
  const free = gateway({ answer: [new CodedError('WORKER_GONE', 'gone')] }, keyed().keys);
  expect((await (await post(free.app, chatPath, { messages }, withKey('sk-alice'))).json()).error).toEqual({
    ...{ code: 'WORKER_GONE', message: 'gone', param: null, type: 'service_unavailable' },
  });
});

test('an answer that another worker began names both receipts, and costs both', async () => {
  const { keys, kept } = keyed();
  const earlier = [{ ...receiptNumber(9), kind: 'checkpoint' as const }];
  const { app } = gateway({ earlier }, keys);
  const whole = await (await post(app, chatPath, { messages }, withKey('sk-alice'))).json();
  expect(whole.chrysalis).toMatchObject({
    receipt: { kind: 'final' },
    earlier: [{ id: earlier[0]!.id, kind: 'checkpoint' }],
  });
  expect(kept.get('alice')).toBe(42_000n);
});

test('an answer that its worker ended early is an error that names its receipts, and is charged once', async () => {
  const { keys, kept } = keyed();
  const { app } = gateway({ finish: 'failed' }, keys);
  const whole = await post(app, chatPath, { messages }, withKey('sk-alice'));
  expect(await whole.json()).toMatchObject({
    error: { code: 'ANSWER_INCOMPLETE', chrysalis: { receipts: [{ amount: '21000' }] } },
  });
  expect(kept.get('alice')).toBe(21_000n);
});

test('while what keys spent cannot be stored, answers are paid all the same and nobody new is served; no sum is forgotten', async () => {
  let isFull = true;
  const saved = new Map<string, bigint>();
  const keys = createKeyRing(
    [{ ...KEY, id: 'alice', sha256: keyDigest('sk-alice') }],
    {
      load: () => saved,
      save: (spent) => {
        if (isFull) throw new CodedError('STORAGE_FULL', 'the disk is full');
        for (const [id, amount] of spent) saved.set(id, amount);
      },
    },
    () => 0,
  );
  const { app, script } = gateway({}, keys);
  const ask = (body: object = {}) => post(app, chatPath, { messages, ...body }, withKey('sk-alice'));
  expect((await ask()).status).toBe(200);
  expect(script.vouchers).toBe(1);
  expect(await (await ask()).json()).toMatchObject({ error: { code: 'STORAGE_FULL' } });
  isFull = false;
  const left = await ask({ stream: true });
  expect(saved.get('alice')).toBe(21_000n);
  isFull = true;
  await left.body?.cancel();
  await expect.poll(() => script.vouchers, { timeout: 20_000 }).toBe(2);
  isFull = false;
  keys.admit('Bearer sk-alice').release();
  expect(saved.get('alice')).toBe(42_000n);
});

test('whoever watches hears once that a budget is nearly used up, and once that it is, also after a restart', () => {
  const passed: [string, number, bigint][] = [];
  const key = {
    id: 'a',
    sha256: keyDigest('k'),
    budget: 100n,
    requestsPerMinute: null,
    concurrentMax: null,
    admin: false,
  };
  const saved = new Map<string, bigint>();
  const store = {
    load: () => new Map(saved),
    save: (spent: ReadonlyMap<string, bigint>) => {
      for (const [id, amount] of spent) saved.set(id, amount);
    },
  };
  const ring = () =>
    createKeyRing(
      [key, { ...key, id: 'free', sha256: keyDigest('f'), budget: null }],
      store,
      () => 0,
      (alert) => passed.push([alert.id, alert.percent, alert.spent]),
    );
  const spend = (amount: bigint, as = 'k') => ring().admit(`Bearer ${as}`).spend(amount);
  for (const amount of [79n, 1n, 19n]) spend(amount);
  expect(passed).toEqual([['a', 80, 80n]]);
  spend(30n);
  spend(5_000n, 'f');
  expect(passed).toEqual([
    ['a', 80, 80n],
    ['a', 100, 129n],
  ]);
  expect(() => spend(1n)).toThrow(expect.objectContaining({ code: 'BUDGET_EXHAUSTED' }));
});

test('a key file is read back, and anything else is refused', () => {
  const key = { id: 'a', sha256: keyDigest('k'), budget: 5n, requestsPerMinute: 1, concurrentMax: null, admin: true };
  expect(parseKeyFile(encodeKeyFile([key]))).toEqual([key]);
  for (const text of ['{}', '{"version":1,"keys":[{}]}', encodeKeyFile([key, key]), 'x']) {
    expect(() => parseKeyFile(text)).toThrow(CodedError);
  }
});
