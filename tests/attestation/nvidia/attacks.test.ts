import { describe, expect, test } from 'vitest';
import { verifyRim } from '../../../src/attestation/endorsements/nvidia/index.ts';
import { type NvidiaEndorsements, rimDemands, VerificationCache } from '../../../src/attestation/index.ts';
import { SIMULATED_B200, SIMULATED_H100 } from '../../../src/attestation/simulate/index.ts';
import { deriveSecret, simulatedKey } from '../../../src/attestation/simulate/keys.ts';
import { issueNvidiaCertificate, nvidiaName, serialOf } from '../../../src/attestation/simulate/nvidia/certificates.ts';
import { issueManifest } from '../../../src/attestation/simulate/nvidia/manifest.ts';
import { fromUtf8, utf8 } from '../../../src/core/index.ts';
import {
  contextAt,
  endorsementsFor,
  evidenceOf,
  failuresOf,
  gpu,
  gpuOcsp,
  judge,
  manifestsOf,
  NOW,
  type Scene,
  stranger,
  vendor,
} from './scene.ts';

const YEAR_SECONDS = 366 * 86_400;
const other = vendor.device('birch-0', SIMULATED_H100);
const good = evidenceOf(gpu);
const [leaf, brom, provisioner, identity, root] = gpu.chain as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
];
const withChain = (...certificates: readonly Uint8Array[]): Scene => ({ evidence: { ...good, certificates } });

/** Good endorsements with one manifest replaced, whatever the replacement is really about. */
function withManifest(role: 'driver' | 'vbios', manifest: Uint8Array): NvidiaEndorsements {
  const manifests = manifestsOf(SIMULATED_H100);
  const id = vendor.manifests(SIMULATED_H100).find((one) => one.role === role)?.id as string;
  return endorsementsFor(SIMULATED_H100, gpuOcsp, [], manifests.set(id, manifest));
}

async function refused(scene: Scene): Promise<Record<string, string>> {
  const verdict = await judge(scene);
  expect(verdict.verdict).toBe('refused');
  return failuresOf(verdict);
}

test('the scene without an attack is verified', async () => {
  expect(await judge()).toMatchObject({ verdict: 'verified' });
});

describe('report', () => {
  test('replayed with an old nonce', async () => {
    const evidence = evidenceOf(gpu, {}, new Uint8Array(32).fill(9));
    expect(await refused({ evidence })).toEqual({ expectedNonce: 'EVIDENCE_EXPECTATION_MISMATCH' });
  });

  test('of another GPU under this chain', async () => {
    const evidence = { ...evidenceOf(other), certificates: gpu.chain };
    expect(await refused({ evidence })).toEqual({ reportSignature: 'EVIDENCE_SIGNATURE_INVALID' });
  });

  test('every byte that is signed is signed: one flipped bit in each field', async () => {
    for (let at = 0; at < good.report.signedBytes.length; at += 97) {
      const signedBytes = Uint8Array.from(good.report.signedBytes);
      signedBytes[at] = (signedBytes[at] as number) ^ 1;
      const evidence = { ...good, report: { ...good.report, signedBytes } };
      expect(await refused({ evidence })).toMatchObject({ reportSignature: 'EVIDENCE_SIGNATURE_INVALID' });
    }
  });

  test('without a FWID, as drivers before 550 gave it', async () => {
    const evidence = evidenceOf(gpu, { fwid: null });
    expect(await refused({ evidence })).toEqual({ firmwareId: 'EVIDENCE_KEY_NOT_BOUND' });
    const options = { dangerouslyAllowMissingFirmwareId: true };
    expect(await judge({ evidence, options })).toMatchObject({ verdict: 'verified' });
  });

  test('with the FWID of other firmware than its leaf was made for', async () => {
    const evidence = evidenceOf(gpu, { fwid: new Uint8Array(48).fill(1) });
    expect(await refused({ evidence })).toEqual({ firmwareId: 'EVIDENCE_KEY_NOT_BOUND' });
  });

  test.each([
    ['NVDEC0 in a state that nobody defined', { nvdec0: 0x5a }],
    ['a field of OpaqueData twice', { moreFields: [[3, utf8('1.0\0')]] }],
    ['a driver version that would be a path', { firmware: { ...SIMULATED_H100, driverVersion: '../../v1/rim/x' } }],
    ['a driver version of more than 32 characters', { firmware: { ...SIMULATED_H100, driverVersion: '9'.repeat(33) } }],
    ['a project with a line end', { firmware: { ...SIMULATED_H100, project: '10\n10' } }],
    ['a mode that nobody defined', { mode: null, moreFields: [[36, Uint8Array.of(3, 0)]] }],
  ] as const)('%s', async (_, fields) => {
    const evidence = evidenceOf(gpu, fields as Parameters<typeof evidenceOf>[1]);
    expect(await refused({ evidence })).toEqual({ deviceFields: 'EVIDENCE_MALFORMED' });
  });

  test('of an architecture other than its container states', async () => {
    const options = { expectArchitecture: 'BLACKWELL' };
    expect(await refused({ options })).toEqual({ architecture: 'EVIDENCE_EXPECTATION_MISMATCH' });
  });

  test('that names another chip than its certificates', async () => {
    const failures = await refused({ evidence: evidenceOf(gpu, { chipInfo: 'GB100' }) });
    expect(failures).toMatchObject({ architecture: 'EVIDENCE_PLATFORM_MISMATCH' });
  });
});

