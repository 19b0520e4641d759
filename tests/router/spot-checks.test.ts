import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Admission, Worker } from '../../src/router/fleet.ts';
import { createSpotChecks } from '../../src/router/spot-checks.ts';

const MINUTE = 60_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function admitted(): Worker {
  const worker = new Worker({ send: () => undefined, close: () => undefined });
  worker.admission = {
    lease: new Uint8Array(16),
    workerId: new Uint8Array(32),
    evidenceDigest: new Uint8Array(32),
  } as Admission;
  worker.state = 'admitted';
  return worker;
}

test('whoever is in is asked at the instant that was drawn with its evidence; who is out, and before that, is not', async () => {
  const [worker, out] = [admitted(), admitted()];
  out.state = 'quarantined';
  const asked: { worker: Worker; at: number }[] = [];
  const started = Date.now();
  let drawn = 0.5;
  const checks = createSpotChecks({
    fleet: { all: () => [worker, out] },
    challenge: async (of) => void asked.push({ worker: of, at: Date.now() - started }),
    now: Date.now,
    random: () => drawn,
    failed: (error) => {
      throw error;
    },
  });
  await vi.advanceTimersByTimeAsync(4 * MINUTE);
  expect(asked).toEqual([]);
  // It renewed by itself: what was drawn before is void.
  worker.admission = { ...worker.admission!, evidenceDigest: new Uint8Array(32) };
  await vi.advanceTimersByTimeAsync(4 * MINUTE);
  expect(asked).toEqual([]);
  drawn = 0.1;
  await vi.advanceTimersByTimeAsync(2 * MINUTE);
  expect(asked.map(({ worker: of }) => of === worker)).toEqual([true]);
  expect(asked[0]!.at).toBeGreaterThanOrEqual(9 * MINUTE);
  expect(asked[0]!.at).toBeLessThan(9 * MINUTE + 5_000);
  await checks.close();
});
