import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  codedFromSystem,
  counted,
  exitCodeOf,
  painter,
  printable,
  printError,
  table,
  ton,
  wantsColour,
  wrap,
} from '../../src/cli/output.ts';
import { MAIN } from '../../src/cli/paths.ts';
import { parsePorts } from '../../src/cli/up/ports.ts';
import { CodedError, type ErrorCode, KIND_OF_CODE } from '../../src/core/index.ts';

const run = (...args: string[]) => spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', cwd: '/' });

test('exit codes: help 0, usage 2', () => {
  expect(run('--help').status).toBe(0);
  expect(run('up', '--help').status).toBe(0);
  for (const args of [['levitate'], ['up', '--sideways'], ['chain', 'dev', '--port', 'x'], ['gateway']]) {
    const { status, stdout, stderr } = run(...args);
    expect([args, status, stdout]).toEqual([args, 2, '']);
    expect(stderr).toMatch(/error:|USAGE_INVALID/);
  }
});

test('every code has an exit code of its kind, and no error prints a stack unless asked', () => {
  for (const [code, kind] of Object.entries(KIND_OF_CODE) as [ErrorCode, string][]) {
    expect(exitCodeOf(code)).toBeGreaterThan(0);
    if (kind === 'bug') expect(exitCodeOf(code)).toBe(1);
    let err = '';
    let out = '';
    const sink = {
      out: (s: string) => {
        out += s;
      },
      err: (s: string) => {
        err += s;
      },
      width: 80,
      paint: painter(false),
    };
    const error = new CodedError(code, 'it happened', { why: 'a reason' }, { cause: new Error('inner secret') });
    printError(error, sink, { json: true });
    expect(err).toMatch(/^✗ it happened\n {2}why +a reason\n {2}what to do +\S/);
    expect(err.trimEnd().endsWith(code)).toBe(true);
    expect(err + out).not.toContain('inner secret');
    expect(JSON.parse(out)).toMatchObject({
      error: { code, message: 'it happened', todo: expect.stringMatching(/./) },
    });
  }
});

test('an answer that failed says what was paid of it', () => {
  const lines: string[] = [];
  const sink = {
    out: () => undefined,
    err: (text: string) => void lines.push(text),
    width: 100,
    paint: painter(false),
  };
  const facts = { paid: '51200', receipts: 'r_0123456789abcdef' };
  expect(printError(new CodedError('ENGINE_UNREACHABLE', 'the engine died', facts), sink, {})).toBe(3);
  expect(lines.join('')).toMatch(/paid +0\.0000512 TON \(r_0123456789abcdef\)/);
  lines.length = 0;
  printError(new CodedError('ENGINE_UNREACHABLE', 'the engine died'), sink, {});
  expect(lines.join('')).not.toContain('paid');
});

test('what the system throws for disks and sockets is coded; the rest is a defect of ours', () => {
  const system = (code: string) => Object.assign(new Error('x'), { code, path: '/data/f' });
  expect(codedFromSystem(system('ENOSPC'))).toMatchObject({
    code: 'STORAGE_FULL',
    message: 'the disk is full: /data/f',
  });
  expect(codedFromSystem(system('EADDRINUSE')).code).toBe('PORT_IN_USE');
  expect(codedFromSystem(system('EROFS')).code).toBe('CONFIG_INVALID');
  expect(codedFromSystem(new Error('fetch failed', { cause: system('ECONNREFUSED') })).code).toBe('PEER_UNREACHABLE');
  expect(codedFromSystem(new TypeError('x')).code).toBe('INVARIANT_BROKEN');
  expect(codedFromSystem('thrown text').code).toBe('INVARIANT_BROKEN');
});

test('text from elsewhere cannot steer the terminal', () => {
  const esc = String.fromCharCode(27);
  expect(printable(`a${esc}[2Jb\rc\u202ed\u0007`)).toBe('a\ufffd[2Jb\ufffdc\ufffdd\ufffd');
  expect(printable('line\n\ttab, é, 海')).toBe('line\n\ttab, é, 海');
});

test('no line is wider than asked, and no word is lost', () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[a-z]{1,30}$/)), fc.integer({ min: 8, max: 60 }), (words, width) => {
      const lines = wrap(words.join(' '), width);
      expect(lines.every((line) => line.length <= width)).toBe(true);
      expect(lines.join('').replaceAll(' ', '')).toBe(words.join(''));
    }),
  );
  const rows = [
    ['a', 'one two three four five six seven'],
    ['bcd', 'x'],
  ];
  for (const line of table(rows, 24).split('\n')) expect(line.length).toBeLessThanOrEqual(24);
});

test('amounts in TON are exact', () => {
  expect([0n, 1n, 19_200n, 1_000_000_000n, 12_345_678_900_000_000_001n, -5n].map(ton)).toEqual([
    '0',
    '0.000000001',
    '0.0000192',
    '1',
    '12345678900.000000001',
    '-0.000000005',
  ]);
});

test('colour only on a terminal, and never against NO_COLOR, CI or --no-color', () => {
  expect(wantsColour({ isTTY: true }, {})).toBe(true);
  expect(wantsColour({}, {})).toBe(false);
  expect(wantsColour({ isTTY: true }, { NO_COLOR: '1' })).toBe(false);
  expect(wantsColour({ isTTY: true }, { CI: '1' })).toBe(false);
  expect(wantsColour({ isTTY: true }, {}, false)).toBe(false);
});

test('--ports takes auto, default, or the first of five', () => {
  expect(parsePorts('auto')).toBe('auto');
  expect(parsePorts('9000')).toEqual({ gateway: 9000, chain: 9001, log: 9002, router: 9003, witness: 9004 });
  for (const bad of ['', '0', '65532', '9000x', '-1', '1e3']) {
    expect(() => parsePorts(bad)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  }
});

test('one of a thing is named as one', () => {
  expect([0, 1, 2].map((count) => counted(count, 'entry', 'entries'))).toEqual(['0 entries', '1 entry', '2 entries']);
  expect([counted(1, 'worker'), counted(100_000, 'worker')]).toEqual(['1 worker', '100000 workers']);
});
