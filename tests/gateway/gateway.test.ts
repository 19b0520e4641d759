import { once } from 'node:events';
import { connect } from 'node:net';
import { type ServerType, serve } from '@hono/node-server';
import fc from 'fast-check';
import OpenAI from 'openai';
import { afterEach, expect, test } from 'vitest';
import { createEarSigner, type EarKeys, verifyEar } from '../../src/attestation/index.ts';
import { createGateway, GATEWAY_LIMITS, type GatewayLimits } from '../../src/client/gateway/index.ts';
import { CodedError } from '../../src/core/index.ts';
import { PAYMENT, type Script, scriptedClient, WORKER } from './scripted-client.ts';

const running: ServerType[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) {
    (server as { closeAllConnections?: () => void }).closeAllConnections?.();
    await new Promise((resolve) => server.close(resolve));
  }
});

function gateway(changes: Partial<Script> = {}, limits: Partial<GatewayLimits> = {}) {
  const { client, script } = scriptedClient(changes);
  let ids = 0;
  const deps = {
    client,
    now: () => 1_800_000_000_000,
    randomId: () => `id${++ids}`,
    version: '0.0.0',
    policy: 'development-simulated #1',
    simulated: true,
  };
  return { app: createGateway(deps, { ...GATEWAY_LIMITS, ...limits }), client, script };
}

async function served(changes: Partial<Script> = {}, limits: Partial<GatewayLimits> = {}) {
  const made = gateway(changes, limits);
  const server = serve({ fetch: made.app.fetch, hostname: '127.0.0.1', port: 0 });
  running.push(server);
  await once(server, 'listening');
  const port = (server.address() as { port: number }).port;
  const url = `http://127.0.0.1:${port}`;
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
  return { ...made, url, port, openai };
}

const messages = [{ role: 'user' as const, content: 'Write one sentence about the sea.' }];
const chatPath = '/v1/chat/completions';
const image = (url: string) => ({ role: 'user', content: [{ type: 'image_url', image_url: { url } }] });

