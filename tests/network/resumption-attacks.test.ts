/** What whoever comes back to a router may show of others' and of before, and what a router's own key would let through. */
import { afterEach, describe, expect, test } from 'vitest';
import type { SigningKey } from '#crypto';
import { SIMULATED_H100 } from '../../src/attestation/simulate/index.ts';
import { type Bytes, encodeNonceProof, parseBeacon, routerNonceInput } from '../../src/core/index.ts';
import { CHALLENGE_PAUSE_MS } from '../../src/router/challenges.ts';
import { createTickets, type Ticket } from '../../src/router/tickets.ts';
import {
  encodeEpochCertificate,
  epochCertificateDigest,
  parseEpochCertificate,
  type ResumeMessage,
  signResumption,
} from '../../src/session/index.ts';
import { signDigest } from '../../src/session/objects.ts';
import { vendor as nvidia } from '../attestation/nvidia/scene.ts';
import { TICKET_SECRET } from './in-process/router.ts';
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

/** Signs for what a worker of ours would not say. */
async function signed(by: SigningKey, said: ResumeMessage, nonce: Bytes): Promise<ResumeMessage> {
  const certificateDigest = epochCertificateDigest(said.evidence.epochCertificate);
  return { ...said, signature: await signResumption(by, { nonce, ticket: said.ticket, certificateDigest }) };
}

/** Plays a worker that is stopped, or another connection of it, with what it was given and its own keys. */
function byHand({ boot, seen }: SceneWorker) {
  const join = {
    ...{ versions: [1], name: 'by-hand', modelDigest: boot.modelDigest, modelName: 'echo' },
    ...{ contextTokensMax: 4096, concurrencyMax: 4 },
  };
  const show = (nonce: Bytes, ticket = seen.ticket) => {
    const said = { kind: 'resume', ticket, evidence: seen.evidence!, signature: new Uint8Array(64) } as const;
    return signed(boot.identityKey, said, nonce);
  };
  return { join, connect: () => scene.connect(join), show };
}

/** New evidence of a worker that is stopped. */
async function evidenceFor({ boot, seen }: SceneWorker, { nonce, beacon }: Readonly<{ nonce: Bytes; beacon: Bytes }>) {
  const keys = [new Uint8Array(32), new Uint8Array(32)];
  const made = await boot.attester.evidence([routerNonceInput(nonce)], parseBeacon(beacon), keys);
  const before = parseEpochCertificate(seen.evidence!.epochCertificate);
  const epochCertificate = encodeEpochCertificate({ ...before, evidenceDigest: made.evidenceDigest });
  const epochSignature = await signDigest(boot.identityKey, epochCertificateDigest(epochCertificate));
  const nonceProof = encodeNonceProof(made.proofs[0]!);
  return { ...seen.evidence!, bundle: made.bundle, nonceProof, epochCertificate, epochSignature };
}

