import { expect, test } from 'vitest';
import { createMonitor, createReappraiser, type MonitorDeps } from '../../src/audit/index.ts';
import { type Bytes, CodedError, utf8 } from '../../src/core/index.ts';
import { type Equivocation, encodeEquivocation, keysOfPolicy, verifyEquivocation } from '../../src/log/index.ts';
import { codeOf } from '../log/support.ts';
import { developmentText, honest, intel, logPolicy, logSigner, NOW, Scene, SIZES, trust } from './scene.ts';

type Watch = { poll: ReturnType<typeof createMonitor>['poll']; evidence: Equivocation[]; stored: Bytes[] };

function watch(scene: Pick<Scene, 'source'>, more: Partial<MonitorDeps> = {}): Watch {
  const evidence: Equivocation[] = [];
  const stored: Bytes[] = [];
  const { poll } = createMonitor({
    source: scene.source(),
    trust,
    reappraise: createReappraiser(trust.anchors),
    others: [],
    clock: () => NOW + 20_000,
    seen: { load: async () => stored.at(-1) ?? null, store: async (note) => void stored.push(note) },
    equivocation: async (one) => void evidence.push(one),
    ...more,
  });
  return { poll, evidence, stored };
}
const rules = async ({ poll }: Watch) => (await poll()).map(({ rule, severity }) => `${rule} ${severity}`);
const other = (name: string, heads: Bytes[], evidence: string | null = null) => ({
  name,
  heads: async () => heads,
  evidence: async () => evidence,
});
/** The honest log with another entry in its past, as large. */
async function rewritten(size: number): Promise<Scene> {
  const fork = new Scene();
  await fork.open();
  while (fork.entries.length < size) await fork.beat();
  await fork.checkpoint();
  return fork;
}
const proves = async (evidence: Equivocation | undefined) =>
  (await verifyEquivocation(evidence as Equivocation, keysOfPolicy(logPolicy))).larger.size;

test('an honest log that grows gives no finding', async () => {
  const scene = await honest();
  const watched = watch(scene);
  expect(await watched.poll()).toEqual([]);
  await scene.admit();
  await scene.checkpoint();
  expect(await watched.poll()).toEqual([]);
  expect(await watched.poll()).toEqual([]);
});

test('M1: two histories, from a witness, a mirror, a client or from what was seen before; the proof verifies itself', async () => {
  const scene = await honest();
  const same = await rewritten(scene.entries.length);
  const atWitness = watch(scene, { others: [other('witness w', [same.newest])] });
  expect(await rules(atWitness)).toEqual(['M1 critical']);
  expect(await rules(atWitness)).toEqual([]); // once
  expect(await proves(atWitness.evidence[0])).toBe(SIZES.all);
  const smaller = await rewritten(4);
  const atClient = watch(scene, { others: [other('a client', [smaller.newest, scene.kept.get(SIZES.judged)!])] });
  expect(await rules(atClient)).toEqual(['M1 critical']);
  expect(atClient.evidence[0]?.prefix).not.toBeNull();
  expect(await proves(atClient.evidence[0])).toBe(SIZES.all);
  const held = encodeEquivocation(atClient.evidence[0]!);
  expect(await rules(watch(scene, { others: [other('witness w', [], held)] }))).toEqual(['M1 critical']);
  const before = watch(scene);
  before.stored.push(smaller.newest);
  expect(await rules(before)).toEqual(['M1 critical']);
  // Nobody frames a log: what it did not sign, and what proves nothing, is no finding.
  const forged = new Scene();
  await forged.open();
  const { ed25519Key } = await import('#crypto');
  await forged.checkpoint({ signer: ed25519Key(new Uint8Array(32).fill(66)) });
  const noise = [other('x', [forged.newest, utf8('noise')]), other('y', [], '{}')];
  expect(await rules(watch(scene, { others: noise }))).toEqual([]);
  expect(logSigner.publicKey).toHaveLength(32);
});

