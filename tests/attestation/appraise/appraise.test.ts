import { expect, test } from 'vitest';
import {
  type Appraisal,
  evidenceDigest,
  INTEL_SGX_ROOT,
  identityEvent,
  loadIntelEndorsements,
  type ProductionPolicy,
  parseEvidenceBundle,
  type Trust,
  trustUnder,
} from '../../../src/attestation/index.ts';
import { type MachineOptions, simulatedImage } from '../../../src/attestation/simulate/index.ts';
import { CodedError, concat, toHex, utf8, workerId } from '../../../src/core/index.ts';
import {
  type Ask,
  beacon,
  block,
  development,
  developmentWith,
  evidence,
  fill,
  intel,
  judge,
  keyset,
  model,
  NOW,
  nonce,
  otherNonce,
  production,
  type SceneOptions,
  summary,
} from './scene.ts';

async function affirming(ask: Ask = {}): Promise<Extract<Appraisal, { status: 'affirming' }>> {
  const appraisal = await judge(ask);
  if (appraisal.status !== 'affirming') throw new Error(`${summary(appraisal)} ${JSON.stringify(appraisal.groups)}`);
  return appraisal;
}

async function codeOf(run: () => Promise<unknown>): Promise<string> {
  try {
    await run();
  } catch (error) {
    if (error instanceof CodedError) return error.code;
    throw error;
  }
  return 'no error';
}

test('honest simulated evidence is affirmed under the development policy, and says that it is simulated', async () => {
  const bundle = evidence();
  const appraisal = await affirming({ bundle });
  expect(appraisal.simulated).toBe(true);
  expect(appraisal.workerId).toEqual(workerId(keyset.identityKey));
  expect(appraisal.evidenceDigest).toEqual(evidenceDigest(parseEvidenceBundle(bundle)));
  expect(appraisal.modelDigest).toEqual(model);
  expect(appraisal.platformId).toEqual(intel.machine({ name: 'alder' }).ppid);
  expect(appraisal.tcb?.status).toBe('UpToDate');
  expect(appraisal.groups.gpu.deviceEvidence).toEqual({
    outcome: 'notRun',
    reason: 'no GPU evidence; policy does not require it',
  });
  const checks = Object.values(appraisal.groups).flatMap((group) => Object.values(group));
  expect(checks.length).toBeGreaterThan(40);
  expect(checks.filter((check) => check.outcome !== 'passed').length).toBe(1);
});

test('version 5 quotes are affirmed as well', async () => {
  await affirming({ scene: { quote: { version: 5 } } });
});

test('the deadline is the least of all: age of the evidence, keyset, collateral', async () => {
  const hour = 3_600_000;
  expect((await affirming()).expiresAt).toBe(block.at + hour);
  const long = developmentWith({ freshness: { evidenceAgeSecondsMax: 86_400 } });
  const shortLived = { ...keyset, notAfter: NOW + 1000 };
  expect((await affirming({ policy: long, scene: { bundle: { keyset: shortLived } } })).expiresAt).toBe(NOW + 1000);
  const late = { ...keyset, notAfter: NOW + 60 * 86_400_000 };
  const scene = { bundle: { keyset: late } };
  const nearEnd = Date.UTC(2026, 11, 24) - 5000; // the documents were issued on 24 November, for 30 days
  const known = { ...block, at: nearEnd };
  expect((await affirming({ scene, now: nearEnd, knownBlocks: [known], policy: long })).expiresAt).toBe(nearEnd + 5000);
});

test("without Intel's root among the anchors there is nothing, with Intel's alone the simulator is refused", async () => {
  const trust = trustUnder(development, [INTEL_SGX_ROOT]);
  const appraisal = await judge({ trust });
  expect(summary(appraisal)).toContain('cpu.pckChainToPinnedRoot');
  expect(appraisal.status).toBe('refused');
  const endorsements = { intel: await loadIntelEndorsements(intel.collateral(NOW / 1000), [INTEL_SGX_ROOT]) };
  expect((await judge({ trust, endorsements })).status).toBe('refused');
});

test('a production policy refuses the simulator even where its root is passed as an anchor by a cast', async () => {
  const policy = production as ProductionPolicy;
  const impostor = { ...intel.trustAnchor, kind: 'vendor', name: INTEL_SGX_ROOT.name } as const;
  for (const anchor of [intel.trustAnchor, impostor]) {
    const endorsements = { intel: await loadIntelEndorsements(intel.collateral(NOW / 1000), [anchor]) };
    const trust = { policy, trustAnchors: [anchor] } as unknown as Trust;
    const appraisal = await judge({ trust, endorsements });
    expect(appraisal.status).toBe('refused');
    expect(summary(appraisal)).toEqual(
      expect.arrayContaining(['policy.trustAnchor', 'policy.endorsementAnchors', 'policy.image']),
    );
    expect(appraisal.simulated).toBe(anchor.kind === 'simulated');
  }
});

