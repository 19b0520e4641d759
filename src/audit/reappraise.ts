import { sha256 } from '#crypto';
import {
  appraise,
  earDigest,
  earOf,
  loadPolicy,
  loadVendorEndorsements,
  type Policy,
  parseEvidenceBundle,
  parseRecordedInputs,
  platformName,
  policyDigest,
  type TrustAnchor,
  trustUnder,
  VERIFIER_VERSION,
  type VendorEndorsements,
} from '../attestation/index.ts';
import { asCodedError, type Bytes, CodedError, fromUtf8, KIND_OF_CODE, toHex } from '../core/index.ts';
import { type Digest, isDigest } from '../log/index.ts';
import type { AppraisalLeaf } from './history.ts';
import type { ReleaseLeaf } from './releases.ts';

/** What is archived of an appraisal. */
export type AppraisalMaterial = Readonly<{ evidence: Bytes; collateral: Bytes; inputs: Bytes; policyText: string }>;
/** @property devices serials of the genuine devices in the evidence; none where it could not be judged at all */
export type Reappraisal =
  | Readonly<{ outcome: 'same'; devices: readonly string[] }>
  | Readonly<{ outcome: 'differs'; differences: readonly string[]; devices: readonly string[] }>
  | Readonly<{ outcome: 'notChecked'; reason: string }>;

/** An entry about evidence that was judged, by a router or for an owner. */
export type JudgedLeaf = AppraisalLeaf | ReleaseLeaf;
/** One appraisal to be made again; plain data, so that it may cross to another thread. */
export type ReappraisalJob = Readonly<{ leaf: JudgedLeaf; material: AppraisalMaterial }>;
export type Reappraise = (job: ReappraisalJob) => Promise<Reappraisal>;

/** The blobs an entry about evidence names, by what they are; null where it was written by a version that kept none. */
export function blobsOf({ body }: JudgedLeaf): Record<'evidence' | 'collateral' | 'inputs', Digest> | null {
  const { evidenceBlob: evidence, collateralBlob: collateral, inputsBlob: inputs } = body;
  if (!isDigest(evidence) || !isDigest(collateral) || !isDigest(inputs)) return null;
  return { evidence, collateral, inputs };
}

const ENDORSEMENTS_MAX = 64;
const POLICIES_MAX = 64;

/**
 * Makes appraisals again, each at the instant it was made, under the policy then in force, with the collateral of then
 * and the roots that the caller brings: the auditor's, not the log's.
 */
export function createReappraiser(anchors: readonly TrustAnchor[]): Reappraise {
  const endorsements = new Map<string, Promise<VendorEndorsements>>();
  const policies = new Map<string, KnownPolicy>();
  /** Jobs that come together have their collateral in one array. */
  const digests = new WeakMap<Bytes, string>();
  const known: Known = {
    endorsements(tee, text) {
      const digest = digests.get(text) ?? toHex(sha256(text));
      digests.set(text, digest);
      const key = `${tee}:${digest}`;
      const loaded = endorsements.get(key) ?? loadVendorEndorsements(tee, fromUtf8(text, 'collateral'), anchors);
      remember(endorsements, key, loaded, ENDORSEMENTS_MAX);
      return loaded;
    },
    policy(text) {
      const loaded = policies.get(text) ?? knownPolicy(text);
      remember(policies, text, loaded, POLICIES_MAX);
      return loaded;
    },
  };
  return async ({ leaf, material }) => {
    try {
      return compare(leaf, await again(leaf, material, anchors, known));
    } catch (thrown) {
      const error = asCodedError(thrown);
      if (error.code === 'INVARIANT_BROKEN') throw error;
      if (KIND_OF_CODE[error.code] === 'unavailable' || error.code === 'POLICY_INVALID') {
        return { outcome: 'notChecked', reason: `${error.message} [${error.code}]` };
      }
      const why = `it cannot be made again: ${error.message} [${error.code}]`;
      return { outcome: 'differs', differences: [why], devices: [] };
    }
  };
}

