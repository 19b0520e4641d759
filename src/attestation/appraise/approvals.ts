import { ed25519Verify } from '#crypto';
import {
  type Bytes,
  CodedError,
  fromBase64,
  fromUtf8,
  parseStrictJson,
  toBase64,
  toHex,
  utf8,
} from '../../core/index.ts';

/** Keys of people who may write or approve policies, by name; brought by the auditor. */
export type Approvers = ReadonlyMap<string, Bytes>;
export type Approval = Readonly<{ name: string; role: 'author' | 'approver'; signature: Bytes }>;

const FORMAT = 'chrysalis-policy-approvals@v1';
const APPROVALS_MAX = 16;
export const APPROVALS_LEAST = 2;

/** What each person signs (Ed25519): the policy's digest and number, and in which role. */
export function approvalMessage(policyDigest: Uint8Array, number: number, role: Approval['role']): Bytes {
  return utf8(`chrysalis policy approval v1\n${role}\n${number}\n${toHex(policyDigest)}\n`);
}

/** Reads an approvals blob: `{"format", "approvals": [{"name","role","signature"}]}`. @throws CodedError OBJECT_MALFORMED */
export function parseApprovals(bytes: Uint8Array): Approval[] {
  const malformed = () => new CodedError('OBJECT_MALFORMED', 'not a list of policy approvals');
  const value = parseStrictJson(fromUtf8(bytes, 'approvals'), 'approvals') as { format?: unknown; approvals?: unknown };
  if (value?.format !== FORMAT || !Array.isArray(value.approvals) || value.approvals.length > APPROVALS_MAX) {
    throw malformed();
  }
  return value.approvals.map((item: { name?: unknown; role?: unknown; signature?: unknown } | null) => {
    const { name, role, signature } = item ?? {};
    if (typeof name !== 'string' || typeof signature !== 'string') throw malformed();
    if (role !== 'author' && role !== 'approver') throw malformed();
    return { name, role, signature: fromBase64(signature, 'approval') };
  });
}

export function encodeApprovals(approvals: readonly Approval[]): Bytes {
  const rows = approvals.map(({ name, role, signature }) => ({
    name,
    role,
    signature: toBase64(signature),
  }));
  return utf8(`${JSON.stringify({ format: FORMAT, approvals: rows })}\n`);
}

/**
 * What is wrong with the approvals of a policy; empty where its author signed it as its author, and another person, with
 * another key, as its approver.
 */
export async function approvalProblems(
  approvals: readonly Approval[],
  policy: Readonly<{ digest: Uint8Array; number: number }>,
  approvers: Approvers,
): Promise<string[]> {
  const problems: string[] = [];
  const people = new Map<string, Approval['role']>();
  for (const { name, role, signature } of approvals) {
    const key = approvers.get(name);
    if (key === undefined) continue; // counts for nothing
    const message = approvalMessage(policy.digest, policy.number, role);
    if (!(await ed25519Verify(key, message, signature))) problems.push(`the signature of ${name} does not hold`);
    else if (people.has(toHex(key))) problems.push(`${name} signed twice`);
    else people.set(toHex(key), role);
  }
  if (people.size < APPROVALS_LEAST) problems.push(`${people.size} of ${APPROVALS_LEAST} people signed it`);
  const roles = [...people.values()];
  for (const role of ['author', 'approver'] as const) {
    if (people.size >= APPROVALS_LEAST && !roles.includes(role)) problems.push(`nobody signed it as its ${role}`);
  }
  return problems;
}
