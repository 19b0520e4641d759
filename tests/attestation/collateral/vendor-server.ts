import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { CollateralDeps, CollateralEvent } from '../../../src/attestation/collateral/index.ts';
import { toBase64 } from '../../../src/core/index.ts';

export type Handler = (response: ServerResponse, request: IncomingMessage, count: number) => void | Promise<void>;

/** A vendor's service on 127.0.0.1: answers by path (with query, or without), 404 for the rest, and counts. */
export async function startVendorServer() {
  const routes = new Map<string, Handler>();
  const counts = new Map<string, number>();
  const server = createServer((request, response) => {
    const url = request.url ?? '';
    const path = routes.has(url) ? url : url.replace(/\?.*/, '');
    const count = (counts.get(path) ?? 0) + 1;
    counts.set(path, count);
    const handler = routes.get(path);
    if (handler === undefined) {
      response.writeHead(404).end();
      return;
    }
    void (async () => handler(response, request, count))();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    route: (path: string, handler: Handler): void => void routes.set(path, handler),
    clear: (): void => {
      routes.clear();
      counts.clear();
    },
    counts: (): Record<string, number> => Object.fromEntries(counts),
    requests: (): number => [...counts.values()].reduce((sum, count) => sum + count, 0),
    close: (): Promise<void> =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

export type VendorServer = Awaited<ReturnType<typeof startVendorServer>>;

export const answerWith =
  (body: string | Uint8Array, headers: Record<string, string> = {}): Handler =>
  (response) =>
    void response.writeHead(200, headers).end(body);

/** Certificates as services send chains of them. */
export const pem = (...certificates: readonly Uint8Array[]): string =>
  certificates
    .map((one) => (toBase64(one).match(/.{1,64}/g) ?? []).join('\n'))
    .map((base64) => `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`)
    .join('');

/** Time for waits runs this much faster than the wall clock. */
const SPEED = 20;

/** Real sockets, a wall clock that the test sets, and waits twenty times as short. */
export function testDeps(startSeconds: number) {
  const events: CollateralEvent[] = [];
  const clock = { seconds: startSeconds };
  const slept: number[] = [];
  const deps: CollateralDeps = {
    fetch: (url, init) => fetch(url, init),
    now: () => clock.seconds * 1000,
    monotonic: () => performance.now() * SPEED,
    sleep: async (ms, signal) => {
      slept.push(ms);
      await wait(ms / SPEED, undefined, { signal });
    },
    randomness: (length) => new Uint8Array(length).fill(128),
    report: (event) => void events.push(event),
  };
  return { deps, clock, events, slept };
}
