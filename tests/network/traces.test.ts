import { createServer, type Server } from 'node:http';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type OpenedTraces, openTraces } from '../../src/cli/compose/traces.ts';
import type { LogFields } from '../../src/cli/logger.ts';
import { tracedClient } from '../../src/client/index.ts';
import {
  createTracer,
  type FinishedSpan,
  formatTraceparent,
  parseTraceparent,
  SPAN_ATTRIBUTES,
  SPAN_EVENTS,
  SPAN_NAMES,
  type SpanAttribute,
  type Tracer,
  toHex,
} from '../../src/core/index.ts';
import { ask, echoEngine, type InProcess, startInProcess } from './in-process.ts';

/** Any code unit, lone surrogates among them. */
const anyUnit = fc.nat({ max: 0xffff }).map((unit) => String.fromCharCode(unit));
const CANARY = 'xylophone-canary';
const APP = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

type Value = { stringValue?: string; intValue?: string };
type WireSpan = {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: { key: string; value: Value }[];
  events: { name: string; timeUnixNano: string }[];
  links: { traceId: string; spanId: string }[];
  status: { code?: number };
};
type WireRequest = {
  resourceSpans: {
    resource: { attributes: { key: string; value: Value }[] };
    scopeSpans: { scope: object; spans: WireSpan[] }[];
  }[];
};

const bodies: string[] = [];
let collector: Server;
let url: string;
let traces: Record<'gateway' | 'router', OpenedTraces>;
let network: InProcess;
const nothing = () => undefined;

const spansOf = (service: string): WireSpan[] =>
  bodies
    .map((body) => JSON.parse(body) as WireRequest)
    .flatMap(({ resourceSpans }) => resourceSpans)
    .filter(({ resource }) => resource.attributes.some(({ value }) => value.stringValue === service))
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
const said = ({ attributes }: WireSpan): Record<string, string | undefined> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]));

