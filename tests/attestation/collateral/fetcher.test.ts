import { createServer as createTcpServer, type Server } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createFetcher, FETCH_LIMITS, type FetchLimits } from '../../../src/attestation/collateral/fetcher.ts';
import { retryAfterMs } from '../../../src/attestation/collateral/retry-after.ts';
import { CodedError, fromUtf8 } from '../../../src/core/index.ts';
import { answerWith, startVendorServer, testDeps, type VendorServer } from './vendor-server.ts';

const NOW = Date.UTC(2026, 10, 24) / 1000;

let server: VendorServer;
beforeAll(async () => {
  server = await startVendorServer();
});
afterAll(() => server.close());
beforeEach(() => server.clear());

function fetcherWith(limits: Partial<FetchLimits> = {}) {
  const { deps, slept } = testDeps(NOW);
  const fetcher = createFetcher(deps, { ...FETCH_LIMITS, attemptMs: 40_000, totalMs: 80_000, ...limits });
  const get = (path = '/x', bytesMax = 1000) => fetcher.get(path.startsWith('/') ? server.url + path : path, bytesMax);
  return { get, slept };
}

async function refusalOf(promise: Promise<unknown>): Promise<CodedError> {
  const error = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof CodedError) return error;
  throw new Error(`not refused: ${String(error)}`);
}

test('gets a whole answer with its headers, once', async () => {
  server.route('/x', answerWith('whole', { 'TCB-Info-Issuer-Chain': 'abc' }));
  const answer = await fetcherWith().get();
  expect(fromUtf8(answer.body)).toBe('whole');
  expect(answer.header('tcb-info-issuer-chain')).toBe('abc');
  expect(answer.header('absent')).toBeNull();
  expect(server.requests()).toBe(1);
});

