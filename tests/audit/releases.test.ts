/** Releases of keys, made again by an auditor: who believes the log need not believe the service. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sha384 } from '#crypto';
import { DEVELOPMENT_IMAGE } from '../../src/attestation/simulate/index.ts';
import { createReappraiser, EntriesWalk, type LogSource, newTallies } from '../../src/audit/index.ts';
import { type Bytes, canonicalJsonBytes, fromUtf8, type Json, toHex, utf8 } from '../../src/core/index.ts';
import { parseLogPolicy } from '../../src/log/index.ts';
import { ownersPolicy, releaseScene, type Scene } from '../router/release-scene.ts';

let scene: Scene;
let entries: readonly Bytes[];
beforeAll(async () => {
  scene = await releaseScene();
  await scene.register('kept');
  await scene.fetch(scene.newWorker(), 'kept');
  const other = { ...DEVELOPMENT_IMAGE, mrTd: toHex(sha384(utf8('another image'))) };
  await scene.fetch(scene.newWorker({ machine: { image: other } }), 'kept').catch(() => undefined);
  await scene.register('gone', undefined, ownersPolicy({ id: 'another-policy', number: 3 }));
  await scene.fetch(scene.newWorker(), 'gone');
  await scene.service.revoke({ name: 'gone' });
  entries = (await scene.entries()).map(utf8);
});
afterAll(() => scene.close());

type Fields = { type: string; body: Record<string, Json>; at: number; subject: string; blobs: string[] };
/** The entries of this log, with what `change` makes of each; no signature or tree is looked at here. */
const changed = (change: (leaf: Fields, index: number) => void): Bytes[] =>
  entries.map((entry, index) => {
    const leaf = JSON.parse(fromUtf8(entry, 'entry')) as Fields;
    change(leaf, index);
    return canonicalJsonBytes(leaf as unknown as Json);
  });
const indexOf = (type: string, nth = 0) =>
  entries.map((entry, i) => [JSON.parse(fromUtf8(entry, 'entry')).type, i] as const).filter(([of]) => of === type)[
    nth
  ]![1];

async function audited(given: readonly Bytes[], from = 0) {
  const source = { blob: (digest) => scene.log.blobs.get(digest) } as LogSource;
  const policy = parseLogPolicy(`log ${scene.log.vkey}\nquorum none\n`);
  const tallies = newTallies();
  const deps = { reappraise: createReappraiser([scene.intel.trustAnchor]) };
  const trust = { policy, anchors: [scene.intel.trustAnchor], approvers: null, signers: null };
  const walk = new EntriesWalk(
    { source, manifest: { from, to: given.length, absent: [] }, seen: [], trust, deps },
    tallies,
  );
  for (const [index, entry] of given.entries()) if (index >= from) await walk.entry(index, entry);
  await walk.end();
  const ours = walk.findings.filter(({ rule }) => rule === 'M5' || rule === 'M6');
  return { found: ours.map(({ rule, index, message }) => `${rule} ${index} ${message}`), tallies };
}

test('each release and each refusal is judged again and comes to the same', async () => {
  const { found, tallies } = await audited(entries);
  expect(found).toEqual([]);
  expect(entries.map((entry) => JSON.parse(fromUtf8(entry, 'entry')).type)).toEqual([
    'log-opened',
    'secret-registered',
    'key-released',
    'key-refused',
    'secret-registered',
    'key-released',
    'secret-revoked',
  ]);
  const { outcome, looked, problems } = tallies.V11.result();
  expect([outcome, looked, problems]).toEqual(['passed', 3, []]);
});

/** Lays fields over the body of each entry of a type. */
const body = (type: string, fields: Readonly<Record<string, Json>>) => (leaf: Fields) => {
  if (leaf.type === type) Object.assign(leaf.body, fields);
};
/** Makes entries of one type ones of another. */
const retyped =
  (from: string, to: string, fields: Readonly<Record<string, Json>> = {}) =>
  (leaf: Fields) => {
    if (leaf.type !== from) return;
    leaf.type = to;
    Object.assign(leaf.body, fields);
  };
const other = `sha256:${'ab'.repeat(32)}`;

describe('what is wrong is found', () => {
  test.each<[string, (leaf: Fields, index: number) => void, RegExp]>([
    ['a worker that was another', body('key-released', { workerKey: other }), /M6 \d+ worker: logged/],
    ['measurements that were others', body('key-released', { measurements: other }), /M6 \d+ measurements/],
    ['a refusal dressed up', retyped('key-refused', 'key-released'), /M5 \d+ released with the verdict refused/],
    [
      'a refusal whose verdict was forged as well',
      retyped('key-refused', 'key-released', { verdict: 'affirming' }),
      /M6 \d+ verdict: logged affirming, found refused \(.*policy\.image/,
    ],
    [
      'a release dressed up as a refusal',
      retyped('key-released', 'key-refused', { verdict: 'refused', failedChecks: ['policy.image'] }),
      /M6 \d+ verdict: logged refused, found affirming/,
    ],
    ['a refusal for another reason', body('key-refused', { failedChecks: ['policy.model'] }), /M6 \d+ failed checks/],
    [
      'another owner’s policy',
      body('secret-registered', { policyDigest: other }),
      /M5 \d+ judged under .*, its owner's policy is sha256:abab/,
    ],
    [
      'a secret that nobody registered',
      retyped('secret-registered', 'heartbeat', { queueDepth: 0 }),
      /M5 \d+ its secret was never registered/,
    ],
  ])('%s', async (_, change, expected) => {
    expect((await audited(changed(change))).found.join('\n')).toMatch(expected);
  });

  test('a release long after the entry that says that it was revoked', async () => {
    const order = changed((leaf) => {
      if (leaf.type === 'secret-revoked') leaf.at -= 3_600_000;
    });
    const [revoked] = order.splice(indexOf('secret-revoked'), 1);
    order.splice(indexOf('key-released', 1), 0, revoked as Bytes);
    expect((await audited(order)).found.join('\n')).toMatch(/M5 \d+ released after its owner had revoked it/);
  });

  test('without the entry that registered it nothing is claimed of a release, and that is said', async () => {
    const { found, tallies } = await audited(entries, 2);
    expect(found).toEqual([]);
    expect(tallies.V11.result().notes.join()).toMatch(/published before this bundle/);
  });
});
