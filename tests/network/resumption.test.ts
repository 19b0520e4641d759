/** A router that starts again, and the workers that it let in before. */
import { afterEach, describe, expect, test } from 'vitest';
import { checkAdmissionEntry, SeenHeads } from '../../src/client/log-proofs.ts';
import { type Bytes, CodedError } from '../../src/core/index.ts';
import type { Leaf } from '../../src/log/index.ts';
import { ownDevices } from '../../src/router/devices.ts';
import type { RouterDeps } from '../../src/router/router.ts';
import type { ResumeMessage } from '../../src/session/index.ts';
import {
  flipped,
  isResume,
  type Scene,
  type SceneWorker,
  startAdmitted,
  startScene,
  until,
} from './resumption-scene.ts';

let scene: Scene;
afterEach(() => scene.close());

async function admittedWorker(between?: Parameters<Scene['startWorker']>[1]): Promise<SceneWorker> {
  const started = await startAdmitted(between);
  scene = started.scene;
  return started.worker;
}

const aboutWorkers = async (): Promise<Leaf[]> =>
  (await scene.entries()).filter(({ subject }) => subject.startsWith('worker:'));
const reasons = (worker: SceneWorker) =>
  worker.events.flatMap((one) => (one.event === 'attesting' ? [one.because] : []));

describe('serves again without a new quote', () => {
  test('after the router was killed: judged again, logged as going on from its admission, until the lease of then', async () => {
    const worker = await admittedWorker();
    const before = scene.row(0)!;
    scene.crash();
    const router = scene.start();
    await until(() => worker.admitted() === 2, 'the second admission');
    expect(scene.outcomes).toEqual(['resumed']);
    expect(worker.seen.quotes).toBe(1);
    const row = scene.row(0)!;
    expect(row).toMatchObject({ state: 'admitted', resumed: true, leaseExpiresAt: before.leaseExpiresAt });
    expect(row.evidenceDigest).toEqual(before.evidenceDigest);
    const [first, gone, again] = await aboutWorkers();
    expect([first?.type, gone?.type, again?.type]).toEqual(['worker-admitted', 'evicted', 'worker-admitted']);
    expect(gone?.body).toMatchObject({ cause: 'router restarted' });
    const { judgedAt, evidence, leaseUntil } = (first as Leaf<'worker-admitted'>).body;
    expect(again?.body).toMatchObject({ resumes: gone?.prev, attestedAt: judgedAt, evidence, leaseUntil });
    expect(await scene.audit()).toEqual([]);
    // A client that goes by the log takes the evidence to be as old as it is.
    const seen = { workerId: worker.id, evidenceDigest: row.evidenceDigest };
    const entry = await router.getAdmission(worker.id);
    const logged = await checkAdmissionEntry(entry, scene.logPolicy, new SeenHeads(), seen, Date.now());
    expect(logged).toMatchObject({ failed: [], attestedAt: judgedAt, leaseUntil });
    expect(logged.at).toBeGreaterThan(judgedAt);
    expect((await router.getEvidence(row.evidenceDigest)).bundle.length).toBeGreaterThan(0);
  });

  test('a fleet of a hundred, all at the same time', async () => {
    const count = 100;
    scene = await startScene({ count });
    scene.start();
    const workers = Array.from({ length: count }, (_, number) => scene.startWorker(number));
    const all = (times: number) => () => workers.every((worker) => worker.admitted() === times);
    await until(all(1), 'the first admissions');
    scene.crash();
    scene.start();
    const started = performance.now();
    await until(all(2), 'the second admissions');
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const quotes = workers.reduce((sum, worker) => sum + worker.seen.quotes, 0);
    process.stdout.write(
      `${count} workers serve again ${seconds} s after their router; quotes made: ${quotes - count}\n`,
    );
    expect(quotes).toBe(count);
    expect(scene.outcomes).toEqual(workers.map(() => 'resumed'));
  }, 120_000);

  test('after the router was stopped, after its connection was lost, and again after that', async () => {
    const worker = await admittedWorker();
    const { leaseExpiresAt } = scene.row(0)!;
    await scene.stop();
    scene.start();
    await until(() => worker.admitted() === 2, 'the second admission');
    scene.disconnect();
    await until(() => worker.admitted() === 3, 'the third admission');
    scene.crash();
    scene.start();
    await until(() => worker.admitted() === 4, 'the fourth admission');
    expect(scene.outcomes).toEqual(['resumed', 'resumed', 'resumed']);
    expect(worker.seen.quotes).toBe(1);
    expect(scene.row(0)?.leaseExpiresAt).toBe(leaseExpiresAt);
    expect(await scene.audit()).toEqual([]);
  });

  test('after a restart at which the router did not look so far back in the log as to see it', async () => {
    scene = await startScene();
    const before = await scene.log.port.checkpoint();
    scene.start();
    const worker = scene.startWorker(0);
    await until(() => worker.admitted() === 1, 'the first admission');
    scene.crash();
    scene.start({ log: { ...scene.log.port, checkpoint: async () => before } });
    await until(() => worker.admitted() === 2, 'the second admission');
    expect(scene.outcomes).toEqual(['resumed']);
    expect((await aboutWorkers()).map(({ type }) => type)).toEqual(['worker-admitted', 'evicted', 'worker-admitted']);
    expect(await scene.audit()).toEqual([]);
  });

  test('at one of several routers, where the log has that it left', async () => {
    scene = await startScene();
    scene.start({ devices: ownDevices() });
    const worker = scene.startWorker(0);
    await until(() => worker.admitted() === 1, 'the first admission');
    await scene.stop();
    scene.start({ devices: ownDevices() });
    await until(() => worker.admitted() === 2, 'the second admission');
    expect(scene.outcomes).toEqual(['resumed']);
    expect(worker.seen.quotes).toBe(1);
  });

  test('under the policy that is in force now, where that accepts it too', async () => {
    const worker = await admittedWorker();
    scene.crash();
    scene.knows.change({});
    scene.start();
    await until(() => worker.admitted() === 2, 'the second admission');
    expect(worker.seen.quotes).toBe(1);
    const again = (await aboutWorkers()).at(-1) as Leaf<'worker-admitted'>;
    expect(again.body.policyNumber).toBe(scene.knows.policy.number);
  });

  test('a review gives it a ticket of the entry that it stands on then', async () => {
    const worker = await admittedWorker();
    const collateral = JSON.stringify(scene.vendor.collateral(Math.floor(Date.now() / 1000) - 1));
    scene.knows.learn(() => collateral);
    await until(() => worker.admitted() === 2, 'the lease after the review');
    scene.crash();
    scene.start();
    await until(() => worker.admitted() === 3, 'the admission after the restart');
    expect(scene.outcomes).toEqual(['resumed']);
    expect(worker.seen.quotes).toBe(1);
    expect(await scene.audit()).toEqual([]);
  });
});