function remember<V>(map: Map<string, V>, key: string, value: V, most: number): void {
  if (!map.has(key) && map.size >= most) map.delete(map.keys().next().value as string);
  map.set(key, value);
}

type KnownPolicy = Readonly<{ policy: Policy; digest: Digest }>;

function knownPolicy(text: string): KnownPolicy {
  const policy = loadPolicy(text);
  return { policy, digest: `sha256:${toHex(policyDigest(policy))}` };
}

/** What many appraisals have in common, loaded once. */
type Known = Readonly<{
  policy(text: string): KnownPolicy;
  endorsements(tee: Parameters<typeof loadVendorEndorsements>[0], text: Bytes): Promise<VendorEndorsements>;
}>;

type Again = Readonly<{ made: Awaited<ReturnType<typeof appraise>>; policy: Policy }>;

async function again(
  { body }: JudgedLeaf,
  { evidence, collateral, inputs, policyText }: AppraisalMaterial,
  anchors: readonly TrustAnchor[],
  known: Known,
): Promise<Again> {
  const { policy, digest: named } = known.policy(policyText);
  const recorded = parseRecordedInputs(inputs);
  const wrong = (what: string) => new CodedError('LOG_LEAF_INVALID', what);
  if (named !== body.policyDigest) throw wrong('the archived policy is not the one the entry names');
  if (`sha256:${toHex(recorded.policyDigest)}` !== body.policyDigest) throw wrong('the inputs are of another policy');
  if (recorded.judgedAt !== body.judgedAt) throw wrong('the inputs are of another instant');
  const { tee } = parseEvidenceBundle(evidence);
  // A production policy takes pinned roots alone, whatever else the auditor allowed for development.
  const usable = policy.environment === 'production' ? anchors.filter(({ kind }) => kind === 'vendor') : anchors;
  const made = await appraise({
    ...trustUnder(policy, usable),
    bundle: evidence,
    endorsements: await known.endorsements(tee, collateral),
    now: recorded.judgedAt,
    expectedNonce: recorded.nonce,
    knownBlocks: recorded.knownBlocks,
  });
  return { made, policy };
}

function compare({ type, body }: JudgedLeaf, { made, policy }: Again): Reappraisal {
  const digest = (bytes: Uint8Array) => `sha256:${toHex(bytes)}`;
  const failed = made.status === 'affirming' ? [] : made.because;
  const found = failed.length === 0 ? made.status : `${made.status} (${failed.join(', ')})`;
  const pairs: [string, unknown, unknown][] = [
    ['verdict', body.verdict, body.verdict === made.status ? made.status : found],
    ['worker', body.workerKey, digest(made.workerId)],
    ['evidence', body.evidence, digest(made.evidenceDigest)],
    ['model', body.model, digest(made.modelDigest)],
    ['measurements', body.measurements, digest(made.measurementsDigest)],
    ['TCB status', body.tcbStatus, made.tcbStatus],
    ['platform', body.platform, platformName(made)],
  ];
  // Entries of before images were registered name none.
  if (body.image !== null && body.image !== undefined) pairs.push(['image', body.image, made.image]);
  // Of a refusal that the policy had no part in (a key that the evidence does not attest) the reason is the service's own.
  if (type === 'worker-rejected' || (type === 'key-refused' && failed.length > 0)) {
    pairs.push(['failed checks', String(body.failedChecks), String(failed.length === 0 ? ['unknown'] : failed)]);
  }
  // Another version may say the same in other claims; entries from before results were logged have none.
  if (body.verifierVersion === VERIFIER_VERSION && body.result !== undefined) {
    pairs.push(['attestation result', body.result, digest(earDigest(earOf(made, policy, body.judgedAt)))]);
  }
  const differences = pairs
    .filter(([, logged, found]) => logged !== found)
    .map(([name, logged, found]) => `${name}: logged ${String(logged)}, found ${String(found)}`);
  const devices = made.devices.map(({ serial }) => serial);
  return differences.length === 0 ? { outcome: 'same', devices } : { outcome: 'differs', differences, devices };
}
