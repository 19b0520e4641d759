import { type Bytes, CodedError, type Keyset, keysetDigest, toHex, type UnixMs, workerId } from '../../core/index.ts';
import { anchorsFor, type TrustAnchor, type VendorEndorsements } from '../endorsements/index.ts';
import { type EvidenceBundle, evidenceDigest, parseEvidenceBundle, type Tee } from '../evidence/composite/index.ts';
import { type Check, type CrlFloor, check, failed, notRun, type SnpTcbs, type TdxTcb } from '../verify/index.ts';
import {
  blockOfBeacon,
  type ExpectedNonce,
  type FreshnessCheckName,
  freshnessChecks,
  type KnownBlock,
} from './binding.ts';
import type { CheckGroup, CpuAppraisal, IdentityBinding } from './cpu.ts';
import { type AttestedDevice, appraiseGpu, type GpuAppraisal, type GpuBinding } from './gpu.ts';
import type { Policy } from './policy.ts';
import { type RuleClaims, ruleClaims } from './rule-claims.ts';
import { ruleChecks } from './rules.ts';
import { appraiseSnp } from './snp-cpu.ts';
import { appraiseTdx } from './tdx-cpu.ts';
import { mayVouch, type Trust } from './trust.ts';

/** How far a block may lie in the future of the verifier's clock. */
const BEACON_SKEW_MS = 60_000;
export const KNOWN_BLOCKS_MAX = 4096;
/** Stands in every appraisal that is kept or handed on. */
export const VERIFIER_VERSION = 'chrysalis/0.1';

/** Named checks by what they speak of: is the CPU genuine, the GPU, do the parts belong together, is it what we want? */
export type AppraisalGroups = Readonly<{
  cpu: CheckGroup;
  gpu: CheckGroup;
  binding: CheckGroup;
  policy: CheckGroup;
}>;

export type AppraisalFacts = Readonly<{
  groups: AppraisalGroups;
  tee: Tee;
  keyset: Keyset;
  /** 32 bytes. */
  keysetDigest: Bytes;
  /** Of the image as the evidence has it, 32 bytes; as the registry on chain names it: `tdxImageDigest`, `snpImageDigest`. */
  measurementsDigest: Bytes;
  /** Which image of the policy that is, `TEE:NAME@VERSION`; null where it names none like it. */
  image: string | null;
  /** `H("worker-id", IK_pub)`, 32 bytes. */
  workerId: Bytes;
  /** ED, 32 bytes. */
  evidenceDigest: Bytes;
  modelDigest: Bytes;
  nonceRoot: Bytes;
  epochKeyDigests: readonly Bytes[];
  /** Of a TDX platform. */
  tcb: TdxTcb | null;
  /** Of an SEV-SNP host. */
  snpTcbs: SnpTcbs | null;
  /** Intel's converged status, or what AMD's TCB comes to beside the policy's floor; `unknown` where not established. */
  tcbStatus: string;
  /** The root that vouches, or null where the quote leads to none. */
  vouchedBy: TrustAnchor | null;
  /** True where that root, or one behind the devices, is a simulator's: say so on every screen. */
  simulated: boolean;
  identityBinding: IdentityBinding;
  gpuBinding: GpuBinding;
  /** GPUs and switches, where all of them are genuine; one device may back one live worker. */
  devices: readonly AttestedDevice[];
  /** The revocation lists that were used: what a caller raises its floors by, with `raiseCrlFloors`. */
  crls: readonly CrlFloor[];
}>;

/** Where the evidence is genuine, ours to accept and in date. */
export type AffirmingAppraisal = AppraisalFacts &
  Readonly<{
    status: 'affirming';
    /** Least of all deadlines: collateral, certificates, keyset, age of the evidence. Nothing relies on it after that. */
    expiresAt: UnixMs;
    /** Time from which the evidence's age counts: the beacon's block, else the answer to our nonce, else the log entry. */
    madeAt: UnixMs;
    /** PPID (16 bytes) or CHIP_ID (64 bytes); null for a report that names no chip: a VLEK's, or one with a masked CHIP_ID. */
    platformId: Bytes | null;
    [affirmed]: true;
  }>;