type Restart = Readonly<{
  title: string;
  outcome: string;
  /** Of the router that starts. */
  own?: () => Partial<RouterDeps>;
  /** What is changed of what the worker shows. */
  between?: (resume: ResumeMessage) => ResumeMessage;
}>;

const HOUR_MS = 3_600_000;
const RESTARTS: readonly Restart[] = [
  {
    title: 'its ticket was changed',
    outcome: 'ticket',
    between: (said) => ({ ...said, ticket: flipped(said.ticket, 60) }),
  },
  {
    title: 'its ticket is cut',
    outcome: 'ticket',
    between: (said) => ({ ...said, ticket: said.ticket.subarray(0, -1) as Bytes }),
  },
  { title: 'there is no ticket', outcome: 'ticket', between: (said) => ({ ...said, ticket: new Uint8Array(0) }) },
  {
    title: 'the router that it shows it to is another one, with keys of its own',
    outcome: 'ticket',
    own: () => ({ ticketSecret: new Uint8Array(32).fill(1) }),
  },
  {
    title: 'the router that it shows it to is another one, with the same keys',
    outcome: 'ticket',
    own: () => ({ source: 'router-other' }),
  },
  {
    title: 'another key signed',
    outcome: 'proof',
    between: (said) => ({ ...said, signature: flipped(said.signature, 3) }),
  },
  {
    title: 'the evidence is not that of the ticket',
    outcome: 'proof',
    between: (said) => ({ ...said, evidence: { ...said.evidence, bundle: flipped(said.evidence.bundle, 200) } }),
  },
  {
    title: 'the epoch certificate is another’s',
    outcome: 'proof',
    between: (said) => ({
      ...said,
      evidence: { ...said.evidence, epochSignature: flipped(said.evidence.epochSignature, 5) },
    }),
  },
  { title: 'its lease is over', outcome: 'lease', own: () => ({ now: () => Date.now() + HOUR_MS }) },
  { title: 'the clock was set back', outcome: 'clock', own: () => ({ now: () => Date.now() - HOUR_MS }) },
  {
    title: 'the log cannot say how it left',
    outcome: 'unavailable',
    own: () => ({ log: { ...scene.log.port, entry: forgetful() } }),
  },
  {
    title: 'another router may have it, and the log does not say that it left',
    outcome: 'log',
    own: () => ({ devices: ownDevices() }),
  },
];