/** The router asks nobody more often. */
const renewalIsDue = () => new Promise((done) => setTimeout(done, CHALLENGE_PAUSE_MS + 100));

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
    const worker: SceneWorker = await admittedWorker((message, nonce) => {
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

  test('where it shows a ticket of its last admission and evidence of the one before, and signs for both', async () => {
    const kept: ResumeMessage[] = [];
    const worker: SceneWorker = await admittedWorker((message, nonce) => {
      if (!isResume(message)) return message;
      kept.push(message);
      const said = kept.length === 1 ? { ...message, ticket: flipped(message.ticket, 60) } : message;
      return signed(worker.boot.identityKey, { ...said, evidence: kept[0]!.evidence }, nonce);
    });
    for (const times of [2, 3]) {
      scene.disconnect();
      await until(() => worker.admitted() === times, 'the next admission');
    }
    expect(scene.outcomes).toEqual(['ticket', 'proof']);
    expect(worker.seen.quotes).toBe(3);
  });

  test.each([
    ['lasts longer', (ticket: Ticket) => ({ leaseUntil: ticket.leaseUntil + 60_000 })],
    ['names an entry that admits nobody', (ticket: Ticket) => ({ logIndex: ticket.logIndex - 1 })],
    ['names an entry that is not there', (ticket: Ticket) => ({ logIndex: ticket.logIndex + 1_000 })],
  ])('where a ticket made with the router’s own key %s: the log knows better', async (_, changes) => {
    const tickets = createTickets(TICKET_SECRET);
    const worker: SceneWorker = await admittedWorker((message, nonce) => {
      if (!isResume(message)) return message;
      const ticket = tickets.open(message.ticket)!;
      const forged = tickets.seal({ ...ticket, ...changes(ticket) });
      return signed(worker.boot.identityKey, { ...message, ticket: forged }, nonce);
    });
    scene.crash();
    scene.start();
    await until(() => worker.admitted() === 2, 'the second admission');
    expect(scene.outcomes).toEqual(['log']);
    expect(worker.seen.quotes).toBe(2);
  });

  test('where the challenge in a ticket is made up with the router’s own key: the evidence does not answer it', async () => {
    const tickets = createTickets(TICKET_SECRET);
    const worker: SceneWorker = await admittedWorker((message, nonce) => {
      if (!isResume(message)) return message;
      const forged = tickets.seal({ ...tickets.open(message.ticket)!, nonce: new Uint8Array(32) });
      return signed(worker.boot.identityKey, { ...message, ticket: forged }, nonce);
    });
    scene.crash();
    scene.start();
    await until(() => worker.admitted() === 2, 'the second admission');
    expect(scene.outcomes).toEqual(['judgement']);
  });

  test('while it is attached, and where it is in: a renewal is answered by evidence alone', async () => {
    const worker = await admittedWorker();
    const { connect, show } = byHand(worker);
    const second = connect();
    second.say(await show((await second.next('challenge')).nonce));
    expect((await second.next('challenge')).anew).toBe('identity');
    second.leave();
    expect(scene.row(0)?.state).toBe('admitted');
    worker.stop();
    await until(() => scene.row(0) === undefined, 'its leaving');

    const third = connect();
    third.say(await show((await third.next('challenge')).nonce));
    await third.next('lease');
    await renewalIsDue();
    third.say({ kind: 'renewal' });
    third.say(await show((await third.next('challenge')).nonce));
    expect((await third.next('refusal')).failedChecks).toEqual(['nonceOpen']);
    third.leave();
    expect(scene.outcomes).toEqual(['identity', 'resumed']);
  });

  test('where evidence of it could not be judged after it was let in, and it left then', async () => {
    const worker = await admittedWorker();
    const { connect, show } = byHand(worker);
    worker.stop();
    await until(() => scene.row(0) === undefined, 'its leaving');
    const second = connect();
    second.say(await show((await second.next('challenge')).nonce));
    const { ticket } = await second.next('lease');
    const known = scene.knows.collateralOf;
    scene.knows.learn(() => '{}');
    await renewalIsDue();
    second.say({ kind: 'renewal' });
    second.say(await evidenceFor(worker, await second.next('challenge')));
    expect((await second.next('refusal')).message).toContain('could not be judged');
    second.leave();
    scene.knows.learn(known);
    const third = connect();
    third.say(await show((await third.next('challenge')).nonce, ticket));
    expect((await third.next('challenge')).anew).toBe('log');
    third.leave();
  });

  test('where it asks for a renewal while what it showed is judged: it is asked for nothing else, and keeps its device', async () => {
    const gpu = nvidia.device('kept', SIMULATED_H100);
    scene = await startScene({ gpus: [gpu, gpu] });
    const { port } = scene.log;
    let isRead = Promise.resolve();
    scene.start({ log: { ...port, entry: (index) => isRead.then(() => port.entry(index)) } });
    const worker = scene.startWorker(0);
    await until(() => worker.admitted() === 1, 'the first admission');
    worker.stop();
    await until(() => scene.row(0) === undefined, 'its leaving');
    const { connect, show } = byHand(worker);
    const second = connect();
    const { nonce } = await second.next('challenge');
    await renewalIsDue();
    const held = Promise.withResolvers<void>();
    isRead = held.promise;
    second.say(await show(nonce));
    second.say({ kind: 'renewal' });
    await new Promise((done) => setTimeout(done, 200));
    // A renewal that is answered here overtakes the other judgement, which then fails and lets go of the device.
    if (second.heard.some(({ kind }) => kind === 'challenge')) {
      second.say(await evidenceFor(worker, await second.next('challenge')));
      await second.next('lease');
      held.resolve();
      await second.next('challenge');
    } else {
      held.resolve();
      await second.next('lease');
    }
    scene.startWorker(1);
    await until(() => ['admitted', 'refused'].includes(scene.row(1)?.state ?? ''), 'the other with its device');
    expect(scene.row(1)?.state).toBe('refused');
    second.leave();
    expect(scene.outcomes).toEqual(['resumed']);
  });

  test('where it comes on two connections at once: the second is turned away before it claims anything', async () => {
    scene = await startScene();
    const { port } = scene.log;
    let isRead = Promise.resolve();
    scene.start({ log: { ...port, entry: (index) => isRead.then(() => port.entry(index)) } });
    const worker = scene.startWorker(0);
    await until(() => worker.admitted() === 1, 'the first admission');
    worker.stop();
    await until(() => scene.row(0) === undefined, 'its leaving');
    const { connect, show } = byHand(worker);
    const held = Promise.withResolvers<void>();
    isRead = held.promise;
    const both = [connect(), connect()] as const;
    for (const one of both) one.say(await show((await one.next('challenge')).nonce));
    await until(() => scene.outcomes.length === 1, 'one of them is turned away while the other is judged');
    held.resolve();
    await until(() => both.some(({ heard }) => heard.some(({ kind }) => kind === 'lease')), 'the other is let in');
    expect(scene.outcomes).toEqual(['identity', 'resumed']);
    for (const { leave } of both) leave();
  });

  test('where ticket and evidence are those of another enclave, or ticket of one and evidence of the other', async () => {
    const stolen: ResumeMessage[] = [];
    const victim = await admittedWorker((message) => {
      if (isResume(message)) stolen.push(message);
      return message;
    });
    let take: 'all' | 'ticket' = 'all';
    const thief: SceneWorker = scene.startWorker(1, async (message, nonce) => {
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
    let [second, isLate] = [null as SceneWorker | null, false];
    const proves = Promise.withResolvers<void>();
    const first = scene.startWorker(0, async (message) => {
      if (isLate && isResume(message)) await until(() => second?.admitted() === 1, 'the other');
      if (isLate && message.kind === 'evidence') await proves.promise;
      return message;
    });
    await until(() => first.admitted() === 1, 'the first admission');
    scene.crash();
    isLate = true;
    scene.start();
    second = scene.startWorker(1);
    await until(() => first.seen.quotes === 2, 'new evidence, which waits');
    expect(scene.outcomes).toEqual(['device']);
    expect(scene.row(1)?.state).toBe('admitted');
    proves.resolve(); // both have shown now that they have it
    await until(() => scene.row(1)?.state === 'quarantined', 'the twin');
    expect(scene.row(0)?.state).toBe('refused');
  });
});

test('whoever joins as a worker of another model is listed with the model that its evidence attests', async () => {
  scene = await startScene();
  const router = scene.start();
  const worker = scene.startWorker(0);
  await until(() => worker.admitted() === 1, 'the first admission');
  worker.stop();
  await until(() => scene.row(0) === undefined, 'its leaving');
  const { join, show } = byHand(worker);
  const second = scene.connect({ ...join, modelDigest: new Uint8Array(32).fill(1) });
  second.say(await show((await second.next('challenge')).nonce));
  await second.next('lease');
  expect(router.listModels().map(({ modelDigest }) => modelDigest)).toEqual([worker.boot.modelDigest]);
  second.leave();
});

test('a worker that is put out while its renewal is on its way to the log is out for that reason in every entry', async () => {
  scene = await startScene();
  const { port } = scene.log;
  const held = Promise.withResolvers<void>();
  let isOnItsWay = false;
  const append: typeof port.append = async (draft, options) => {
    if (draft.type === 're-attested') {
      isOnItsWay = true;
      await held.promise;
    }
    return port.append(draft, options);
  };
  scene.start({ log: { ...port, append } });
  const worker = scene.startWorker(0);
  await until(() => worker.admitted() === 1, 'the first admission');
  worker.stop();
  await until(() => scene.row(0) === undefined, 'its leaving');
  const { connect, show } = byHand(worker);
  const second = connect();
  second.say(await show((await second.next('challenge')).nonce));
  await second.next('lease');
  await renewalIsDue();
  second.say({ kind: 'renewal' });
  second.say(await evidenceFor(worker, await second.next('challenge')));
  await until(() => isOnItsWay, 'the entry of its renewal');
  scene.knows.change({ tees: ['sev-snp'] });
  await second.next('refusal');
  held.resolve();
  const causes = async () =>
    (await scene.entries()).flatMap(({ type, body }) =>
      type === 'evicted' ? [(body as { cause: string }).cause] : [],
    );
  await expect.poll(async () => (await causes()).length, { timeout: 60_000 }).toBe(3);
  const why = 'no longer accepted under what is known now';
  expect(await causes()).toEqual(['disconnected', why, why]);
  second.leave();
});

test('only the first challenge of a connection may be answered so: a second try gets no challenge', async () => {
  scene = await startScene();
  scene.start();
  const said: string[] = [];
  const resumes: ResumeMessage[] = [];
  const worker: SceneWorker = scene.startWorker(0, async (message, nonce) => {
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
