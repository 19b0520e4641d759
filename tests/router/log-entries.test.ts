import { expect, test, vi } from 'vitest';
import { type Bytes, CodedError, toHex, utf8 } from '../../src/core/index.ts';
import { encodeLeaf, formatCheckpoint, type Leaf } from '../../src/log/index.ts';
import { createAuditRecords } from '../../src/router/audit-records.ts';
import { createEvictions } from '../../src/router/evictions.ts';
import { leftOver } from '../../src/router/left-over.ts';
import type { LogPort } from '../../src/router/ports.ts';
import { createUnlogged } from '../../src/router/unlogged.ts';

type Appended = { type: string; body: Record<string, unknown>; key: string | undefined };

/** A log that is away until it is told to come back. */
function flaky() {
  const appended: Appended[] = [];
  const state = { away: true };
  const log = {
    append: async (draft: { type: string; body: object }, options?: { idempotencyKey?: string }) => {
      if (state.away) throw new CodedError('LOG_UNREACHABLE', 'away');
      appended.push({ type: draft.type, body: draft.body as Record<string, unknown>, key: options?.idempotencyKey });
      return { index: appended.length };
    },
  } as unknown as LogPort;
  return { log, appended, state };
}

test('evictions wait for a log that is away, keep their order, and carry the admission that ended', async () => {
  vi.useFakeTimers();
  const { log, appended, state } = flaky();
  const evictions = createEvictions({ log, source: 'r', leftOver: async () => [] });
  evictions.add(new Uint8Array(32).fill(1), 4);
  evictions.add(new Uint8Array(32).fill(2), 5);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(appended).toEqual([]);
  state.away = false;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(appended.map(({ key }) => key)).toEqual([`evicted:${'01'.repeat(32)}:4`, `evicted:${'02'.repeat(32)}:5`]);
  state.away = true;
  evictions.add(new Uint8Array(32).fill(3), 6, { cause: 'device twin', failedChecks: ['uniqueDevices'] });
  await vi.advanceTimersByTimeAsync(100);
  state.away = false;
  await evictions.close();
  expect(appended.map(({ body: { cause, failedChecks } }) => [cause, failedChecks])).toEqual([
    ['disconnected', undefined],
    ['disconnected', undefined],
    ['device twin', ['uniqueDevices']],
  ]);
  vi.useRealTimers();
});

test('whoever waits for evictions goes on once they stand in the log, and not while it is away', async () => {
  const { log, appended, state } = flaky();
  const evictions = createEvictions({ log, source: 'r', leftOver: async () => [] });
  await evictions.written();
  evictions.add(new Uint8Array(32).fill(1), 4);
  evictions.add(new Uint8Array(32).fill(2), 5);
  await expect(evictions.written()).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
  state.away = false;
  await Promise.all([evictions.written(), evictions.written()]);
  expect(appended).toHaveLength(2);
  await evictions.close();
});

test('a router that starts says first that those are gone whom it left in, and nobody is admitted before', async () => {
  vi.useFakeTimers();
  const { log, appended, state } = flaky();
  const NOW = 1_800_000_000_000;
  const key = (worker: number) => `sha256:${toHex(new Uint8Array(32).fill(worker))}` as const;
  const leaf = (type: 'worker-admitted' | 'evicted', worker: number, more: Partial<Leaf> = {}): Bytes => {
    const text = 'x';
    const admitted = {
      platform: text,
      policyNumber: 1,
      policyDigest: key(9),
      verdict: text,
      judgedAt: 1,
      verifierVersion: text,
    };
    const measured = { measurements: key(9), tcbStatus: text, image: null };
    const evicted = { cause: text, by: text, sessionsClosed: 0 };
    const body = { workerKey: key(worker), ...(type === 'evicted' ? evicted : { ...admitted, ...measured }) };
    const subject = `worker:${key(worker).slice(7)}`;
    return encodeLeaf({
      v: 1,
      type,
      at: NOW - 60_000,
      src: 'r',
      subject,
      prev: null,
      body,
      blobs: [],
      sig: [],
      ...more,
    } as Leaf);
  };
  const entries = [
    leaf('worker-admitted', 1, { at: NOW - 3_600_000 }), // its lease has ended long since
    leaf('worker-admitted', 2),
    leaf('worker-admitted', 3),
    leaf('worker-admitted', 4, { src: 'another-router' }),
    utf8('no leaf'),
    leaf('worker-admitted', 2),
    leaf('evicted', 3),
    leaf('worker-admitted', 5),
    ...Array.from({ length: 70 }, () => leaf('evicted', 6)),
  ];
  const head = formatCheckpoint({ origin: 'o', size: entries.length, root: new Uint8Array(32), extensions: [] });
  const note = `${head}\n\u2014 o ${Buffer.from(new Uint8Array(68)).toString('base64')}\n`;
  const old: LogPort = { ...log, checkpoint: async () => note, entry: async (index) => entries[index] as Bytes };
  const evictions = createEvictions({
    log: old,
    source: 'r',
    leftOver: () => leftOver({ log: old, source: 'r', now: NOW }, 20 * 60_000),
  });
  await expect(evictions.written()).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
  state.away = false;
  await evictions.written();
  expect(appended.map(({ body, key }) => [body.cause, key])).toEqual([
    ['router restarted', `evicted:${'02'.repeat(32)}:5`],
    ['router restarted', `evicted:${'05'.repeat(32)}:7`],
  ]);
  await evictions.close();
  vi.useRealTimers();
});

test('what the administration was asked is counted by method, and logged once an hour', async () => {
  vi.useFakeTimers();
  const { log, appended, state } = flaky();
  let now = 7;
  const audits = createAuditRecords({
    log,
    source: 'r',
    now: () => now,
    randomness: (length) => new Uint8Array(length),
  });
  audits.accessed('GetStatus', null);
  audits.accessed('GetStatus', null);
  await vi.advanceTimersByTimeAsync(3_600_000); // the log is away
  now = 9;
  audits.accessed('DrainWorker', 'ROLE_REFUSED');
  state.away = false;
  await vi.advanceTimersByTimeAsync(3_600_000);
  const calls = { GetStatus: 2, 'DrainWorker ROLE_REFUSED': 1 };
  expect(appended).toEqual([{ type: 'access', body: { from: 7, to: 9, count: 3, calls }, key: undefined }]);
  await audits.close();
  expect(appended).toHaveLength(1);
  vi.useRealTimers();
});

test('refusals without an entry of their own are counted and logged together, none forgotten', async () => {
  vi.useFakeTimers();
  const { log, appended, state } = flaky();
  const unlogged = createUnlogged({ log, source: 'r', now: () => 7 });
  for (const reason of ['tooMany', 'tooMany', 'EVIDENCE_TRUNCATED']) unlogged.count(reason);
  await vi.advanceTimersByTimeAsync(61_000);
  unlogged.count('tooMany');
  state.away = false;
  await vi.advanceTimersByTimeAsync(61_000);
  expect(appended).toEqual([
    {
      type: 'rejection-summary',
      body: { from: 7, to: 7, count: 4, reasons: { tooMany: 3, EVIDENCE_TRUNCATED: 1 } },
      key: undefined,
    },
  ]);
  for (let i = 0; i < 100; i++) unlogged.count(`reason-${i}`);
  await unlogged.close();
  expect(Object.keys(appended[1]!.body.reasons as object)).toHaveLength(33);
  expect(appended[1]!.body.count).toBe(100);
  vi.useRealTimers();
});
