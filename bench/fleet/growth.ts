import { randomBytes } from 'node:crypto';
import { type Admission, Fleet, Worker } from '../../src/router/fleet.ts';
import { Dispatcher } from '../../src/router/routing/index.ts';
import { snapshotOf } from '../../src/router/snapshot.ts';
import type { WorkerJoin } from '../../src/session/index.ts';
import { type BenchLine, quantile } from '../report.ts';

const [SMALL, LARGE] = [100, 10_000];
const ROUNDS = 15;

const bytes = (length: number) => Uint8Array.from(randomBytes(length));

/** What a router does for a request, and now and then, in a fleet of this size; each in microseconds. */
function costsOf(size: number): ReadonlyMap<string, number> {
  const knowledge = { policyDigest: bytes(32), collateral: 0 };
  const fleet = new Fleet(() => knowledge);
  const schedule = () => () => undefined;
  const dispatcher = new Dispatcher<Worker>({ now: Date.now, random: Math.random, schedule });
  const model = bytes(32);
  const workers = Array.from({ length: size }, (_, i) => {
    const worker = new Worker({ send: () => undefined, close: () => undefined });
    fleet.add(worker);
    worker.join = { modelDigest: model, modelName: 'model', name: `worker-${i}` } as WorkerJoin;
    worker.admission = {
      lease: bytes(16),
      workerId: bytes(32),
      evidenceDigest: bytes(32),
      expiresAt: 2 ** 52,
    } as Admission;
    worker.knowCertificate(bytes(32));
    worker.judgedBy = knowledge;
    worker.state = 'admitted';
    dispatcher.add(worker, 16);
    return worker;
  });
  const digests = workers.map((worker) => {
    const digest = bytes(32);
    worker.knowCertificate(digest);
    return digest;
  });
  const leases = workers.map(({ admission }) => (admission as Admission).lease);
  const work = { tokensIn: 500, tokensOut: 200 };
  const now = Date.now();
  let turn = 0;
  const one = <Item>(items: readonly Item[]) => items[turn++ % items.length] as Item;
  const jobs: readonly (readonly [name: string, times: number, run: () => unknown])[] = [
    ['a worker by its certificate', 2_000, () => fleet.serves(fleet.byCertificate(one(digests)) as Worker, now)],
    ['a worker by its lease', 2_000, () => fleet.byLease(one(leases))],
    [
      'eight workers for an offer',
      500,
      () => dispatcher.rank(fleet.ofModel(model), work, null, 8, (id) => id.isIn(now)),
    ],
    [
      'a request placed and ended',
      500,
      () => {
        const candidates = [one(workers), one(workers), one(workers)];
        const ask = { account: 'a', work, priority: 0, deadline: now + 60_000, tags: null, candidates };
        dispatcher.submit(ask, (place) => 'worker' in place && place.finish('undecided', null));
      },
    ],
    ['all counted, for a scrape', 1, () => snapshotOf(fleet.all(), dispatcher, now)],
  ];
  const costs = new Map<string, number>();
  for (const [name, times, run] of jobs) {
    const rounds = Array.from({ length: ROUNDS }, () => {
      const began = performance.now();
      for (let i = 0; i < times; i++) run();
      return (1_000 * (performance.now() - began)) / times;
    });
    costs.set(name, quantile(rounds, 0.2));
  }
  return costs;
}

/** What does not grow with the fleet, and what does, at ten thousand workers against a hundred. */
export function benchGrowth(): BenchLine[] {
  costsOf(SMALL); // compiled
  const [small, large] = [costsOf(SMALL), costsOf(LARGE)];
  return [...large].map(([name, value]) => {
    const floor = { name: `${SMALL} workers`, value: small.get(name) as number };
    return {
      name: `${name}, ${LARGE.toLocaleString('en-US')} workers`,
      value,
      unit: 'µs',
      floor,
      ratio: value / floor.value,
    };
  });
}
