import type { Json } from '../core/index.ts';
import { isSize } from './size.ts';

/** `sha256:` and 64 hex digits; `c1:` and hex for a commitment. */
type DigestText = `sha256:${string}`;
type CommitmentText = `c1:${string}`;
type Extra = { readonly [field: string]: Json | undefined };

type Admission = Readonly<{
  /** SHA-256 of the key the evidence attests. */
  workerKey: DigestText;
  /** `tdx` or `sev-snp`, with `+nvgpu` where a GPU was attested, and `simulated` said aloud. */
  platform: string;
  policyNumber: number;
  policyDigest: DigestText;
  verdict: string;
  /** Milliseconds UTC at which the evidence was judged. */
  judgedAt: number;
  verifierVersion: string;
  /** SHA-256 over the canonical JSON of the attestation result (EAR), which stands detached. */
  result?: DigestText;
}> &
  Extra;

/** `image`: `NAME@VERSION` of the entry that registered it. */
type Affirmed = Admission & Readonly<{ measurements: DigestText; tcbStatus: string; image: string | null }>;

/** Fields each type needs; a body may hold more. No prompt, answer, address, user or tenant, nor a bare hash of one. */
export type LeafBody = Readonly<{
  'log-opened': Readonly<{ origin: string; vkeys: readonly string[]; predecessor: Json }> & Extra;
  'log-closed': Readonly<{ successor: Json }> & Extra;
  /** `policyDigest`: the policy that names the image, where a policy does. */
  'image-registered': Readonly<{ name: string; version: string; measurements: Json; policyDigest?: DigestText }> &
    Extra;
  'policy-published': Readonly<{
    policyDigest: DigestText;
    number: number;
    replaces: DigestText | null;
    effectiveFromIndex: number | null;
    reason: string;
  }> &
    Extra;
  /** `resumes`: the entry that it goes on from, on the same evidence, which was judged at `attestedAt` for the first time. */
  'worker-admitted': Affirmed;
  'worker-rejected': Admission & Readonly<{ failedChecks: readonly string[] }>;
  /** Refusals that have no entry of their own. */
  'rejection-summary': Readonly<{ from: number; to: number; count: number; reasons: Json }> & Extra;
  /** Who is in stays in: judged again with new evidence, or with the same under a newer policy or collateral. `changed`: fields that differ from the last entry. */
  're-attested': Affirmed & Readonly<{ unchanged: boolean; changed: readonly string[] }>;
  evicted: Readonly<{ workerKey: DigestText; cause: string; by: string; sessionsClosed: number }> & Extra;
  /** `root`: RFC 9162 tree over the session records, one a line in the blob; `from` and `to` in milliseconds. */
  'session-batch': Readonly<{ from: number; to: number; count: number; root: DigestText }> & Extra;
  /** `root`: RFC 9162 tree over the receipts, in their order in the blob. */
  'receipt-batch': Readonly<{ count: number; root: DigestText }> & Extra;
  settlement: Readonly<{ contract: string; sequence: number; amount: string; receiptBatches: readonly number[] }> &
    Extra;
  'key-rotation': Readonly<{ role: string; old: string; new: string }> & Extra;
  'state-snapshot': Readonly<{ size: number; root: DigestText }> & Extra;
  anchor: Readonly<{ size: number; root: string; address: string; transaction: string }> & Extra;
  /** Files removed as the retention policy allows; the blob lists their digests, one a line. `root`: tree over them. */
  'retention-run': Readonly<{ tier: string; count: number; root: DigestText }> & Extra;
  /** An owner's secret and the policy under which it is released, which is the blob. `secret`: 32 hex digits, its id. */
  'secret-registered': Readonly<{ secret: string; policyDigest: DigestText; number: number }> & Extra;
  'secret-revoked': Readonly<{ secret: string; policyDigest: DigestText }> & Extra;
  /** The secret went to this worker, wrapped to a key of its evidence, */
  'key-released': Admission & Readonly<{ secret: string; measurements: DigestText; tcbStatus: string }>;
  /** or did not. */
  'key-refused': Admission & Readonly<{ secret: string; failedChecks: readonly string[] }>;
  /** `awaySince`: the time of the entry before, where the log was away since. */
  heartbeat: Readonly<{ queueDepth: number; awaySince?: number }> & Extra;
  incident: Readonly<{ class: string; text: DigestText }> & Extra;
  /** How often a router's administration was asked from `from` to `to`, by method, refusals with their code. Whoever asked is not in it. */
  access: Readonly<{ from: number; to: number; count: number; calls: Json }> & Extra;
  /** Somebody made a bundle of entries [from, size). `bundle`: of its manifest. `by`: null where nobody was asked who he is. */
  export: Readonly<{ bundle: DigestText; from: number; size: number; by: CommitmentText | null }> & Extra;
  /** Somebody looked through a bundle of the log of `size` entries, and this is what it came to. */
  review: Readonly<{ bundle: DigestText; size: number; verdict: string; by: CommitmentText | null }> & Extra;
}>;
export type LeafType = keyof LeafBody;

