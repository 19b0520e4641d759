import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { toHex } from '../../../src/core/index.ts';
import {
  type Engine,
  type GenerateEvent,
  loadUpstreamEngine,
  modelDigest,
  type UpstreamOptions,
  watchedModelOnDisk,
} from '../../../src/worker/engines/index.ts';
import { type FakeUpstream, startFakeUpstream } from './fake-upstream.ts';
import { ask } from './model.ts';

let server: FakeUpstream;
let folder: string;
let tick: () => void;
const engines: Engine[] = [];
beforeEach(async () => {
  server = await startFakeUpstream();
  folder = mkdtempSync(join(tmpdir(), 'chrysalis-model-'));
  mkdirSync(join(folder, 'inner'));
  writeFileSync(join(folder, 'model.safetensors'), 'weights');
  writeFileSync(join(folder, 'inner', 'tokenizer.json'), '{}');
});
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function load(changes: Partial<UpstreamOptions> = {}): Promise<Engine> {
  const engine = await loadUpstreamEngine({
    url: server.url,
    model: await watchedModelOnDisk(folder),
    fetch,
    every: (_, run) => {
      tick = run;
      return () => undefined;
    },
    ...changes,
  });
  engines.push(engine);
  return engine;
}

const never = new AbortController().signal;
async function all(engine: Engine, request: ReturnType<typeof ask>, signal = never) {
  const events: GenerateEvent[] = [];
  for await (const event of engine.generate(request, signal)) events.push(event);
  const text = events.map((event) => (event.kind === 'delta' ? (event.delta.text ?? '') : '')).join('');
  const done = events.at(-1) as Extract<GenerateEvent, { kind: 'done' }>;
  return { events, text, done };
}

test('streams text, usage and finish as the server gives them; what was asked passes through', async () => {
  const engine = await load();
  expect([engine.modelId, engine.contextTokensMax]).toEqual(['fake-7b', 4096]);
  const { text, done } = await all(engine, ask('one two three', { temperature: 0.5, seed: 7, topK: 3, stop: ['x'] }));
  expect(text).toBe('one two three');
  expect(done).toEqual({ kind: 'done', finish: 'stop', tokensIn: 2, tokensCached: 1, tokensOut: 3 });
  expect(server.asked.at(-1)).toMatchObject({ model: 'fake-7b', temperature: 0.5, seed: 7, top_k: 3, stop: ['x'] });
  const short = await all(engine, ask('one two three', { maxTokens: 2 }));
  expect([short.text, short.done.finish]).toEqual(['one two ', 'length']);
  const prompted = await all(engine, { ...ask(''), messages: [], prompt: 'go on' });
  expect(prompted.text).toBe('go on');
  const begun = await all(engine, ask('one two three', { prefix: 'one ' }));
  expect(begun.text).toBe('two three');
});

test('tools, a JSON schema, log-probabilities and embeddings pass through', async () => {
  const engine = await load();
  const tools = [{ type: 'function' as const, function: { name: 'weather', parameters: { type: 'object' } } }];
  const called = await all(engine, ask('weather?', { tools, toolChoice: 'auto' }));
  const calls = called.events.flatMap((event) => (event.kind === 'delta' ? (event.delta.toolCalls ?? []) : []));
  expect(calls.map((call) => call.function?.arguments ?? '').join('')).toBe('{"city":"Ghent"}');
  expect(calls[0]).toMatchObject({ id: 'call_1', function: { name: 'weather' } });
  const json = {
    type: 'json_schema' as const,
    json_schema: { name: 'place', schema: { type: 'object' }, strict: true },
  };
  expect(JSON.parse((await all(engine, ask('x', { responseFormat: json }))).text)).toMatchObject({ schema: 'place' });
  const { events } = await all(engine, ask('one two', { logprobs: 1 }));
  expect(events.flatMap((event) => (event.kind === 'delta' ? (event.delta.logprobs ?? []) : []))).toHaveLength(2);
  expect(await engine.embed({ texts: ['a', 'bcd'] }, never)).toEqual({
    vectors: [
      [1, 0.5, -1.25],
      [3, 0.5, -1.25],
    ],
    tokensIn: 4,
  });
});

