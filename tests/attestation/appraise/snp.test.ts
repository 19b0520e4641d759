import { expect, test } from 'vitest';
import {
  AMD_ROOTS,
  type AmdEndorsements,
  type AppraisalInput,
  amdCollateralOf,
  appraise,
  bootEvents,
  bundleReportData,
  type EvidenceBundle,
  encodeEvidenceBundle,
  encodeTcb,
  loadAmdEndorsements,
  type Policy,
  parseSnpReport,
  snpImageDigest,
  trustUnder,
} from '../../../src/attestation/index.ts';
import {
  type AmdCollateralDefects,
  DEVELOPMENT_SNP_IMAGE,
  SIMULATED_CSP_ID,
  type SimulatedSnpHost,
  type SimulatedSnpImage,
  type SnpReportRequest,
  simulatedSnpImage,
} from '../../../src/attestation/simulate/index.ts';
import { type Json, keysetDigest, toHex } from '../../../src/core/index.ts';
import { sharedAmd as amd } from '../simulate/shared-amd.ts';
import {
  beacon,
  block,
  development,
  developmentWith,
  fill,
  intel,
  endorsementsOf as intelEndorsementsOf,
  keyset,
  model,
  NOW,
  nonce,
  nonceRoot,
  summary,
} from './scene.ts';

const HOST: SimulatedSnpHost = { name: 'birch', line: 'Genoa' };

type Scene = Readonly<{
  host?: Partial<SimulatedSnpHost>;
  image?: SimulatedSnpImage;
  report?: Partial<SnpReportRequest>;
  /** What the bundle says though the report was made over something else. */
  after?: Partial<EvidenceBundle>;
  defects?: AmdCollateralDefects;
}>;

function evidence({ host, image, report, after }: Scene = {}) {
  const machine = amd.machine({ ...HOST, ...host }, image === undefined ? {} : { image });
  const claims = {
    tee: 'sev-snp' as const,
    keyset,
    nonceRoot,
    beacon,
    modelDigest: model,
    epochKeyDigests: [fill(10, 32), fill(11, 32)],
    devices: [],
  };
  const quote = machine.report({ reportData: bundleReportData(claims), ...report });
  return encodeEvidenceBundle({
    ...claims,
    quote,
    eventLog: { firmware: fill(0, 0), runtimeEvents: [] },
    ...after,
  });
}

/** Certificates are issued with RSA, which takes its time: once for each host and defect. */
const issued = new Map<string, AmdEndorsements>();
function endorsementsOf({ host, defects }: Scene = {}) {
  const key = JSON.stringify([host, defects]);
  const document = () => amd.collateral({ ...HOST, ...host }, NOW / 1000, defects) as unknown as Json;
  const known = issued.get(key) ?? loadAmdEndorsements(amdCollateralOf(document()));
  issued.set(key, known);
  return { amd: known };
}

type Ask = Partial<Omit<AppraisalInput, 'policy' | 'trustAnchors'>> & { policy?: Policy; scene?: Scene };

function judge({ policy = development, scene, ...rest }: Ask = {}) {
  return appraise({
    ...trustUnder(policy, [intel.trustAnchor, ...amd.trustAnchors]),
    bundle: evidence(scene),
    endorsements: endorsementsOf(scene),
    now: NOW,
    expectedNonce: nonce,
    knownBlocks: [block],
    ...rest,
  });
}

const because = async (ask: Ask) => summary(await judge(ask));

/** The development policy with changes laid over its SEV-SNP rules, one level deep. */
function snp(changes: Readonly<Record<string, unknown>>): Policy {
  const rules = development.sevSnp as unknown as Record<string, object>;
  const merged = Object.entries(changes).map(([name, value]) => {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return [name, isObject ? { ...rules[name], ...value } : value];
  });
  return developmentWith({ sevSnp: Object.fromEntries(merged) });
}

test('honest simulated evidence of every line is affirmed, and says what binds it', async () => {
  for (const line of ['Milan', 'Genoa', 'Turin'] as const) {
    const scene = { host: { line } };
    const bundle = evidence(scene);
    const appraisal = await judge({ scene, bundle });
    expect([line, ...summary(appraisal)]).toEqual([line, 'affirming']);
    const report = parseSnpReport(amd.machine({ ...HOST, line }).report({ reportData: fill(0, 64) }));
    expect(appraisal).toMatchObject({
      tee: 'sev-snp',
      simulated: true,
      tcbStatus: 'MeetsMinimum',
      tcb: null,
      identityBinding: 'image-rule',
      platformId: report.chipId,
      measurementsDigest: snpImageDigest(report),
      snpTcbs: { line, minimumDate: development.sevSnp.lines[line]?.minimumDate },
    });
    expect(appraisal.expiresAt).toBe(block.at + 3_600_000);
  }
});

test("the development policy's image is the simulator's", () => {
  const { guestPolicy: _, ...values } = DEVELOPMENT_SNP_IMAGE;
  expect(development.sevSnp.images).toEqual([values]);
});

