import { expect } from 'vitest';
import { loadPolicy, policyImages } from '../../src/attestation/index.ts';
import { LogState } from '../../src/audit/index.ts';
import { canonicalJsonBytes } from '../../src/core/index.ts';
import type { Digest, SessionRecord } from '../../src/log/index.ts';
import { evidence } from '../attestation/appraise/scene.ts';
import { type Attack, digestOfPolicy, evicted, people, scene, worker } from './attack.ts';
import { developmentText, NOW, ORIGIN, Scene } from './scene.ts';

/** A worker that is admitted, leaves, and comes back on the evidence that it had. @param changes what the last entry says else */
async function cameBack(made: Scene, changes: Record<string, unknown> = {}, cause: string | null = 'disconnected') {
  const attestedAt = made.at;
  const leaseUntil = attestedAt + 600_000;
  const bundle = evidence({});
  const resumes = await made.admit({}, { leaseUntil }, developmentText, bundle);
  const [fact] = made.state().facts('worker:');
  const workerKey = fact?.slice('worker:'.length);
  const subject = `worker:${workerKey?.slice('sha256:'.length)}`;
  if (cause !== null) await made.add({ type: 'evicted', subject, body: { ...evicted, workerKey, cause } });
  await made.admit({}, { resumes, attestedAt, leaseUntil, ...changes }, developmentText, bundle);
}

