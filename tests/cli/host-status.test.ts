/** `chrysalis host status`: what is said of guests that run. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, expect, test } from 'vitest';
import { newsOf } from '../../src/cli/launch/console.ts';
import { placesOf } from '../../src/cli/launch/shape.ts';
import { type InProcess, startInProcess } from '../network/in-process.ts';
import { runHere } from './in-process.ts';

const GPU = '0000:17:00.0';
const scratch = mkdtempSync(join(tmpdir(), 'chrysalis-status-'));
let network: InProcess | null = null;
const started: Server[] = [];
afterEach(async () => {
  await network?.close();
  network = null;
  for (const server of started.splice(0)) server.close();
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const guest = (name: string, router: string, console: string) => {
  const state = mkdtempSync(join(scratch, 's-'));
  const places = placesOf(name, state);
  mkdirSync(places.folder, { recursive: true });
  writeFileSync(places.launch, JSON.stringify({ version: 1, name, tee: 'tdx', gpus: [GPU], router }));
  writeFileSync(places.console, console);
  return { state, places };
};
/** QEMU's side of QMP, as far as it is used. */
const qemuSays = async (path: string, status: string): Promise<void> => {
  const server = createServer((socket) => {
    socket.write('{"QMP":{"version":{},"capabilities":[]}}\r\n');
    socket.on('data', () => socket.write(`{"return":{}}\r\n{"return":{"status":"${status}","running":true}}\r\n`));
    socket.on('error', () => undefined);
  });
  started.push(server);
  await new Promise<void>((done) => server.listen(path, done));
};
const statusOf = async (state: string) => {
  const { code, out } = await runHere('host', 'status', '--state', state, '--json');
  const { out: text } = await runHere('host', 'status', '--state', state);
  return { code, guest: JSON.parse(out).guests[0], text };
};
const booted = '[    0.5] Linux\r\n{"event":"image","variant":"production"}\r\n{"event":"ready","name":"alder"}\r\n';

test('a guest that runs and is admitted: what it is, until when, and what it earned', async () => {
  network = await startInProcess();
  const admitted = network.events.find(({ event }) => event === 'admitted');
  const { state, places } = guest('alder', network.address, `${booted}${JSON.stringify(admitted)}\r\n`);
  await qemuSays(places.qmp, 'running');
  const said = await statusOf(state);
  expect(said.code).toBe(0);
  expect(said.guest).toMatchObject({
    guest: 'running',
    healthy: true,
    todo: '',
    standing: { state: 'admitted', earned: '0' },
  });
  expect(said.text).toMatch(/admitted, lease until/);
  expect(said.text).toMatch(/earned +0 TON/);
});

test('one that is refused is sent to `worker why`; one that is paused, gone or broken to what helps', async () => {
  network = await startInProcess({ machine: { debug: true } });
  const refused = network.events.find(({ event }) => event === 'refused');
  const one = guest('alder', network.address, `${booted}${JSON.stringify(refused)}\r\n`);
  await qemuSays(one.places.qmp, 'running');
  const said = await statusOf(one.state);
  expect([said.code, said.guest.standing.state]).toEqual([1, 'refused']);
  expect(said.guest.todo).toMatch(/^chrysalis worker why [0-9a-f]{64}$/);

  const paused = guest('alder', network.address, booted);
  await qemuSays(paused.places.qmp, 'internal-error');
  expect((await statusOf(paused.state)).guest.todo).toMatch(/QEMU says internal-error/);
  const gone = guest('alder', network.address, booted);
  expect((await statusOf(gone.state)).guest).toMatchObject({
    guest: null,
    todo: expect.stringMatching(/journalctl/),
  });
  const broken = guest(
    'alder',
    network.address,
    `${booted}{"event":"failed","error":{"message":"verity: root is damaged"}}\r\n`,
  );
  await qemuSays(broken.places.qmp, 'running');
  expect((await statusOf(broken.state)).guest.todo).toBe('read its console: verity: root is damaged');
});

test('a router that is away is no verdict; a host without guests says so', async () => {
  const { state, places } = guest(
    'alder',
    '127.0.0.1:1',
    `${booted}{"event":"admitted","workerId":"${'ab'.repeat(32)}"}\n`,
  );
  await qemuSays(places.qmp, 'running');
  const { code, guest: said } = await statusOf(state);
  expect([code, said.standing]).toEqual([3, null]);
  expect((await runHere('host', 'status', '--state', join(scratch, 'nobody'))).out).toMatch(/no guest was launched/);
});

test('only whole events of the newest boot count, whatever stands between them', () => {
  const id = 'cd'.repeat(32);
  const noise = `{"event":"admitted","workerId":"${'ab'.repeat(32)}"}\n[ 1.0] x {"event":"image"}\n{"event":"refused","message":"no","workerId":"${id}"}\n{"event":"adm[  2.0] cut\n{"event":"unknown"}\n`;
  expect(newsOf(noise)).toEqual({ last: 'refused', failure: 'no', workerId: id });
  expect(newsOf('')).toEqual({ last: null, failure: null, workerId: null });
  const stopped = `{"event":"image"}\n[    9.1] device-mapper: verity: 254:16: data block 412 is corrupted\n[    9.2] Kernel panic`;
  expect(newsOf(stopped)).toMatchObject({ last: 'failed', failure: expect.stringContaining('data block 412') });
  fc.assert(fc.property(fc.string(), (text) => void newsOf(text)));
});
