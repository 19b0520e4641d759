/** A router that starts again, and the workers that it let in before. */
import { afterEach, describe, expect, test } from 'vitest';
import type { SigningKey } from '#crypto';
import { SIMULATED_H100 } from '../../src/attestation/simulate/index.ts';
import { checkAdmissionEntry, SeenHeads } from '../../src/client/log-proofs.ts';
import { type Bytes, CodedError } from '../../src/core/index.ts';
import type { Leaf } from '../../src/log/index.ts';
import { ownDevices } from '../../src/router/devices.ts';
import type { RouterDeps } from '../../src/router/router.ts';
import {
  epochCertificateDigest,
  type ResumeMessage,
  signResumption,
  type WorkerToRouter,
} from '../../src/session/index.ts';
import { vendor as nvidia } from '../attestation/nvidia/scene.ts';
import { type Scene, startScene, until } from './resumption-scene.ts';

let scene: Scene;
afterEach(() => scene.close());

type Worker = ReturnType<Scene['startWorker']>;

async function admittedWorker(between?: Parameters<Scene['startWorker']>[1]): Promise<Worker> {
  scene = await startScene();
  scene.start();
  const worker = scene.startWorker(0, between);
  await until(() => worker.admitted() === 1, 'the first admission');
  return worker;
}

const aboutWorkers = async (): Promise<Leaf[]> =>
  (await scene.entries()).filter(({ subject }) => subject.startsWith('worker:'));
const isResume = (message: WorkerToRouter): message is ResumeMessage => message.kind === 'resume';
const reasons = (worker: Worker) => worker.events.flatMap((one) => (one.event === 'attesting' ? [one.because] : []));
const flipped = (bytes: Bytes, at: number): Bytes => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));

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

/** Signs for what a worker of ours would not say. */
async function signed(by: SigningKey, said: ResumeMessage, nonce: Bytes): Promise<ResumeMessage> {
  const certificateDigest = epochCertificateDigest(said.evidence.epochCertificate);
  return { ...said, signature: await signResumption(by, { nonce, ticket: said.ticket, certificateDigest }) };
}

describe('proves itself anew', () => {
  test('where what was shown on one connection is shown again on another', async () => {
    const kept: ResumeMessage[] = [];
    const worker = await admittedWorker((message) => {
      if (!isResume(message)) return message;
      kept.push(message);
      return kept[0]!;
    });
    for (const times of [2, 3]) {
      scene.disconnect();
      await until(() => worker.admitted() === times, 'the next admission');
    }
    expect(kept).toHaveLength(2);
    expect(scene.outcomes).toEqual(['resumed', 'proof']);
    expect(worker.seen.quotes).toBe(2);
  });

  test('where it shows a ticket of before its last admission, and signs for it', async () => {
    const kept: ResumeMessage[] = [];
    const worker: Worker = await admittedWorker((message, nonce) => {
      if (!isResume(message)) return message;
      kept.push(message);
      return signed(worker.boot.identityKey, { ...message, ticket: kept[0]!.ticket }, nonce);
    });
    for (const times of [2, 3]) {
      scene.disconnect();
      await until(() => worker.admitted() === times, 'the next admission');
    }
    expect(scene.outcomes).toEqual(['resumed', 'log']);
    expect(worker.seen.quotes).toBe(2);
  });

  test('where ticket and evidence are those of another enclave, or ticket of one and evidence of the other', async () => {
    const stolen: ResumeMessage[] = [];
    const victim = await admittedWorker((message) => {
      if (isResume(message)) stolen.push(message);
      return message;
    });
    let take: 'all' | 'ticket' = 'all';
    const thief: Worker = scene.startWorker(1, async (message, nonce) => {
      if (!isResume(message)) return message;
      await until(() => stolen.length > 0, 'something to steal');
      const said = take === 'all' ? stolen.at(-1)! : { ...message, ticket: stolen.at(-1)!.ticket };
      return signed(thief.boot.identityKey, said, nonce);
    });
    await until(() => thief.admitted() === 1, 'the admission of the other');
    scene.disconnect();
    await until(() => victim.admitted() === 2 && thief.admitted() === 2, 'the second admissions');
    take = 'ticket';
    scene.disconnect();
    await until(() => victim.admitted() === 3 && thief.admitted() === 3, 'the third admissions');
    expect([victim.seen.quotes, thief.seen.quotes]).toEqual([1, 3]);
    expect([...scene.outcomes].sort()).toEqual(['proof', 'proof', 'resumed', 'resumed']);
  });

  test('where it was put out, though what put it out is not in force any more', async () => {
    const worker = await admittedWorker();
    const { tees } = scene.knows.policy;
    scene.knows.change({ tees: ['sev-snp'] });
    await until(() => worker.events.some(({ event }) => event === 'refused'), 'the eviction');
    scene.crash();
    scene.knows.change({ tees });
    scene.start();
    await until(() => worker.admitted() === 2, 'the second admission');
    expect(scene.outcomes).toEqual(['log']);
    expect(worker.seen.quotes).toBe(2);
  });

  test('where its device came with another worker meanwhile: its evidence of before puts nobody out', async () => {
    const gpu = nvidia.device('moved', SIMULATED_H100);
    scene = await startScene({ gpus: [gpu, gpu] });
    scene.start();
    let isHeldBack = false;
    const first = scene.startWorker(0, (message) =>
      isHeldBack && isResume(message)
        ? until(() => second!.admitted() === 1, 'the other').then(() => message)
        : message,
    );
    let second: Worker | null = null;
    await until(() => first.admitted() === 1, 'the first admission');
    scene.crash();
    isHeldBack = true;
    scene.start();
    second = scene.startWorker(1);
    await until(() => scene.outcomes.length === 1, 'the return');
    expect(scene.outcomes).toEqual(['device']);
  });
});

describe('is refused, and logged as refused,', () => {
  const refused = async (worker: Worker, failed: string): Promise<void> => {
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

test('only the first challenge of a connection may be answered so: a second try gets no challenge', async () => {
  scene = await startScene();
  scene.start();
  const said: string[] = [];
  const resumes: ResumeMessage[] = [];
  const worker: Worker = scene.startWorker(0, async (message, nonce) => {
    said.push(message.kind);
    if (isResume(message)) {
      resumes.push(message);
      return { ...message, ticket: flipped(message.ticket, 60) };
    }
    // In place of the evidence that it is asked for.
    const [last] = resumes;
    return message.kind === 'evidence' && last !== undefined ? signed(worker.boot.identityKey, last, nonce) : message;
  });
  await until(() => worker.admitted() === 1, 'the first admission');
  scene.disconnect();
  await until(() => worker.events.some(({ event }) => event === 'refused'), 'the refusal');
  expect(scene.outcomes).toEqual(['ticket']);
  expect(worker.events.at(-1)).toMatchObject({ event: 'refused', failedChecks: ['nonceOpen'] });
  expect(scene.row(0)?.state).toBe('refused');
});
