import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { NvidiaAsk } from '../../../src/attestation/collateral/index.ts';
import { PINNED_ANCHORS, VerificationCache } from '../../../src/attestation/index.ts';
import { collateralForEvidence } from '../../../src/cli/collateral/for-evidence.ts';
import { nvidiaAskOf } from '../../../src/cli/compose/nvidia-source.ts';
import { createVerifier } from '../../../src/cli/verify/answer.ts';
import { devicesOfDocument } from '../../../src/cli/verify/nvidia-devices.ts';
import { type ErrorCode, fromUtf8, KIND_OF_CODE, rfc3339, toBase64, toHex, utf8 } from '../../../src/core/index.ts';
import { readVector, readVectorJson, vectorsFolder } from '../../vectors.ts';
import { codeOf, DAY, NOW, openAt } from './intel-vendor.ts';
import { collected, gpu, manifests, NONCE, nvidia, rimAnswer, rimPath, serveNvidia } from './nvidia-vendor.ts';
import { answerWith, startVendorServer, type VendorServer } from './vendor-server.ts';

const anchors = [nvidia.deviceAnchor, nvidia.rimAnchor];
let server: VendorServer;
let ask: NvidiaAsk;
beforeAll(async () => {
  server = await startVendorServer();
  const [device] = devicesOfDocument(utf8(collected()));
  ask = (await nvidiaAskOf(device as never, anchors, new VerificationCache())) as NvidiaAsk;
  expect(ask.manifests.length).toBe(manifests.length);
});
afterAll(() => server.close());
beforeEach(() => {
  server.clear();
  serveNvidia(server, NOW);
});

const urls = () => ({ rim: `${server.url}/rim`, ocsp: `${server.url}/ocsp` });
async function open(trusted = anchors) {
  const opened = await openAt(null, { nvidiaUrls: urls() }, {}, trusted);
  return { ...opened, get: () => opened.service.getNvidiaCollateral(ask) };
}
const [driver, vbios] = manifests as [(typeof manifests)[0], (typeof manifests)[0]];
const serveRim = (id: string, body: string | Uint8Array) => server.route(rimPath(id), answerWith(body));
const answers = (now: number) => nvidia.answersOf(gpu, now).map(({ response }) => response);
const serveOcsp = (response: Uint8Array) => server.route('/ocsp', answerWith(response));

describe('a good service', () => {
  test('gives manifests and answers that verify the device; each is asked for once', async () => {
    const { service, get } = await open();
    await Promise.all(Array.from({ length: 20 }, get));
    const counts = server.counts();
    for (const { id } of manifests) expect(counts[rimPath(id)]).toBe(1);
    expect(counts['/ocsp']).toBe(nvidia.answersOf(gpu, NOW).length);
    const evidence = utf8(collected());
    const question = { kind: 'nvidia-devices', evidence, anchors, line: null, channel: 'standard' } as const;
    const collateral = await collateralForEvidence(service, question);
    const trustAnchors = anchors.map(({ spkiSha256 }) => ({ spkiSha256: toHex(spkiSha256) }));
    const request = { kind: 'nvidia-devices', evidence: toBase64(evidence), collateral, trustAnchors };
    const asked = { ...request, at: rfc3339(NOW), expect: { nonce: toHex(NONCE) } };
    expect((await createVerifier().answerLine(JSON.stringify(asked))).verdict).toBe('verified');
  });

  test('goes through a bundle, offline, until the first answer ends', async () => {
    const online = await open();
    const set = await online.get();
    const offline = await openAt(null, {}, {}, anchors);
    await offline.service.importBundle(online.service.exportBundle());
    expect((await offline.service.getNvidiaCollateral(ask)).ocsp.map(toHex)).toEqual(set.ocsp.map(toHex));
    offline.clock.seconds = set.until + 1;
    expect(await codeOf(offline.service.getNvidiaCollateral(ask))).toBe('ENDORSEMENT_UNREACHABLE');
  });

  test('an outage: answers are given until they end', async () => {
    const { get, clock } = await open();
    const { until } = await get();
    server.clear();
    clock.seconds = until;
    expect((await get()).until).toBe(until);
    clock.seconds = until + 1;
    expect(await codeOf(get())).toBe('ENDORSEMENT_MISSING');
  });
});