function post(
  app: ReturnType<typeof gateway>['app'],
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
) {
  return app.request(`http://127.0.0.1${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', host: '127.0.0.1', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

function get(app: ReturnType<typeof gateway>['app'], path: string) {
  return app.request(`http://127.0.0.1${path}`, { headers: { host: '127.0.0.1' } });
}

test('the official client gets a whole answer, its usage, and the facts in headers', async () => {
  const { openai, script } = await served();
  const { data, response } = await openai.chat.completions
    .create({ model: 'sea-stories', messages, temperature: 0, max_tokens: 48, seed: 7, stop: ['\n'] })
    .withResponse();
  expect(data.choices[0]?.message.content).toBe('The sea was calm.');
  expect(data.choices[0]?.finish_reason).toBe('stop');
  expect(data.usage).toMatchObject({ prompt_tokens: 9, completion_tokens: 5, total_tokens: 14 });
  expect(response.headers.get('x-chrysalis-worker')).toBe(WORKER.workerId);
  expect(response.headers.get('x-chrysalis-evidence')).toBe(WORKER.evidenceDigest);
  expect(response.headers.get('x-chrysalis-receipt')).toBe('r_0000000000000001');
  expect(script.asked).toEqual([
    { model: 'sea-stories', messages, temperature: 0, maxTokens: 48, seed: 7, stop: ['\n'] },
  ]);
  expect(script.vouchers).toBe(1);
});

test('the official client streams text, then the receipt, then the usage it asked for', async () => {
  const { openai, script } = await served();
  const stream = await openai.chat.completions.create({
    model: 'sea-stories',
    messages,
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe('The sea was calm.');
  const last = chunks.find((chunk) => chunk.choices[0]?.finish_reason === 'stop') as unknown as {
    chrysalis: { receipt: { id: string }; checks: unknown };
  };
  expect(last.chrysalis.receipt.id).toBe('r_0000000000000001');
  expect(last.chrysalis.checks).toEqual({ cpu: '2 of 2', binding: '1 of 1', log: '1 of 1' });
  expect(chunks.at(-1)?.usage?.completion_tokens).toBe(5);
  expect(script.vouchers).toBe(1);
});

test('completions take a prompt, whole and streamed', async () => {
  const { openai, script } = await served({ finish: 'length' });
  const whole = await openai.completions.create({ model: 'sea-stories', prompt: 'Once upon a time' });
  expect(whole.choices[0]).toMatchObject({ text: 'The sea was calm.', finish_reason: 'length' });
  expect(script.asked[0]).toMatchObject({ prompt: 'Once upon a time', messages: [] });
  let text = '';
  const stream = await openai.completions.create({ model: 'sea-stories', prompt: 'Once', stream: true });
  for await (const chunk of stream) text += chunk.choices[0]?.text ?? '';
  expect(text).toBe('The sea was calm.');
});

test('models are listed and found by name and by digest', async () => {
  const { openai } = await served();
  expect((await openai.models.list()).data.map((model) => model.id)).toEqual(['sea-stories']);
  expect((await openai.models.retrieve(WORKER.modelDigest)).id).toBe('sea-stories');
});

test('a refused worker is a 502 with the code, not retried; an outage a 503; a deadline a 504', async () => {
  for (const [code, status] of [
    ['KEY_REFUSED', 502],
    ['PEER_UNREACHABLE', 503],
    ['DEADLINE_EXCEEDED', 504],
    ['INVARIANT_BROKEN', 500],
  ] as const) {
    const { app } = gateway({ answer: [new CodedError(code, 'said plainly')] });
    for (const stream of [false, true]) {
      const answer = await post(app, chatPath, { messages, stream });
      expect(answer.status).toBe(status);
      expect(await answer.json()).toMatchObject({ error: { code, message: 'said plainly' } });
      expect(answer.headers.get('x-should-retry')).toBe(status === 502 ? 'false' : null);
    }
  }
});

test('an error after the first text ends the stream with an error and no [DONE]', async () => {
  const { openai, app } = await served({ answer: ['The ', new CodedError('FRAME_NOT_AUTHENTIC', 'frame 2')] });
  const stream = await openai.chat.completions.create({ model: 'sea-stories', messages, stream: true });
  let text = '';
  const read = async () => {
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  };
  await expect(read()).rejects.toMatchObject({ code: 'FRAME_NOT_AUTHENTIC' });
  expect(text).toBe('The ');
  const raw = await (await post(app, chatPath, { messages, stream: true })).text();
  expect(raw).not.toContain('[DONE]');
});

test('an answer that the worker cut off is an error, whole or streamed, and its receipt is still paid', async () => {
  const { app, script } = gateway({ finish: 'failed' });
  const whole = await post(app, chatPath, { messages });
  expect(whole.status).toBe(503);
  expect(await whole.json()).toMatchObject({ error: { code: 'ANSWER_INCOMPLETE' } });
  const streamed = await (await post(app, chatPath, { messages, stream: true })).text();
  expect(streamed).toContain('ANSWER_INCOMPLETE');
  expect(streamed).not.toContain('[DONE]');
  await expect.poll(() => script.vouchers).toBe(2);
});

test('bad input is refused in the shape of OpenAI, naming the field', async () => {
  const { app, script } = gateway();
  const cases: [unknown, string | null, number][] = [
    ['{"messages":', null, 400],
    ['[]', null, 400],
    [{}, 'messages', 400],
    [{ messages: [] }, 'messages', 400],
    [{ messages: [{ role: 'robot', content: 'x' }] }, 'messages.0.role', 400],
    [{ messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }, 'messages.0.content', 400],
    [{ messages: [{ role: 'user', content: [{ type: 'audio' }] }] }, 'messages.0.content', 400],
    [{ messages: [{ role: 'user' }] }, 'messages.0.content', 400],
    [{ messages: [image('https://example.org/cat.png')] }, 'messages.0.content.0.image_url.url', 400],
    [{ messages: [image('data:text/plain;base64,aGk=')] }, 'messages.0.content.0.image_url.url', 400],
    [{ messages: [image('data:image/png;base64,aGVsbG8=')] }, 'messages.0.content.0.image_url.url', 400],
    [{ messages: [image('data:image/png;base64,%%%')] }, 'messages.0.content.0.image_url.url', 400],
    [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages.0.tool_call_id', 400],
    [{ messages, temperature: 2.1 }, 'temperature', 400],
    [{ messages, temperature: 'hot' }, 'temperature', 400],
    [{ messages, top_p: 0 }, 'top_p', 400],
    [{ messages, top_k: -1 }, 'top_k', 400],
    [{ messages, max_tokens: 0 }, 'max_tokens', 400],
    [{ messages, max_tokens: 1.5 }, 'max_tokens', 400],
    [{ messages, seed: -1 }, 'seed', 400],
    [{ messages, n: 2 }, 'n', 400],
    [{ messages, stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop', 400],
    [{ messages, tools: [{ type: 'function' }] }, 'tools.0.function', 400],
    [{ messages, tools: [{ type: 'web' }] }, 'tools.0.type', 400],
    [{ messages, tools: [{ type: 'function', function: { name: 'a b' } }] }, 'tools.0.function.name', 400],
    [{ messages, tool_choice: 'required' }, 'tool_choice', 400],
    [{ messages, logprobs: 'yes' }, 'logprobs', 400],
    [{ messages, top_logprobs: 2 }, 'top_logprobs', 400],
    [{ messages, logprobs: true, top_logprobs: 21 }, 'top_logprobs', 400],
    [{ messages, logit_bias: { sea: 1 } }, 'logit_bias.sea', 400],
    [{ messages, presence_penalty: 3 }, 'presence_penalty', 400],
    [{ messages, response_format: { type: 'xml' } }, 'response_format.type', 400],
    [{ messages, audio: {} }, 'audio', 400],
    [{ messages, model: 'other' }, 'model', 404],
  ];
  for (const [body, param, status] of cases) {
    const answer = await post(app, chatPath, body);
    expect([status, JSON.stringify(body)]).toEqual([answer.status, JSON.stringify(body)]);
    const { error } = (await answer.json()) as { error: { param: string | null; type: string; message: string } };
    expect(error.param).toBe(param);
    expect(error.message).not.toBe('');
  }
  expect(script.asked).toEqual([]);
  expect((await post(app, chatPath, { messages, tools: [], logprobs: false, user: 'me', n: 1 })).status).toBe(200);
});

test('a body over the limit is a 413 with and without a declared length; just under it passes', async () => {
  const { url } = await served({}, { bodyBytesMax: 4_096 });
  const body = (length: number) => {
    const empty = JSON.stringify({ messages: [{ role: 'user', content: '' }] }).length;
    return JSON.stringify({ messages: [{ role: 'user', content: 'x'.repeat(length - empty) }] });
  };
  const headers = { 'content-type': 'application/json' };
  const ask = (whole: BodyInit) =>
    fetch(url + chatPath, { method: 'POST', headers, body: whole, duplex: 'half' } as RequestInit);
  expect((await ask(body(4_096))).status).toBe(200);
  const declared = await ask(body(4_097));
  expect(declared.status).toBe(413);
  expect(await declared.json()).toMatchObject({ error: { code: 'REQUEST_TOO_LARGE' } });
  const chunked = new ReadableStream({
    start(out) {
      for (let i = 0; i < 8; i++) out.enqueue(new TextEncoder().encode('x'.repeat(1_024)));
      out.close();
    },
  });
  expect((await ask(chunked)).status).toBe(413);
});

test('another site, another name for this host, and a form post are refused before anything is asked', async () => {
  const { app, script } = gateway();
  const refused = [
    post(app, chatPath, { messages }, { host: 'evil.example' }),
    post(app, chatPath, { messages }, { origin: 'https://evil.example' }),
    post(app, chatPath, { messages }, { 'content-type': 'text/plain' }),
    post(app, '/v1/settle', {}, { origin: 'null' }),
  ];
  for (const answer of await Promise.all(refused)) expect(answer.status).toBe(400);
  expect(script.asked).toEqual([]);
  expect((await post(app, chatPath, { messages }, { origin: 'http://127.0.0.1' })).status).toBe(200);
});

test('a client that goes away cancels the request', async () => {
  const { port, script } = await served({ answer: ['The ', 'wait'] });
  const body = JSON.stringify({ messages, stream: true });
  const socket = connect(port, '127.0.0.1');
  socket.write(
    `POST ${chatPath} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  let seen = '';
  for await (const piece of socket) {
    seen += String(piece);
    if (seen.includes('"The "')) break;
  }
  socket.destroy();
  await expect.poll(() => script.cancelled, { timeout: 5_000 }).toBe(1);
});

test('a client that goes away while a whole answer is made cancels it too', async () => {
  const { url, script } = await served({ answer: ['The ', 'wait'] });
  const leave = new AbortController();
  const asked = fetch(url + chatPath, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages }),
    signal: leave.signal,
  });
  await expect.poll(() => script.asked.length).toBe(1);
  leave.abort();
  await expect(asked).rejects.toThrow();
  await expect.poll(() => script.cancelled, { timeout: 5_000 }).toBe(1);
});

test('more open requests than the limit are told to come back', async () => {
  const { app } = gateway({ answer: ['The ', 'wait'] }, { openRequestsMax: 1 });
  const first = await post(app, chatPath, { messages, stream: true });
  const second = await post(app, chatPath, { messages, stream: true });
  expect(second.status).toBe(429);
  await first.body?.cancel();
  await expect.poll(async () => (await post(app, chatPath, { messages, stream: true })).status).toBe(200);
});

test('attestation, receipts with their log proof, payment and settlement as JSON', async () => {
  const { app } = gateway();
  await (await post(app, chatPath, { messages })).json();
  const attestation = (await (await get(app, '/v1/attestation')).json()) as { data: unknown[] };
  expect(attestation).toMatchObject({ simulated: true, data: [{ worker: WORKER.workerId, mode: 'live' }] });
  expect(await (await get(app, '/v1/receipts')).json()).toMatchObject({ data: [{ id: 'r_0000000000000001' }] });
  const one = await (await get(app, '/v1/receipts/r_0000000000000001')).json();
  expect(one).toMatchObject({ amount: '21000', object: 'AQID', log_proof: { index: 9, size: 10 } });
  expect((await get(app, '/v1/receipts/r_none')).status).toBe(404);
  expect(await (await get(app, '/v1/payment')).json()).toMatchObject({ channel: PAYMENT.channel, claimed: '0' });
  expect(await (await post(app, '/v1/settle', {})).json()).toMatchObject({ claimed: '21000' });
  expect((await get(app, '/nothing')).status).toBe(404);
  expect(await (await get(app, '/healthz')).json()).toEqual({ status: 'ok', version: '0.0.0' });
});

test('what was verified as attestation results that the published key signed', async () => {
  const seed = new Uint8Array(32).fill(7);
  const { client } = scriptedClient({});
  const deps = { client, now: () => 1, randomId: () => '', version: '', policy: '', simulated: true };
  const signing = createGateway({ ...deps, results: await createEarSigner(seed) });
  const { data } = (await (await get(signing, '/v1/attestation/results')).json()) as { data: { result: string }[] };
  const keys = (await (await get(signing, '/.well-known/jwks.json')).json()) as EarKeys;
  expect(data).toMatchObject([{ worker: WORKER.workerId }]);
  expect(await verifyEar(data[0]?.result ?? '', keys, 1_800_000_100_000)).toEqual(WORKER.result);
  const without = createGateway(deps);
  expect((await get(without, '/v1/attestation/results')).status).toBe(404);
  expect(await (await get(without, '/.well-known/jwks.json')).json()).toEqual({ keys: [] });
});

test('the status page escapes what workers say of themselves and says that they are simulated', async () => {
  const name = '<script>alert(1)</script>"\'&';
  const worker = {
    ...WORKER,
    name,
    tcbStatus: '<img src=x>',
    checks: { '<b>': [{ name: '<i>', outcome: 'failed' as const, reason: '<u>' }] },
  };
  const { app } = gateway({ worker });
  const page = await get(app, '/');
  const html = await page.text();
  expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;');
  for (const hostile of ['<script', '<img', '<b>', '<i>', '<u>']) expect(html).not.toContain(hostile);
  expect(html).toContain('Simulated enclaves');
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect((await get(app, '/style.css')).headers.get('content-type')).toContain('text/css');
});

test('whatever JSON is posted, the answer is a 200, a 4xx in the shape of OpenAI, and never a 5xx', async () => {
  const { app } = gateway();
  await fc.assert(
    fc.asyncProperty(
      fc.jsonValue(),
      fc.constantFrom(chatPath, '/v1/completions', '/v1/responses', '/v1/embeddings'),
      async (body, path) => {
        const answer = await post(app, path, body);
        const json = (await answer.json()) as { error?: { code: string } };
        expect(answer.status === 200 || (answer.status < 500 && typeof json.error?.code === 'string')).toBe(true);
      },
    ),
    { numRuns: 200 },
  );
});

test('the OpenAPI document names every path that is served, with the schema it is checked by', async () => {
  const { app } = gateway();
  const document = (await (await get(app, '/openapi.json')).json()) as {
    openapi: string;
    paths: Record<
      string,
      Record<string, { requestBody?: { content: Record<string, { schema: { properties: object } }> } }>
    >;
  };
  expect(document.openapi).toBe('3.1.0');
  const body = document.paths['/v1/chat/completions']?.post?.requestBody?.content['application/json']?.schema;
  expect(Object.keys(body?.properties ?? {})).toEqual(expect.arrayContaining(['messages', 'tools', 'response_format']));
  const served = app.routes
    .filter(({ method, path }) => method !== 'ALL' && !['/', '/style.css', '/openapi.json'].includes(path))
    .map(({ method, path }) => `${method.toLowerCase()} ${path.replace(':id', '{id}')}`);
  const documented = Object.entries(document.paths).flatMap(([path, verbs]) =>
    Object.keys(verbs).map((verb) => `${verb} ${path}`),
  );
  expect(new Set(documented)).toEqual(new Set(served));
});
