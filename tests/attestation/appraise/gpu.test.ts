import { describe, expect, test } from 'vitest';
import {
  type Appraisal,
  bootEvents,
  type DeviceEvidence,
  type EvidenceBundle,
  gpuNonce,
  loadNvidiaCollateral,
  NVIDIA_DEVICE_ROOT,
  type Policy,
  parseEvidenceBundle,
  type TrustAnchor,
  trustUnder,
  type VendorEndorsements,
} from '../../../src/attestation/index.ts';
import {
  type NvidiaReportFields,
  SIMULATED_B200,
  SIMULATED_H100,
  type SimulatedNvidiaDevice,
} from '../../../src/attestation/simulate/index.ts';
import { type Bytes, fromHex, type Json, keysetDigest, parseCertificate, toBase64 } from '../../../src/core/index.ts';
import { gpu, stranger, vendor } from '../nvidia/scene.ts';
import {
  type Ask,
  developmentWith,
  evidence,
  fill,
  goodEndorsements,
  intel,
  judge,
  keyset,
  model,
  NOW,
  nonceRoot,
  production,
  summary,
} from './scene.ts';

const other = vendor.device('birch-0', SIMULATED_H100);
const blackwell = vendor.device('birch-1', SIMULATED_B200);
const g = (count: number, root: Bytes = nonceRoot) => gpuNonce(keysetDigest(keyset), root, count);
const idOf = ({ chain }: SimulatedNvidiaDevice) => fromHex(parseCertificate(chain[0] as Bytes).serial);

function deviceOf(device: SimulatedNvidiaDevice, nonce: Bytes = g(1), fields: NvidiaReportFields = {}): DeviceEvidence {
  return { kind: 1, report: device.report(nonce, fill(3, 32), fields), chain: device.chain };
}

function collateralOf(devices: readonly SimulatedNvidiaDevice[], changes: { [name: string]: Json } = {}) {
  const manifests = devices.flatMap(({ firmware }) => vendor.manifests(firmware));
  const json = {
    rims: Object.fromEntries(manifests.map(({ id, manifest }) => [id, toBase64(manifest)])),
    ocsp: devices.flatMap((device) => vendor.ocspOf(device, NOW / 1000)).map(toBase64),
    ...changes,
  };
  return loadNvidiaCollateral(json);
}
const goodCollateral = collateralOf([gpu, other]);
const required = developmentWith({ gpu: { evidence: 'required' } });
const anchors: TrustAnchor[] = [intel.trustAnchor, vendor.deviceAnchor, vendor.rimAnchor];

type Scene = Readonly<{
  devices?: readonly DeviceEvidence[];
  /** What boot measured; by default the GPU of the scene. */
  measured?: readonly SimulatedNvidiaDevice[];
  nvidia?: VendorEndorsements['nvidia'] | null;
  policy?: Policy;
  after?: Partial<EvidenceBundle>;
  anchors?: readonly TrustAnchor[];
  ask?: Partial<Ask>;
}>;

/** A TDX worker with one H100. */
function judgeGpu(scene: Scene = {}): Promise<Appraisal> {
  const devices = scene.devices ?? [deviceOf(gpu)];
  const measured = scene.measured ?? (devices.length === 0 ? [] : [gpu]);
  const events = () =>
    bootEvents({
      keysetDigest: keysetDigest(keyset),
      deviceIds: measured.map(idOf),
      verdict: measured.length === 0 ? 'none' : 'passed',
      modelDigest: model,
    });
  return judge({
    trust: trustUnder(scene.policy ?? required, scene.anchors ?? anchors),
    endorsements: {
      ...goodEndorsements,
      ...(scene.nvidia === null ? {} : { nvidia: scene.nvidia ?? goodCollateral }),
    },
    bundle: evidence({ bundle: { devices }, events, after: scene.after ?? {} }),
    ...scene.ask,
  });
}

