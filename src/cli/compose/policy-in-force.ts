import { join } from 'node:path';
import { sha256 } from '#crypto';
import { type Policy, policyDigest, policyImages } from '../../attestation/index.ts';
import { CodedError, KIND_OF_CODE, toHex, utf8 } from '../../core/index.ts';
import { isDigest, parseCheckpoint, parseLeaf, parseNote } from '../../log/index.ts';
import type { LogPort } from '../../router/index.ts';
import { counted } from '../output.ts';
import { approvalsBeside } from '../policy/documents.ts';
import { readIfThere, writeDurably } from './files.ts';
import { type Followed, followFile } from './followed-file.ts';
import { loadTrust, type TrustOptions } from './trust.ts';

export type InForce = ReturnType<typeof loadTrust>;
export type PolicyOptions = TrustOptions &
  Readonly<{
    data: string;
    name: string;
    /** Keys of people who may sign policies. */
    policyApprovers?: string;
    /** Their signatures; beside the policy where absent. */
    policyApprovals?: string;
    dangerouslyAllowUnapprovedPolicy?: boolean;
  }>;

const LOOK_MS = 200;

type Approved = Readonly<{ text: string; effectiveFromIndex: number | null }>;

/**
 * The policy in the router's file, and a later one once the file holds it: same id, higher number, published in the log and
 * seen by its witnesses first (audit promise P2); for production, signed by its author and another person, and not
 * before the log has as many entries as they say. Whatever else the file comes to hold is reported and changes nothing.
 * @throws CodedError for what is wrong with it at the start
 */
export async function followPolicy(
  log: LogPort,
  options: PolicyOptions,
  report: (problem: string) => void,
): Promise<Followed<InForce>> {
  let last: Policy | null = null;
  const read = async (): Promise<InForce> => {
    const next = loadTrust(options);
    if (last !== null && (next.policy.id !== last.id || next.policy.number <= last.number)) {
      const was = `${last.id} #${last.number}`;
      throw new CodedError('POLICY_INVALID', `${next.policy.id} #${next.policy.number} does not follow ${was}`, {
        field: 'number',
      });
    }
    const approvals = await approvalsOf(next.policy, options);
    const published = await publishPolicy(log, options, next, approvals);
    await log.proof(await registerImages(log, options.name, next.policy, published));
    last = next.policy;
    return next;
  };
  return followFile(options.policy, read, { everyMs: LOOK_MS, report });
}

/**
 * The signatures under a production policy, which go into the log beside it; null for development.
 * @throws CodedError USAGE_INVALID, POLICY_INVALID
 */
async function approvalsOf(policy: Policy, options: PolicyOptions): Promise<Approved | null> {
  if (policy.environment !== 'production' || options.dangerouslyAllowUnapprovedPolicy === true) return null;
  const { policyApprovers } = options;
  if (policyApprovers === undefined) {
    const why = 'a production policy is signed by two people: name their keys with --policy-approvers';
    throw new CodedError('USAGE_INVALID', why, { field: 'policyApprovers' });
  }
  const { problems, ...approved } = await approvalsBeside(
    policy,
    options.policy,
    policyApprovers,
    options.policyApprovals,
  );
  if (problems.length === 0) return approved;
  throw new CodedError('POLICY_INVALID', `${policy.id} #${policy.number} is not approved: ${problems.join('; ')}`, {
    field: 'approvals',
  });
}

/** Logs the policy, once for as long as it stays in force at this router. @returns index of its entry */
async function publishPolicy(
  log: LogPort,
  options: PolicyOptions,
  { policy, text }: Pick<InForce, 'policy' | 'text'>,
  approved: Approved | null,
): Promise<number> {
  const path = join(options.data, 'policy-in-force.txt');
  const digest = `sha256:${toHex(policyDigest(policy))}` as const;
  const [last = '', lastIndex = ''] = (readIfThere(path) ?? '').trim().split(' ');
  const published = last === '' ? null : await publishedNumber(log, Number(lastIndex), last);
  if (last === digest && published !== null) return Number(lastIndex);
  if (policy.environment === 'production' && published !== null && published.id === policy.id) {
    if (policy.number <= published.number) {
      const why = `${policy.id} #${policy.number} does not follow #${published.number}, which this router has published`;
      throw new CodedError('POLICY_INVALID', why, { field: 'number' });
    }
  }
  const effectiveFromIndex = approved?.effectiveFromIndex ?? null;
  if (effectiveFromIndex !== null) await requireEntries(log, policy, effectiveFromIndex);
  const blobs = [text, ...(approved === null ? [] : [approved.text])].map(utf8);
  const digests = blobs.map((blob) => `sha256:${toHex(sha256(blob))}` as const);
  const { index } = await log.append(
    {
      type: 'policy-published',
      src: options.name,
      subject: `policy:${policy.id}`,
      blobs: digests,
      body: {
        policyDigest: digest,
        number: policy.number,
        replaces: isDigest(last) && last !== digest ? last : null,
        effectiveFromIndex,
        reason: 'in force at this router',
        ...(digests[1] === undefined ? {} : { approvals: digests[1] }),
      },
    },
    // A crash before the file is written asks again with the same key; a policy that comes back later does not.
    { idempotencyKey: `policy:${options.name}:${toHex(policyDigest(policy))}:after:${lastIndex}`, blobs },
  );
  writeDurably(path, `${digest} ${index}\n`);
  return index;
}

/** Logs each image that a policy names, once. @returns the largest of their indexes and the policy's */
export async function registerImages(
  log: Pick<LogPort, 'append'>,
  source: string,
  policy: Policy,
  policyIndex: number,
): Promise<number> {
  const digest = `sha256:${toHex(policyDigest(policy))}` as const;
  let newest = policyIndex;
  for (const { tee, name, version, measurements } of policyImages(policy)) {
    const body = { name, version, measurements, policyDigest: digest };
    const { index } = await log.append(
      { type: 'image-registered', src: source, subject: `image:${tee}:${version}`, body },
      { idempotencyKey: `image:${source}:${tee}:${name}:${version}` },
    );
    newest = Math.max(newest, index);
  }
  return newest;
}

/** @throws CodedError POLICY_NOT_YET_EFFECTIVE while the log, as far as its witnesses have seen it, has fewer entries. */
async function requireEntries(log: LogPort, { id, number }: Policy, least: number): Promise<void> {
  const { size } = parseCheckpoint(parseNote(utf8(await log.checkpoint())).text);
  if (size >= least) return;
  const why = `${id} #${number} is effective from log index ${least}, and the log has ${counted(size, 'entry', 'entries')}`;
  throw new CodedError('POLICY_NOT_YET_EFFECTIVE', why, { least, size });
}

/** Id and number of the policy in an entry; null where the entry publishes no policy with this digest. */
async function publishedNumber(
  log: LogPort,
  index: number,
  digest: string,
): Promise<{ id: string; number: number } | null> {
  try {
    const { leaf } = parseLeaf(await log.entry(index));
    if (leaf.type !== 'policy-published') return null;
    const { policyDigest: named, number } = leaf.body as { policyDigest?: unknown; number?: unknown };
    return named === digest ? { id: leaf.subject.replace(/^policy:/, ''), number: Number(number) } : null;
  } catch (error) {
    if (error instanceof CodedError && KIND_OF_CODE[error.code] === 'rejected') return null; // another log than then
    throw error;
  }
}
