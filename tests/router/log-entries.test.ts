import { expect, test, vi } from 'vitest';
import { CodedError } from '../../src/core/index.ts';
import { createEvictions } from '../../src/router/evictions.ts';
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
  const evictions = createEvictions({ log, source: 'r' });
  evictions.add(new Uint8Array(32).fill(1), 4);
  evictions.add(new Uint8Array(32).fill(2), 5);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(appended).toEqual([]);
  state.away = false;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(appended.map(({ key }) => key)).toEqual([`evicted:${'01'.repeat(32)}:4`, `evicted:${'02'.repeat(32)}:5`]);
  state.away = true;
  evictions.add(new Uint8Array(32).fill(3), 6);
  await vi.advanceTimersByTimeAsync(100);
  state.away = false;
  await evictions.close();
  expect(appended).toHaveLength(3);
  vi.useRealTimers();
});

test('whoever waits for evictions goes on once they stand in the log, and not while it is away', async () => {
  const { log, appended, state } = flaky();
  const evictions = createEvictions({ log, source: 'r' });
  await evictions.written();
  evictions.add(new Uint8Array(32).fill(1), 4);
  evictions.add(new Uint8Array(32).fill(2), 5);
  await expect(evictions.written()).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
  state.away = false;
  await Promise.all([evictions.written(), evictions.written()]);
  expect(appended).toHaveLength(2);
  await evictions.close();
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