test('endorsements of a simulated vendor do not count under a policy that refuses simulated vendors', async () => {
  const policy = developmentWith({ simulated: 'refuse' });
  const trust = { policy, trustAnchors: [intel.trustAnchor] } as unknown as Trust;
  expect(summary(await judge({ trust }))).toEqual(['refused', 'policy.trustAnchor', 'policy.endorsementAnchors']);
});

const bundleCases: readonly [string, SceneOptions, string[]][] = [
  [
    'another keyset than the quote and events name',
    { after: { keyset: { ...keyset, receiptKey: fill(99, 32) } } },
    ['binding.reportData', 'binding.identityEvent'],
  ],
  ['another model', { after: { modelDigest: fill(98, 32) } }, ['binding.reportData', 'binding.modelEvent']],
  ['another nonce root', { after: { nonceRoot: fill(97, 32) } }, ['binding.reportData', 'binding.nonce']],
  ['another epoch key', { after: { epochKeyDigests: [fill(10, 32), fill(12, 32)] } }, ['binding.reportData']],
  ['another beacon', { after: { beacon: { ...beacon, logSize: 6n } } }, ['binding.reportData']],
  ['no identity event', { events: (all) => all.slice(1) }, ['binding.identityEvent', 'binding.noOtherEvents']],
  ['no model event', { events: (all) => all.slice(0, 2) }, ['binding.modelEvent', 'binding.noOtherEvents']],
  ['no devices event', { events: (all) => [all[0]!, all[2]!] }, ['binding.devicesEvent', 'binding.noOtherEvents']],
  [
    'the identity event twice',
    { events: (all) => [...all, all[0]!] },
    ['binding.identityEvent', 'binding.noOtherEvents'],
  ],
  [
    'a second identity event of another keyset',
    { events: (all) => [...all, identityEvent(fill(50, 32))] },
    ['binding.identityEvent', 'binding.noOtherEvents'],
  ],
  [
    'only the identity event of another keyset',
    { events: (all) => [identityEvent(fill(50, 32)), all[1]!, all[2]!] },
    ['binding.identityEvent'],
  ],
  ['an unknown event', { events: (all) => [...all, utf8('debug shell opened')] }, ['binding.noOtherEvents']],
  ['events in another order', { events: (all) => [all[2]!, all[1]!, all[0]!] }, ['binding.noOtherEvents']],
  ['an event that was measured and left out of the log', { machine: { rtmr3: fill(5, 48) } }, ['binding.rtmr3Replay']],
  ['a beacon of another network', { bundle: { beacon: { ...beacon, network: -239 } } }, ['policy.beaconNetwork']],
  ['a keyset past its end', { bundle: { keyset: { ...keyset, notAfter: NOW } } }, ['policy.keysetCurrent']],
  ['only an unknown protocol version', { bundle: { keyset: { ...keyset, versions: [2] } } }, ['policy.versions']],
];
for (const [title, scene, because] of bundleCases) {
  test(`refused: ${title}`, async () => {
    expect(summary(await judge({ scene }))).toEqual(['refused', ...because]);
  });
}

test('refused: only a suite that the policy does not accept', async () => {
  const scene = { bundle: { keyset: { ...keyset, suites: [0x0020] }, epochKeyDigests: [fill(10, 32)] } };
  const policy = developmentWith({ suites: ['x-wing'] });
  expect(summary(await judge({ scene, policy }))).toEqual(['refused', 'policy.suites']);
});

const machineCases: readonly [string, MachineOptions, string[]][] = [
  ['a debug TD', { debug: true }, ['policy.debugOff']],
  ['another image', { image: simulatedImage('other') }, ['policy.image']],
  [
    'registers of two images',
    { image: { ...simulatedImage('development'), rtmr2: simulatedImage('x').rtmr2 } },
    ['policy.image'],
  ],
  ['another MRCONFIGID', { image: simulatedImage('development', { mrConfigId: '01'.repeat(48) }) }, ['policy.image']],
  [
    'SEPT_VE_DISABLE off',
    { image: simulatedImage('development', { tdAttributes: '00'.repeat(8) }) },
    ['policy.septVeDisable'],
  ],
  [
    'a migratable TD',
    { image: simulatedImage('development', { tdAttributes: '0000003000000000' }) },
    ['policy.serviceTd'],
  ],
  [
    'a TUD bit',
    { image: simulatedImage('development', { tdAttributes: '0200001000000000' }) },
    ['policy.tdAttributes'],
  ],
  [
    'a reserved bit',
    { image: simulatedImage('development', { tdAttributes: '0001001000000000' }) },
    ['policy.tdAttributes'],
  ],
  ['an XFAM without SSE', { image: simulatedImage('development', { xfam: 'e502060000000000' }) }, ['policy.xfam']],
  [
    'an XFAM with more than allowed',
    { image: simulatedImage('development', { xfam: 'e702060100000000' }) },
    ['policy.xfam'],
  ],
  ["another's quoting enclave", { qeMrSigner: fill(1, 32) }, ['cpu.qeIdentity']],
  ['a debug quoting enclave', { qeDebug: true }, ['cpu.qeIdentity']],
  ['an attestation key that the enclave did not name', { strangeAttestationKey: true }, ['cpu.attestationKeyBound']],
];
for (const [title, machine, because] of machineCases) {
  test(`refused: ${title}`, async () => {
    const found = summary(await judge({ scene: { machine } }));
    expect(found[0]).toBe('refused');
    expect(found).toEqual(expect.arrayContaining(because));
  });
}