test('a worker with one GPU is affirmed, with each check named, its device and how far it is bound', async () => {
  const appraisal = await judgeGpu();
  expect(summary(appraisal)).toEqual(['affirming']);
  expect(appraisal).toMatchObject({
    gpuBinding: 'guest-asserted',
    simulated: true,
    devices: [{ kind: 'gpu', architecture: 'HOPPER', serial: `41${gpu.pdi.toLowerCase()}`, mode: 'spt' }],
  });
  const outcomes = Object.values(appraisal.groups).flatMap((group) => Object.values(group));
  expect(outcomes.every(({ outcome }) => outcome === 'passed')).toBe(true);
  expect(Object.keys(appraisal.groups.gpu)).toEqual([
    'deviceEvidence',
    'deviceChainToPinnedRoot',
    'deviceChainCurrent',
    'reportSignature',
    'deviceFields',
    'architecture',
    'firmwareId',
    'deviceChainNotRevoked',
    'driverManifestSigned',
    'driverManifestCurrent',
    'driverManifestMatches',
    'vbiosManifestSigned',
    'vbiosManifestCurrent',
    'vbiosManifestMatches',
    'manifestSignersNotRevoked',
    'measurements',
    'oneNonce',
    'distinctDevices',
    'oneMode',
    'topology',
  ]);
});

test('it ends no later than the OCSP answers that it rests on', async () => {
  const appraisal = await judgeGpu({ policy: developmentWith({ freshness: { evidenceAgeSecondsMax: 86_400 } }) });
  expect(appraisal.expiresAt).toBe(NOW - 3_600_000 + 86_400_000);
});

test('two GPUs sign the nonce for two', async () => {
  const devices = [deviceOf(gpu, g(2)), deviceOf(other, g(2))];
  expect(summary(await judgeGpu({ devices, measured: [gpu, other] }))).toEqual(['affirming']);
  const single = [deviceOf(gpu, g(1)), deviceOf(other, g(1))];
  expect(summary(await judgeGpu({ devices: single, measured: [gpu, other] }))).toContain('binding.gpuNonce');
});

describe('refused', () => {
  const cases: [title: string, scene: Scene, because: string[]][] = [
    ['no GPU where policy wants one', { devices: [] }, ['gpu.deviceEvidence']],
    [
      "another worker's GPU evidence, spliced in",
      { devices: [deviceOf(other, gpuNonce(fill(1, 32), nonceRoot, 1))] },
      ['binding.devicesEvent', 'binding.gpuNonce'],
    ],
    [
      "this GPU's evidence for another worker's keyset",
      { devices: [deviceOf(gpu, gpuNonce(fill(1, 32), nonceRoot, 1))] },
      ['binding.gpuNonce'],
    ],
    ['GPU evidence over an old nonce', { devices: [deviceOf(gpu, g(1, fill(5, 32)))] }, ['binding.gpuNonce']],
    ['a GPU that boot did not measure', { devices: [deviceOf(other)] }, ['binding.devicesEvent']],
    ['GPU evidence put in after the quote was made', { after: { devices: [deviceOf(gpu)] } }, ['binding.reportData']],
    [
      'GPU evidence taken out after the quote was made',
      { after: { devices: [] } },
      ['binding.reportData', 'binding.devicesEvent', 'gpu.deviceEvidence'],
    ],
    [
      'one GPU twice',
      { devices: [deviceOf(gpu, g(2)), deviceOf(gpu, g(2))], measured: [gpu, other] },
      ['gpu.distinctDevices', 'binding.devicesEvent'],
    ],
    ['a GPU called a switch', { devices: [{ ...deviceOf(gpu), kind: 2 }] }, ['binding.deviceKinds']],
    [
      'a GPU of an unknown vendor',
      { devices: [deviceOf(stranger.device('alder-0', SIMULATED_H100))] },
      ['gpu.deviceChainToPinnedRoot'],
    ],
    [
      'measurements of other firmware',
      { devices: [deviceOf(gpu, g(1), { measurements: { 22: fill(9, 48) } })] },
      ['gpu.measurements'],
    ],
    [
      'a driver below the floor, with genuine manifests',
      { policy: developmentWith({ gpu: { evidence: 'required', architectures: floors({ driverMin: '999.11.00' }) } }) },
      ['policy.gpuFirmware'],
    ],
    [
      'a VBIOS below the floor',
      {
        policy: developmentWith({
          gpu: { evidence: 'required', architectures: floors({ vbiosMin: '96.00.F0.00.0A' }) },
        }),
      },
      ['policy.gpuFirmware'],
    ],
    [
      'a driver that policy denies',
      {
        policy: developmentWith({
          gpu: { evidence: 'required', architectures: floors({ driversDenied: ['999.10.1'] }) },
        }),
      },
      ['policy.gpuFirmware'],
    ],
    ['an architecture that policy does not take', blackwellScene(), ['policy.gpuArchitecture']],
    ['a mode that policy does not take', { devices: [deviceOf(gpu, g(1), { mode: 'mpt' })] }, ['policy.gpuMode']],
    [
      'a GPU that does not say its mode',
      { devices: [deviceOf(gpu, g(1), { mode: null, protectedPcie: false })] },
      ['policy.gpuMode'],
    ],
    ['fewer GPUs than policy wants', { policy: developmentWith({ gpu: { gpusMin: 2 } }) }, ['policy.gpuCount']],
    [
      'a GPU that policy denies',
      { policy: developmentWith({ gpu: { devicesDenied: [`41${gpu.pdi.toLowerCase()}`] } }) },
      ['policy.gpuDevices'],
    ],
    [
      "a GPU that is not on policy's list",
      { policy: developmentWith({ gpu: { devices: [`41${other.pdi.toLowerCase()}`] } }) },
      ['policy.gpuDevices'],
    ],
    [
      'roots of a GPU vendor given for manifests alone',
      { anchors: [intel.trustAnchor, { ...vendor.deviceAnchor, purpose: 'nvidia-manifest' }, vendor.rimAnchor] },
      ['gpu.deviceChainToPinnedRoot'],
    ],
    [
      'roots of a GPU vendor given for CPUs alone',
      { anchors: [intel.trustAnchor, { ...vendor.deviceAnchor, purpose: undefined }, vendor.rimAnchor] },
      ['gpu.deviceChainToPinnedRoot'],
    ],
  ];
  test.each(cases)('%s', async (_, scene, because) => {
    const [status, ...found] = summary(await judgeGpu(scene));
    expect(status).toBe('refused');
    expect(found).toEqual(expect.arrayContaining(because));
  });

  test('a simulated GPU under a production policy, whatever the caller passes as anchors', async () => {
    const policy = { ...production, simulated: 'accept' } as unknown as Policy;
    const trust = { policy, trustAnchors: anchors } as unknown as ReturnType<typeof trustUnder>;
    const found = summary(await judgeGpu({ ask: { trust } }));
    expect(found).toEqual(expect.arrayContaining(['refused', 'policy.gpuTrustAnchors']));
    expect(() => trustUnder(production, [vendor.deviceAnchor])).toThrow('pinned');
    expect(trustUnder(production, [NVIDIA_DEVICE_ROOT]).trustAnchors).toHaveLength(1);
  });
});

