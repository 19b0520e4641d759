import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sha256 } from '#crypto';
import { openCollateralService } from '../../../src/attestation/collateral/index.ts';
import {
  loadNvidiaRevocations,
  parseNvidiaReport,
  VerificationCache,
  verifyDeviceChain,
  verifyNvidiaDevice,
} from '../../../src/attestation/index.ts';
import { issueOcspResponse, SIMULATED_H100 } from '../../../src/attestation/simulate/index.ts';
import { type Bytes, concat, toBase64, toHex } from '../../../src/core/index.ts';
import { stranger, vendor } from '../nvidia/scene.ts';
import { codeOf, DAY, NOW } from './intel-vendor.ts';
import { answerWith, startVendorServer, testDeps, type VendorServer } from './vendor-server.ts';

const device = vendor.device('alder-0', SIMULATED_H100);
const manifests = vendor.manifests(SIMULATED_H100);
const ids = manifests.map(({ id }) => id);
const nonce = new Uint8Array(32).fill(4);

let server: VendorServer;
beforeAll(async () => {
  server = await startVendorServer();
});
afterAll(() => server.close());

type Made = Readonly<{
  rim?: (id: string, manifest: Bytes) => object;
  /** What the responder answers about a serial number. */
  ocsp?: (serial: string, nonce: Uint8Array, good: Bytes) => Uint8Array;
}>;

function serve(at: number, made: Made = {}): void {
  server.clear();
  for (const { id, manifest } of manifests) {
    const answer = { id, rim: toBase64(manifest), sha256: toHex(sha256(manifest)), rim_format: 'TCG', request_id: 'x' };
    server.route(`/v1/rim/${id}`, answerWith(JSON.stringify({ ...answer, ...made.rim?.(id, manifest) })));
  }
  const answers = vendor.answersOf(device, at);
  server.route('/ocsp', async (response, request) => {
    const pieces: Uint8Array[] = [];
    for await (const piece of request) pieces.push(piece as Uint8Array);
    const question = toHex(concat(...pieces));
    const known = answers.find(({ serial }) => question.includes(serial));
    if (
      request.method !== 'POST' ||
      request.headers['content-type'] !== 'application/ocsp-request' ||
      known === undefined
    ) {
      response.writeHead(400).end();
      return;
    }
    const asked = concat(...pieces).slice(-32);
    response.writeHead(200).end(made.ocsp?.(known.serial, asked, known.response) ?? known.response);
  });
}

async function open(at: number = NOW, anchors = [vendor.deviceAnchor, vendor.rimAnchor]) {
  const { deps, clock, events } = testDeps(at);
  const nvidiaUrls = { rim: server.url, ocsp: `${server.url}/ocsp` };
  const service = await openCollateralService(deps, { intel: null, amdUrl: null, anchors, nvidiaUrls });
  return { service, clock, events };
}

async function ask() {
  const chain = await verifyDeviceChain(device.chain, [vendor.deviceAnchor], new VerificationCache());
  if (chain.state !== 'ok') throw new Error('no chain');
  return { manifests: ids, chains: [chain.value.certificates] };
}

beforeEach(() => serve(NOW));

describe('answers of a responder', () => {
  test.each<[string, Made]>([
    ['to another nonce', { ocsp: (serial) => answerOn(serial, new Uint8Array(32)) }],
    ['of a stranger', { ocsp: () => stranger.ocspOf(device, NOW)[0] as Uint8Array }],
  ])('%s are as good as none', async (_, made) => {
    serve(NOW, made);
    const { service } = await open();
    expect(await codeOf(service.getNvidiaCollateral(await ask()))).toBe('ENDORSEMENT_UNREACHABLE');
  });

  test('that echo the nonce they were asked with are kept', async () => {
    serve(NOW, { ocsp: (serial, asked, good) => (serial === ICA ? answerOn(serial, asked) : good) });
    const { service } = await open();
    expect((await service.getNvidiaCollateral(await ask())).ocsp).toHaveLength(6);
  });

  test('that revoke are kept and handed on: they are for the verifier to judge', async () => {
    serve(NOW, { ocsp: (serial, asked, good) => (serial === ICA ? answerOn(serial, asked, NOW, 'revoked') : good) });
    const { service } = await open();
    const set = await service.getNvidiaCollateral(await ask());
    const verdict = await verifyNvidiaDevice(
      { report: parseNvidiaReport(device.report(nonce, nonce)), certificates: device.chain },
      { rim: ({ id }) => set.rims.get(id), revocations: loadNvidiaRevocations(set.ocsp, []) },
      { anchors: { device: [vendor.deviceAnchor], rim: [vendor.rimAnchor] }, cache: new VerificationCache(), now: NOW },
    );
    expect(verdict).toMatchObject({ verdict: 'refused', checks: { deviceChainNotRevoked: { outcome: 'failed' } } });
  });
});

test('a manifest that NVIDIA has not got is named by its id', async () => {
  const { service } = await open();
  const asked = service.getNvidiaCollateral({ ...(await ask()), manifests: ['NV_GPU_DRIVER_GH100_1.2.3'] });
  await expect(asked).rejects.toMatchObject({
    code: 'ENDORSEMENT_MISSING',
    message: expect.stringContaining('NV_GPU_DRIVER_GH100_1.2.3'),
  });
});

/** Serial number of the one authority that these tests answer about themselves. */
const ICA = toHex(vendor.authority('provisioner GH100').serial);

function answerOn(serial: string, echoed: Uint8Array | null, at = NOW, status: 'good' | 'revoked' = 'good'): Bytes {
  const issuer = vendor.authority('identity GH100');
  return issueOcspResponse({
    issuer,
    serial: Uint8Array.from(Buffer.from(serial, 'hex')),
    status,
    thisUpdate: at - 60,
    nextUpdate: at - 60 + DAY,
    responder: issuer,
    certificates: [],
    ...(echoed === null ? {} : { nonce: echoed }),
  });
}