test('refused: a service TD bound to the TD', async () => {
  const image = simulatedImage('development', { mrServiceTd: '01'.repeat(48) });
  expect(summary(await judge({ scene: { machine: { image }, quote: { version: 5 } } }))).toEqual([
    'refused',
    'policy.serviceTd',
  ]);
});

const tcbCases = [
  ['SWHardeningNeeded', {}, 'SWHardeningNeeded'],
  ['ConfigurationNeeded', {}, 'ConfigurationNeeded'],
  ['ConfigurationAndSWHardeningNeeded', {}, 'ConfigurationAndSWHardeningNeeded'],
  ['OutOfDate', {}, 'OutOfDate'],
  ['OutOfDateConfigurationNeeded', {}, 'OutOfDateConfigurationNeeded'],
  ['UpToDate', { module: 'OutOfDate' }, 'OutOfDate'],
  ['UpToDate', { qe: 'OutOfDate' }, 'OutOfDate'],
  ['ConfigurationNeeded', { qe: 'OutOfDate' }, 'OutOfDateConfigurationNeeded'],
] as const;
for (const [platformStatus, parts, status] of tcbCases) {
  test(`TCB ${platformStatus} ${JSON.stringify(parts)} is ${status}: refused, and accepted where the policy says so`, async () => {
    const scene = { machine: { platformStatus, ...parts } };
    const strict = await judge({ scene });
    expect(strict.tcb?.status).toBe(status);
    expect(summary(strict)).toEqual(['refused', 'policy.tcbStatus']);
    await affirming({ scene, policy: developmentWith({ tdx: { tcbStatuses: [status] } }) });
    const denied = developmentWith({ tdx: { tcbStatuses: [status], advisoriesDenied: strict.tcb!.advisoryIds } });
    expect(summary(await judge({ scene, policy: denied }))).toEqual(['refused', 'policy.advisories']);
  });
}

test('a revoked or unknown TCB is never affirmed', async () => {
  for (const machine of [
    { platformStatus: 'Revoked' },
    { platformStatus: 'unsupported' },
    { module: 'Revoked' },
    { module: 'unsupported' },
    { qe: 'Revoked' },
    { qe: 'unsupported' },
  ] as const) {
    expect((await judge({ scene: { machine } })).status).toBe('refused');
  }
});

test('a module updated under a running TD asks for a relaunch', async () => {
  const scene = { machine: { module: 'OutOfDate' }, quote: { version: 5, runningModule: 'UpToDate' } } as const;
  expect((await judge({ scene })).tcb?.status).toBe('TDRelaunchAdvised');
});

test('an evaluation data number below the floor, a platform off the list and a model off the list are refused', async () => {
  const number = developmentWith({ tdx: { tcbEvaluationDataNumberMin: 21 } });
  expect(summary(await judge({ policy: number }))).toEqual(['refused', 'policy.tcbEvaluationNumber']);
  const { ppid } = intel.machine({ name: 'alder' });
  await affirming({ policy: developmentWith({ tdx: { platforms: [toHex(ppid)] } }) });
  const listed = developmentWith({ tdx: { platforms: [toHex(ppid)] } });
  expect(summary(await judge({ policy: listed, scene: { machine: { name: 'birch' } } }))).toEqual([
    'refused',
    'policy.platform',
  ]);
  await affirming({ policy: developmentWith({ models: [toHex(model)] }) });
  expect(summary(await judge({ policy: developmentWith({ models: [] }) }))).toEqual(['refused', 'policy.model']);
  expect(summary(await judge({ policy: developmentWith({ tees: [] }) }))).toEqual(['refused', 'policy.tee']);
  expect(summary(await judge({ policy: developmentWith({ tdx: { images: [] } }) }))).toEqual([
    'refused',
    'policy.image',
  ]);
  expect(summary(await judge({ policy: developmentWith({ gpu: { evidence: 'required' } }) }))).toEqual([
    'refused',
    'gpu.deviceEvidence',
  ]);
});