test('M1: entries that do not lead to the signed root', async () => {
  const scene = await honest();
  await scene.checkpoint({ root: new Uint8Array(32).fill(3) });
  expect(await rules(watch(scene))).toContain('M1 critical');
});

test('M2: a head that goes back, is not renewed, is not cosigned, or whose tiles are gone; an outage is no finding', async () => {
  const scene = await honest();
  const watched = watch(scene);
  await watched.poll();
  const newest = scene.newest;
  scene.newest = scene.kept.get(SIZES.begun)!;
  expect(await rules(watched)).toEqual(['M2 critical']);
  scene.newest = newest;
  expect(await rules(watch(scene, { clock: () => NOW + 3_600_000 }))).toEqual(['M2 error']);
  await scene.checkpoint({ cosigned: false });
  expect(await rules(watch(scene))).toEqual(['M2 critical']);
  scene.newest = newest;
  scene.kept.set(SIZES.all, newest);
  for (const path of scene.tiles.keys()) if (path.startsWith('tile/entries')) scene.tiles.delete(path);
  expect(await rules(watch(scene))).toEqual(['M2 critical']);
  const away = { ...scene.source(), checkpoint: () => Promise.reject(new CodedError('LOG_UNREACHABLE', 'away')) };
  expect(await codeOf(watch({ source: () => away }).poll())).toBe('LOG_UNREACHABLE');
});

test('M3: another tree on chain, a larger one, and none for hours', async () => {
  const scene = await honest();
  const root = new Uint8Array(32);
  const at = NOW;
  const anchored = (size: number, of: Bytes, when: number) =>
    rules(watch(scene, { anchored: async () => ({ size, root: of, at: when }) }));
  expect(await anchored(4, root, at)).toEqual(['M3 critical']);
  expect(await anchored(99, root, at)).toEqual(['M3 critical']);
  const { parseCheckpoint, parseNote } = await import('../../src/log/index.ts');
  const honestRoot = parseCheckpoint(parseNote(scene.kept.get(SIZES.judged)!).text).root;
  expect(await anchored(SIZES.judged, honestRoot, at)).toEqual([]);
  expect(await anchored(SIZES.judged, honestRoot, at - 86_400_000)).toEqual(['M3 warning']);
});

test('M4 to M11 reach the monitor as entries come', async () => {
  const scene = await honest();
  const watched = watch(scene);
  await watched.poll();
  await scene.admit({}, { tcbStatus: 'OutOfDate' });
  await scene.batch(2, { count: 3 });
  await scene.add({ type: 'heartbeat', prev: 1, body: { queueDepth: 0 } });
  scene.blobs.delete([...scene.blobs.keys()].at(-1)!);
  await scene.publish(developmentText, {
    replaces: `sha256:${'ab'.repeat(32)}`,
    policyDigest: `sha256:${'cd'.repeat(32)}`,
  });
  await scene.admit();
  await scene.checkpoint();
  const found = await rules(watched);
  expect(found).toEqual(expect.arrayContaining(['M6 error', 'M8 error', 'M9 error', 'M4 error', 'M5 error']));
});

test('M12: a worker that is in, and that today’s collateral would not let in', async () => {
  const scene = await honest();
  const good = async () => utf8(JSON.stringify(intel.collateral(NOW / 1000)));
  expect(await rules(watch(scene, { collateralToday: good }))).toEqual([]);
  const worse = async () => utf8(JSON.stringify(intel.collateral(NOW / 1000, { tcbRecovery: true })));
  const stale = async () => utf8(JSON.stringify(intel.collateral(NOW / 1000 - 90 * 86_400)));
  expect(await rules(watch(scene, { collateralToday: stale }))).toEqual(['M12 error']);
  expect(await rules(watch(scene, { collateralToday: worse }))).toEqual(['M12 error']);
  const none = () => Promise.reject(new CodedError('ENDORSEMENT_UNREACHABLE', 'away'));
  expect(await rules(watch(scene, { collateralToday: none }))).toEqual(['M12 warning']);
});