declare const affirmed: unique symbol; // not exported: only appraise makes an affirming result

/** `refused`: a check failed. `unavailable`: none failed, but one that is required could not be run. Neither is a yes. */
export type Appraisal =
  | AffirmingAppraisal
  | (AppraisalFacts &
      Readonly<{
        status: 'refused' | 'unavailable';
        expiresAt: null;
        madeAt: UnixMs | null;
        platformId: Bytes | null;
        /** `group.check` of each failed check; where none failed, of each required one that was not run. */
        because: readonly string[];
      }>);

export type AppraisalInput = Trust &
  Readonly<{
    /** The bundle as it travels. */
    bundle: Uint8Array;
    endorsements: VendorEndorsements;
    now: UnixMs;
    /** A nonce of the caller's own that must be under N; required where the policy's least mode is 2. */
    expectedNonce?: ExpectedNonce | undefined;
    /** Blocks that the caller looked up on the chain, at most 4096. */
    knownBlocks?: readonly KnownBlock[] | undefined;
    /** Time of the cosigned log entry that admitted the worker, for a caller that does not follow the chain. */
    loggedAt?: UnixMs | undefined;
    /** The newest revocation list that the caller has seen of each CA: an older one is refused, whoever brings it. */
    crlFloors?: readonly CrlFloor[] | undefined;
  }>;

/**
 * Appraises one evidence bundle: is it genuine, does it belong together, is it what the policy wants? Router and client
 * call this same function, each with a policy and anchors of its own (AIS/1 section 9).
 * @throws CodedError OBJECT_MALFORMED, EVIDENCE_* for a bundle or quote that can't be read
 */
export async function appraise(input: AppraisalInput): Promise<Appraisal> {
  if ((input.knownBlocks ?? []).length > KNOWN_BLOCKS_MAX) {
    throw new CodedError('INVARIANT_BROKEN', `at most ${KNOWN_BLOCKS_MAX} known blocks`);
  }
  const bundle = parseEvidenceBundle(input.bundle);
  const gpu = await appraiseGpu(bundle, input.policy, input.trustAnchors, input.now, input.endorsements.nvidia);
  const cpu = await appraiseCpu(bundle, input, gpu.deviceIds);
  const fresh = freshnessChecks(bundle, { nonce: input.expectedNonce, blocks: input.knownBlocks });
  const madeAt = madeAtOf(bundle, fresh, input);
  const groups = {
    cpu: cpu.cpu,
    gpu: gpu.gpu,
    binding: { ...cpu.binding, ...gpu.binding, ...fresh },
    policy: {
      ...trustChecks(input.policy, cpu),
      tee: check(input.policy.tees.includes(bundle.tee), REFUSED, `the policy does not accept ${bundle.tee}`),
      ...cpu.policy,
      ...gpu.policy,
      ...workerChecks(input.policy, bundle, input.now),
      evidenceAge: ageCheck(bundle, madeAt, input),
      ...ruleChecks(input.policy.rules, established(bundle, cpu, gpu), input.now),
    },
  };
  return conclude(bundle, { cpu, gpu }, groups, input, madeAt);
}

/** What rules may judge: nothing where the CPU or a device is not genuine. */
function established(bundle: EvidenceBundle, cpu: CpuAppraisal, gpu: GpuAppraisal): RuleClaims | null {
  if (cpu.claims === null || !['verified', 'none'].includes(gpu.verdict)) return null;
  return ruleClaims(bundle, cpu.claims, {
    devices: gpu.devices,
    simulated: isSimulated(cpu, gpu),
    platformId: cpu.platformId,
  });
}

const isSimulated = (cpu: CpuAppraisal, gpu: GpuAppraisal) =>
  [cpu.anchor, ...gpu.anchors].some((anchor) => anchor?.kind === 'simulated');