test('an image is accepted until its end, to the second, and nothing relies on it beyond', async () => {
  const [image] = development.tdx.images;
  const at = (seconds: number) => new Date(NOW + 1000 * seconds).toISOString().replace(/\.\d+Z$/, 'Z');
  const ending = (seconds: number) => developmentWith({ tdx: { images: [{ ...image, acceptedUntil: at(seconds) }] } });
  expect((await judge({ policy: ending(1) })).expiresAt).toBe(NOW + 1000);
  for (const end of [0, -86_400]) {
    expect(summary(await judge({ policy: ending(end) }))).toEqual(['refused', 'policy.image']);
  }
  expect((await judge({ policy: ending(10 * 365 * 86_400) })).expiresAt).toBe((await judge()).expiresAt);
  for (const wrong of ['2026-03-01', '2026-03-01T00:00:00+01:00', '2026-03-01T00:00:00.5Z', 5, null]) {
    expect(() => developmentWith({ tdx: { images: [{ ...image, acceptedUntil: wrong }] } })).toThrow(/acceptedUntil/);
  }
});

test('a nonce that is not under N is refused; a policy of mode 2 cannot do without one', async () => {
  expect(summary(await judge({ expectedNonce: otherNonce }))).toEqual(['refused', 'binding.nonce']);
  const wrongPlace = { ...nonce, proof: { ...nonce.proof, index: 0 } };
  expect(summary(await judge({ expectedNonce: wrongPlace }))).toEqual(['refused', 'binding.nonce']);
  await affirming({ expectedNonce: undefined });
  const quoteMode = developmentWith({ session: { leastMode: 2 } });
  await affirming({ policy: quoteMode });
  expect(summary(await judge({ policy: quoteMode, expectedNonce: undefined }))).toEqual([
    'unavailable',
    'binding.nonce',
  ]);
});

test('the age counts from the block of the beacon, else from our own nonce, else from the log entry', async () => {
  const old = NOW - 3_600_001;
  expect((await affirming()).madeAt).toBe(block.at);
  expect((await affirming({ knownBlocks: [], loggedAt: NOW - 5 })).madeAt).toBe(NOW);
  const nothing = { knownBlocks: [], expectedNonce: undefined };
  expect((await affirming({ ...nothing, loggedAt: NOW - 5 })).madeAt).toBe(NOW - 5);
  expect(summary(await judge(nothing))).toEqual(['unavailable', 'policy.evidenceAge']);
  expect(summary(await judge({ knownBlocks: [{ ...block, at: old }] }))).toEqual(['refused', 'policy.evidenceAge']);
  expect(summary(await judge({ ...nothing, loggedAt: old }))).toEqual(['refused', 'policy.evidenceAge']);
  // The beacon's own block is not known, but a later one is, and even that is too old.
  expect(summary(await judge({ knownBlocks: [{ ...block, seqno: 701, at: old }] }))).toEqual([
    'refused',
    'policy.evidenceAge',
  ]);
  expect(summary(await judge({ knownBlocks: [{ ...block, at: NOW + 60_001 }] }))).toEqual([
    'refused',
    'policy.evidenceAge',
  ]);
});

test("a beacon that names another block than the chain's is refused; an unknown one only where the policy allows it", async () => {
  expect(summary(await judge({ knownBlocks: [{ ...block, rootHash: fill(1, 32) }] }))).toEqual([
    'refused',
    'binding.beaconBlock',
  ]);
  const strict = developmentWith({ freshness: { beaconBlock: 'required' } });
  await affirming({ policy: strict });
  expect(summary(await judge({ policy: strict, knownBlocks: [] }))).toEqual(['unavailable', 'binding.beaconBlock']);
});

test('bytes after the quote and unreadable bundles are refused', async () => {
  const padded = parseEvidenceBundle(evidence());
  const scene = { after: { quote: concat(padded.quote, fill(0, 8)) } };
  expect(summary(await judge({ scene }))).toEqual(['refused', 'binding.quoteExact']);
  expect(await codeOf(() => judge({ scene: { after: { quote: concat(padded.quote, fill(1, 8)) } } }))).toBe(
    'EVIDENCE_TRAILING_BYTES',
  );
  expect(await codeOf(() => judge({ scene: { after: { tee: 'sev-snp' } } }))).toBe('EVIDENCE_UNSUPPORTED'); // no version of a report
  expect(await codeOf(() => judge({ bundle: fill(0, 0) }))).toBe('OBJECT_MALFORMED');
});
