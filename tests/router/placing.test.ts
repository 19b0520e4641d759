import { expect, test } from 'vitest';
import { sha256 } from '#crypto';
import { VirtualTime } from '../../bench/fleet/events.ts';
import { CodedError, utf8 } from '../../src/core/index.ts';
import { Cut } from '../../src/router/cut.ts';
import { type Admission, Fleet, type Knowledge, Worker } from '../../src/router/fleet.ts';
import type { ServeLink } from '../../src/router/links.ts';
import { NO_METER } from '../../src/router/meter.ts';
import { createPlacing } from '../../src/router/placing.ts';
import { Dispatcher } from '../../src/router/routing/index.ts';
import type { Header } from '../../src/session/index.ts';

const FIRST: Knowledge = { policyDigest: sha256(utf8('policy 1')), collateral: 0 };
const SECOND: Knowledge = { ...FIRST, policyDigest: sha256(utf8('policy 2')) };
const key = (name: string) => sha256(utf8(name));
const nothing = () => undefined;
const LINK: ServeLink = {
  isOpen: () => true,
  begin: nothing,
  stop: nothing,
  pause: nothing,
  resume: nothing,
  cancel: nothing,
};

/** Workers of one slot each; a review judges whoever is asked for, unless the test says otherwise. */
function scene(names: readonly string[]) {
  const time = new VirtualTime();
  const seen = { known: FIRST, reviewed: [] as Worker[] };
  const fleet = new Fleet(() => seen.known);
  const dispatcher = new Dispatcher<Worker>({ now: time.now, random: () => 0.5, schedule: time.schedule });
  const workers = names.map((name) => {
    const worker = new Worker({ send: nothing, close: nothing });
    fleet.add(worker);
    worker.admission = {
      lease: key(`${name} lease`),
      workerId: key(name),
      evidenceDigest: key(`${name} ed`),
      expiresAt: 9_000,
    } as Admission;
    worker.judgedBy = FIRST;
    worker.state = 'admitted';
    worker.knowCertificate(key(`${name} certificate`));
    dispatcher.add(worker, 1);
    for (let i = 0; i < 4; i++) worker.park(LINK);
    return worker;
  });
  const review = {
    of: (worker: Worker): void => {
      worker.judgedBy = seen.known;
    },
  };
  const wait = async (asked: readonly Worker[]): Promise<void> => {
    seen.reviewed.push(...asked);
    for (const worker of asked) review.of(worker);
  };
  const placing = createPlacing({ fleet, dispatcher, reviews: { wait }, now: time.now, meter: NO_METER }, 1_000);
  const header = {
    sealedBytes: 400,
    outputTokensMax: 100,
    priority: 0,
    tags: null,
    candidates: names.map((name) => ({ certificateDigest: key(`${name} certificate`) })),
  } as unknown as Header;
  const take = (tried: readonly Worker[] = []) => placing.take(header, 'account', 60_000, tried, new Cut());
  const out = (worker: Worker): void => {
    worker.state = 'quarantined';
    dispatcher.remove(worker);
  };
  return { time, seen, fleet, workers, review, placing, take, out };
}

const after = (time: VirtualTime, ms: number): void => {
  time.schedule(ms, nothing);
  time.run();
};

test('a request that waits for a slot does not get it of a worker whose lease has ended meanwhile', async () => {
  const { time, take, workers } = scene(['x']);
  const first = await take();
  expect(first?.worker).toBe(workers[0]);
  const waiting = take();
  time.schedule(9_000, () => first?.slot.finish('answered', null));
  after(time, 9_000);
  expect(await waiting).toBeNull();
});

test('nor of one that has to be judged first: it is, and then the request gets it', async () => {
  const { take, workers, seen } = scene(['x']);
  const first = await take();
  const waiting = take();
  seen.known = SECOND;
  expect(seen.reviewed).toEqual([]);
  first?.slot.finish('answered', null);
  expect((await waiting)?.worker).toBe(workers[0]);
  expect(seen.reviewed).toEqual(workers);
});

test('of several, those that are judged already are taken without asking for the others', async () => {
  const { take, workers, seen } = scene(['x', 'y']);
  const [x, y] = workers as [Worker, Worker];
  seen.known = SECOND;
  y.judgedBy = SECOND;
  expect((await take())?.worker).toBe(y);
  expect(seen.reviewed).toEqual([]);
  expect((await take([y]))?.worker).toBe(x);
  expect(seen.reviewed).toEqual([x]);
});

test('where all are out after that, there is nobody; where none could be judged, the client is told when to come', async () => {
  const { take, seen, review, out } = scene(['x', 'y']);
  seen.known = SECOND;
  review.of = nothing;
  const error = await take().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CodedError);
  expect(error).toMatchObject({ code: 'ROUTER_BUSY', facts: { retryAfterMs: expect.any(Number) } });
  review.of = out;
  expect(await take()).toBeNull();
});

test('what was taken may not be begun once its worker is out, is to be judged, or is at the end of its lease', async () => {
  const { time, take, placing, seen, workers, out } = scene(['x', 'y', 'z']);
  const taken = [await take(), await take(), await take()].map((one) => {
    if (one === null) throw new Error('nobody');
    return one;
  });
  expect(taken.map((one) => placing.mayBegin(one))).toEqual([true, true, true]);
  out(workers[0] as Worker);
  expect(taken.filter((one) => placing.mayBegin(one)).map(({ worker }) => worker)).not.toContain(workers[0]);
  seen.known = SECOND;
  expect(taken.some((one) => placing.mayBegin(one))).toBe(false);
  for (const worker of workers) worker.judgedBy = SECOND;
  expect(taken.filter((one) => placing.mayBegin(one))).toHaveLength(2);
  after(time, 9_000);
  expect(taken.some((one) => placing.mayBegin(one))).toBe(false);
});
