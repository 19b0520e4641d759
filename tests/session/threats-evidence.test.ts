import { expect, test } from 'vitest';
import { ed25519Key, ed25519Sign } from '#crypto';
import { deviceDigest, gpuNonce, gpuSetDigest, identityEvent } from '../../src/attestation/index.ts';
import { SeenHeads } from '../../src/client/log-proofs.ts';
import { equalBytes, keysetDigest, toHex, utf8 } from '../../src/core/index.ts';
import {
  createWorkerSession,
  encodeOffer,
  epochCertificateDigest,
  parseOffer,
  verifyOffer,
} from '../../src/session/index.ts';
import {
  beacon,
  development,
  developmentWith,
  endorsementsOf,
  fill,
  intel,
  judge,
  keyset,
  NOW,
  nonce,
  nonceRoot,
  otherNonce,
  summary,
} from '../attestation/appraise/scene.ts';
import { gpu } from '../attestation/nvidia/scene.ts';
import { helloOf, makeWorker, offerOf, policyOf, START } from './world.ts';

/**
 * AIS/1 section 12, the threats that evidence, policy and log answer; those of the sealed session are in
 * threats.test.ts. Not in software's reach: side channels, a physical attacker with an allowlisted machine, and that an
 * H100's own evidence can be relayed.
 */
test('honest evidence is affirmed: what follows would notice checks that refuse everything', async () => {
  expect(summary(await judge())).toEqual(['affirming']);
});

test('malicious host: a debug TD, another image, a migratable TD and a bound service TD are refused', async () => {
  expect(summary(await judge({ scene: { machine: { debug: true } } }))).toContain('policy.debugOff');
  const image = { ...intel.machine({ name: 'alder' }).image, mrTd: '77'.repeat(48) };
  expect(summary(await judge({ scene: { machine: { image } } }))).toContain('policy.image');
  const migratable = { ...intel.machine({ name: 'alder' }).image, tdAttributes: '0000003000000000' };
  expect(summary(await judge({ scene: { machine: { image: migratable } } }))).toContain('policy.serviceTd');
});

test('replayed evidence: a quote for another nonce, from an old block or of a forged beacon is refused', async () => {
  expect(summary(await judge({ expectedNonce: otherNonce }))).toEqual(['refused', 'binding.nonce']);
  const late = NOW + (development.freshness.evidenceAgeSecondsMax + 61) * 1000;
  const aged = await judge({ now: late, endorsements: await endorsementsOf() });
  expect(aged.status).not.toBe('affirming');
  const forged = { ...beacon, blockRootHash: fill(99, 32) };
  expect((await judge({ scene: { bundle: { beacon: forged } } })).status).toBe('refused');
});

test('relay / cuckoo: a relayed quote vouches for the keys of the enclave that made it, and for no others', async () => {
  const relayed = await judge({ scene: { after: { keyset: { ...keyset, identityKey: fill(66, 32) } } } });
  expect(summary(relayed)).toEqual(['refused', 'binding.reportData', 'binding.identityEvent']);
  const { ppid } = intel.machine({ name: 'alder' });
  const policy = developmentWith({ tdx: { platforms: [toHex(ppid)] } });
  expect(summary(await judge({ policy }))).toEqual(['affirming']);
  expect(summary(await judge({ policy, scene: { machine: { name: 'birch' } } }))).toEqual([
    'refused',
    'policy.platform',
  ]);
});

test('splice GPU: device evidence added, removed or of another challenge does not fit the quote', async () => {
  const reported = (by: number) => gpu.report(gpuNonce(keysetDigest(keyset), nonceRoot, 1), fill(by, 32));
  const device = { kind: 1 as const, report: reported(1), chain: gpu.chain };
  for (const scene of [{ after: { devices: [device] } }, { bundle: { devices: [device] }, after: { devices: [] } }]) {
    const found = summary(await judge({ scene }));
    expect(found).toEqual(expect.arrayContaining(['refused', 'binding.reportData']));
  }
  const swapped = { ...device, report: reported(3) };
  const spliced = summary(await judge({ scene: { bundle: { devices: [device] }, after: { devices: [swapped] } } }));
  expect(spliced).toEqual(expect.arrayContaining(['refused', 'binding.reportData']));
  // g binds keyset, N and count; G refuses one device twice.
  const g = gpuNonce(keysetDigest(keyset), fill(5, 32), 1);
  const others = [
    gpuNonce(keysetDigest({ ...keyset, receiptKey: fill(9, 32) }), fill(5, 32), 1),
    gpuNonce(keysetDigest(keyset), fill(6, 32), 1),
    gpuNonce(keysetDigest(keyset), fill(5, 32), 2),
  ];
  for (const other of others) expect(equalBytes(g, other)).toBe(false);
  expect(() => gpuSetDigest([deviceDigest(device), deviceDigest(device)])).toThrow('no two alike');
});

test('code execution in the engine: a second identity, a missing one, or any later event is refused', async () => {
  const mine = identityEvent(fill(50, 32));
  for (const events of [
    (all: Uint8Array<ArrayBuffer>[]) => [...all, mine],
    (all: Uint8Array<ArrayBuffer>[]) => [mine, ...all.slice(1)],
    (all: Uint8Array<ArrayBuffer>[]) => [...all, utf8('engine taken over')],
  ]) {
    expect((await judge({ scene: { events } })).status).toBe('refused');
  }
  const unlogged = await judge({ scene: { machine: { rtmr3: fill(5, 48) } } });
  expect(summary(unlogged)).toEqual(['refused', 'binding.rtmr3Replay']);
});