describe('certificate chain', () => {
  const forgedLeafKey = simulatedKey(deriveSecret(new Uint8Array(32), 'forger'), 'P-384');
  const forged = { name: nvidiaName('GH100 A01 GSP FMC LF'), key: forgedLeafKey, serial: serialOf(forgedLeafKey) };

  test.each<[string, Scene]>([
    ['leaf and device CA swapped', withChain(brom, leaf, provisioner, identity, root)],
    ['without its provisioner', withChain(leaf, brom, identity, root)],
    ['with a root twice', withChain(leaf, brom, provisioner, identity, root, root)],
    [
      'with a self-signed root after the real one',
      withChain(leaf, brom, provisioner, identity, root, stranger.certificate('deviceRoot')),
    ],
    [
      'with a lookalike root of the same name in place of the real one',
      withChain(leaf, brom, provisioner, identity, stranger.certificate('deviceRoot')),
    ],
    ['of another vendor with the same names', { evidence: evidenceOf(stranger.device('alder-0', SIMULATED_H100)) }],
    [
      'of another chip above the device',
      withChain(leaf, brom, vendor.certificate('provisioner LS_10'), identity, root),
    ],
    [
      'that ends at the root for manifests',
      withChain(leaf, brom, provisioner, identity, vendor.certificate('rimRoot')),
    ],
    [
      'with a second leaf that the leaf itself signed',
      withChain(
        issueNvidiaCertificate({
          subject: forged,
          issuer: { name: nvidiaName('GH100 A01 GSP FMC LF'), key: forgedLeafKey },
          ca: false,
        }),
        leaf,
        brom,
        provisioner,
        identity,
      ),
    ],
    [
      'with a leaf that is a CA',
      withChain(
        issueNvidiaCertificate({ subject: forged, issuer: vendor.authority('provisioner GH100'), ca: true }),
        provisioner,
        identity,
        root,
        root,
      ),
    ],
  ])('%s', async (_, scene) => {
    expect(await refused(scene)).toMatchObject({ deviceChainToPinnedRoot: 'EVIDENCE_CHAIN_INVALID' });
  });

  test('not in date at the given time', async () => {
    for (const now of [Date.UTC(2019, 0, 1) / 1000, Date.UTC(2051, 0, 1) / 1000]) {
      const failures = await refused({ context: contextAt(now), options: { revocation: 'off' } });
      expect(failures).toMatchObject({ deviceChainCurrent: 'EVIDENCE_CHAIN_NOT_CURRENT' });
    }
  });

  test('each certificate with one flipped bit', async () => {
    for (let position = 0; position < gpu.chain.length; position++) {
      const chain = gpu.chain.map((der) => Uint8Array.from(der));
      const target = chain[position] as Uint8Array;
      target[target.length - 5] = (target.at(-5) as number) ^ 1;
      const code = (await refused(withChain(...chain))).deviceChainToPinnedRoot;
      expect(['EVIDENCE_CHAIN_INVALID', 'CERTIFICATE_MALFORMED']).toContain(code);
    }
  });
});

