import { type ChildProcess, spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { layoutOf } from '../../src/cli/up/state.ts';
import { keepSharedAmd } from '../network/shared-vendor.ts';

const SCRIPT = fileURLToPath(new URL('./up-with-fake-parts.ts', import.meta.url));
/** Node's own cache of compiled modules: most of the time here is the start of processes. */
const CACHE = join(tmpdir(), 'node-compile-cache');
let folder = '';
const started: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chrysalis-up-'));
  keepSharedAmd(folder);
});
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

type Run = { child: ChildProcess; out: () => string; err: () => string; exit: Promise<number | null> };

function up(options: Record<string, unknown>, fake: Record<string, string> = {}): Run {
  const child = spawn(process.execPath, [SCRIPT, JSON.stringify({ data: folder, ports: 'auto', ...options })], {
    env: { ...process.env, FAKE_PARTS: JSON.stringify(fake), NO_COLOR: '1', NODE_COMPILE_CACHE: CACHE },
  });
  started.push(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (piece) => (out += piece));
  child.stderr.on('data', (piece) => (err += piece));
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, out: () => out, err: () => err, exit };
}

/** Processes whose command line names this test's folder. */
function left(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder);
    } catch {
      return false; // gone meanwhile
    }
  });
}

/** The pid of the part whose command line has these words after the file with the commands. */
function pidOf(...words: string[]): number {
  const pid = left().find((one) => readFileSync(`/proc/${one}/cmdline`, 'utf8').includes(`\0${words.join('\0')}\0`));
  if (pid === undefined) throw new Error(`no ${words.join(' ')} runs`);
  return Number(pid);
}

const ready = (run: Run) => expect.poll(run.out, { timeout: 15_000 }).toContain('ready after');

test('--once --json: one document on stdout, progress on stderr, nothing left running', async () => {
  const run = up({ once: true, json: true });
  expect(await run.exit).toBe(0);
  expect(run.out().trim().split('\n')).toHaveLength(1);
  expect(JSON.parse(run.out())).toMatchObject({
    answer: 'The sea was calm.',
    simulated: true,
    receipt: { id: 'r_0000000000000001' },
    logProof: { admission: { index: 4 }, receipt: { index: 9 } },
    payment: { onChain: true, claimed: '21000' },
    startMs: {
      'development chain': expect.any(Number),
      'worker birch (SEV-SNP and H100, simulated)': expect.any(Number),
    },
  });
  expect(run.err()).toContain('simulated enclaves');
  expect(run.err()).toContain('gateway');
  expect(left()).toEqual([]);
});

test('people see what was verified, the answer, the receipt, the proof, the payment and what to do next', async () => {
  const run = up({});
  await ready(run);
  for (const words of [
    'simulated vendors',
    'worker alder (TDX and H100, simulated)',
    'worker birch (SEV-SNP and H100, simulated)',
    'admitted, log entry 4',
    'asked     "Write one sentence about the sea."',
    'verified  cpu 2 of 2 · binding 1 of 1 · log 1 of 1',
    'quoteSignature',
    'answer    The sea was calm.',
    '0.000021 TON',
    'entry 9 is in the log of 10 entries',
    'claimed on chain',
    'curl http://127.0.0.1:',
    'Ctrl-C',
  ]) {
    expect(run.out()).toContain(words);
  }
  expect(run.err()).toBe('');
  run.child.kill('SIGTERM');
  expect(await run.exit).toBe(0);
});

test('Ctrl-C stops every part and gives the folder back; the next start finds the same vendors', async () => {
  rmSync(layoutOf(folder).vendors.amd); // the one start that makes keys of its own
  const first = up({});
  await ready(first);
  expect(first.out()).toContain('keys made');
  expect(left()).not.toEqual([]);
  const { intel, amd } = layoutOf(folder).vendors;
  const vendors = [intel, amd].map((path) => readFileSync(path, 'utf8'));
  for (const path of [intel, amd]) expect(statSync(path).mode & 0o777).toBe(0o600);
  first.child.kill('SIGINT');
  expect(await first.exit).toBe(0);
  expect(left()).toEqual([]);
  const second = up({ once: true, json: true });
  expect(await second.exit).toBe(0);
  expect(second.err()).toContain('keys kept');
  expect([intel, amd].map((path) => readFileSync(path, 'utf8'))).toEqual(vendors);
});

test('kill -9 of the supervisor leaves no part behind, and its lock is taken over', async () => {
  const first = up({});
  await ready(first);
  first.child.kill('SIGKILL');
  await first.exit;
  await expect.poll(left, { timeout: 5_000 }).toEqual([]);
  expect(await up({ once: true, json: true }).exit).toBe(0);
});

