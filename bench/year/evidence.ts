import { sha256 } from '#crypto';
import {
  appraise,
  bootEvents,
  bundleReportData,
  earDigest,
  earOf,
  encodeEvidenceBundle,
  encodeRecordedInputs,
  loadPolicy,
  loadVendorEndorsements,
  platformName,
  policyDigest,
  type TrustAnchor,
  trustUnder,
  VERIFIER_VERSION,
  type VendorEndorsements,
} from '../../src/attestation/index.ts';
import { openSimulatedTdxMachine, type SimulatedMachineState } from '../../src/attestation/simulate/index.ts';
import {
  type Bytes,
  keysetDigest,
  nonceTree,
  routerNonceInput,
  toHex,
  type UnixMs,
  utf8,
} from '../../src/core/index.ts';
import { beacon, fill, keyset, model } from '../../tests/attestation/appraise/scene.ts';

/** What a year is judged with. @property collateral ascending: each set is used until the next one begins */
export type YearGiven = Readonly<{
  machines: readonly SimulatedMachineState[];
  collateral: readonly Readonly<{ from: UnixMs; text: string }>[];
  anchors: readonly TrustAnchor[];
  policyText: string;
}>;
/** One appraisal as a router logs it. @property body without the digests of the three files */
export type JudgedEvidence = Readonly<{
  evidence: Bytes;
  collateral: string;
  inputs: Bytes;
  body: Readonly<{ workerKey: string }> & Readonly<Record<string, unknown>>;
}>;

const BLOCK_AGE_MS = 5_000;
const LEASE_MS = 600_000;
const DAY_MS = 86_400_000;
const hex = (bytes: Uint8Array) => `sha256:${toHex(bytes)}`;

/**
 * Evidence of machine `i` modulo their number, judged: no two are alike, each has keys, nonce, block and signatures of
 * its own, as of workers that renew all year.
 */
export function createYearMaker({ machines, collateral, anchors, policyText }: YearGiven) {
  const policy = loadPolicy(policyText);
  const digest = policyDigest(policy);
  const loaded = new Map<string, Promise<VendorEndorsements>>();
  return async (i: number, at: UnixMs): Promise<JudgedEvidence> => {
    const host = i % machines.length;
    const challenge = (n: number) => routerNonceInput(sha256(utf8(`challenge ${i} ${n}`)));
    const tree = nonceTree([challenge(0), challenge(1), challenge(2)]);
    const block = { network: beacon.network, seqno: 700 + i, rootHash: sha256(utf8(`block ${i}`)) };
    const claims = {
      tee: 'tdx' as const,
      keyset: { ...keyset, identityKey: sha256(utf8(`worker ${host}`)), notAfter: at + DAY_MS },
      nonceRoot: tree.root,
      beacon: { ...beacon, seqno: block.seqno, blockRootHash: block.rootHash },
      modelDigest: model,
      epochKeyDigests: [sha256(utf8(`epoch ${i}`)), sha256(utf8(`second epoch ${i}`))],
      devices: [],
    };
    const machine = openSimulatedTdxMachine(machines[host] as SimulatedMachineState);
    const events = { keysetDigest: keysetDigest(claims.keyset), deviceIds: [], verdict: 'none', modelDigest: model };
    const runtimeEvents = bootEvents(events as Parameters<typeof bootEvents>[0]);
    for (const event of runtimeEvents) machine.extendRtmr3(event);
    const quote = machine.quote({ reportData: bundleReportData(claims) });
    const evidence = encodeEvidenceBundle({ eventLog: { firmware: fill(0, 0), runtimeEvents }, quote, ...claims });
    const text = collateral.findLast(({ from }) => from <= at)?.text ?? '';
    const endorsements = loaded.get(text) ?? loadVendorEndorsements('tdx', text, anchors);
    loaded.set(text, endorsements);
    const nonce = { input: challenge(1), proof: tree.proofs[1] as (typeof tree.proofs)[0] };
    const knownBlocks = [{ ...block, at: at - BLOCK_AGE_MS }];
    const made = await appraise({
      ...trustUnder(policy, anchors),
      bundle: evidence,
      endorsements: await endorsements,
      now: at,
      expectedNonce: nonce,
      knownBlocks,
    });
    if (made.status !== 'affirming') throw new Error(`not affirmed: ${made.because.join(', ')}`);
    return {
      evidence,
      collateral: text,
      inputs: encodeRecordedInputs({ judgedAt: at, policyDigest: digest, nonce, knownBlocks }),
      body: {
        workerKey: hex(made.workerId),
        platform: platformName(made),
        policyNumber: policy.number,
        policyDigest: hex(digest),
        verdict: made.status,
        judgedAt: at,
        verifierVersion: VERIFIER_VERSION,
        result: hex(earDigest(earOf(made, policy, at))),
        evidence: hex(made.evidenceDigest),
        model: hex(made.modelDigest),
        measurements: hex(made.measurementsDigest),
        tcbStatus: made.tcbStatus,
        image: made.image,
        leaseUntil: at + LEASE_MS,
      },
    };
  };
}
