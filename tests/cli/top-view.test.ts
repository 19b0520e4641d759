import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { painter } from '../../src/cli/output.ts';
import { History, requestsOf } from '../../src/cli/top/history.ts';
import { AT_FIRST, type Choices, pressed, SORTS } from '../../src/cli/top/keys.ts';
import { drawn, type Shown } from '../../src/cli/top/view.ts';
import { columnsOf, fit, sparkline } from '../../src/cli/top/words.ts';
import type { StatusReport } from '../../src/rpc/index.ts';

type WorkerReport = StatusReport['workers'][number];

const worker = (name: string, fields: Partial<WorkerReport> = {}): WorkerReport => ({
  workerId: name.padEnd(64, '0'),
  name,
  state: 'admitted',
  tee: 'tdx',
  simulated: false,
  resumed: false,
  modelName: 'llama',
  leaseExpiresAt: 2_000_000,
  running: 1,
  slots: 4,
  slotsDeclared: 4,
  breaker: 'closed',
  requests: 10,
  failed: 0,
  tokensIn: 100,
  tokensCached: 0,
  tokensOut: 200,
  firstFrameP50Ms: 20,
  firstFrameP99Ms: 80,
  ...fields,
});

const report = (fields: Partial<StatusReport> = {}): StatusReport => ({
  router: 'router-a',
  now: 1_000_000,
  startedAt: 0,
  policyNumber: 7,
  workers: [],
  queues: [],
  accountsWaiting: 0,
  ended: [],
  tokensIn: 0,
  tokensCached: 0,
  tokensOut: 0,
  firstTokenP50Ms: 0,
  firstTokenP99Ms: 0,
  ...fields,
});

function shownOf(reports: readonly StatusReport[], choices: Partial<Choices> = {}): Shown {
  const history = new History();
  for (const one of reports) history.push(one);
  return {
    address: '127.0.0.1:1',
    policy: 'production #7',
    history,
    choices: { ...AT_FIRST, ...choices },
    lost: null,
  };
}

const plain = painter(false);
const text = (shown: Shown, width = 140, height: number | null = null) =>
  drawn(shown, { width, height, paint: plain }).join('\n');

describe('rates', () => {
  const at = (seconds: number, answered: number, tokensOut: number) =>
    report({
      now: 1000 * seconds,
      ended: [
        { code: '', count: answered },
        { code: 'ROUTER_BUSY', count: 2 },
      ],
      tokensOut,
      workers: [worker('a', { tokensOut })],
    });

  test('are differences over the last ten seconds, and none where there is one report alone', () => {
    const history = new History();
    history.push(at(0, 0, 0));
    expect(history.rate(requestsOf)).toBeNull();
    expect(history.workerRates().size).toBe(0);
    history.push(at(1, 5, 40));
    expect(history.rate(requestsOf)).toBe(5);
    for (let s = 2; s <= 30; s++) history.push(at(s, 5 + 10 * (s - 1), 40 * s));
    expect(history.rate(requestsOf)).toBeCloseTo(10);
    expect(history.workerRates().get('a'.padEnd(64, '0'))).toBeCloseTo(40);
    expect(history.points.at(-1)).toEqual({ requests: 10, tokensOut: 40, errors: 0 });
  });

  test('begin anew with another process of the router, and for a worker that attached anew', () => {
    const history = new History();
    history.push(at(100, 1_000, 9_000));
    history.push({ ...at(101, 1, 3), startedAt: 100_500 });
    expect(history.rate(requestsOf)).toBeNull();
    expect(history.points).toEqual([]);
    history.push({ ...at(102, 2, 2), startedAt: 100_500 });
    expect(history.rate(requestsOf)).toBe(1);
    expect(history.workerRates().size).toBe(0);
  });
});

test('it shows each worker, what waits, what ended with an error, and that enclaves are simulated', () => {
  const workers = [
    worker('alder', { simulated: true }),
    worker('birch', { tee: 'sev-snp', breaker: 'open', running: 4, leaseExpiresAt: 1_030_000 }),
    worker('cedar', { state: 'joining', tee: '', breaker: '', leaseExpiresAt: 0, firstFrameP99Ms: 0, slots: 0 }),
  ];
  const ended = [
    { code: '', count: 5 },
    { code: 'ROUTER_BUSY', count: 3 },
  ];
  const queues = [{ modelName: 'llama', priority: 9, waiting: 12, oldestMs: 2_400 }];
  const screen = text(
    shownOf([report({ workers }), report({ now: 1_001_000, workers, ended, queues, accountsWaiting: 2 })]),
  );
  expect(screen).toContain('router router-a · 127.0.0.1:1 · up 16 min · policy production #7 · 00:16:41 UTC');
  expect(screen).toContain('simulated enclaves');
  expect(screen).toMatch(/alder +admitted +TDX simulated +llama +16 min +1\/4 +0\.0 +20 ms +80 ms +closed/);
  expect(screen).toMatch(/birch +admitted +SEV-SNP +llama +29 s +4\/4 .* open/);
  expect(screen).toMatch(/cedar +joining +– +llama +– +1\/4 +0\.0 +– +– +–/);
  expect(screen).toMatch(/llama +priority {3}9 {2}12 waiting, the oldest 2\.4 s/);
  expect(screen).toContain('waiting 12 of 2 accounts');
  expect(screen).toMatch(/ROUTER_BUSY +3\.0\/s +3 in all/);
});

