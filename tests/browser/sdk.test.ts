import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type ServerType, serve } from '@hono/node-server';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { toHex } from '../../src/core/index.ts';
import { createWebDoor } from '../../src/rpc/index.ts';
import { echoEngine, type InProcess, startInProcess } from '../network/in-process.ts';
import { EMPTY_PAGE, openScript, type Script, WHY_NO_BROWSER, WITHOUT_BROWSER } from './chromium.ts';
import type { SDK, Told } from './sdk-page.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const engine = echoEngine({ delayMs: 5 });
const servers: ServerType[] = [];
let network: InProcess;
let script: Script;
/** Where pages come from; another origin than any door's. */
let site: string;
let door: string;

async function listening(fetch: (request: Request) => Response | Promise<Response>): Promise<string> {
  const server = serve({ fetch, hostname: '127.0.0.1', port: 0 });
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}
const openDoor = (origins: readonly string[]) =>
  listening(createWebDoor(network.router, { origins: new Set(origins), hosts: new Set(['127.0.0.1']), now: Date.now }));

beforeAll(async () => {
  if (WITHOUT_BROWSER) return;
  network = await startInProcess({ engine });
  site = await listening(() => new Response(EMPTY_PAGE, { headers: { 'content-type': 'text/html' } }));
  door = await openDoor([site]);
  script = await openScript('sdk-page.ts', site);
});
afterAll(async () => {
  await script?.close();
  for (const server of servers) {
    (server as { closeAllConnections?: () => void }).closeAllConnections?.();
    server.close();
  }
  await network?.close();
});

function told(): Told {
  const { terms, clientSeed } = network.payments();
  const { clientKey, salt, client, payee, network: id } = terms;
  const policy = resolve(import.meta.dirname, '../../attestation-policies/development-simulated.json');
  return {
    router: door,
    policy: readFileSync(policy, 'utf8'),
    logPolicy: network.logPolicyText,
    anchors: network.anchors.map(({ spkiSha256, name }) => ({ spkiSha256: toHex(spkiSha256), name })),
    channel: { network: id, client, payee, salt: `${salt}`, seed: toHex(clientSeed), key: toHex(clientKey) },
  };
}

const inPage = <Name extends keyof typeof SDK>(name: Name, ...of: Parameters<(typeof SDK)[Name]>) =>
  script.page.evaluate(
    ([called, given]) =>
      (globalThis as never as { sdk: Record<string, (...all: unknown[]) => never> }).sdk[called]?.(...given) as never,
    [name as string, of as unknown[]] as const,
  ) as Promise<Awaited<ReturnType<(typeof SDK)[Name]>>>;

describe.skipIf(WITHOUT_BROWSER)(`the SDK in Chromium${WITHOUT_BROWSER ? `: ${WHY_NO_BROWSER}` : ''}`, () => {
  test('a page verifies the evidence itself, opens a session, streams an answer, checks its receipt and pays', async () => {
    const answer = await inPage('ask', told(), 'one two three');
    expect(answer.text).toBe('one two three ');
    expect(answer.kinds).toEqual(['verifying', 'readers', 'worker', 'done', 'paid']);
    expect(answer.pieces).toBeGreaterThan(1);
    expect(answer).toMatchObject({ finish: 'stop', tokensOut: 3, receipt: true, logged: true });
    expect(answer.checks.length).toBeGreaterThan(20);
    expect(answer.checks.filter((outcome) => outcome === 'failed')).toEqual([]);
    // A receipt is asked for until the log has it.
    expect(script.problems.filter((problem) => !problem.includes('status of 404'))).toEqual([]);
  });

  test('a page that stops an answer gets its end and its receipt, and the engine stops', async () => {
    const words = Array.from({ length: 1_500 }, (_, i) => `w${i}`).join(' ');
    const answer = await inPage('ask', told(), words, 3);
    expect(answer).toMatchObject({ finish: 'cancelled', receipt: true });
    expect(answer.tokensOut).toBeGreaterThanOrEqual(3);
    expect(answer.tokensOut).toBeLessThan(1_500);
  });

  test('evidence under another root is not genuine for a page either, and nothing is sent', async () => {
    const before = engine.generated;
    const { anchors, ...rest } = told();
    const strangers = anchors.map(({ name }) => ({ name, spkiSha256: '07'.repeat(32) }));
    expect(await inPage('failure', { ...rest, anchors: strangers }, 'x')).toEqual({
      kind: 'not-genuine',
      code: 'OFFER_REFUSED',
    });
    expect(engine.generated).toBe(before);
  });

  test('a page of a site that was not named reaches nothing', async () => {
    expect(await inPage('failure', { ...told(), router: await openDoor(['https://example.org']) }, 'x')).toEqual({
      kind: 'could-not-find-out',
      code: 'ROUTER_UNREACHABLE',
    });
  });
});
