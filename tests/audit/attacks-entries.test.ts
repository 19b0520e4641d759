import { expect, test } from 'vitest';
import { sha256 } from '#crypto';
import { loadPolicy, policyImages } from '../../src/attestation/index.ts';
import { type AuditDeps, blobPath, LogState } from '../../src/audit/index.ts';
import { canonicalJsonBytes, concat, toBase64, utf8 } from '../../src/core/index.ts';
import type { Digest, SessionRecord } from '../../src/log/index.ts';
import { fill } from '../attestation/appraise/scene.ts';
import {
  type Attack,
  alice,
  approved,
  begun,
  bob,
  digestOfPolicy,
  edit,
  evicted,
  flip,
  people,
  scene,
  testAttacks,
  weaker,
  worker,
} from './attack.ts';
import { audit, developmentText, honest, NOW, ORIGIN, problemsOf, repack, Scene } from './scene.ts';

const ENTRIES: readonly Attack[] = [
  { what: 'an entry that is no leaf', bundle: scene(async (made) => made.raw(utf8('not json'))), finds: ['V6'] },
  { what: 'JSON in another spelling', bundle: scene(async (made) => made.raw(utf8('{ "v":1}'))), finds: ['V6'] },
  {
    what: 'a broken chain of a subject',
    bundle: scene((made) => made.add({ type: 'heartbeat', body: { queueDepth: 0 }, prev: null })),
    finds: ['V6'],
    rules: ['M8'],
  },
  {
    what: 'an entry of an unknown version',
    bundle: scene((made) => made.add({ type: 'heartbeat', v: 2, body: {} })),
    finds: [],
    verdict: 'incomplete',
  },
  {
    what: 'an entry of an unknown type',
    bundle: scene((made) => made.add({ type: 'moon-phase', body: {} })),
    finds: [],
    verdict: 'incomplete',
  },
  {
    what: 'a time that goes back',
    bundle: scene((made) => made.add({ type: 'heartbeat', src: 'router-test', at: NOW - 1, body: { queueDepth: 0 } })),
    finds: ['V7'],
    rules: ['M7'],
  },
  {
    what: 'an entry dated an hour after its witnesses saw it',
    bundle: async () => {
      const made = await begun();
      await made.add({ type: 'heartbeat', at: made.at + 3_600_000, body: { queueDepth: 0 } });
      await made.checkpoint();
      return made.bundle();
    },
    finds: ['V7'],
    rules: ['M7'],
  },
  {
    what: 'an entry dated an hour before the checkpoint that does not hold it',
    bundle: scene((made) =>
      made.add({ type: 'heartbeat', src: 'other', at: NOW - 3_600_000, body: { queueDepth: 0 } }),
    ),
    finds: ['V7'],
    rules: ['M7'],
  },
  {
    what: 'an old appraisal logged today',
    bundle: scene((made) => made.admit({}, { judgedAt: NOW - 3_600_000 })),
    finds: ['V7', 'V11'],
    rules: ['M6', 'M7'],
  },
  {
    what: 'an archived file altered, and the manifest with it',
    bundle: edit(/^blobs\//, flip),
    finds: ['V8'],
    rules: ['M9'],
  },
  {
    what: 'a file that the log no longer had, without a retention run',
    bundle: async () => {
      const made = await honest();
      made.blobs.delete([...made.blobs.keys()][3]!);
      return made.bundle();
    },
    finds: ['V8'],
    rules: ['M9'],
  },
  {
    what: 'a retention run whose list is another',
    bundle: scene(async (made) =>
      made.add({
        type: 'retention-run',
        subject: 'retention',
        blobs: [made.blob(utf8(`${worker}\n`))],
        body: { tier: 'C', count: 2, root: worker },
      }),
    ),
    finds: ['V8'],
  },
  {
    what: 'a policy that replaces another than the one in force',
    bundle: scene((made) => made.publish(weaker, { replaces: worker })),
    finds: ['V10'],
    rules: ['M4'],
  },
  {
    what: 'a policy whose number does not grow',
    bundle: scene(async (made) =>
      made.publish(weaker.replace('"number":2', '"number":1'), { replaces: digestOfPolicy(developmentText) }),
    ),
    finds: ['V10'],
    rules: ['M4'],
  },
  {
    what: 'another policy text than the entry names',
    bundle: scene((made) => made.publish(weaker, { policyDigest: digestOfPolicy(developmentText), number: 1 })),
    finds: ['V10'],
  },
  {
    what: 'an admission under a policy that no witness had seen',
    bundle: async () => {
      const made = new Scene();
      await made.open();
      await made.publish();
      await made.admit();
      await made.checkpoint();
      return made.bundle();
    },
    finds: ['V10'],
  },
  {
    what: 'one of two approvers',
    bundle: scene(approved([[alice]])),
    finds: ['V10'],
    rules: ['M4'],
    trust: { approvers: people },
  },
  {
    what: 'one approver twice',
    bundle: scene(approved([[alice], [alice]])),
    finds: ['V10'],
    rules: ['M4'],
    trust: { approvers: people },
  },
  {
    what: 'an approval with a wrong signature',
    bundle: scene(approved([[alice], [alice, bob]])),
    finds: ['V10'],
    rules: ['M4'],
    trust: { approvers: people },
  },
  {
    what: 'a policy put in force before the index that was signed',
    bundle: scene(approved([[alice], [bob]], { signed: 100, logged: 100 })),
    finds: ['V10'],
    rules: ['M4'],
    trust: { approvers: people },
  },
  {
    what: 'a policy logged as effective at once, and signed as effective later',
    bundle: scene(approved([[alice], [bob]], { signed: 1, logged: null })),
    finds: ['V10'],
    rules: ['M4'],
    trust: { approvers: people },
  },
  {
    what: 'a policy that became weaker',
    bundle: scene((made) => made.publish(weaker, { replaces: digestOfPolicy(developmentText) })),
    finds: [],
    rules: ['M4'],
    verdict: 'verified',
  },
  {
    what: 'a verdict that the evidence does not give',
    bundle: scene((made) =>
      made.admit({ machine: { name: 'x', debug: true } as never }, { verdict: 'affirming', tcbStatus: 'OutOfDate' }),
    ),
    finds: ['V11'],
    rules: ['M6'],
  },
  {
    what: 'an attestation result that the evidence does not give',
    bundle: scene((made) => made.admit({}, { result: `sha256:${'ab'.repeat(32)}` })),
    finds: ['V11'],
    rules: ['M6'],
  },
  {
    what: 'stale collateral: judged when it had long ended',
    bundle: async () => {
      const made = await honest();
      const fresh = new Scene();
      await fresh.open();
      await fresh.publish();
      await fresh.checkpoint();
      const { intel } = await import('./scene.ts');
      const stale = utf8(JSON.stringify(intel.collateral(NOW / 1000 - 90 * 86_400)));
      await fresh.admit();
      await made.checkpoint();
      // The same entry over collateral of a quarter before: its digest is in the entry, so the entry is made anew.
      const later = new Scene();
      await later.open();
      await later.publish();
      await later.checkpoint();
      const swap = later.blob(stale);
      await later.admit({}, { collateralBlob: swap });
      const last = JSON.parse(new TextDecoder().decode(later.entries.at(-1))) as { blobs: string[] };
      expect(last.blobs).toHaveLength(3);
      await later.checkpoint();
      return repack(await later.bundle(), (files) => files.set(blobPath(swap), stale));
    },
    finds: ['V11'],
    rules: ['M6'],
  },
  {
    what: 'roots of another vendor',
    bundle: async () => (await honest()).bundle(),
    finds: ['V11'],
    rules: ['M6'],
    trust: { anchors: [] },
  },
  {
    what: 'an image registered by somebody unknown',
    bundle: scene((made) =>
      made.add({ type: 'image-registered', subject: 'image:x', body: { name: 'x', version: '1', measurements: {} } }),
    ),
    finds: ['V12'],
    trust: { signers: people },
  },
  {
    what: 'a registration with a wrong signature',
    bundle: scene((made) =>
      made.add({
        type: 'image-registered',
        subject: 'image:x',
        body: { name: 'x', version: '1', measurements: {} },
        signWith: [['alice', bob]],
      }),
    ),
    finds: ['V6'],
    trust: { signers: people },
  },
  {
    what: 'a batch with another root',
    bundle: scene((made) => made.batch(3, { root: worker })),
    finds: ['V13'],
    rules: ['M10'],
  },
  {
    what: 'a batch with another count',
    bundle: scene((made) => made.batch(3, { count: 4 })),
    finds: ['V13'],
    rules: ['M10'],
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
    what: 'a batch settled twice',
    bundle: scene(async (made) => {
      const batch = await made.batch();
      await made.settle([batch]);
      await made.settle([batch]);
    }),
    finds: ['V14'],
    rules: ['M10'],
  },
  {
    what: 'a settlement of what is no batch',
    bundle: scene((made) => made.settle([0])),
    finds: ['V14'],
    rules: ['M10'],
  },
  {
    what: 'an anchor of another tree',
    bundle: scene((made) =>
      made.add({
        type: 'anchor',
        subject: 'anchor',
        body: { size: 2, root: worker, address: '0:a', transaction: 'x' },
      }),
    ),
    finds: ['V15'],
    rules: ['M3'],
  },
  {
    what: 'a time stamp over something else',
    bundle: async () =>
      repack(await (await honest()).bundle(), (files) =>
        files.set('timestamps/2.tsr', concat(utf8('token'), sha256(utf8('x')))),
      ),
    finds: ['V16'],
  },
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
    what: 'an admission under a policy that is not in force',
    bundle: scene(async (made) => {
      await made.publish(weaker, { replaces: digestOfPolicy(developmentText) });
      await made.checkpoint();
      await made.admit();
    }),
    finds: ['V18'],
    rules: ['M5'],
  },
  {
    what: 'an admission with an image that nobody registered',
    bundle: scene((made) => made.admit({}, { image: 'ghost@1' })),
    finds: ['V18'],
    rules: ['M5'],
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
  {
    what: 'a key used after it was replaced',
    bundle: scene(async (made) => {
      await made.add({
        type: 'key-rotation',
        subject: 'key:alice',
        body: { role: 'approver', old: 'alice', new: 'bob' },
      });
      await made.add({ type: 'heartbeat', body: { queueDepth: 0 }, signWith: [['alice', alice]] });
    }),
    finds: ['V18'],
    rules: ['M11'],
    trust: { signers: people },
  },
];

testAttacks(ENTRIES);

test('there is an attack for every check and rule that entries can break', () => {
  const checks = new Set(ENTRIES.flatMap(({ finds }) => finds));
  // V1 to V5 are of files; M1 to M3 and M12 need a log that goes on (monitor), M13 two workers (leases).
  const all = Array.from({ length: 13 }, (_, i) => `V${i + 6}`);
  expect(all.filter((id) => !checks.has(id))).toEqual([]);
  const rules = new Set(ENTRIES.flatMap(({ rules: found = [] }) => found));
  expect(['M3', 'M4', 'M5', 'M6', 'M7', 'M8', 'M9', 'M10', 'M11'].filter((rule) => !rules.has(rule))).toEqual([]);
});

test('two approvers are enough', async () => {
  const bundle = await scene(approved([[alice], [bob]], { signed: 1, logged: 1 }))();
  const { checks } = await problemsOf(bundle, { approvers: people });
  expect(checks.find(({ id }) => id === 'V10')?.problems).toEqual([]);
});

test('V15: the chain is asked where it is given; another tree, another contract, none and a smaller one are found', async () => {
  const made = await begun();
  const { root, size } = { root: made.tree.root(), size: made.entries.length };
  const body = { size, root: toBase64(root), address: '0:aa', transaction: 'x' };
  await made.add({ type: 'anchor', subject: 'anchor', body });
  await made.checkpoint();
  const bundle = await made.bundle();
  const outcome = async (anchored?: AuditDeps['anchored']) => {
    const { checks } = await audit(bundle, {}, anchored === undefined ? {} : { anchored });
    return checks.find(({ id }) => id === 'V15')?.outcome;
  };
  const head = { address: '0:aa', size, root, at: NOW };
  expect(await outcome()).toBe('notChecked');
  expect(await outcome(async () => head)).toBe('passed');
  for (const wrong of [
    null,
    { ...head, address: '0:bb' },
    { ...head, size: size - 1 },
    { ...head, root: fill(9, 32) },
  ]) {
    expect(await outcome(async () => wrong)).toBe('failed');
  }
});