describe('unavailable, which is no yes', () => {
  test.each<[string, Scene['nvidia'], string]>([
    ['no collateral at all', null, 'gpu.deviceChainNotRevoked'],
    ['no manifests', collateralOf([gpu], { rims: {} }), 'gpu.measurements'],
    ['no revocation data', collateralOf([gpu], { ocsp: [] }), 'gpu.deviceChainNotRevoked'],
  ])('%s', async (_, nvidia, because) => {
    const found = summary(await judgeGpu(nvidia === undefined ? {} : { nvidia }));
    expect(found[0]).toBe('unavailable');
    expect(found).toContain(because);
  });

  test('a policy may prefer revocation data, and the appraisal says that there was none', async () => {
    const policy = developmentWith({ gpu: { evidence: 'required', revocation: 'prefer' } });
    const appraisal = await judgeGpu({ policy, nvidia: collateralOf([gpu], { ocsp: [] }) });
    expect(summary(appraisal)).toEqual(['affirming']);
    expect(appraisal.groups.gpu.deviceChainNotRevoked).toMatchObject({ outcome: 'notRun' });
  });
});

test('devices are judged also where policy does not require them', async () => {
  const policy = developmentWith({});
  const [status, ...found] = summary(await judgeGpu({ policy, devices: [deviceOf(gpu, fill(1, 32))] }));
  expect([status, found]).toEqual(['refused', ['binding.gpuNonce']]);
  expect(parseEvidenceBundle(evidence()).devices).toHaveLength(0);
  expect(summary(await judge({ policy }))).toEqual(['affirming']);
});

function floors(changes: { [field: string]: Json }) {
  return {
    HOPPER: { driverMin: '999.10.01', vbiosMin: '96.00.F0.00.01', driversDenied: [], ...changes },
    BLACKWELL: null,
  };
}

function blackwellScene(): Scene {
  return {
    devices: [deviceOf(blackwell, g(1), { mode: 'mpt' })],
    measured: [blackwell],
    nvidia: collateralOf([blackwell]),
  };
}