test('later key theft: a certificate of a stolen identity key is refused in mode 2, and in every mode after the evidence’s end', async () => {
  const world = { now: START, monotonic: 0 };
  const worker = makeWorker(world, 1);
  // The thief has IK, the evidence and nothing of the enclave: it makes epoch keys of its own.
  const thief = createWorkerSession({
    identityKey: ed25519Key(fill(1, 32)),
    receiptKey: ed25519Key(fill(101, 32)),
    keyset: worker.keyset,
    model: fill(4, 32),
    priceSheet: () => null,
    dispatchKey: () => fill(1, 32),
    limits: { usedMax: 1, contextsMax: 1, requestBytesMax: 1 << 20, outputTokensMax: 4096 },
    now: () => world.now,
    monotonic: () => world.monotonic,
    randomness: (length) => fill(66, length),
    releaseMemory: () => undefined,
  });
  const own = helloOf(2);
  const honest = await offerOf(worker, own);
  const { epoch } = await thief.epochKeyDigests();
  const { nonceProof } = parseOffer(honest.offer);
  if (nonceProof === null) throw new Error('mode 2 has a proof');
  const forged = await thief.makeOffer(own.bytes, {
    evidenceDigest: worker.evidenceDigest,
    beacon,
    epoch,
    nonceProof,
  });
  expect(await verifyOffer(honest.offer, own, honest.attested, policyOf(2), START)).toMatchObject({
    verdict: 'verified',
  });
  expect(await verifyOffer(forged, own, honest.attested, policyOf(2), START)).toMatchObject({ failed: ['modeProof'] });
  const live = helloOf(1);
  thief.setEvidence({ evidenceDigest: worker.evidenceDigest, beacon });
  const inMode1 = await thief.makeOffer(live.bytes);
  const { attested } = await offerOf(worker, live);
  const after = { ...attested, deadline: START - 1 };
  expect(await verifyOffer(inMode1, live, after, policyOf(1), START)).toMatchObject({ failed: ['deadlines'] });
});

test('downgrade: a keyset that the quote does not commit to, or that offers only what policy refuses, is refused', async () => {
  const stripped = { ...keyset, suites: [0x0020] };
  expect((await judge({ scene: { after: { keyset: stripped, epochKeyDigests: [fill(10, 32)] } } })).status).toBe(
    'refused',
  );
  const scene = { bundle: { keyset: stripped, epochKeyDigests: [fill(10, 32)] } };
  expect(summary(await judge({ scene, policy: developmentWith({ suites: ['x-wing'] }) }))).toEqual([
    'refused',
    'policy.suites',
  ]);
});

test('rollback (old image, old TCB): an image off the list, an old TCB level and an old evaluation number are refused', async () => {
  expect(summary(await judge({ policy: developmentWith({ tdx: { images: [] } }) }))).toEqual([
    'refused',
    'policy.image',
  ]);
  const old = await judge({ scene: { machine: { platformStatus: 'OutOfDate' } } });
  expect(old.status).toBe('refused');
  const policy = developmentWith({ tdx: { tcbEvaluationDataNumberMin: 21 } });
  expect(summary(await judge({ policy }))).toEqual(['refused', 'policy.tcbEvaluationNumber']);
});

test('malicious log: a second tree of a size that was seen before is noticed', () => {
  const heads = new SeenHeads();
  expect(heads.agrees(7, fill(1, 32))).toBe(true);
  expect(heads.agrees(7, fill(1, 32))).toBe(true);
  expect(heads.agrees(7, fill(2, 32))).toBe(false);
});

test('attestation key forged: a chain to another root, a revoked platform and a family that policy leaves out are refused', async () => {
  expect(summary(await judge({ policy: developmentWith({ tees: ['sev-snp'] }) }))).toEqual(['refused', 'policy.tee']);
  const revoked = await judge({ endorsements: await endorsementsOf({ revokedMachines: ['alder'] }) });
  expect(summary(revoked)).toContain('cpu.pckChainNotRevoked');
  const strange = await judge({ scene: { machine: { strangeAttestationKey: true } } });
  expect(summary(strange)).toContain('cpu.attestationKeyBound');
});

test('stale evidence: without its own nonce, block or log entry evidence has no age, and is not accepted', async () => {
  const ageless = await judge({ knownBlocks: [], expectedNonce: undefined });
  expect(ageless.status).not.toBe('affirming');
  expect((await judge({ expectedNonce: nonce })).status).toBe('affirming');
});

test('a signature under another label is not one: what IK signs for a certificate is no live proof', async () => {
  const world = { now: START, monotonic: 0 };
  const worker = makeWorker(world, 1);
  const own = helloOf(1);
  const { offer, attested } = await offerOf(worker, own);
  const parsed = parseOffer(offer);
  const digest = epochCertificateDigest(parsed.certificate);
  const asLive = await ed25519Sign(ed25519Key(fill(1, 32)), digest);
  const mixed = encodeOffer({ ...parsed, live: asLive });
  expect(await verifyOffer(mixed, own, attested, policyOf(1), START)).toMatchObject({ failed: ['modeProof'] });
});
