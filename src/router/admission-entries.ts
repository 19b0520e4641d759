import { sha256 } from '#crypto';
import { platformName, VERIFIER_VERSION } from '../attestation/index.ts';
import { type Bytes, toHex, type UnixMs } from '../core/index.ts';
import type { AdmissionDeps, JudgedEvidence } from './admission.ts';
import type { Digest } from './ports.ts';

type EntryDeps = Pick<AdmissionDeps, 'log' | 'source'>;
type PolicyName = ReturnType<AdmissionDeps['policy']>;
const digest = (bytes: Uint8Array) => `sha256:${toHex(bytes)}` as const;

/** What every entry about evidence says: who, by which evidence, judged when, with what, under which policy, by what. */
export function entryOf(
  deps: EntryDeps,
  policy: PolicyName,
  { appraisal, judgedAt, collateral, inputs, result }: JudgedEvidence,
  bundle: Bytes,
) {
  const blobs = [bundle, collateral, inputs];
  const named = blobs.map((blob) => digest(sha256(blob)));
  const [evidenceBlob, collateralBlob, inputsBlob] = named as [Digest, Digest, Digest];
  return {
    envelope: { src: deps.source, subject: `worker:${toHex(appraisal.workerId)}`, blobs: [...new Set(named)] },
    blobs,
    /** The inputs hold nonce and instant: no other judgement has them. */
    idempotencyKey: `judged:${deps.source}:${toHex(sha256(inputs))}`,
    common: {
      workerKey: digest(appraisal.workerId),
      platform: platformName(appraisal),
      policyNumber: policy.number,
      policyDigest: digest(policy.digest),
      verdict: appraisal.status,
      judgedAt,
      verifierVersion: VERIFIER_VERSION,
      evidence: digest(appraisal.evidenceDigest),
      model: digest(appraisal.modelDigest),
      measurements: digest(appraisal.measurementsDigest),
      tcbStatus: appraisal.tcbStatus,
      evidenceBlob,
      collateralBlob,
      inputsBlob,
      result: digest(result),
    },
  };
}

export async function logAdmitted(
  deps: EntryDeps,
  policy: PolicyName,
  judged: JudgedEvidence,
  bundle: Bytes,
  leaseUntil: UnixMs,
): Promise<number> {
  const { envelope, common, ...options } = entryOf(deps, policy, judged, bundle);
  const body = { ...common, image: null, leaseUntil };
  return (await deps.log.append({ ...envelope, type: 'worker-admitted', body }, options)).index;
}

export async function logRejected(
  deps: EntryDeps,
  policy: PolicyName,
  judged: JudgedEvidence,
  bundle: Bytes,
  failed: readonly string[],
): Promise<void> {
  const { envelope, common, ...options } = entryOf(deps, policy, judged, bundle);
  const body = { ...common, failedChecks: failed.length === 0 ? ['unknown'] : failed };
  await deps.log.append({ ...envelope, type: 'worker-rejected', body }, options);
}
