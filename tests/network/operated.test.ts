/** A router as an operator runs it: watched, traced, asked to stop while it answers. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEVELOPMENT_POLICY } from '../../src/cli/paths.ts';
import { layoutOf } from '../../src/cli/up/state.ts';
import { runHere } from '../cli/in-process.ts';
import { ask, echoEngine, startInProcess } from './in-process.ts';
import { type Network, startNetwork } from './processes.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-operated-'));
const spans: string[] = [];
/** Far more than an answer takes: that it ends sooner is what is looked at. */
const DRAIN_SECONDS = 300;
let collector: Server;
let network: Network;

beforeAll(async () => {
  collector = createServer((request, response) => {
    request.setEncoding('utf8');
    request.on('data', (piece: string) => spans.push(piece));
    request.on('end', () => response.end('{}'));
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const { port } = collector.address() as { port: number };
  network = await startNetwork(folder, 'tdx', DEVELOPMENT_POLICY, [
    ...['--admin-port', '0', '--metrics-port', '0', '--traces', `http://127.0.0.1:${port}`],
    ...['--drain-seconds', String(DRAIN_SECONDS)],
  ]);
}, 120_000);
afterAll(async () => {
  await network?.stop();
  await new Promise((resolve) => collector?.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

test('SIGTERM while it answers: not ready any more, nothing new, the answer ends whole, then so does the router', async () => {
  const { admin, metrics } = network.router.ready as { admin: string; metrics: string };
  const ready = async () => (await fetch(`http://${metrics}/readyz`)).status;
  expect(await ready()).toBe(200);
  const top = await runHere('top', '--admin', admin, '--json', '--interval', '0.2');
  expect(JSON.parse(top.out)).toMatchObject({ workers: [{ name: 'alder', state: 'admitted' }] });

  const client = await network.newClient();
  let stoppedAt = 0;
  let [text, finish] = ['', ''];
  let whileDraining: number | null = null;
  const request = { messages: [{ role: 'user' as const, content: 'Tell me of a ship.' }], maxTokens: 200 };
  for await (const event of client.chat(request, { deadlineMs: 120_000 })) {
    if (event.kind === 'text') text += event.text;
    if (event.kind === 'text' && stoppedAt === 0) {
      stoppedAt = performance.now();
      network.router.kill('SIGTERM');
      await expect.poll(ready, { timeout: 20_000, interval: 20 }).toBe(503);
      whileDraining = await network
        .newClient()
        .then(async (late) => (await late.models()).length)
        .catch(() => null);
    }
    if (event.kind === 'done') {
      finish = event.finish;
      break; // it can't be paid any more: that is made up for later
    }
  }
  expect(['stop', 'length']).toContain(finish);
  expect(text.length).toBeGreaterThan(0);
  expect(whileDraining).toBeNull();
  await network.router.exited;
  expect(performance.now() - stoppedAt).toBeLessThan((1000 * DRAIN_SECONDS) / 2);
  expect(network.router.process.exitCode).toBe(0);

  const lines = readFileSync(layoutOf(folder).logFile('router'), 'utf8').split('\n');
  const said = lines.filter((line) => line.includes('"level"')).map((line) => JSON.parse(line));
  expect(said.map(({ event }) => event)).toContain('stopping');
  const text_ = spans.join('');
  expect(text_).toContain('"name":"chrysalis.v1.Inference/Infer"');
  expect(text_).toContain('"chrysalis-tales-3m"');
  expect(text_).not.toContain('Tell me of a ship');
}, 240_000);

test('a router that drains carries what it had to its end, and takes nothing new', async () => {
  const network = await startInProcess({ engine: echoEngine({ delayMs: 40 }) });
  try {
    const words = Array.from({ length: 40 }, (_, i) => `w${i}`).join(' ');
    let [text, refused] = ['', ''];
    for await (const event of network.client.chat({ messages: [{ role: 'user', content: words }] })) {
      if (event.kind !== 'text') continue;
      if (text === '') {
        expect(network.router.snapshot().underWay).toBe(1); // forty times forty milliseconds are to come
        network.drain();
        refused = await ask(network.newClient(), 'new', { deadlineMs: 5_000 }).then(
          () => 'answered',
          ({ code }: { code: string }) => code,
        );
      }
      text += event.text;
    }
    expect(text.trim()).toBe(words);
    expect(refused).toBe('ROUTER_UNREACHABLE');
    await expect.poll(() => network.router.snapshot().underWay, { timeout: 10_000 }).toBe(0);
  } finally {
    await network.close();
  }
}, 60_000);