test('cancelling closes the server’s request, and what came is counted', async () => {
  const engine = await load();
  const stop = new AbortController();
  let pieces = 0;
  let done: GenerateEvent | undefined;
  for await (const event of engine.generate(ask('slowly', { maxTokens: 1000 }), stop.signal)) {
    if (event.kind === 'delta' && ++pieces === 5) stop.abort();
    if (event.kind === 'done') done = event;
  }
  expect(done).toMatchObject({ finish: 'cancelled', tokensOut: pieces });
  await expect.poll(() => server.cancelled(), { timeout: 2_000 }).toBe(1);
});

test('each fault of the server is a coded failure, without its words where they are its own', async () => {
  const engine = await load();
  const fails = (content: string) =>
    all(engine, ask(content)).then(
      () => null,
      (error: unknown) => error,
    );
  expect(await fails('fail')).toMatchObject({ code: 'ANSWER_FAILED' });
  expect(String(await fails('fail'))).not.toContain('0x7f');
  expect(await fails('busy')).toMatchObject({ code: 'ENGINE_UNREACHABLE' });
  expect(await fails('garbage')).toMatchObject({ code: 'ANSWER_FAILED' });
  expect(await fails('error inside')).toMatchObject({ code: 'ANSWER_FAILED' });
  expect(await fails('cut off')).not.toBeNull();
  expect(await fails('x'.repeat(20_000))).toMatchObject({ code: 'REQUEST_CONTEXT_EXCEEDED' });
  await server.close();
  expect(await fails('hello')).toMatchObject({ code: 'ENGINE_UNREACHABLE' });
});

test('a server that stops answering is noticed, and taken back when it is well', async () => {
  const engine = await load();
  expect(engine.trouble?.()).toBeNull();
  server.healthy(false);
  for (let look = 0; look < 4; look++) {
    tick();
    await new Promise((done) => setTimeout(done, 60));
  }
  expect(engine.trouble?.()).toMatchObject({ code: 'ENGINE_UNREACHABLE' });
  await expect(all(engine, ask('x'))).rejects.toMatchObject({ code: 'ENGINE_UNREACHABLE' });
  server.healthy(true);
  tick();
  await expect.poll(() => engine.trouble?.(), { timeout: 2_000 }).toBeNull();
});

test('the manifest names every file; a change, a new file or a missing one stops the engine for good', async () => {
  const first = await load();
  expect(first.manifest.files.map(({ path }) => path)).toEqual(['inner/tokenizer.json', 'model.safetensors']);
  expect(first.manifest.engine).toEqual({ name: 'openai-upstream', version: '0.99.0-fake' });
  const digest = toHex(modelDigest(first.manifest));
  const touched = join(folder, 'model.safetensors');
  utimesSync(touched, new Date(), new Date());
  tick();
  await new Promise((done) => setTimeout(done, 50));
  expect(first.trouble?.()).toBeNull(); // touched, and the same
  const changes: (() => void)[] = [
    () => writeFileSync(touched, 'weightz'),
    () => writeFileSync(join(folder, 'added.json'), '{}'),
    () => rmSync(join(folder, 'inner', 'tokenizer.json')),
  ];
  for (const change of changes) {
    const engine = await load();
    change();
    tick();
    await expect.poll(() => engine.trouble?.()?.code, { timeout: 2_000 }).toBe('MODEL_CHANGED');
    await expect(all(engine, ask('x'))).rejects.toMatchObject({ code: 'MODEL_CHANGED' });
  }
  expect(toHex(modelDigest((await load()).manifest))).not.toBe(digest);
});

test('a server that is not on this machine is refused before anything is sent', async () => {
  for (const url of [
    'http://10.0.0.1:8000',
    'https://127.0.0.1',
    'http://127.0.0.1.example',
    'http://u:p@localhost',
    'x',
  ]) {
    await expect(load({ url }), url).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  }
  await expect(load({ modelId: 'other' })).rejects.toMatchObject({ code: 'MODEL_UNKNOWN' });
  expect(server.asked).toEqual([]);
});