/** A log that answers what it is asked once: whom the router left in, and not what a ticket speaks of. */
function forgetful(): RouterDeps['log']['entry'] {
  const asked = new Set<number>();
  return async (index) => {
    if (asked.has(index)) throw new CodedError('LOG_UNREACHABLE', 'not now');
    asked.add(index);
    return scene.log.port.entry(index);
  };
}

describe('proves itself anew, is told why, and serves', () => {
  test.each(RESTARTS)('$title', async ({ outcome, own, between }) => {
    const worker = await admittedWorker((message) =>
      isResume(message) && between !== undefined ? between(message) : message,
    );
    scene.crash();
    scene.start(own?.());
    await until(() => worker.admitted() === 2, 'the second admission');
    expect(scene.outcomes).toEqual([outcome]);
    expect(worker.seen.quotes).toBe(2);
    expect(reasons(worker)).toHaveLength(1);
    expect(scene.row(0)).toMatchObject({ state: 'admitted', resumed: false });
    expect((await aboutWorkers()).filter(({ body }) => 'resumes' in body)).toEqual([]);
  });
});

describe('is refused, and logged as refused,', () => {
  const refused = async (worker: SceneWorker, failed: string): Promise<void> => {
    await until(() => worker.events.some(({ event }) => event === 'refused'), 'the refusal');
    expect(scene.outcomes).toEqual(['judgement']);
    expect(scene.row(0)).toMatchObject({ state: 'refused', resumed: false });
    const last = (await aboutWorkers()).at(-1) as Leaf<'worker-rejected'>;
    expect(last.type).toBe('worker-rejected');
    expect(last.body.failedChecks.join()).toContain(failed);
  };

  test('where the policy of now refuses it', async () => {
    const worker = await admittedWorker();
    scene.crash();
    scene.knows.change({ tees: ['sev-snp'] });
    scene.start();
    await refused(worker, 'policy.tee');
  });

  test('where its platform was revoked meanwhile', async () => {
    const worker = await admittedWorker();
    scene.crash();
    const now = Math.floor(Date.now() / 1000);
    const collateral = JSON.stringify(scene.vendor.collateral(now, { revokedMachines: ['host-0'] }));
    scene.knows.learn(() => collateral);
    scene.start();
    await refused(worker, 'cpu.');
  });
});

test('what cannot be judged now lets nobody in, and refuses nobody either', async () => {
  const worker = await admittedWorker();
  scene.crash();
  scene.knows.learn(() => '{}');
  scene.start();
  await until(() => worker.events.some(({ event }) => event === 'refused'), 'the answer');
  expect(scene.outcomes).toEqual(['unavailable']);
  expect(scene.row(0)?.state).not.toBe('admitted');
});

test('a router of before, which cuts the connection at such a message, gets evidence on the next one', async () => {
  let cuts = 0;
  const worker = await admittedWorker((message) => {
    if (!isResume(message)) return message;
    cuts += 1;
    scene.disconnect();
    return { kind: 'renewal' };
  });
  scene.crash();
  scene.start();
  await until(() => worker.admitted() === 2, 'the second admission');
  expect(cuts).toBe(1);
  expect(worker.seen.quotes).toBe(2);
});