test('two networks on one folder: the second is refused, naming the first', async () => {
  const first = up({});
  await ready(first);
  const second = up({ once: true });
  expect(await second.exit).toBe(2);
  expect(second.err()).toContain(`pid ${first.child.pid}`);
  expect(second.err()).toContain('STATE_LOCKED');
  expect(second.err()).toContain('--data');
});

test('a port in use is named with its part and its holder, and --ports auto offered', async () => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const { port } = holder.address() as { port: number };
  // The chain's is looked at first: whether the others' are free is somebody else's doing.
  const run = up({ ports: String(port - 1), once: true });
  expect(await run.exit).toBe(2);
  holder.close();
  expect(run.err()).toContain(`port ${port} (chain) is in use by`);
  expect(run.err()).toContain(`pid ${process.pid}`);
  expect(run.err()).toContain('--ports auto');
  expect(run.err()).toContain('PORT_IN_USE');
});

test('a part that cannot start says why in one line, and the others are stopped', async () => {
  const full = up({ once: true, json: true }, { log: 'fail' });
  expect(await full.exit).toBe(3);
  expect(JSON.parse(full.out())).toMatchObject({ error: { code: 'STORAGE_FULL', todo: 'free some space' } });
  expect(full.err()).toContain('transparency log could not start: the disk is full');
  const broken = up({ once: true }, { router: 'crash' });
  expect(await broken.exit).toBe(3);
  expect(broken.err()).toContain('router ended with exit code 1');
  expect(broken.err()).toContain('it broke');
  expect(broken.err()).toContain('logs/router.log');
  expect(broken.err()).not.toContain('    at ');
  expect(left()).toEqual([]);
});

test('a worker that the router refuses fails the start', async () => {
  const run = up({ once: true }, { birch: 'refused' });
  expect(await run.exit).toBe(1);
  expect(run.err()).toContain('the router refused worker birch');
  expect(run.err()).toContain('ADMISSION_REFUSED');
});

test('a killed worker is started again; a killed router stops the network with one clear line', async () => {
  const run = up({});
  await ready(run);
  process.kill(pidOf('worker', 'run', '--name', 'alder'), 'SIGKILL');
  await expect.poll(run.out, { timeout: 5_000 }).toContain('worker alder was killed');
  await expect.poll(() => pidOf('worker', 'run', '--name', 'alder'), { timeout: 5_000 }).toBeGreaterThan(0);
  process.kill(pidOf('router'), 'SIGKILL');
  expect(await run.exit).toBe(3);
  expect(run.err()).toContain('router was killed (SIGKILL');
  expect(run.err()).toContain('start again');
  expect(left()).toEqual([]);
});

test('a worker that keeps dying is given up after three restarts', async () => {
  const run = up({}, { birch: 'dies' });
  expect(await run.exit).toBe(3);
  expect(run.err()).toContain('worker birch was killed');
  expect(run.err()).toContain('after 3 restarts');
}, 20_000);

test('a part that will not stop is killed', async () => {
  const run = up({ once: true, json: true }, { chain: 'deaf' });
  expect(await run.exit).toBe(0);
  expect(left()).toEqual([]);
}, 20_000);

test('a full disk under the log files of parts costs log lines and nothing else', async () => {
  mkdirSync(join(folder, 'logs'), { recursive: true });
  symlinkSync('/dev/full', join(folder, 'logs', 'router.log'));
  expect(await up({ once: true, json: true }).exit).toBe(0);
});

test.each([
  ['half a file', '{"kind":'],
  ['a file of something else', '{"kind":"chrysalis-simulated-intel","version":1}'],
  ['a vendor that lacks the line', '{"kind":"chrysalis-simulated-amd","version":1,"seed":"00","lines":{}}'],
  ['a vendor without keys', '{"kind":"chrysalis-simulated-amd","version":1,"seed":"00","lines":{"Genoa":{}}}'],
])('a vendor that was kept and cannot be read is one clear line: %s', async (_, content) => {
  const { amd } = layoutOf(folder).vendors;
  writeFileSync(amd, content);
  const run = up({ once: true });
  expect(await run.exit).toBe(2);
  expect(run.err()).toContain('CONFIG_INVALID');
  expect(run.err()).toContain(amd);
  expect(run.err()).toContain('--data');
  expect(run.err()).not.toContain('    at ');
  expect(readFileSync(amd, 'utf8')).toBe(content); // nothing is made anew over somebody's keys
  expect(left()).toEqual([]);
});

test('a folder that cannot be made is one clear line', async () => {
  writeFileSync(join(folder, 'file'), '');
  const run = up({ data: join(folder, 'file', 'x'), once: true });
  expect(await run.exit).toBe(2);
  expect(run.err()).toContain('CONFIG_INVALID');
  expect(run.err()).not.toContain('    at ');
});
