import { spawn } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fromBase64, toBase64 } from '../../src/core/index.ts';
import { type BatchStep, openLog } from '../../src/log/writer/index.ts';
import { APPENDER, requireKept, runAndKill, type Said } from './crashing.ts';
import { codeOf, folder, heartbeat, ORIGIN, options } from './support.ts';

test('kill -9, a dozen times: nothing acknowledged is lost, no checkpoint is contradicted', {
  timeout: 60_000,
}, async () => {
  const directory = folder();
  const said: Said[] = [];
  const steps: (BatchStep | '')[] = [
    'staged',
    'committed',
    'applied',
    'published',
    '',
    '',
    'committed',
    'staged',
    '',
    'published',
    'applied',
    '',
  ];
  for (const [round, step] of steps.entries()) {
    const seen = await runAndKill(directory, step, step === '' ? 30 + 17 * round : 5000);
    said.push(...seen);
    const log = await openLog(options(directory));
    await requireKept(log, said, round === steps.length - 1 ? said : seen);
    const last = said.findLast(({ id }) => id !== undefined)!;
    expect(await log.append(heartbeat(), { idempotencyKey: last.id! })).toMatchObject({
      index: last.index,
      repeated: true,
    });
    await log.close();
    expect(readdirSync(join(directory, 'staging'))).toEqual([]);
  }
  expect(said.length).toBeGreaterThan(300);
});

test('kill -9 at random instants', { timeout: 3_600_000 }, async () => {
  const directory = folder();
  const rounds = Number(process.env.CHRYSALIS_CRASH_ROUNDS ?? 4);
  const all: Said[] = [];
  for (let round = 0; round < rounds; round++) {
    const child = spawn(process.execPath, [APPENDER, directory, ORIGIN], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    let killAt: NodeJS.Timeout | undefined;
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      // The first word is that it has opened the log: whatever the machine, the kill falls into its appends.
      if (text === '') killAt = setTimeout(() => child.kill('SIGKILL'), Math.random() * 30);
      text += part;
    });
    expect(await new Promise((resolve) => child.on('close', (_, by) => resolve(by)))).toBe('SIGKILL');
    clearTimeout(killAt);
    const lines = text.split('\n').slice(0, -1);
    const said = lines.map((line) => JSON.parse(line) as Said);
    all.push(...said);
    const log = await openLog(options(directory));
    await requireKept(log, round === rounds - 1 ? all : said, said.slice(-1));
    await log.close();
  }
  expect(all.length).toBeGreaterThan(0);
});

test('a batch that was committed is finished from staging; without its staging file the log refuses', async () => {
  for (const step of ['staged', 'committed', 'applied'] as const) {
    const directory = folder();
    let armed = false;
    const log = await openLog(
      options(directory, {
        onStep: (at) => {
          if (armed && at === step) throw new Error('crash');
        },
      }),
    );
    await log.append(heartbeat(1));
    armed = true;
    expect(await codeOf(log.append(heartbeat(2), { idempotencyKey: 'second' }))).toBe('LOG_WRITE_FAILED');
    expect((await log.failed).code).toBe('LOG_WRITE_FAILED');
    expect(await codeOf(log.append(heartbeat(3)))).toBe('LOG_WRITE_FAILED');
    await log.close();
    const without = folder();
    cpSync(directory, without, { recursive: true });
    rmSync(join(without, 'staging'), { recursive: true });
    expect(await codeOf(openLog(options(without)).then((opened) => opened.close()))).toBe(
      step === 'staged' ? 'no error' : 'LOG_INCONSISTENT',
    );
    const again = await openLog(options(directory));
    expect(again.head().size).toBe(step === 'staged' ? 2 : 3);
    const retried = await again.append(heartbeat(2), { idempotencyKey: 'second' });
    expect(retried).toMatchObject({ index: 2, repeated: step !== 'staged' });
    await again.close();
  }
});

/** Files of a folder, deepest included. */
function filesUnder(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(directory, name)).isFile(),
  );
}

test('a flipped byte in any tile, bundle or checkpoint of the current tree is refused at start', async () => {
  const directory = folder();
  const log = await openLog(options(directory));
  await Promise.all(Array.from({ length: 299 }, (_, i) => log.append(heartbeat(i))));
  await log.close();
  const files = filesUnder(directory).filter((name) => name.startsWith('tile/') || name === 'checkpoint');
  const current = files.filter((name) => !/\.p\/(?!44$|1$)/.test(name) && !/\/001\.p\/1$/.test(name));
  expect(current.length).toBe(6);
  for (const name of current) {
    const path = join(directory, name);
    const bytes = readFileSync(path);
    for (const at of [0, bytes.length >> 1, bytes.length - 1]) {
      writeFileSync(
        path,
        bytes.map((byte, i) => (i === at ? byte ^ 1 : byte)),
      );
      expect(await codeOf(openLog(options(directory))), `${name} at ${at}`).not.toBe('no error');
    }
    writeFileSync(path, bytes);
  }
  for (const name of current) {
    const path = join(directory, name);
    const bytes = readFileSync(path);
    rmSync(path);
    expect(await codeOf(openLog(options(directory))), `${name} gone`).toBe('LOG_INCONSISTENT');
    writeFileSync(path, bytes);
  }
  const whole = await openLog(options(directory));
  expect(whole.head().size).toBe(300);
  expect(await codeOf(openLog(options(directory)))).toBe('LOG_IN_USE');
  await whole.close();
});

test('a restored backup, another origin, a lost key and a lost lock store are refused', async () => {
  const directory = folder();
  const first = await openLog(options(directory));
  await first.append(heartbeat());
  await first.close();
  const backup = folder();
  cpSync(directory, backup, { recursive: true });
  const second = await openLog(options(directory));
  await second.append(heartbeat(5));
  const newer = { ...second.head(), checkpoint: toBase64(second.checkpoint()) };
  await second.close();
  expect(await codeOf(openLog(options(backup, { knownHeads: [newer] })))).toBe('LOG_INCONSISTENT');
  expect(await codeOf(openLog(options(directory, { knownHeads: [{ size: 2, root: new Uint8Array(32) }] })))).toBe(
    'LOG_INCONSISTENT',
  );
  expect(await codeOf(openLog(options(directory, { origin: 'other.chrysalis/log' })))).not.toBe('no error');
  writeFileSync(join(backup, 'checkpoint'), fromBase64(newer.checkpoint)); // published ahead of the lock store
  expect(await codeOf(openLog(options(backup)))).toBe('LOG_INCONSISTENT');
  rmSync(join(directory, 'log.key'));
  expect(await codeOf(openLog(options(directory)))).toBe('CONFIG_INVALID');
  for (const name of readdirSync(backup)) if (name.startsWith('log.db')) rmSync(join(backup, name));
  expect(await codeOf(openLog(options(backup)))).toBe('LOG_INCONSISTENT');
});
