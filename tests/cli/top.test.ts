import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MAIN } from '../../src/cli/paths.ts';
import { connectToAdministration, type RouterServer, serveAdministration } from '../../src/rpc/index.ts';
import { ask, echoEngine, type InProcess, startInProcess } from '../network/in-process.ts';
import { runHere } from './in-process.ts';
import { runCommand } from './run-process.ts';

const CANARY = 'xylophone-canary';
const folder = mkdtempSync(join(tmpdir(), 'chrysalis-top-'));
let network: InProcess;
let administration: RouterServer;
let admin: string;

beforeAll(async () => {
  network = await startInProcess({ engine: echoEngine({ delayMs: 2 }), slots: 3 });
  administration = await serveAdministration(network.router, {
    host: '127.0.0.1',
    port: 0,
    now: Date.now,
    administrators: null,
    policies: null,
    called: () => undefined,
  });
  admin = `127.0.0.1:${administration.port}`;
  for (let i = 0; i < 3; i++) await ask(network.client, `${CANARY} of words ${i}`);
  writeFileSync(join(folder, 'network.json'), JSON.stringify({ admin }));
}, 60_000);

afterAll(async () => {
  await administration?.close(0);
  await network?.close();
  rmSync(folder, { recursive: true, force: true });
});

test('one document for machines: workers, rates and ends, and nothing of a request, a key or an account', async () => {
  const { code, out, err } = await runCommand('top', '--data', folder, '--json', '--interval', '0.2');
  expect([code, err]).toEqual([0, '']);
  const document = JSON.parse(out);
  expect(document).toMatchObject({
    router: 'router-test',
    address: admin,
    policy: 'development-simulated #1',
    ended: { answered: 3 },
    requestsPerSecond: 0,
    queues: [],
    workers: [{ name: 'worker-0', state: 'admitted', tee: 'TDX', simulated: true, model: 'echo', running: 0 }],
  });
  const [worker] = document.workers;
  expect(worker.slotsDeclared).toBe(3);
  expect(worker.requests).toBe(3);
  expect(worker.leaseLeftMs).toBeGreaterThan(0);
  expect(worker.firstFrameMs.p99).toBeGreaterThanOrEqual(worker.firstFrameMs.p50);
  expect(document.tokens.out).toBeGreaterThan(0);
  expect(out).not.toContain(CANARY);
  const { terms } = network.payments();
  for (const secret of [terms.client, Buffer.from(terms.clientKey).toString('hex')]) expect(out).not.toContain(secret);
}, 120_000);

test('where the output is no terminal it prints once, without colours', async () => {
  const { code, out } = await runHere('top', '--admin', admin, '--interval', '0.2');
  expect(code).toBe(0);
  expect(out).toMatch(/^Chrysalis top · router router-test/);
  expect(out).toMatch(/worker-0 +admitted +TDX simulated +echo/);
  expect(out).toContain('simulated enclaves');
  expect(out).not.toContain('\u001b');
}, 120_000);

test('what waits is counted by model and priority, its accounts in number alone', async () => {
  const asked = Array.from({ length: 6 }, () => ask(network.newClient(), 'word '.repeat(200), {}, 200));
  try {
    await expect.poll(() => network.router.status().queues, { timeout: 10_000, interval: 20 }).not.toEqual([]);
    const { queues, accountsWaiting, workers } = network.router.status();
    expect(queues).toEqual([
      { modelName: 'echo', priority: 0, waiting: expect.any(Number), oldestMs: expect.any(Number) },
    ]);
    expect(accountsWaiting).toBe(queues[0]?.waiting);
    expect(workers[0]?.running).toBeGreaterThan(0);
  } finally {
    await Promise.all(asked);
  }
  expect(network.router.status().queues).toEqual([]);
}, 60_000);