/** Causes of `evicted` that say nothing against the worker: it may go on from there with the evidence that it had. */
export const EVICTION = { disconnected: 'disconnected', routerRestarted: 'router restarted' } as const;
export const isHarmless = (cause: string): boolean => (Object.values(EVICTION) as string[]).includes(cause);

type Rule = (value: unknown) => boolean;
const TEXT_CHARACTERS_MAX = 2000;
const text: Rule = (value) => typeof value === 'string' && value.length > 0 && value.length <= TEXT_CHARACTERS_MAX;
const digest: Rule = (value) => typeof value === 'string' && /^sha256:[0-9a-f]{64}$/.test(value);
const committed: Rule = (value) => typeof value === 'string' && /^c1:[0-9a-f]{64}$/.test(value);
const verdict: Rule = (value) => value === 'verified' || value === 'refused' || value === 'incomplete';
const secretId: Rule = (value) => typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);
const count: Rule = isSize;
const flag: Rule = (value) => typeof value === 'boolean';
const json: Rule = (value) => value !== undefined;
const amount: Rule = (value) => typeof value === 'string' && /^(?:0|[1-9][0-9]{0,38})$/.test(value);
const orNull =
  (rule: Rule): Rule =>
  (value) =>
    value === null || rule(value);
const absentOr =
  (rule: Rule): Rule =>
  (value) =>
    value === undefined || rule(value);
const listOf =
  (rule: Rule, min = 0): Rule =>
  (value) =>
    Array.isArray(value) && value.length >= min && value.every(rule);

const admission = {
  workerKey: digest,
  platform: text,
  policyNumber: count,
  policyDigest: digest,
  verdict: text,
  judgedAt: count,
  verifierVersion: text,
  result: absentOr(digest),
};

const affirmed = { ...admission, measurements: digest, tcbStatus: text, image: orNull(text) };

/** One rule per field a body needs. */
export const BODY_RULES: Readonly<Record<LeafType, Readonly<Record<string, Rule>>>> = {
  'log-opened': { origin: text, vkeys: listOf(text, 1), predecessor: json },
  'log-closed': { successor: json },
  'image-registered': { name: text, version: text, measurements: json, policyDigest: absentOr(digest) },
  'policy-published': {
    policyDigest: digest,
    number: count,
    replaces: orNull(digest),
    effectiveFromIndex: orNull(count),
    reason: text,
  },
  'worker-admitted': affirmed,
  'worker-rejected': { ...admission, failedChecks: listOf(text, 1) },
  'rejection-summary': { from: count, to: count, count, reasons: json },
  're-attested': { ...affirmed, unchanged: flag, changed: listOf(text) },
  evicted: { workerKey: digest, cause: text, by: text, sessionsClosed: count },
  'session-batch': { from: count, to: count, count, root: digest },
  'receipt-batch': { count, root: digest },
  settlement: { contract: text, sequence: count, amount, receiptBatches: listOf(count) },
  'key-rotation': { role: text, old: text, new: text },
  'state-snapshot': { size: count, root: digest },
  anchor: { size: count, root: text, address: text, transaction: text },
  'retention-run': { tier: text, count, root: digest },
  'secret-registered': { secret: secretId, policyDigest: digest, number: count },
  'secret-revoked': { secret: secretId, policyDigest: digest },
  'key-released': { ...admission, secret: secretId, measurements: digest, tcbStatus: text },
  'key-refused': { ...admission, secret: secretId, failedChecks: listOf(text, 1) },
  heartbeat: { queueDepth: count, awaySince: absentOr(count) },
  incident: { class: text, text: digest },
  access: { from: count, to: count, count, calls: json },
  export: { bundle: digest, from: count, size: count, by: orNull(committed) },
  review: { bundle: digest, size: count, verdict, by: orNull(committed) },
};