/** What a log entry calls the machine: `tdx` or `sev-snp`, with its GPUs, and a simulated vendor said aloud. */
export function platformName({
  tee,
  devices,
  simulated,
}: Pick<AppraisalFacts, 'tee' | 'devices' | 'simulated'>): string {
  return [tee, ...(devices.length > 0 ? ['nvgpu'] : []), ...(simulated ? ['simulated'] : [])].join('+');
}

/** Without endorsements of this CPU's vendor its checks are not run, and the appraisal is unavailable. */
function appraiseCpu(
  bundle: EvidenceBundle,
  { policy, trustAnchors, now, endorsements, crlFloors = [] }: AppraisalInput,
  deviceIds: readonly Bytes[],
): Promise<CpuAppraisal> {
  const anchors = anchorsFor(undefined, trustAnchors);
  return bundle.tee === 'tdx'
    ? appraiseTdx(bundle, policy, anchors, now, deviceIds, crlFloors, endorsements.intel)
    : appraiseSnp(bundle, policy, anchors, now, crlFloors, endorsements.amd);
}

const REFUSED = 'EVIDENCE_REFUSED_BY_POLICY';

/** The roots behind quote and endorsements must be ones that this policy lets vouch, whatever the caller passed as anchors. */
function trustChecks(
  policy: Policy,
  { anchor, endorsementAnchors }: CpuAppraisal,
): Record<'trustAnchor' | 'endorsementAnchors', Check> {
  const why = (kind: string) => `a ${policy.environment} policy does not let this ${kind} root vouch for evidence`;
  const foreign = endorsementAnchors.find((signer) => !mayVouch(policy, signer));
  return {
    trustAnchor:
      anchor === null
        ? notRun('the evidence leads to no trust anchor')
        : check(mayVouch(policy, anchor), REFUSED, why(anchor.kind)),
    endorsementAnchors: check(foreign === undefined, REFUSED, why(foreign?.kind ?? '')),
  };
}

const KEM_OF_SUITE = { 'x-wing': 0x647a, 'dhkem-x25519': 0x0020 } as const;

function workerChecks(
  policy: Policy,
  bundle: EvidenceBundle,
  now: UnixMs,
): Record<'model' | 'versions' | 'suites' | 'keysetCurrent' | 'beaconNetwork', Check> {
  const { keyset, beacon } = bundle;
  const accepted = policy.suites.map((suite) => KEM_OF_SUITE[suite] as number);
  return {
    model: check(
      policy.models === 'any' || policy.models.includes(toHex(bundle.modelDigest)),
      REFUSED,
      "the model is not on the policy's list",
    ),
    versions: check(
      keyset.versions.some((version) => policy.versions.includes(version)),
      REFUSED,
      'the attested keyset offers no protocol version that the policy accepts',
    ),
    suites: check(
      keyset.suites.some((suite) => accepted.includes(suite)),
      REFUSED,
      'the attested keyset offers no HPKE suite that the policy accepts',
    ),
    keysetCurrent: check(now < keyset.notAfter, 'EVIDENCE_STALE', 'the keyset is past its end'),
    beaconNetwork: check(
      beacon.network === policy.freshness.network,
      REFUSED,
      `the beacon is of network ${beacon.network}, not ${policy.freshness.network}`,
    ),
  };
}

/**
 * AIS/1 section 3, item 7: the time of the beacon's block. For a caller that does not know it: now, where the evidence
 * answers a nonce that the caller has just made; else the time of the log entry that admitted the worker.
 */
function madeAtOf(
  bundle: EvidenceBundle,
  fresh: Readonly<Record<FreshnessCheckName, Check>>,
  input: AppraisalInput,
): UnixMs | null {
  if (fresh.beaconBlock.outcome === 'failed') return null;
  const block = blockOfBeacon(bundle, input.knownBlocks ?? []);
  if (block !== undefined) return block.at;
  return fresh.nonce.outcome === 'passed' ? input.now : (input.loggedAt ?? null);
}