test('as many workers as a router takes fit into one answer', async () => {
  const status = network.router.status();
  const [row] = status.workers;
  const name = 'a name as long as a worker may give itself, which is 64 letters!';
  const workers = Array.from({ length: 16_384 }, () => ({
    ...(row as NonNullable<typeof row>),
    name,
    modelName: name,
  }));
  const crowded = { ...network.router, status: () => ({ ...status, workers }) };
  const none = { administrators: null, policies: null, called: () => undefined };
  const server = await serveAdministration(crowded, { host: '127.0.0.1', port: 0, now: Date.now, ...none });
  const link = connectToAdministration(`127.0.0.1:${server.port}`, Date.now);
  try {
    expect((await link.status()).workers).toHaveLength(16_384);
  } finally {
    link.close();
    await server.close(0);
  }
}, 60_000);

test('no router, no network, and words that mean nothing', async () => {
  const nobody = await runHere('top', '--admin', '127.0.0.1:1', '--json');
  expect(nobody.code).toBe(3);
  expect(JSON.parse(nobody.out).error).toMatchObject({
    code: 'ROUTER_UNREACHABLE',
    todo: expect.stringContaining('up'),
  });
  expect((await runHere('top', '--data', join(folder, 'none'))).code).toBe(2);
  expect((await runHere('top', '--admin', admin, '--interval', '0')).code).toBe(2);
}, 120_000);

// util-linux's `script` gives the command a terminal of its own.
const hasScript = spawnSync('script', ['--version']).stdout?.includes('util-linux') === true;

describe.skipIf(!hasScript)('on a terminal (skipped where there is no `script` of util-linux)', () => {
  function onTerminal(columns: number) {
    const command = `stty cols ${columns} rows 24; ${process.execPath} ${MAIN} top --admin ${admin} --interval 0.2; echo left $?; stty -a`;
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      env: { ...process.env, TERM: 'xterm-256color', CI: '', NO_COLOR: '', SHELL: '/bin/sh' },
    });
    let out = '';
    child.stdout.on('data', (piece) => {
      out += piece;
    });
    const exit = new Promise<void>((resolve) => child.once('close', () => resolve()));
    return {
      child,
      exit,
      out: () => out,
      has: (text: string) => expect.poll(() => out, { timeout: 20_000 }).toContain(text),
    };
  }

  const LEAVE = '\u001b[?7h\u001b[?25h\u001b[?1049l';

  test('it draws again and again, obeys keys, and gives the screen back', async () => {
    const run = onTerminal(100);
    await run.has('worker-0');
    await run.has('by name');
    run.child.stdin.write('s');
    await run.has('by state');
    run.child.stdin.write('/nobody\r');
    await run.has('Workers 0 of 1 with "nobody"');
    run.child.stdin.write('\u001b');
    run.child.stdin.write('q');
    await run.exit;
    expect(run.out()).toContain('\u001b[?1049h');
    expect(run.out()).toContain(LEAVE);
    expect(run.out()).toContain('\u001b[32madmitted');
    const after = run.out().slice(run.out().lastIndexOf(LEAVE));
    expect(after).toContain('left 0');
    expect(after).toMatch(/ icanon/); // no longer raw
    expect(after).toMatch(/ echo /);
  }, 60_000);

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s ends it with the screen as it was',
    async (signal) => {
      const run = onTerminal(60);
      await run.has('worker-0');
      const pid = childOf(run.child.pid as number);
      process.kill(pid, signal);
      await run.exit;
      expect(run.out()).toContain(LEAVE);
      expect(run.out().slice(run.out().lastIndexOf(LEAVE))).toContain('left 0');
    },
    60_000,
  );
});

/** The node process somewhere below another one. */
function childOf(pid: number): number {
  const { stdout } = spawnSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' });
  const rows = stdout.split('\n').map((line) => /^ *(\d+) +(\d+) (.*)$/.exec(line) ?? []);
  const below = (parent: string): string[] =>
    rows.filter(([, , of]) => of === parent).flatMap(([, id = '', , args = '']) => [`${id} ${args}`, ...below(id)]);
  const found = below(String(pid)).find((one) => /^\d+ \S*node \S+main\.ts top/.test(one));
  if (found === undefined) throw new Error('it does not run');
  return Number(found.split(' ')[0]);
}
