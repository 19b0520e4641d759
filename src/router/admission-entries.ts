import { sha256 } from '#crypto';
import { platformName, VERIFIER_VERSION } from '../attestation/index.ts';
import { asCodedError, type Bytes, toHex, type UnixMs } from '../core/index.ts';
import type { AdmissionDeps, JudgedEvidence } from './admission-deps.ts';
import type { Digest } from './ports.ts';
import type { Ticket } from './tickets.ts';

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
      image: appraisal.image,
      evidenceBlob,
      collateralBlob,
      inputsBlob,
      result: digest(result),
    },
  };
}

/** What an entry says of a worker that may change from one to the next. */
export type LoggedFacts = Readonly<Record<(typeof COMPARED)[number], string | null>>;
const COMPARED = ['platform', 'policyDigest', 'model', 'measurements', 'tcbStatus', 'image', 'evidence'] as const;

const factsOf = (common: LoggedFacts) =>
  Object.fromEntries(COMPARED.map((field) => [field, common[field]])) as LoggedFacts;

export type LoggedAdmission = Readonly<{ index: number; facts: LoggedFacts }>;

/** @property attestedAt when the evidence was judged first, where it is judged once more */
type Affirmed = Readonly<{ leaseUntil: UnixMs; before: LoggedAdmission | null; attestedAt?: UnixMs }>;

/**
 * Enters that a worker may serve until `leaseUntil`: as attested again where `before` is the last entry about it, else as
 * admitted. Something may have come in between, its eviction even: then it is an admission like the first.
 */
export async function logAffirmed(
  deps: EntryDeps,
  policy: PolicyName,
  judged: JudgedEvidence,
  bundle: Bytes,
  { leaseUntil, before, attestedAt }: Affirmed,
): Promise<LoggedAdmission> {
  const { envelope, common, ...options } = entryOf(deps, policy, judged, bundle);
  const facts = factsOf(common);
  const body = { ...common, leaseUntil, ...(attestedAt === undefined ? {} : { attestedAt }) };
  const again = before === null ? null : await append();
  if (again !== null) return { index: again.index, facts };
  const { index } = await deps.log.append({ ...envelope, type: 'worker-admitted', body }, options);
  return { index, facts };

  async function append(): Promise<Readonly<{ index: number }> | null> {
    const changed = COMPARED.filter((field) => before?.facts[field] !== facts[field]);
    // New evidence by itself is no change: it is asked for all the time.
    const unchanged = changed.every((field) => field === 'evidence');
    const draft = { ...envelope, type: 're-attested', body: { ...body, unchanged, changed } } as const;
    try {
      return await deps.log.append({ ...draft, prev: before?.index ?? null }, options);
    } catch (thrown) {
      if (asCodedError(thrown).code === 'LOG_LEAF_INVALID') return null; // it is not the last one
      throw thrown;
    }
  }
}

/**
 * Enters that a worker is in again, on evidence that was judged once more: what it is, when it was judged first, and the
 * admission that it goes on from.
 * @param after the last entry about the worker
 * @returns null where another one came in between
 */
export async function logResumed(
  deps: EntryDeps,
  policy: PolicyName,
  judged: JudgedEvidence,
  bundle: Bytes,
  { leaseUntil, ticket, after }: Readonly<{ leaseUntil: UnixMs; ticket: Ticket; after: number }>,
): Promise<LoggedAdmission | null> {
  const { envelope, common, ...options } = entryOf(deps, policy, judged, bundle);
  const body = { ...common, leaseUntil, attestedAt: ticket.attestedAt, resumes: ticket.logIndex };
  try {
    const { index } = await deps.log.append({ ...envelope, type: 'worker-admitted', prev: after, body }, options);
    return { index, facts: factsOf(common) };
  } catch (thrown) {
    if (asCodedError(thrown).code === 'LOG_LEAF_INVALID') return null;
    throw thrown;
  }
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