test("with AMD's roots alone the simulator is refused, and endorsements of the other vendor are none", async () => {
  const trust = trustUnder(development, AMD_ROOTS);
  const refused = await appraise({
    ...trust,
    bundle: evidence(),
    endorsements: endorsementsOf(),
    now: NOW,
    expectedNonce: nonce,
    knownBlocks: [block],
  });
  expect(refused.status).toBe('refused');
  expect(summary(refused)).toContain('cpu.chainToPinnedArk');
  const others = await judge({ endorsements: await intelEndorsementsOf() });
  expect([others.status, others.tcbStatus, others.simulated]).toEqual(['unavailable', 'unknown', false]);
});

const tcb = (line: 'Genoa' | 'Milan', levels: object) =>
  encodeTcb({ bootloader: 10, tee: 0, snp: 27, microcode: 88, ...levels }, line);
const imageWith = (changes: Partial<Omit<SimulatedSnpImage, 'name'>>) => simulatedSnpImage('development', changes);
const zeros = (bytes: number) => '00'.repeat(bytes);

test.each<[string, Scene, string[]]>([
  ['another image', { image: simulatedSnpImage('other') }, ['policy.image']],
  ['host data of another', { image: imageWith({ hostData: '01'.repeat(32) }) }, ['policy.image']],
  [
    'an ID block that the policy does not name',
    { image: imageWith({ idKeyDigest: '01'.repeat(48) }) },
    ['policy.image'],
  ],
  ['a family id of another', { image: imageWith({ familyId: '01'.repeat(16) }) }, ['policy.image']],
  ['a debug guest', { image: imageWith({ guestPolicy: '00000000000b0000' }) }, ['policy.debugOff']],
  ['a migration agent', { image: imageWith({ guestPolicy: '0000000000070000' }) }, ['policy.noMigrationAgent']],
  ['a report of a migrated guest', { report: { fields: { reportIdMa: fill(1, 32) } } }, ['policy.noMigrationAgent']],
  ['CXL memory', { image: imageWith({ guestPolicy: '0000000000230000' }) }, ['policy.guestPolicy']],
  ['SMT on against the guest', { image: imageWith({ guestPolicy: '0000000000020000' }) }, ['policy.platformInfo']],
  ['a reserved policy bit', { image: imageWith({ guestPolicy: '0000000004030000' }) }, ['cpu.reservedBits']],
  ['VMPL 1', { report: { vmpl: 1 } }, ['policy.vmpl']],
  ['a report that the host asked for', { report: { vmpl: 0xffff_ffff } }, ['cpu.requestedByGuest', 'policy.vmpl']],
  ['aliases not looked for', { report: { fields: { platformInfo: 5n } } }, ['policy.aliasCheck']],
  [
    'provisional firmware',
    { report: { fields: { committed: { major: 1, minor: 55, build: 48 } } } },
    ['policy.provisionalFirmware'],
  ],
  [
    'old firmware',
    {
      report: {
        fields: { current: { major: 1, minor: 54, build: 255 }, committed: { major: 1, minor: 54, build: 255 } },
      },
    },
    ['policy.firmware'],
  ],
  ['a TCB below the floor', { host: { tcb: { snp: 22 } } }, ['policy.tcbMinimum']],
  [
    'a launch below the floor',
    { report: { fields: { launchTcb: tcb('Genoa', { microcode: 83 }) } } },
    ['policy.tcbMinimum'],
  ],
  [
    'a committed TCB below the floor',
    { report: { fields: { committedTcb: tcb('Genoa', { snp: 22 }) } } },
    ['policy.tcbMinimum', 'policy.provisionalFirmware'],
  ],
  ['a masked chip', { report: { fields: { chipId: fill(0, 64) } } }, ['cpu.chipIdMatchesLeaf']],
  ['a VLEK', { host: { signer: 'VLEK' } }, ['policy.cloudProvider']],
  ['a revoked ASK', { defects: { revoked: ['ask'] } }, ['cpu.chainNotRevoked']],
  [
    'another keyset than the report was made over',
    { after: { keyset: { ...keyset, receiptKey: fill(99, 32) } } },
    ['binding.reportData'],
  ],
  ['another model', { after: { modelDigest: fill(98, 32) } }, ['binding.reportData']],
  ['another nonce root', { after: { nonceRoot: fill(97, 32) } }, ['binding.reportData', 'binding.nonce']],
  [
    'events that no register vouches for',
    {
      after: {
        eventLog: {
          firmware: fill(0, 0),
          runtimeEvents: bootEvents({
            keysetDigest: keysetDigest(keyset),
            deviceIds: [],
            verdict: 'none',
            modelDigest: model,
          }),
        },
      },
    },
    ['binding.noEvents'],
  ],
  [
    'a firmware log that no register vouches for',
    { after: { eventLog: { firmware: fill(1, 3), runtimeEvents: [] } } },
    ['binding.noEvents'],
  ],
])('refused: %s', async (_, scene, expected) => {
  expect((await because({ scene })).sort()).toEqual(['refused', ...expected].sort());
});

const chipOf = (name: string) => toHex(amd.machine({ ...HOST, name }).chipId);
const guestBits = (bits: string) => ({ image: imageWith({ guestPolicy: bits }) });
const masked = { report: { fields: { chipId: fill(0, 64) } } };