describe('an answer that will not change is asked for once', () => {
  const cases: [number, string][] = [
    [404, 'ENDORSEMENT_MISSING'],
    [410, 'ENDORSEMENT_MISSING'],
    [461, 'ENDORSEMENT_MISSING'],
    [462, 'ENDORSEMENT_MISSING'],
    [400, 'ENDORSEMENT_UNREACHABLE'],
    [401, 'ENDORSEMENT_UNREACHABLE'],
    [403, 'ENDORSEMENT_UNREACHABLE'],
    [204, 'ENDORSEMENT_UNREACHABLE'],
    [206, 'ENDORSEMENT_UNREACHABLE'],
  ];
  test.each(cases)('status %i: %s', async (status, code) => {
    server.route('/x', (response) => void response.writeHead(status).end());
    expect((await refusalOf(fetcherWith().get())).code).toBe(code);
    expect(server.requests()).toBe(1);
  });

  test.each([301, 302, 303, 307, 308])('a redirect (%i), also in a circle, is refused', async (status) => {
    server.route('/x', (response) => void response.writeHead(status, { location: '/x' }).end());
    const error = await refusalOf(fetcherWith().get());
    expect([error.code, error.message]).toEqual([
      'ENDORSEMENT_UNREACHABLE',
      expect.stringContaining('redirects, which is refused'),
    ]);
    expect(server.requests()).toBe(1);
  });

  test('a body that says it is too long', async () => {
    server.route('/x', answerWith('a'.repeat(1001)));
    expect((await refusalOf(fetcherWith().get())).message).toContain('more than 1000 bytes');
    expect(server.requests()).toBe(1);
  });

  test('a body that goes on and on', async () => {
    let written = 0;
    server.route('/x', (response) => {
      response.writeHead(200);
      const more = () => {
        while (!response.destroyed && written < 500e6 && response.write('a'.repeat(10_000))) written += 10_000;
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    });
    expect((await refusalOf(fetcherWith().get())).message).toContain('more than 1000 bytes');
    expect(written).toBeLessThan(50e6);
  });
});

describe('what may pass is tried again, with growing pauses', () => {
  test('503 twice, then the document', async () => {
    server.route('/x', (response, _, count) => {
      if (count < 3) response.writeHead(503).end();
      else response.writeHead(200).end('third');
    });
    const { get, slept } = fetcherWith();
    expect(fromUtf8((await get()).body)).toBe('third');
    const pauses = slept.filter((ms) => ms < 1000);
    expect(pauses).toEqual([Math.ceil(250 * 0.75098), Math.ceil(500 * 0.75098)]);
  });

  test.each([500, 502, 503, 504, 429, 408])('%i for ever: three attempts', async (status) => {
    server.route('/x', (response) => void response.writeHead(status).end());
    const error = await refusalOf(fetcherWith({ holdMs: 100 }).get());
    expect([error.code, error.facts.status]).toEqual(['ENDORSEMENT_UNREACHABLE', status]);
    expect(server.requests()).toBe(3);
  });

  test('a body cut short is not an answer', async () => {
    server.route('/x', (response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('a'.repeat(50), () => response.destroy());
    });
    expect((await refusalOf(fetcherWith().get())).code).toBe('ENDORSEMENT_UNREACHABLE');
    expect(server.requests()).toBe(3);
  });

  test('nobody listens', async () => {
    const gone = await startVendorServer();
    await gone.close();
    const error = await refusalOf(fetcherWith().get(`${gone.url}/x`));
    expect([error.code, error.message]).toEqual([
      'ENDORSEMENT_UNREACHABLE',
      expect.stringContaining('the connection failed (ECONNREFUSED)'),
    ]);
  });

  test('no answer in time, and a body in drops: each attempt ends at its limit, all at the total', async () => {
    const timers: NodeJS.Timeout[] = [];
    server.route('/silent', () => undefined);
    server.route('/drops', (response) => {
      response.writeHead(200);
      timers.push(setInterval(() => response.write('.'), 5));
    });
    const { get } = fetcherWith({ attemptMs: 1_000, totalMs: 2_500 });
    const started = performance.now();
    for (const path of ['/silent', '/drops']) expect((await refusalOf(get(path))).message).toContain('no whole answer');
    expect(performance.now() - started).toBeLessThan(3_000);
    for (const timer of timers) clearInterval(timer);
  });
});

describe('a service that wants to be left alone is', () => {
  test('429 with Retry-After: the next attempt comes after it', async () => {
    server.route('/x', (response, _, count) => {
      if (count === 1) response.writeHead(429, { 'retry-after': '2' }).end();
      else response.writeHead(200).end('second');
    });
    const { get } = fetcherWith();
    const started = performance.now();
    expect(fromUtf8((await get()).body)).toBe('second');
    expect(performance.now() - started).toBeGreaterThan(95); // 2 s, twenty times as fast
  });

  test('longer than there is time: refused at once, and nobody else asks either', async () => {
    server.route('/x', (response) => void response.writeHead(429, { 'retry-after': '120' }).end());
    server.route('/y', answerWith('y'));
    const { get } = fetcherWith();
    const error = await refusalOf(get());
    expect(error.facts.retryAfterSeconds).toBeGreaterThan(110);
    expect((await refusalOf(get('/y'))).facts.retryAfterSeconds).toBeGreaterThan(110);
    expect(server.counts()).toEqual({ '/x': 1 });
  });

  test('for a thousand years: never longer than the maximum', async () => {
    server.route('/x', (response) => void response.writeHead(429, { 'retry-after': '999999999' }).end());
    expect((await refusalOf(fetcherWith().get())).facts.retryAfterSeconds).toBeLessThanOrEqual(600);
  });
});

test('at most four requests at a time to one origin; too many waiting are refused', async () => {
  let open = 0;
  let openMost = 0;
  server.route('/x', async (response) => {
    openMost = Math.max(openMost, ++open);
    await new Promise((done) => setTimeout(done, 3));
    open--;
    response.writeHead(200).end('x');
  });
  const { get } = fetcherWith({ waitingMax: 16 });
  const outcomes = await Promise.allSettled(Array.from({ length: 24 }, () => get()));
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(20);
  expect(openMost).toBe(4);
});

test.each([
  ['2', 2000],
  [' 2 ', 2000],
  ['0', 0],
  ['Tue, 24 Nov 2026 00:00:30 GMT', 30_000],
  ['Mon, 23 Nov 2026 00:00:30 GMT', 0],
  ['-1', null],
  ['1.5', null],
  ['1e3', null],
  ['soon', null],
  ['2026-11-24T00:00:30Z', null],
  ['9999999999', null],
])('Retry-After %j', (value, ms) => {
  expect(retryAfterMs(value, NOW * 1000)).toBe(ms);
});

describe('answers that are not HTTP as it should be', () => {
  let raw: Server;
  let answer = '';
  let url = '';
  beforeAll(async () => {
    raw = createTcpServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(answer));
    });
    await new Promise<void>((listening) => raw.listen(0, '127.0.0.1', listening));
    const address = raw.address();
    url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/x`;
  });
  afterAll(() => void raw.close());

  test.each([
    ['no HTTP at all', 'hello\r\n\r\n'],
    ['a header with a bare CR', 'HTTP/1.1 200 OK\r\nA: b\rTCB-Info-Issuer-Chain: x\r\nContent-Length: 0\r\n\r\n'],
    ['a header with NUL', 'HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 0\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    [
      'length and chunks',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n',
    ],
    ['chunks cut short', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab'],
    ['headers without end', `HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(20_000)}`],
    ['nothing', ''],
  ])('%s', async (_, bytes) => {
    answer = bytes;
    const error = await refusalOf(fetcherWith({ attemptsMax: 2 }).get(url));
    expect(error.code).toBe('ENDORSEMENT_UNREACHABLE');
  });
});