/** Lies about what follows from the entries: outages, snapshots, images, sessions, who is still in. */
export const STATE: readonly Attack[] = [
  {
    what: 'an image registered by somebody unknown',
    bundle: scene((made) =>
      made.add({ type: 'image-registered', subject: 'image:x', body: { name: 'x', version: '1', measurements: {} } }),
    ),
    finds: ['V12'],
    trust: { signers: people },
  },
  ...(
    [
      ['sessions with another root', (record) => record, { root: worker }],
      ['sessions with another count', (record) => record, { count: 2 }],
      ['a session outside of the interval of its batch', (record) => ({ ...record, closedAt: record.closedAt + 1 })],
      ['a session with a worker that was not in', (record) => ({ ...record, worker: worker as Digest })],
      ['a session that names its tenant', (record) => ({ ...record, tenant: '0:cc' })],
      ['a session record with more in it', (record) => ({ ...record, prompt: 'hello' })],
      ['a session with its exact size', (record) => ({ ...record, sealedBytes: 1_234 })],
    ] satisfies [string, (record: SessionRecord) => SessionRecord, object?][]
  ).map(([what, change, changes = {}]) => ({
    what,
    bundle: scene(async (made) => {
      await made.admit();
      const interval = { from: made.at - 1_000, to: made.at };
      await made.sessions(change, { ...interval, ...changes });
    }),
    finds: ['V13'],
    rules: ['M10'],
  })),
  {
    what: 'a log that was away for an hour, and says so',
    bundle: scene(async (made) => {
      const awaySince = made.at;
      made.at += 3_600_000;
      await made.add({ type: 'heartbeat', body: { queueDepth: 0, awaySince } });
    }),
    finds: [],
    rules: ['M8'],
    verdict: 'verified',
  },
  {
    what: 'a log that was away for an hour without a word',
    bundle: scene(async (made) => {
      made.at += 3_600_000;
      await made.beat();
    }),
    finds: ['V17', 'V18'],
    rules: ['M8'],
  },
  {
    what: 'a log that was away for an hour and says it was ten minutes',
    bundle: scene(async (made) => {
      const awaySince = made.at + 3_000_000;
      made.at += 3_600_000;
      await made.add({ type: 'heartbeat', body: { queueDepth: 0, awaySince } });
    }),
    finds: ['V17'],
    rules: ['M8'],
  },
  {
    what: 'a log that says it was away while its entries show that it was not',
    bundle: scene((made) => made.add({ type: 'heartbeat', body: { queueDepth: 0, awaySince: NOW - 3_600_000 } })),
    finds: ['V17'],
    rules: ['M8'],
  },
  {
    what: 'heartbeats dated into an hour without witnesses, as if the log had been there',
    bundle: scene(async (made) => {
      for (let minute = 0; minute < 60; minute++) {
        made.at += 59_000;
        await made.beat();
      }
    }),
    finds: [],
    rules: ['M8'],
    verdict: 'incomplete',
  },
  {
    what: 'a snapshot of another state',
    bundle: scene(async (made) => {
      await made.admit();
      await made.snapshot({ root: new LogState().root() });
    }),
    finds: ['V9'],
  },
  {
    what: 'a snapshot whose file says something else than its root',
    bundle: scene(async (made) => {
      await made.admit();
      await made.snapshot({}, new LogState().encode());
    }),
    finds: ['V9'],
  },
  {
    what: 'a snapshot that leaves out whoever is in',
    bundle: scene(async (made) => {
      await made.admit();
      const state = JSON.parse(new TextDecoder().decode(made.state().encode())) as Record<string, string>;
      const left = Object.entries(state).filter(([name]) => !name.startsWith('worker:'));
      expect(left.length).toBe(Object.keys(state).length - 1);
      const file = canonicalJsonBytes(Object.fromEntries(left));
      await made.snapshot({ root: LogState.parse(made.entries.length, file).root() }, file);
    }),
    finds: ['V9'],
  },
  {
    what: 'a snapshot of a tree that is not there yet',
    bundle: scene((made) => made.snapshot({ size: 1_000 })),
    finds: ['V9'],
  },
  {
    what: 'a snapshot older than the one before it',
    bundle: scene(async (made) => {
      await made.admit();
      await made.snapshot();
      await made.snapshot({ size: 1 });
    }),
    finds: ['V9'],
  },
  {
    what: 'a log that opens twice',
    bundle: scene((made) => made.open()),
    finds: ['V9'],
  },
  {
    what: 'a log that does not begin by opening',
    bundle: scene(
      (made) => made.publish(),
      async () => new Scene(),
    ),
    finds: ['V9'],
  },
  {
    what: 'a log opened with another key than it signs with',
    bundle: scene(
      (made) =>
        made.add({ type: 'log-opened', body: { origin: ORIGIN, vkeys: ['other+00000000+AA=='], predecessor: null } }),
      async () => new Scene(),
    ),
    finds: ['V9'],
  },
  {
    what: 'an entry after the log was closed',
    bundle: scene(async (made) => {
      await made.add({ type: 'log-closed', body: { successor: null } });
      await made.beat();
    }),
    finds: ['V9'],
  },
  {
    what: 're-attestation of an evicted worker',
    bundle: scene(async (made) => {
      await made.admit();
      const [workerKey] = made.state().facts('worker:');
      const subject = `worker:${workerKey?.slice('worker:sha256:'.length)}`;
      await made.add({ type: 'evicted', subject, body: { ...evicted, workerKey: workerKey?.slice('worker:'.length) } });
      await made.admit({}, { unchanged: true, changed: [] });
    }),
    finds: ['V18'],
    rules: ['M5'],
  },
  {
    what: 'nothing: a worker came back, and goes on from its admission',
    bundle: scene((made) => cameBack(made)),
    finds: [],
    verdict: 'verified',
  },
  ...(
    [
      ['that was put out for a cause', {}, 'device twin'],
      ['that was not gone', {}, null],
      ['for longer than before', { leaseUntil: NOW + 6_000_000 }],
      ['whose lease has no end', { leaseUntil: null }],
      ['from an entry that is no admission of its', { resumes: 1 }],
      ['whose evidence is said to be younger', { attestedAt: NOW + 3_600_000 }],
      ['on other evidence', { evidence: worker }],
    ] satisfies [string, Record<string, unknown>, (string | null)?][]
  ).map(([what, changes, cause]) => ({
    what: `a worker that goes on ${what}`,
    bundle: scene((made) => cameBack(made, changes, cause)),
    finds: 'evidence' in changes ? ['V11', 'V18'] : ['V18'],
    rules: ['M5'],
  })),
  {
    what: 're-attestation of a worker that was never admitted',
    bundle: scene((made) => made.admit({}, { unchanged: true, changed: [] })),
    finds: ['V18'],
    rules: ['M5'],
  },
  {
    what: 're-attestation with a TCB status that the evidence does not have',
    bundle: scene(async (made) => {
      await made.admit();
      await made.admit({}, { unchanged: false, changed: ['tcbStatus'], tcbStatus: 'OutOfDate' });
    }),
    finds: ['V11'],
    rules: ['M6'],
  },
  {
    what: 'an admission that names another image than it runs',
    bundle: scene(async (made) => {
      const [, other] = policyImages(loadPolicy(developmentText));
      await made.admit({}, { image: `${other?.name}@${other?.version}` });
    }),
    finds: ['V11'],
    rules: ['M6'],
  },
  {
    what: 'an image registered with measurements that its policy does not have',
    bundle: scene(async (made) => {
      const [image] = policyImages(loadPolicy(developmentText));
      const measurements = { ...image?.measurements, mrTd: 'ab'.repeat(48) };
      await made.register(image!, digestOfPolicy(developmentText), { measurements });
    }),
    finds: ['V12'],
  },
  {
    what: 'an image registered for a policy that nobody published',
    bundle: scene(async (made) => {
      const [image] = policyImages(loadPolicy(developmentText));
      await made.register(image!, worker);
    }),
    finds: ['V12'],
  },
];