test.each<[string, Readonly<Record<string, unknown>>, Scene, string[]]>([
  ['a line that is null', { lines: { Genoa: null } }, {}, ['policy.productLine']],
  ['no image at all', { images: [] }, {}, ['policy.image']],
  [
    'an image past its end',
    { images: [{ ...development.sevSnp.images[0], acceptedUntil: '2026-01-01T00:00:00Z' }] },
    {},
    ['policy.image'],
  ],
  ['a chip list without it', { chips: [chipOf('alder')] }, {}, ['policy.platform']],
  ['a chip that is denied', { chipsDenied: [chipOf('birch')] }, {}, ['policy.platform']],
  [
    'a chip that cannot be held against those denied',
    { chipsDenied: [chipOf('alder')], maskedChipId: 'allow' },
    masked,
    ['policy.platform'],
  ],
  ['a chip list and a masked chip', { chips: [zeros(64)], maskedChipId: 'allow' }, masked, ['policy.platform']],
  [
    'a VLEK under a chip list',
    { chips: [chipOf('birch')], cloudProviders: [SIMULATED_CSP_ID] },
    { host: { signer: 'VLEK' } },
    ['policy.platform'],
  ],
  ['SMT, where it must be off', { guestPolicy: { smt: 'refuse' } }, {}, ['policy.guestPolicy']],
  ['a guest bit that is missing', { guestPolicy: { require: ['SINGLE_SOCKET'] } }, {}, ['policy.guestPolicy']],
  ['an ABI that is too old', { guestPolicy: { abiMin: { major: 1, minor: 0 } } }, {}, ['policy.guestPolicy']],
  ['a platform bit that is missing', { platformInfo: { require: ['TSME_EN'] } }, {}, ['policy.platformInfo']],
  ['a GUEST_SVN that is too low', { guestSvnMin: 1 }, {}, ['policy.guestSvn']],
  ['VMPL 0, where 2 is wanted', { vmpl: 2 }, {}, ['policy.vmpl']],
  ['a mitigation that is missing', { mitigations: '0000000000000010' }, {}, ['policy.mitigations']],
  [
    'a report that cannot say its mitigations',
    { mitigations: '0000000000000001' },
    { report: { version: 3 } },
    ['policy.mitigations'],
  ],
  [
    'firmware below the floor',
    { lines: { Genoa: { ...development.sevSnp.lines.Genoa, firmwareMin: { major: 1, minor: 56, build: 0 } } } },
    {},
    ['policy.firmware'],
  ],
])('refused by a stricter policy: %s', async (_, rules, scene, expected) => {
  expect((await because({ policy: snp(rules), scene })).sort()).toEqual(['refused', ...expected].sort());
});

test.each<[string, Readonly<Record<string, unknown>>, Scene]>([
  ['a chip on the list', { chips: [chipOf('birch')] }, {}],
  ['a masked chip', { maskedChipId: 'allow' }, masked],
  ['a VLEK of a provider on the list', { cloudProviders: [SIMULATED_CSP_ID] }, { host: { signer: 'VLEK' } }],
  [
    'provisional firmware',
    { provisionalFirmware: 'allow' },
    { report: { fields: { committed: { major: 1, minor: 55, build: 48 } } } },
  ],
  [
    'firmware that does not look for aliases',
    { platformInfo: { aliasCheck: 'not-required' } },
    { report: { fields: { platformInfo: 5n } } },
  ],
  ['CXL memory', { guestPolicy: { cxl: 'allow' } }, guestBits('0000000000230000')],
  [
    'demanded bits that are set',
    { guestPolicy: { require: ['SINGLE_SOCKET', 'CIPHERTEXT_HIDING'] } },
    guestBits('0000000001130000'),
  ],
  ['the mitigations that are in place', { mitigations: '000000000000000b' }, {}],
  ['VMPL 2 of a paravisor', { vmpl: 2 }, { report: { vmpl: 2 } }],
])('affirmed where the policy says so: %s', async (_, rules, scene) => {
  const appraisal = await judge({ policy: snp(rules), scene });
  expect(summary(appraisal)).toEqual(['affirming']);
  const isNamed = scene !== masked && scene.host?.signer !== 'VLEK';
  expect(appraisal.platformId === null).toBe(!isNamed);
});

test.each<[string, AmdCollateralDefects, string]>([
  ['no leaf', { missing: ['leaf'] }, 'unavailable'],
  ['no CRL', { missing: ['crl'] }, 'unavailable'],
  ['a CRL past its end', { expired: ['crl'] }, 'refused'],
  ["a CRL that is not the ARK's", { wronglySigned: ['crl'] }, 'refused'],
])('not affirmed: %s', async (_, defects, status) => {
  const appraisal = await judge({ scene: { defects } });
  expect(appraisal.status).toBe(status);
});

test('a policy that does not accept SEV-SNP refuses it, and a production policy refuses the simulator', async () => {
  expect(await because({ policy: developmentWith({ tees: ['tdx'] }) })).toEqual(['refused', 'policy.tee']);
});