test('a router that does not answer is said first, with what is left of it below', () => {
  const shown = {
    ...shownOf([report({ workers: [worker('a')] })]),
    lost: { why: 'ROUTER_UNREACHABLE', sinceMs: 3_000 },
  };
  expect(text(shown).split('\n')[1]).toMatch(/does not answer since 3\.0 s \(ROUTER_UNREACHABLE\)/);
});

test('filter, order and place', () => {
  const workers = ['a', 'b', 'c', 'd'].map((name, i) =>
    worker(name, { running: i, modelName: i % 2 ? 'odd' : 'even' }),
  );
  const names = (choices: Partial<Choices>, height: number | null = null) =>
    [...text(shownOf([report({ workers })], choices), 140, height).matchAll(/^([a-d]) /gm)].map(([, name]) => name);
  expect(names({})).toEqual(['a', 'b', 'c', 'd']);
  expect(names({ sort: 'slots' })).toEqual(['d', 'c', 'b', 'a']);
  expect(names({ sort: 'model', reversed: true })).toEqual(['b', 'd', 'a', 'c']);
  expect(names({ filter: 'odd adm' })).toEqual(['b', 'd']);
  expect(names({ filter: 'nothing' })).toEqual([]);
  expect(names({ from: 2 }, 13)).toEqual(['c', 'd']);
  expect(names({ from: 99 }, 13)).toEqual(['c', 'd']);
});

test('keys', () => {
  const after = (keys: string, choices: Choices = AT_FIRST) =>
    [...keys].reduce<Choices | 'quit'>((at, key) => (at === 'quit' ? at : pressed(at, key)), choices);
  expect(after('q')).toBe('quit');
  expect(after('\u0003')).toBe('quit');
  expect(after('/q\u0003')).toBe('quit');
  expect(after('/qs\r')).toMatchObject({ filter: 'qs', typing: false });
  expect(after('/qs\u007f')).toMatchObject({ filter: 'q', typing: true });
  expect(after('/qs\u001b')).toMatchObject({ filter: '', typing: false });
  expect(after('s'.repeat(SORTS.length))).toEqual(AT_FIRST);
  expect(after('r ')).toMatchObject({ reversed: true, paused: true });
  expect(pressed(AT_FIRST, '\u001b[B')).toMatchObject({ from: 1 });
  expect(pressed(AT_FIRST, '\u001b[5~')).toMatchObject({ from: 0 });
  expect(pressed(AT_FIRST, 'x')).toBe(AT_FIRST);
});

const hostile = fc.string({
  unit: fc.constantFrom('a', '語', '\u001b', '\n', '\u202e', '😀', ' ', '\u009b', '/'),
  maxLength: 40,
});
const count = fc.maxSafeNat();
const anyWorker = fc.record<WorkerReport>({
  ...{ workerId: hostile, name: hostile, state: hostile, tee: hostile },
  ...{
    simulated: fc.boolean(),
    resumed: fc.boolean(),
    modelName: hostile,
    leaseExpiresAt: count,
    running: fc.nat(),
    slots: fc.nat(),
  },
  ...{ slotsDeclared: fc.nat(), breaker: hostile, requests: count, failed: count, tokensIn: count },
  ...{ tokensCached: count, tokensOut: count },
  ...{ firstFrameP50Ms: fc.double({ min: 0, noNaN: true }), firstFrameP99Ms: fc.double({ min: 0, noNaN: true }) },
});
const anyReport = fc.record<StatusReport>({
  ...{ router: hostile, now: count, startedAt: count, policyNumber: fc.nat(), accountsWaiting: fc.nat() },
  workers: fc.array(anyWorker, { maxLength: 30 }),
  queues: fc.array(fc.record({ modelName: hostile, priority: fc.nat(), waiting: fc.nat(), oldestMs: fc.nat() })),
  ended: fc.array(fc.record({ code: hostile, count }), { maxLength: 12 }),
  ...{ tokensIn: count, tokensCached: count, tokensOut: count },
  ...{ firstTokenP50Ms: fc.double({ min: 0, noNaN: true }), firstTokenP99Ms: fc.double({ min: 0, noNaN: true }) },
});

test('whatever a router says, no line is wider than the terminal, and no letter moves its cursor', () => {
  fc.assert(
    fc.property(
      fc.array(anyReport, { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 200 }),
      fc.option(fc.integer({ min: 1, max: 60 })),
      fc.constantFrom(...SORTS),
      hostile,
      (reports, width, height, sort, router) => {
        const shown = { ...shownOf(reports, { sort, filter: '' }), policy: router };
        const lines = drawn(shown, { width, height, paint: plain });
        if (height !== null) expect(lines.length).toBeLessThanOrEqual(height);
        for (const line of lines) {
          expect(columnsOf(line)).toBeLessThanOrEqual(Math.max(width, 1));
          // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
          expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
        }
      },
    ),
    { numRuns: 150 },
  );
});

test('a text is cut to its columns, letters of two columns among them', () => {
  expect(fit('abc', 5)).toBe('abc  ');
  expect(fit('abc', 5, true)).toBe('  abc');
  expect(fit('abcdef', 4)).toBe('abc…');
  expect(columnsOf('語a')).toBe(3);
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', '語', 'é') }), fc.nat({ max: 20 }), (word, columns) => {
      expect(columnsOf(fit(word, columns))).toBe(columns);
    }),
  );
  expect(sparkline([0, 1, 2], 10)).toBe('▁▅█');
  expect(sparkline([0, 0], 10)).toBe('▁▁');
  expect(sparkline([5, 1, 2], 2)).toBe('▅█');
});