beforeAll(async () => {
  collector = createServer((request, response) => {
    let body = '';
    request.on('data', (piece) => {
      body += piece;
    });
    request.on('end', () => {
      expect(request.url).toBe('/v1/traces');
      bodies.push(body);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"partialSuccess":{}}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(collector.address() as { port: number }).port}`;
  traces = {
    gateway: openTraces(url, 'chrysalis-gateway', nothing),
    router: openTraces(url, 'chrysalis-router', nothing),
  };
  network = await startInProcess({ engine: echoEngine({ delayMs: 2 }), tracer: traces.router.tracer });
  const client = tracedClient(network.client, traces.gateway.tracer);
  for (let i = 0; i < 3; i++) await ask(client, `${CANARY} number ${i}`, { parentTrace: APP });
  const strange = client.chat({ model: CANARY, messages: [{ role: 'user', content: CANARY }] });
  await expect(
    strange[Symbol.asyncIterator]()
      .next()
      .then(() => strange[Symbol.asyncIterator]().next()),
  ).rejects.toThrow();
  const cut = new AbortController();
  const long = ask(client, `${CANARY} ${'word '.repeat(60)}`, { signal: cut.signal });
  setTimeout(() => cut.abort(), 60);
  await long.catch(() => undefined);
  await expect(client.embed({ texts: [CANARY] })).rejects.toThrow();
  await network.close(); // everything that was under way has ended
  await traces.gateway.close();
  await traces.router.close();
}, 60_000);
afterAll(() => new Promise((resolve) => collector.close(resolve)));

test('every span, event and attribute is of the closed list and has the form that stands there', () => {
  const all = [...spansOf('chrysalis-gateway'), ...spansOf('chrysalis-router')];
  expect(all.length).toBeGreaterThan(10);
  const seen = new Set<string>();
  for (const span of all) {
    expect(SPAN_NAMES).toContain(span.name);
    expect(span.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(span.spanId).toMatch(/^[0-9a-f]{16}$/);
    expect(BigInt(span.endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(span.startTimeUnixNano));
    for (const { name } of span.events) expect(SPAN_EVENTS).toContain(name);
    for (const [key, value] of Object.entries(said(span))) {
      expect(Object.keys(SPAN_ATTRIBUTES)).toContain(key);
      expect(value, key).toMatch(SPAN_ATTRIBUTES[key as SpanAttribute]);
      seen.add(key);
    }
    expect(Object.keys(span).sort()).toEqual(
      [
        ...['attributes', 'endTimeUnixNano', 'events', 'kind', 'links', 'name', 'spanId', 'startTimeUnixNano'],
        ...(span.parentSpanId === undefined ? [] : ['parentSpanId']),
        ...['status', 'traceId'],
      ].sort(),
    );
  }
  // What the list allows is used: none of it is a door that nobody watches.
  expect([...seen].sort()).toEqual(Object.keys(SPAN_ATTRIBUTES).sort());
});

test('no prompt, answer, key, session, channel or account is in what a collector gets', () => {
  const text = bodies.join('\n');
  const { terms } = network.payments();
  expect(text).toContain('chrysalis-gateway');
  expect(text).not.toContain(CANARY);
  expect(text).not.toContain('word');
  for (const secret of [terms.client, terms.payee, toHex(terms.clientKey), toHex(network.dispatchKey.publicKey)]) {
    expect(text).not.toContain(secret);
  }
  // Nothing of 16 bytes or more but ids of spans' own traces and of workers.
  const ids = new Set([
    ...[...spansOf('chrysalis-gateway'), ...spansOf('chrysalis-router')].flatMap(({ traceId, links }) => [
      traceId,
      ...links.map((link) => link.traceId),
    ]),
    ...network.events.flatMap((event) => ('workerId' in event ? [event.workerId] : [])),
  ]);
  expect((text.match(/[0-9a-f]{32,}/g) ?? []).filter((hex) => !ids.has(hex))).toEqual([]);
});

test('a request at the gateway is under the caller’s span; the router is told of a trace of that request alone', () => {
  const chats = spansOf('chrysalis-gateway').filter(({ name }) => name === 'chat');
  const requests = spansOf('chrysalis-router').filter(({ name }) => name === 'chrysalis.v1.Inference/Infer');
  const whole = chats.filter((span) => said(span)['gen_ai.usage.output_tokens'] !== undefined);
  expect(whole.length).toBeGreaterThanOrEqual(3);
  const app = parseTraceparent(APP);
  expect(
    chats.filter(({ traceId, parentSpanId }) => traceId === app?.traceId && parentSpanId === app?.spanId),
  ).toHaveLength(3);
  const text = JSON.stringify(spansOf('chrysalis-router'));
  for (const { traceId, spanId } of [app!, ...chats]) {
    expect(text).not.toContain(traceId);
    expect(text).not.toContain(spanId);
  }
  for (const chat of whole) {
    expect([chat.events[0]?.name, chat.events.at(-1)?.name]).toEqual(['worker verified', 'first token']);
    const [link] = chat.links;
    const request = requests.find(({ traceId }) => traceId === link?.traceId);
    expect(request?.parentSpanId).toBe(link?.spanId);
    expect(said(request!)['gen_ai.request.model']).toBe('echo');
    const below = spansOf('chrysalis-router').filter(({ parentSpanId }) => parentSpanId === request?.spanId);
    expect(below.map(({ name }) => name).sort()).toEqual(['dispatch', 'wait for a slot']);
  }
  const told = chats.flatMap(({ links }) => links.map(({ traceId }) => traceId));
  expect(new Set(told).size).toBe(chats.length);
  const failed = chats.filter(({ status }) => status.code === 2);
  expect(failed.map((span) => said(span)['error.type'])).toContain('MODEL_UNKNOWN');
});

describe('a tracer', () => {
  const kept: FinishedSpan[] = [];
  const tracer = (): Tracer => {
    let drawn = 0;
    const randomness = (length: number) => new Uint8Array(length).fill(drawn++);
    return createTracer({ now: () => 5, randomness, keep: (span) => kept.push(span) });
  };

  test('leaves out what has not the form of its attribute, and ends a span once', () => {
    const span = tracer().start({ name: 'chat', kind: 'client', parent: null });
    span.set({ 'gen_ai.request.model': 'a\nprompt', 'chrysalis.worker.id': 'abc', 'gen_ai.usage.input_tokens': -1 });
    span.set({ [CANARY as SpanAttribute]: CANARY });
    for (let i = 0; i < 100; i++) span.event('first token');
    span.end('NO_WORKER');
    span.end(null);
    expect(kept).toHaveLength(1);
    expect(kept[0]?.attributes).toEqual({ 'error.type': 'NO_WORKER' });
    expect(kept[0]?.events.length).toBeLessThan(100);
    expect(kept[0]?.traceId).not.toMatch(/^0*$/); // the first draw was all zeros
  });

  test('reads what it writes of W3C Trace Context, and nothing else', () => {
    const own = tracer().newContext();
    expect(parseTraceparent(formatTraceparent(own))).toEqual(own);
    const zero = (digits: number) => '0'.repeat(digits);
    const id = 'ab'.repeat(16);
    for (const text of [
      null,
      '',
      `00-${zero(32)}-${'1'.repeat(16)}-01`,
      `00-${id}-${zero(16)}-01`,
      `01-${id}-${'1'.repeat(16)}-01`,
    ]) {
      expect(parseTraceparent(text)).toBeNull();
    }
    fc.assert(fc.property(fc.string({ unit: anyUnit, maxLength: 80 }), (text) => parseTraceparent(text) === null));
  });
});

test('a collector that is away keeps nobody waiting; what it missed is said, not kept', async () => {
  const lines: (LogFields | undefined)[] = [];
  const away = openTraces('http://127.0.0.1:1', 'chrysalis-router', (_, __, fields) => lines.push(fields));
  for (let i = 0; i < 10_000; i++) away.tracer.start({ name: 'dispatch', kind: 'client', parent: null }).end(null);
  await away.close();
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.length).toBeLessThan(3);
  expect(() => openTraces('http://user:word@127.0.0.1', 'x', nothing)).toThrow(/without a password/);
  expect(() => openTraces('ftp://127.0.0.1', 'x', nothing)).toThrow(/http/);
});
