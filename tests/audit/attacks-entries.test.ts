import { expect, test } from 'vitest';
import { sha256 } from '#crypto';
import { type AuditDeps, blobPath } from '../../src/audit/index.ts';
import { concat, toBase64, utf8 } from '../../src/core/index.ts';
import { fill } from '../attestation/appraise/scene.ts';
import {
  type Attack,
  alice,
  approved,
  begun,
  bob,
  digestOfPolicy,
  edit,
  flip,
  people,
  scene,
  testAttacks,
  weaker,
  worker,
} from './attack.ts';
import { STATE } from './attacks-state.ts';
import { audit, developmentText, digestOf, honest, NOW, problemsOf, repack, Scene } from './scene.ts';

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
    what: 'a review of more entries than there were',
    bundle: scene((made) =>
      made.add({
        type: 'review',
        subject: 'audits:router-test',
        body: { bundle: digestOf(utf8('m')), size: made.entries.length + 1, verdict: 'verified', by: null },
      }),
    ),
    finds: ['V6'],
    rules: ['M8'],
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

testAttacks([...ENTRIES, ...STATE]);

test('there is an attack for every check and rule that entries can break', () => {
  const checks = new Set([...ENTRIES, ...STATE].flatMap(({ finds }) => finds));
  // V1 to V5 are of files; M1 to M3 and M12 need a log that goes on (monitor), M13 two workers (leases).
  const all = Array.from({ length: 13 }, (_, i) => `V${i + 6}`);
  expect(all.filter((id) => !checks.has(id))).toEqual([]);
  const rules = new Set([...ENTRIES, ...STATE].flatMap(({ rules: found = [] }) => found));
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
