import { afterEach, expect, test } from 'vitest';
import { sha256 } from '#crypto';
import { CodedError, utf8 } from '../../src/core/index.ts';
import type { Reviewed } from '../../src/router/admission.ts';
import { Cut } from '../../src/router/cut.ts';
import { type Admission, Fleet, type Knowledge, Worker } from '../../src/router/fleet.ts';
import { createReviews, type Reviews } from '../../src/router/reviews.ts';

const FIRST: Knowledge = { policyDigest: sha256(utf8('policy 1')), collateral: 0 };
const SECOND: Knowledge = { ...FIRST, policyDigest: sha256(utf8('policy 2')) };
const LONG_MS = 60_000;

let reviews: Reviews;
afterEach(() => reviews.close());

/** Workers that were judged by what was known first; each review ends when the test says so. */
function scene(count: number, review?: (worker: Worker) => Promise<Reviewed>) {
  const seen = { known: FIRST, now: 0, order: [] as Worker[], atOnce: 0, most: 0, failed: [] as unknown[] };
  const fleet = new Fleet(() => seen.known);
  const workers = Array.from({ length: count }, (_, i) => {
    const worker = new Worker({ send: () => undefined, close: () => undefined });
    const [lease, workerId, evidenceDigest] = ['lease', 'id', 'ed'].map((name) => sha256(utf8(`${name} ${i}`)));
    worker.admission = { lease, workerId, evidenceDigest, expiresAt: Number.POSITIVE_INFINITY } as Admission;
    worker.state = 'admitted';
    worker.judgedBy = FIRST;
    fleet.add(worker);
    return worker;
  });
  const judged = async (worker: Worker): Promise<Reviewed> => {
    worker.judgedBy = seen.known;
    return { isSettled: true, rest: null };
  };
  const watched = async (worker: Worker): Promise<Reviewed> => {
    seen.order.push(worker);
    seen.atOnce += 1;
    seen.most = Math.max(seen.most, seen.atOnce);
    await new Promise((done) => setImmediate(done));
    try {
      return await (review ?? judged)(worker);
    } finally {
      seen.atOnce -= 1;
    }
  };
  reviews = createReviews({
    fleet,
    admission: { review: watched },
    now: () => seen.now,
    failed: (error) => seen.failed.push(error),
  });
  return { fleet, workers, seen, judged };
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; !holds(); i++) {
    if (i > 6_000) throw new Error('not in a minute');
    await new Promise((done) => setTimeout(done, 10));
  }
}

test('of ten thousand workers those that requests ask for are judged first, a few at a time, and all in the end', async () => {
  const { fleet, workers, seen } = scene(10_000);
  seen.known = SECOND;
  await until(() => seen.order.length > 100);
  const asked = workers.slice(9_000, 9_003);
  const before = seen.order.length;
  await reviews.wait(asked, 'all', LONG_MS, null);
  expect(asked.every((worker) => fleet.serves(worker, 0))).toBe(true);
  expect(seen.order.length - before).toBeLessThan(32);
  expect(seen.order.length).toBeLessThan(9_000);
  await until(() => workers.every((worker) => fleet.serves(worker, 0)));
  expect(seen.order).toHaveLength(10_000);
  expect(new Set(seen.order).size).toBe(10_000);
  expect(seen.most).toBeLessThanOrEqual(4);
});

test('whoever waits for one goes on with the first that serves; whoever is out is no reason to', async () => {
  const { fleet, workers, seen, judged } = scene(2, async (worker) => {
    if (worker === workers[0]) worker.state = 'quarantined';
    return judged(worker);
  });
  seen.known = SECOND;
  await reviews.wait(workers, 'one', LONG_MS, null);
  expect(workers.map((worker) => fleet.serves(worker, 0))).toEqual([false, true]);
});

test('nobody waits for whom is judged already, is tried already, or is not in; nor after the time, a cut or the end', async () => {
  const never = new Promise<Reviewed>(() => undefined);
  const { workers, seen } = scene(3, () => never);
  const [one, gone] = workers as [Worker, Worker, Worker];
  await reviews.wait(workers, 'all', LONG_MS, null);
  expect(seen.order).toEqual([]);
  gone.state = 'gone';
  seen.known = SECOND;
  await reviews.wait([gone], 'all', LONG_MS, null);
  await reviews.wait([one], 'one', 5, null);
  const cut = new Cut();
  const waited = reviews.wait([one], 'one', LONG_MS, cut);
  cut.fire(new CodedError('REQUEST_CANCELLED', 'the client is gone'));
  await waited;
  await reviews.wait([one], 'one', LONG_MS, cut);
  const last = reviews.wait([one], 'one', LONG_MS, null);
  await reviews.close();
  await last;
});

test('what could not be judged is told and tried again after a while, not by each request; until then it does not serve', async () => {
  const away = new CodedError('ENDORSEMENT_UNREACHABLE', 'away');
  const { fleet, workers, seen, judged } = scene(1, (worker) =>
    seen.now < 5_000 ? Promise.reject(away) : judged(worker),
  );
  const [worker] = workers as [Worker];
  seen.known = SECOND;
  for (let i = 0; i < 5; i++) await reviews.wait(workers, 'one', LONG_MS, null);
  expect(seen.order).toHaveLength(1);
  expect(seen.failed).toEqual([away]);
  expect(fleet.serves(worker, 0)).toBe(false);
  seen.now = 5_000;
  await reviews.wait(workers, 'one', LONG_MS, null);
  expect(fleet.serves(worker, 0)).toBe(true);
});

test('a worker that is judged by something new again while its first entry is on its way is entered in that order', async () => {
  const entries: string[] = [];
  let first: () => void = () => undefined;
  const { workers, seen } = scene(1, async (worker) => {
    worker.judgedBy = seen.known;
    const name = seen.known === SECOND ? 'second' : 'third';
    const rest = async (): Promise<void> => {
      if (name === 'second') await new Promise<void>((done) => (first = done));
      entries.push(name);
    };
    return { isSettled: true, rest };
  });
  seen.known = SECOND;
  await reviews.wait(workers, 'all', LONG_MS, null);
  seen.known = { ...SECOND, collateral: 1 };
  await reviews.wait(workers, 'all', LONG_MS, null);
  expect(entries).toEqual([]);
  first();
  await until(() => entries.length === 2);
  expect(entries).toEqual(['second', 'third']);
});

test('everybody is looked at once in a while, whatever is known', async () => {
  const { seen, workers } = scene(3);
  await new Promise((done) => setTimeout(done, 300));
  expect(seen.order).toEqual([]);
  await until(() => {
    seen.now += 61_000;
    return seen.order.length >= 3;
  });
  expect(new Set(seen.order)).toEqual(new Set(workers));
});
