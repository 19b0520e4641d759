import { expect, test } from 'vitest';
import { type Bytes, CodedError } from '../../src/core/index.ts';
import { parseSessionRecords, SESSION_RECORDS_MAX, sessionRoot, sessionTenant } from '../../src/log/index.ts';
import type { Worker } from '../../src/router/fleet.ts';
import type { LogPort } from '../../src/router/ports.ts';
import { createSessionBatches } from '../../src/router/session-batches.ts';

const bytes = (value: number) => new Uint8Array(32).fill(value);
const secret = bytes(9);
const NOW = 1_800_000_000_000;
const worker = (id: number) =>
  ({
    admission: { workerId: bytes(id), image: 'tdx:a@b', policyNumber: 3 },
    join: { modelDigest: bytes(50) },
  }) as unknown as Worker;

function keptLog() {
  const entries: { body: { from: number; to: number; count: number; root: string }; blob: Bytes; key: string }[] = [];
  const state = { away: false };
  const log = {
    append: async (draft: { body: object }, options: { idempotencyKey: string; blobs: Bytes[] }) => {
      if (state.away) throw new CodedError('LOG_UNREACHABLE', 'away');
      entries.push({ body: draft.body as never, blob: options.blobs[0] as Bytes, key: options.idempotencyKey });
      return { index: entries.length };
    },
  } as unknown as LogPort;
  return { log, entries, state };
}
const served = (id: number, session: number, at: number, sealedBytes = 700) => ({
  worker: worker(id),
  sessionId: bytes(session),
  channel: '0:aa',
  sealedBytes,
  startedAt: NOW + at,
  endedAt: NOW + at + 50,
});

test('a batch has a record for each session and worker; who it was stands in it as a commitment alone', async () => {
  const { log, entries } = keptLog();
  const sessions = createSessionBatches({ log, source: 'r', secret, failed: () => expect.unreachable() });
  sessions.served(served(1, 1, 0));
  sessions.served(served(1, 1, 100, 1_500));
  sessions.served(served(2, 1, 20));
  sessions.served({ ...served(1, 2, 30), channel: '0:bb' });
  sessions.served({ ...served(1, 3, 40), worker: { admission: null, join: null } as unknown as Worker });
  await sessions.close();
  const [{ body, blob }] = entries as [(typeof entries)[number]];
  const records = parseSessionRecords(blob);
  expect(body).toEqual({ from: NOW, to: NOW + 150, count: 3, root: sessionRoot(records) });
  expect(records.map(({ requests, sealedBytes }) => [requests, sealedBytes])).toEqual([
    [2, 2048],
    [1, 1024],
    [1, 1024],
  ]);
  expect(new TextDecoder().decode(blob)).not.toMatch(/0:aa|0:bb/);
  const [first, , third] = records;
  for (const [record, channel] of [[first, '0:aa'] as const, [third, '0:bb'] as const]) {
    const { tenant, ...rest } = record!;
    expect(tenant).toBe(sessionTenant(secret, rest, channel));
    expect(tenant).not.toBe(sessionTenant(bytes(8), rest, channel));
  }
});

test('while the log is away records wait; what is more than can wait is said, and the rest is written once', async () => {
  const { log, entries, state } = keptLog();
  const failures: string[] = [];
  const sessions = createSessionBatches({ log, source: 'r', secret, failed: (what) => failures.push(what) });
  state.away = true;
  for (let i = 0; i <= SESSION_RECORDS_MAX; i++) {
    const sessionId = new Uint8Array(32);
    new DataView(sessionId.buffer).setUint32(0, i);
    sessions.served({ ...served(1, 1, i), sessionId });
  }
  await sessions.close();
  expect([entries.length, failures]).toEqual([0, ['session records']]);
  state.away = false;
  await sessions.close();
  expect(entries.map(({ body: { count } }) => count)).toEqual([SESSION_RECORDS_MAX, 1]);
  expect(new Set(entries.map(({ key }) => key)).size).toBe(2);
});
