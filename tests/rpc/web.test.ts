import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RouterTransport } from '../../src/client/index.ts';
import { createWebDoor } from '../../src/rpc/index.ts';
import { connectToRouterOverFetch } from '../../src/rpc/web/index.ts';
import { METHODS, type MethodName } from '../../src/rpc/web/methods.ts';
import { encodePiece, PIECE, readPieces } from '../../src/rpc/web/pieces.ts';
import { connect } from '../../src/sdk/index.ts';
import { type InProcess, randomness, startInProcess } from '../network/in-process.ts';

/** A router's door for web pages, and a page's way to it, without a browser or a socket between. */
const ORIGIN = 'https://app.example';
let network: InProcess;
let door: (request: Request) => Promise<Response>;
beforeAll(async () => {
  network = await startInProcess();
  door = createWebDoor(network.router, {
    origins: new Set([ORIGIN]),
    hosts: new Set(['router.example']),
    now: Date.now,
  });
});
afterAll(() => network.close());

const URL_OF_DOOR = 'http://router.example:8444';
function request(path: string, init: RequestInit & { duplex?: 'half' } = {}): Request {
  const headers = new Headers(init.headers);
  if (!headers.has('host')) headers.set('host', 'router.example:8444');
  return new Request(`${URL_OF_DOOR}/chrysalis/v1/${path}`, { method: 'POST', ...init, headers });
}
const asJson = { 'content-type': 'application/json' };
const overFetch = (fetchOf: (request: Request) => Promise<Response>): RouterTransport =>
  connectToRouterOverFetch(URL_OF_DOOR, {
    fetch: (async (url: string, init: RequestInit) => {
      const headers = new Headers(init.headers);
      headers.set('host', 'router.example:8444');
      return fetchOf(new Request(url, { ...init, headers }));
    }) as typeof fetch,
    now: Date.now,
    randomness,
  });
const call = () => ({ deadline: Date.now() + 10_000 });

test('a session goes over it as over gRPC: verified, streamed, receipted, logged and paid', async () => {
  const session = await connect({
    router: overFetch(door),
    policy: readFileSync(resolve(import.meta.dirname, '../../attestation-policies/development-simulated.json'), 'utf8'),
    logPolicy: network.logPolicyText,
    trustAnchors: network.anchors,
    payments: network.payments(),
  });
  for (const words of ['one two three', 'and again ']) {
    const answer = await session.ask(words);
    expect(answer.text.trim()).toBe(words.trim());
    expect((await session.receiptInLog(answer.receipt)).checks.every(({ outcome }) => outcome === 'passed')).toBe(true);
  }
  expect((await session.payment())?.receipts).toBe(2);
  await session.close();
});

test('only named sites come in, under the router’s own name', async () => {
  const models = (headers: HeadersInit) =>
    door(request('listModels', { body: '{}', headers: { ...asJson, ...headers } }));
  const named = await models({ origin: ORIGIN });
  expect(named.status).toBe(200);
  expect(named.headers.get('access-control-allow-origin')).toBe(ORIGIN);
  for (const origin of ['https://app.example.evil.example', 'http://app.example', 'null']) {
    const refused = await models({ origin });
    expect(refused.status).toBe(400);
    expect(refused.headers.get('access-control-allow-origin')).toBeNull();
  }
  expect((await models({ host: 'rebound.example' })).status).toBe(400);
  const preflight = await door(
    request('infer', {
      method: 'OPTIONS',
      headers: {
        origin: ORIGIN,
        'access-control-request-method': 'POST',
        'access-control-request-private-network': 'true',
      },
    }),
  );
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get('access-control-allow-headers')).toContain('x-chrysalis-stop');
  expect(preflight.headers.get('access-control-allow-private-network')).toBe('true');
});