function ageCheck(bundle: EvidenceBundle, madeAt: UnixMs | null, input: AppraisalInput): Check {
  const { evidenceAgeSecondsMax, network } = input.policy.freshness;
  const oldest = input.now - 1000 * evidenceAgeSecondsMax;
  // A block after the beacon's that is too old itself makes the beacon's older still, whether we know that one or not.
  const later = (input.knownBlocks ?? []).some(
    (block) => block.network === network && block.seqno >= bundle.beacon.seqno && block.at < oldest,
  );
  if (later) return failed('EVIDENCE_STALE', `the beacon is older than ${evidenceAgeSecondsMax} s`);
  if (madeAt === null) {
    return notRun('no block of the beacon, no log entry and no nonce of ours says when this evidence was made');
  }
  if (madeAt > input.now + BEACON_SKEW_MS) return failed('EVIDENCE_STALE', 'the evidence is dated in the future');
  return check(madeAt >= oldest, 'EVIDENCE_STALE', `the evidence is older than ${evidenceAgeSecondsMax} s`);
}

/** Checks that may stay unrun under this policy; each then says so in its reason. */
function mayStayUnrun(policy: Policy): ReadonlySet<string> {
  const names = new Set<string>();
  if (policy.session.leastMode < 2) names.add('binding.nonce');
  if (policy.freshness.beaconBlock === 'when-known') names.add('binding.beaconBlock');
  return names;
}

function conclude(
  bundle: EvidenceBundle,
  { cpu, gpu }: Readonly<{ cpu: CpuAppraisal; gpu: GpuAppraisal }>,
  groups: AppraisalGroups,
  input: AppraisalInput,
  madeAt: UnixMs | null,
): Appraisal {
  const optional = new Set([...mayStayUnrun(input.policy), ...cpu.mayStayUnrun, ...gpu.mayStayUnrun]);
  const named = Object.entries(groups).flatMap(([group, checks]) =>
    Object.entries(checks).map(([name, outcome]) => ({ name: `${group}.${name}`, outcome: outcome.outcome })),
  );
  const failures = named.filter(({ outcome }) => outcome === 'failed').map(({ name }) => name);
  const unrun = named
    .filter(({ name, outcome }) => outcome === 'notRun' && !optional.has(name))
    .map(({ name }) => name);
  const facts: AppraisalFacts = {
    groups,
    tee: bundle.tee,
    keyset: bundle.keyset,
    keysetDigest: keysetDigest(bundle.keyset),
    measurementsDigest: cpu.imageDigest,
    image: cpu.image,
    workerId: workerId(bundle.keyset.identityKey),
    evidenceDigest: evidenceDigest(bundle),
    modelDigest: bundle.modelDigest,
    nonceRoot: bundle.nonceRoot,
    epochKeyDigests: bundle.epochKeyDigests,
    tcb: cpu.tdxTcb,
    snpTcbs: cpu.snpTcbs,
    tcbStatus: (cpu.tdxTcb ?? cpu.snpTcbs)?.status ?? 'unknown',
    vouchedBy: cpu.anchor,
    simulated: isSimulated(cpu, gpu),
    identityBinding: cpu.identityBinding,
    gpuBinding: gpu.gpuBinding,
    devices: gpu.devices,
    crls: cpu.crls,
  };
  const { platformId, earliestExpiry } = cpu;
  const complete =
    failures.length === 0 &&
    unrun.length === 0 &&
    cpu.verdict === 'verified' &&
    ['verified', 'none'].includes(gpu.verdict);
  if (complete && earliestExpiry !== null && madeAt !== null) {
    const expiresAt = Math.min(
      1000 * Math.min(earliestExpiry, gpu.earliestExpiry ?? earliestExpiry),
      bundle.keyset.notAfter,
      madeAt + 1000 * input.policy.freshness.evidenceAgeSecondsMax,
    );
    return { ...facts, status: 'affirming', expiresAt, madeAt, platformId } as AffirmingAppraisal;
  }
  const isRefused = failures.length > 0 || cpu.verdict === 'refused' || gpu.verdict === 'refused';
  const status = isRefused ? 'refused' : 'unavailable';
  return { ...facts, status, expiresAt: null, madeAt, platformId, because: failures.length > 0 ? failures : unrun };
}
