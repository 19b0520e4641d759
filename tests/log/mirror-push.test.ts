import { gzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { ed25519Key } from '#crypto';
import { CodedError, toHex, utf8 } from '../../src/core/index.ts';
import {
  type EntryPackage,
  ed25519Cosigner,
  encodeAddEntries,
  keysOfPolicy,
  packagesOf,
  parseAddEntries,
  subtreeFromTiles,
  tilePath,
  verifyCheckpoint,
} from '../../src/log/index.ts';
import { openWitnessStore, originHash } from '../../src/log/witness/index.ts';
import { createMirrorDoor, openMirror, pushToMirror, startMirrorServer } from '../../src/log/writer/index.ts';
import { logPolicy, NOW, ORIGIN, Scene } from '../audit/scene.ts';
import { codeOf, folder } from './support.ts';

const cosigner = ed25519Cosigner('mirror.test/m1', ed25519Key(new Uint8Array(32).fill(6)));
const closing: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function startMirror(directory = folder()) {
  const mirror = await openMirror(directory, logPolicy, cosigner);
  const pending = openWitnessStore(`${directory}/pending.db`);
  const log = { origin: ORIGIN, keys: keysOfPolicy(logPolicy).filter(({ name }) => name === ORIGIN) };
  const door = createMirrorDoor({ mirror, log, pending, clock: () => NOW + 60_000 });
  const server = await startMirrorServer({ mirror, door, origin: ORIGIN, port: 0 });
  const close = async () => {
    await server.close();
    pending.close();
    await mirror.close();
  };
  closing.push(close);
  return { mirror, url: server.url, directory, close: () => closing.splice(closing.indexOf(close), 1)[0]!() };
}
const push = (scene: Scene, url: string) =>
  pushToMirror({ url, source: scene.source(), policy: logPolicy, key: cosigner.key, fetch });

async function logOf(entries: number): Promise<Scene> {
  const scene = new Scene();
  await scene.open();
  while (scene.entries.length < entries) await scene.beat();
  await scene.checkpoint();
  return scene;
}
async function grow(scene: Scene, by: number): Promise<void> {
  for (let i = 0; i < by; i++) await scene.beat();
  await scene.checkpoint();
}
const packages = (scene: Scene, start: number): Promise<EntryPackage[]> => {
  const size = scene.entries.length;
  const read = async (tile: Parameters<typeof tilePath>[0]) => scene.tiles.get(tilePath(tile))!;
  return Promise.all(
    packagesOf(start, size).map(async (range) => ({
      ...range,
      entries: scene.entries.slice(range.start, range.end),
      proof: await subtreeFromTiles(range.subtree, size, read),
    })),
  );
};
const head = (scene: Scene, start: number, end = scene.entries.length, origin = ORIGIN) => ({
  ...{ origin, start, end, ticket: new Uint8Array(0) },
});
async function send(url: string, body: Uint8Array, headers: Record<string, string> = {}) {
  const answer = await fetch(`${url}/add-entries`, { method: 'POST', body: Uint8Array.from(body), headers });
  return { status: answer.status, text: await answer.text(), type: answer.headers.get('content-type') };
}
const offer = async (scene: Scene, url: string, old: number, proof: readonly string[] = []) => {
  const text = `old ${old}\n${proof.map((hash) => `${hash}\n`).join('')}\n`;
  return (await fetch(`${url}/add-checkpoint`, { method: 'POST', body: text + new TextDecoder().decode(scene.newest) }))
    .status;
};

test('a log is given to a mirror, grows, is given again, over a restart: the mirror says that it holds it, and does', async () => {
  const scene = await logOf(700);
  const first = await startMirror();
  const pushed = await push(scene, first.url);
  expect([pushed.size, pushed.uploaded]).toEqual([700, 700]);
  expect(pushed.line).toMatch(/^— mirror\.test\/m1 /);
  expect(await push(scene, first.url)).toMatchObject({ size: 700, uploaded: 0 });
  await grow(scene, 61);
  expect(await push(scene, first.url)).toMatchObject({ size: 761, uploaded: 61 });
  await first.close();
  const again = await startMirror(first.directory);
  await grow(scene, 300);
  expect(await push(scene, again.url)).toMatchObject({ size: 1_061, uploaded: 300 });
  const read = async (path: string) => new Uint8Array(await (await fetch(`${again.url}${path}`)).arrayBuffer());
  const note = await read(`/${originHash(ORIGIN)}/checkpoint`);
  const { checkpoint, verified } = await verifyCheckpoint(note, [...keysOfPolicy(logPolicy), cosigner.key]);
  expect([checkpoint.size, verified.map(({ name }) => name)]).toEqual([
    1_061,
    expect.arrayContaining(['mirror.test/m1']),
  ]);
  expect(toHex(await read(`/${originHash(ORIGIN)}/tile/1/000.p/4`))).toBe(toHex(scene.tiles.get('tile/1/000.p/4')!));
  for (const index of [0, 255, 256, 1_060]) expect(await read(`/entry/${index}`)).toEqual(scene.entries[index]);
  // What was given is what copying would have brought.
  expect(await again.mirror.sync(scene.source(), 5)).toMatchObject({ size: 1_061, added: 0 });
});

test('a mirror that got a part goes on from there, whoever brings it', async () => {
  const scene = await logOf(700);
  const { url, mirror } = await startMirror();
  expect(await offer(scene, url, 0)).toBe(200);
  expect((await fetch(`${url}/checkpoint`)).status).toBe(404); // it holds nothing yet, and signs nothing
  const all = await packages(scene, 0);
  const cut = encodeAddEntries(head(scene, 0), all).subarray(0, -10);
  expect(await send(url, cut)).toEqual({ status: 202, text: '700\n512\n\n', type: 'text/x.tlog.mirror-info' });
  expect(await send(url, encodeAddEntries(head(scene, 600), await packages(scene, 600)))).toMatchObject({
    status: 409,
    text: '700\n512\n\n',
  });
  expect(
    await send(url, gzipSync(encodeAddEntries(head(scene, 300), await packages(scene, 300))), {
      'content-encoding': 'gzip',
    }),
  ).toMatchObject({ status: 200 });
  expect(mirror.next()).toBe(700);
  // An empty upload asks what it holds; an unknown size is a conflict.
  expect(await send(url, encodeAddEntries(head(scene, 0, 0), []))).toMatchObject({ status: 409, text: '700\n700\n\n' });
});

test('what is not of the checkpoint, malformed, of another log or too large is refused and not kept', async () => {
  const scene = await logOf(300);
  const { url, mirror } = await startMirror();
  expect(await send(url, encodeAddEntries(head(scene, 0), await packages(scene, 0)))).toMatchObject({ status: 409 });
  expect(await offer(scene, url, 0)).toBe(200);
  expect(await offer(scene, url, 0)).toBe(409);
  const all = await packages(scene, 0);
  const forged = all.map((one, i) => (i > 0 ? one : { ...one, entries: one.entries.with(9, utf8('another')) }));
  expect(await send(url, encodeAddEntries(head(scene, 0), forged))).toMatchObject({ status: 422 });
  const swapped = all.map((one, i) => ({ ...one, proof: all[1 - i]!.proof }));
  expect(await send(url, encodeAddEntries(head(scene, 0), swapped))).toMatchObject({ status: 422 });
  expect(await send(url, encodeAddEntries(head(scene, 0, 300, 'other.test/log'), all))).toMatchObject({ status: 404 });
  for (const body of [
    utf8('x'),
    encodeAddEntries(head(scene, 0), all).subarray(0, 400),
    encodeAddEntries(head(scene, 0), []),
  ]) {
    expect(await send(url, body)).toMatchObject({ status: 400 });
  }
  const bomb = gzipSync(new Uint8Array(80 * 1024 * 1024));
  expect(await send(url, bomb, { 'content-encoding': 'gzip' })).toMatchObject({ status: 413 });
  expect(await send(url, utf8('x'), { 'content-encoding': 'br' })).toMatchObject({ status: 400 });
  expect([mirror.next(), mirror.checkpoint()]).toEqual([0, null]);
  // The second package of a good upload is kept even where the third is not.
  expect(await send(url, encodeAddEntries(head(scene, 0), [all[0]!, { ...all[1]!, proof: [] }]))).toMatchObject({
    status: 422,
  });
  expect(mirror.next()).toBe(256);
});

test('a fork is not taken: not as a checkpoint, and not as entries', async () => {
  const scene = await logOf(40);
  const { url, mirror } = await startMirror();
  await push(scene, url);
  const fork = await logOf(1);
  await fork.add({ type: 'heartbeat', body: { queueDepth: 9 } });
  await grow(fork, 60);
  expect(await codeOf(push(fork, url))).toBe('WITNESS_REFUSED');
  expect(await codeOf(push(await logOf(20), url))).toBe('LOG_INCONSISTENT'); // it knows a newer one
  expect(mirror.next()).toBe(40);
});

test('a mirror that is away, or signs with another key, is no mirror', async () => {
  const scene = await logOf(5);
  expect(await codeOf(push(scene, 'http://127.0.0.1:1'))).toBe('WITNESS_UNREACHABLE');
  const { url } = await startMirror();
  const wrong = { ...cosigner.key, publicKey: new Uint8Array(32).fill(1) };
  const asked = pushToMirror({ url, source: scene.source(), policy: logPolicy, key: wrong, fetch });
  await expect(asked).rejects.toBeInstanceOf(CodedError);
});

test('packages begin where bundles do, and their subtrees are those of the log', () => {
  expect(packagesOf(300, 700).map(({ start, end, subtree }) => [start, end, subtree.start])).toEqual([
    [300, 512, 256],
    [512, 700, 512],
  ]);
  expect(packagesOf(7, 7)).toEqual([]);
  const entries = [utf8('a'), utf8('b')];
  const [range] = packagesOf(0, 2);
  const body = encodeAddEntries({ origin: 'o', start: 0, end: 2, ticket: utf8('t') }, [
    { ...range!, entries, proof: [] },
  ]);
  const parsed = parseAddEntries(body);
  expect(parsed.head).toEqual({ origin: 'o', start: 0, end: 2, ticket: utf8('t') });
  expect([...parsed.packages()]).toEqual([{ ...range!, entries, proof: [] }]);
});
