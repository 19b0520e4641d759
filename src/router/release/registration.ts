import { type Approvers, approvalProblems, loadPolicy, parseApprovals, policyDigest } from '../../attestation/index.ts';
import { type Bytes, CodedError, equalBytes, utf8 } from '../../core/index.ts';
import { RELEASED_SECRET_BYTES_MAX } from '../../session/index.ts';
import type { SecretRow } from '../../store/index.ts';

/** What an owner hands over. */
export type Registration = Readonly<{
  name: string;
  owner: string;
  secret: Uint8Array;
  policyText: string;
  /** JWS of the owner's people over that policy. */
  approvals: string;
}>;

/** Each owner's people, by name: two of them sign every policy. */
export type Owners = ReadonlyMap<string, Approvers>;

export type CheckedRegistration = Readonly<{ policyDigest: Bytes; policyNumber: number }>;

export const SECRETS_MAX = 1024;
const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;

export const isSecretName = (name: string): boolean => NAME.test(name);
const refused = (why: string, field: string) => new CodedError('SECRET_REFUSED', why, { field });

/**
 * Whether a registration is the owner's, and follows the one that is there: a policy of the same id with a higher number,
 * or the very same policy again (for a new secret). So nobody brings an older, weaker policy back.
 * @param logSize entries of the log, for policies that are effective from an index on
 * @throws CodedError SECRET_REFUSED, POLICY_INVALID, POLICY_NOT_YET_EFFECTIVE, OBJECT_MALFORMED, ENCODING_INVALID
 */
export async function checkRegistration(
  { name, owner, secret, policyText, approvals }: Registration,
  before: SecretRow | undefined,
  owners: Owners,
  logSize: bigint,
): Promise<CheckedRegistration> {
  if (!isSecretName(name)) throw refused('a secret is named by 1 to 64 lower-case letters, digits and hyphens', 'name');
  if (secret.length === 0 || secret.length > RELEASED_SECRET_BYTES_MAX) {
    throw refused(`a secret has 1 to ${RELEASED_SECRET_BYTES_MAX} bytes`, 'secret');
  }
  const people = owners.get(owner);
  if (people === undefined) throw refused('no such owner is known here', 'owner');
  const policy = loadPolicy(policyText);
  const digest = policyDigest(policy);
  const signed = parseApprovals(utf8(approvals));
  const problems = await approvalProblems(signed, { digest, number: policy.number }, people);
  if (problems.length > 0) {
    throw refused(`${policy.id} #${policy.number} is not approved by ${owner}: ${problems.join('; ')}`, 'approvals');
  }
  const { effectiveFromIndex } = signed.statement;
  if (effectiveFromIndex !== null && logSize < BigInt(effectiveFromIndex)) {
    const why = `${policy.id} #${policy.number} is effective from log index ${effectiveFromIndex}, and the log has ${logSize} entries`;
    throw new CodedError('POLICY_NOT_YET_EFFECTIVE', why, { least: effectiveFromIndex, size: Number(logSize) });
  }
  if (before !== undefined) {
    if (before.owner !== owner) throw refused('a secret of this name is another owner’s', 'owner');
    const last = loadPolicy(before.policyText);
    const again = equalBytes(digest, before.policyDigest) && before.state === 'active';
    if (!again && (policy.id !== last.id || policy.number <= last.number)) {
      throw refused(`${policy.id} #${policy.number} does not follow ${last.id} #${last.number}`, 'policy');
    }
  }
  return { policyDigest: digest, policyNumber: policy.number };
}