describe('a service that answers wrongly has nothing', () => {
  test.each<[string, () => void]>([
    ['a manifest under another id', () => serveRim(driver.id, rimAnswer(vbios.id, driver.manifest))],
    ['another manifest under this id', () => serveRim(driver.id, rimAnswer(driver.id, vbios.manifest))],
    ['another SHA-256', () => serveRim(driver.id, rimAnswer(driver.id, driver.manifest, { sha256: '00'.repeat(32) }))],
    ['another format', () => serveRim(driver.id, rimAnswer(driver.id, driver.manifest, { rim_format: 'CORIM' }))],
    ['a manifest changed', () => serveRim(driver.id, rimAnswer(driver.id, changed(driver.manifest)))],
    ['HTML', () => serveRim(driver.id, '<!doctype html>')],
    ['nothing', () => serveRim(driver.id, '')],
    ['a redirect', () => server.route(rimPath(driver.id), (response) => void response.writeHead(302).end())],
    ['an answer about another certificate', () => serveOcsp(answers(NOW)[0] as Uint8Array)],
    ['an answer of yesterday', () => serveNvidia(server, NOW - 2 * DAY)],
    ['an answer of tomorrow', () => serveNvidia(server, NOW + 2 * DAY)],
    ['an answer cut short', () => serveOcsp((answers(NOW)[0] as Uint8Array).subarray(0, -1))],
    ['tryLater', () => serveOcsp(Uint8Array.of(0x30, 3, 0x0a, 1, 3))],
    ['an answer of 33 kB', () => serveOcsp(new Uint8Array(33 * 1024))],
    ['status 500', () => server.route('/ocsp', (response) => void response.writeHead(500).end())],
  ])('%s', async (_, misbehave) => {
    misbehave();
    const { get } = await open();
    const code = (await codeOf(get())) as ErrorCode;
    expect([code, KIND_OF_CODE[code]]).toEqual([
      expect.stringMatching(/^(?:ENDORSEMENT_UNREACHABLE|OCSP_UNSUCCESSFUL)$/),
      'unavailable',
    ]);
  });

  test('of a vendor that is not trusted', async () => {
    const { get } = await open([...PINNED_ANCHORS] as never);
    expect(await codeOf(get())).toBe('ENDORSEMENT_UNREACHABLE');
  });
});

/** One hexadecimal digit of a measurement. */
function changed(manifest: Uint8Array): Uint8Array {
  const text = fromUtf8(manifest, 'manifest');
  const at = /"[0-9a-f]{96}"/i.exec(text)?.index ?? -1;
  expect(at).toBeGreaterThan(0);
  return utf8(`${text.slice(0, at + 1)}${text[at + 1] === '0' ? '1' : '0'}${text.slice(at + 2)}`);
}

const folder = vectorsFolder('nvidia');
test.skipIf(folder === null)('NVIDIA’s own manifests are kept under the id that they were captured by', async () => {
  type Vector = { kind: string; files: { rim: string }; expect: { cases: { time: string; verdict: string }[] } };
  const { vectors } = readVectorJson<{ vectors: Vector[] }>(folder as string, 'vectors.json');
  let count = 0;
  for (const { kind, files, expect: wanted } of vectors) {
    const good = kind === 'rim' ? wanted.cases.find(({ verdict }) => verdict === 'valid') : undefined;
    if (good === undefined) continue;
    const id = files.rim.replace(/^rim\/|\.xml$/g, '');
    const manifest = readVector(folder as string, files.rim);
    serveRim(id, rimAnswer(id, manifest));
    const { service, clock } = await openAt(null, { nvidiaUrls: { ...urls(), ocsp: null } }, {}, PINNED_ANCHORS);
    clock.seconds = Date.parse(good.time) / 1000;
    // Nobody answers on its signers here: it is kept, and the set is not given.
    expect(await codeOf(service.getNvidiaCollateral({ manifests: [id], chains: [] }))).toBe('ENDORSEMENT_UNREACHABLE');
    expect(service.documents().map((one) => one.id)).toEqual([`nvidia-rim/${id}`]);
    count++;
  }
  expect(count).toBeGreaterThan(10);
});