describe('manifests', () => {
  const driver = vendor.manifest(SIMULATED_H100, 'driver');

  test.each<[string, 'driver' | 'vbios', Uint8Array, Record<string, string>]>([
    [
      'of Hopper for a Blackwell product',
      'driver',
      vendor.manifest(SIMULATED_H100, 'driver', { product: 'GB100' }),
      { driverManifestSigned: 'ENDORSEMENT_CHAIN_INVALID' },
    ],
    [
      'of Blackwell for a Hopper device',
      'driver',
      vendor.manifest({ ...SIMULATED_B200, driverVersion: SIMULATED_H100.driverVersion }, 'driver'),
      { driverManifestMatches: 'EVIDENCE_PLATFORM_MISMATCH' },
    ],
    [
      'of another driver version',
      'driver',
      vendor.manifest({ ...SIMULATED_H100, driverVersion: '999.09.01' }, 'driver'),
      { driverManifestMatches: 'EVIDENCE_PLATFORM_MISMATCH' },
    ],
    [
      'emptied: nothing active',
      'vbios',
      vendor.manifest(SIMULATED_H100, 'vbios', { active: [] }),
      { vbiosManifestMatches: 'EVIDENCE_PLATFORM_MISMATCH' },
    ],
    [
      'with half of its values inactive',
      'driver',
      vendor.manifest(SIMULATED_H100, 'driver', { active: [21, 22, 23, 24, 25, 26] }),
      { driverManifestMatches: 'EVIDENCE_PLATFORM_MISMATCH' },
    ],
    [
      'that both judge one index',
      'vbios',
      vendor.manifest(SIMULATED_H100, 'vbios', { active: [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 21] }),
      { measurements: 'EVIDENCE_PLATFORM_MISMATCH' },
    ],
    [
      'stale: index 9 alone of another driver',
      'vbios',
      vendor.manifest(SIMULATED_H100, 'vbios', { alternatives: { 9: [new Uint8Array(48).fill(1)] } }),
      { measurements: 'EVIDENCE_MEASUREMENT_MISMATCH' },
    ],
    [
      'signed by another vendor of the same names',
      'driver',
      stranger.manifest(SIMULATED_H100, 'driver'),
      { driverManifestSigned: 'ENDORSEMENT_CHAIN_INVALID' },
    ],
    [
      "signed by the device roots' authorities",
      'driver',
      issueManifest(SIMULATED_H100, 'driver', {
        key: vendor.authority('provisioner GH100').key,
        chain: [provisioner, identity, root, root],
      }),
      { driverManifestSigned: 'ENDORSEMENT_CHAIN_INVALID' },
    ],
    [
      'signed by a key that its own chain does not name',
      'driver',
      issueManifest(SIMULATED_H100, 'driver', {
        key: stranger.authority('signer GH100').key,
        chain: ['signer GH100', 'line GH100', 'product GH100', 'rimRoot'].map((name) =>
          vendor.certificate(name as 'rimRoot'),
        ),
      }),
      { driverManifestSigned: 'ENDORSEMENT_SIGNATURE_INVALID' },
    ],
  ])('%s', async (_, role, manifest, failures) => {
    expect(await refused({ given: withManifest(role, manifest) })).toMatchObject(failures);
  });

  test('of a signer that has expired, or is not valid yet, asks to fetch it again', async () => {
    const { certificates, ...rest } = good;
    const verdict = await judge({
      evidence: { ...rest, certificates },
      context: contextAt(NOW + 30 * YEAR_SECONDS),
      options: { revocation: 'off' },
    });
    expect(failuresOf(verdict)).toMatchObject({ driverManifestCurrent: 'ENDORSEMENT_NOT_CURRENT' });
    const { checks } = verdict;
    expect(checks.driverManifestCurrent).toMatchObject({ reason: expect.stringContaining('fetch manifest') });
  });

  test.each<[string, (text: string) => string]>([
    ['an index twice', (text) => text.replace('index="22"', 'index="21"')],
    ['an index beyond the last', (text) => text.replace('index="63"', 'index="64"')],
    ['a thousand alternatives', (text) => text.replace('alternatives="1"', 'alternatives="1000"')],
    ['no alternative', (text) => text.replace('alternatives="1"', 'alternatives="0"')],
    ['active in another spelling', (text) => text.replace('active="True"', 'active="true"')],
    ['a kind of resource that nobody knows', (text) => text.replace('type="Measurement"', 'type="MinimumSvn"')],
    ['a value of another length', (text) => text.replace(/Hash0="[0-9a-f]{2}/, 'Hash0="')],
    ['an element within ds:Signature', (text) => text.replace('</ds:KeyInfo>', '</ds:KeyInfo><ds:Object></ds:Object>')],
    [
      'a key beside the certificates',
      (text) => text.replace('<ds:X509Data>', '<ds:KeyValue></ds:KeyValue><ds:X509Data>'),
    ],
    ['a second digest algorithm', (text) => text.replace('xmldsig-more#sha384', 'xmldsig-more#sha224')],
  ])('with %s is malformed before any signature counts', async (_, edit) => {
    const edited = edit(fromUtf8(driver));
    expect(edited).not.toBe(fromUtf8(driver));
    const judged = await verifyRim(utf8(edited), [vendor.rimAnchor], new VerificationCache());
    expect(judged).toMatchObject({ state: 'failed', code: 'ENDORSEMENT_MALFORMED' });
  });

  test('missing, which is also all that a GPU in DevTools mode can offer, is never verified', async () => {
    const given = endorsementsFor(SIMULATED_H100, gpuOcsp, [], new Map());
    const verdict = await judge({ given });
    expect(verdict).toMatchObject({ verdict: 'unavailable', checks: { measurements: { outcome: 'notRun' } } });
  });

  test('of another SKU with an equal version are asked for by another id', async () => {
    const { fields, chain } = await judge();
    if (fields?.kind !== 'gpu' || chain === null) throw new Error('no fields');
    const idsOf = (said: typeof fields) => rimDemands(said, chain.architecture, chain.chip).map(({ id }) => id);
    expect(idsOf(fields)).not.toEqual(idsOf({ ...fields, projectSku: '0205' }));
    expect(idsOf({ ...fields, chipSku: '862' })[1]).not.toBe(idsOf(fields)[1]);
  });
});

describe('measurements', () => {
  const active = [...Array.from({ length: 13 }, (_, i) => i), ...Array.from({ length: 20 }, (_, i) => 21 + i)];

  test.each(active.filter((index) => index !== 35))('index %i differs', async (index) => {
    const measurements = { [index]: new Uint8Array(48).fill(0xee) };
    const verdict = await judge({ evidence: evidenceOf(gpu, { measurements }) });
    expect(failuresOf(verdict)).toEqual({ measurements: 'EVIDENCE_MEASUREMENT_MISMATCH' });
    expect(verdict.golden?.mismatched.map((one) => one.index)).toEqual([index]);
  });

  test('index 35 counts exactly where NVDEC0 is on', async () => {
    const measurements = { 35: new Uint8Array(48).fill(0xee) };
    expect(await judge({ evidence: evidenceOf(gpu, { measurements }) })).toMatchObject({ verdict: 'verified' });
    expect(await refused({ evidence: evidenceOf(gpu, { measurements, nvdec0: 'enabled' }) })).toEqual({
      measurements: 'EVIDENCE_MEASUREMENT_MISMATCH',
    });
  });

  test('index 34 is judged whatever NVDEC0 is', async () => {
    const measurements = { 34: new Uint8Array(48).fill(0xee) };
    expect(await refused({ evidence: evidenceOf(gpu, { measurements }) })).toHaveProperty('measurements');
  });

  test('one of several alternatives is enough, and zero is a value like any other', async () => {
    const zero = new Uint8Array(48);
    const manifest = vendor.manifest(SIMULATED_H100, 'driver', {
      alternatives: { 24: [new Uint8Array(48).fill(1), zero] },
    });
    const given = withManifest('driver', manifest);
    expect(await judge({ given, evidence: evidenceOf(gpu, { measurements: { 24: zero } }) })).toMatchObject({
      verdict: 'verified',
    });
    expect(await refused({ given })).toHaveProperty('measurements');
  });

  test('all zero, as in a GPU that is not in confidential mode', async () => {
    const measurements = Object.fromEntries(active.map((index) => [index, new Uint8Array(48)]));
    const verdict = await judge({ evidence: evidenceOf(gpu, { measurements }) });
    expect(verdict.golden).toMatchObject({ compared: 32, matched: 0, skipped: [35] });
    expect(verdict.verdict).toBe('refused');
  });
});