test('whatever is sent to it is answered with a code', async () => {
  const token = { 'x-chrysalis-stop': '0'.repeat(32) };
  const piece = (bytes: Uint8Array) => new Uint8Array(bytes);
  const hostile: [string, RequestInit, number][] = [
    ['nothing', { body: '{}', headers: asJson }, 404],
    ['__proto__', { body: '{}', headers: asJson }, 404],
    ['listModels', { body: '{}' }, 400],
    ['listModels', { body: '{', headers: asJson }, 400],
    ['listModels', { body: '{"more":1}', headers: asJson }, 400],
    ['getOffers', { body: '{"hello":"AAAA","offersMax":1}', headers: asJson }, 400],
    ['getOffers', { body: '{"hello":"!","offersMax":1}', headers: asJson }, 400],
    ['getChannel', { body: '{"channel":7}', headers: asJson }, 400],
    ['getEvidence', { body: `{"evidenceDigest":"${'A'.repeat(2_000_000)}"}`, headers: asJson }, 400],
    ['infer', { body: piece(encodePiece(PIECE.open, new Uint8Array(3))) }, 400],
    ['infer', { body: piece(encodePiece(PIECE.open, new Uint8Array(3))), headers: token }, 400],
    ['infer', { body: piece(encodePiece(PIECE.frame, new Uint8Array(3))), headers: token }, 400],
    ['infer', { body: Uint8Array.of(0, 255, 255, 255, 255), headers: token }, 400],
    ['infer', { body: Uint8Array.of(0, 0, 0), headers: token }, 400],
  ];
  for (const [path, init, status] of hostile) {
    const answer = await door(request(path, init));
    expect(answer.status, path).toBe(status);
    expect(await answer.json()).toMatchObject({ code: expect.stringMatching(/^[A-Z_]+$/) });
  }
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...(Object.keys(METHODS) as MethodName[])), fc.json(), async (name, body) => {
      const answer = await door(request(name, { body, headers: asJson }));
      expect([200, 400, 404, 503]).toContain(answer.status);
    }),
  );
});

test('whatever a router answers is read exactly, or the router is not reached', async () => {
  const answering = (body: BodyInit) => overFetch(async () => new Response(body, { headers: asJson }));
  const bodies = [
    '',
    'x',
    'null',
    '{}',
    '[{}]',
    '[{"modelDigest":"AAAA","name":1,"workers":1,"contextTokensMax":1}]',
    '[[]]',
  ];
  for (const body of bodies) {
    await expect(answering(body).listModels(call()), body).rejects.toMatchObject({ code: 'ROUTER_UNREACHABLE' });
  }
  const nothing = new Uint8Array(0);
  const open = { header: nothing, authorization: nothing, commit: nothing, candidates: [], hello: nothing };
  const streams = [
    nothing,
    Uint8Array.of(9, 0, 0, 0, 0),
    encodePiece(PIECE.receipt, new Uint8Array(5)),
    encodePiece(PIECE.preface, new Uint8Array(5)),
    Uint8Array.of(2, 255, 255, 255, 255),
    encodePiece(PIECE.failure, new Uint8Array(2)),
  ];
  for (const stream of streams) {
    const reading = (async () => {
      for await (const _ of answering(new Uint8Array(stream)).infer(open, [], call()));
    })();
    await expect(reading).rejects.toMatchObject({
      code: expect.stringMatching(/^(ROUTER_UNREACHABLE|REQUEST_MALFORMED)$/),
    });
  }
});

test('pieces come out as they went in, wherever the stream is cut', async () => {
  const piece = fc.record({
    kind: fc.constantFrom(...Object.values(PIECE)),
    content: fc.uint8Array({ maxLength: 300 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 8 }), fc.integer({ min: 1, max: 64 }), async (pieces, cut) => {
      const whole = Uint8Array.from(pieces.flatMap(({ kind, content }) => [...encodePiece(kind, content)]));
      const body = new ReadableStream<Uint8Array>({
        start(out) {
          for (let at = 0; at < whole.length; at += cut) out.enqueue(whole.subarray(at, at + cut));
          out.close();
        },
      });
      const read = [];
      for await (const { kind, content } of readPieces(body)) read.push({ kind, content: Uint8Array.from(content) });
      expect(read).toEqual(pieces.map(({ kind, content }) => ({ kind, content: Uint8Array.from(content) })));
    }),
  );
});
