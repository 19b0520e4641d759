import { ed25519Key, ed25519Sign } from '#crypto';
import {
  type Approval,
  approvalMessage,
  approvalProblems,
  diffPolicies,
  encodeApprovals,
  loadPolicy,
  type Policy,
  type PolicyChange,
  parseApprovals,
  policyDigest,
} from '../../attestation/index.ts';
import { CodedError, type Json, parseStrictJson, toHex, utf8 } from '../../core/index.ts';
import { readKeys } from '../audit/trust.ts';
import { readIfThere, readText, secretOf, writeDurably } from '../compose/files.ts';
import { EXIT, type ExitCode, printable, table } from '../output.ts';
import { explained, lenient } from './words.ts';

export type JsonOption = Readonly<{ json?: boolean }>;

const width = () => Math.min(process.stdout.columns ?? 100, 120);
const show = (value: Json | undefined) => (value === undefined ? '' : JSON.stringify(value));

function print({ json }: JsonOption, document: unknown, text: string): void {
  process.stdout.write(json === true ? `${JSON.stringify(document)}\n` : text);
}

/** Where the signatures of a policy lie unless another file is named. */
export function approvalsPath(policyPath: string): string {
  return policyPath.replace(/(?:\.json)?$/, '.approvals.json');
}

/** `chrysalis policy lint`: is it a policy, who signed it, and what it leaves open. */
export async function lint(
  path: string,
  options: JsonOption & { approvals?: string; approvers?: string },
): Promise<ExitCode> {
  const policy = loadPolicy(readText(path));
  const notes = lenient(policy);
  const problems =
    options.approvers === undefined ? [] : await unapproved(policy, path, options.approvers, options.approvals);
  const digest = toHex(policyDigest(policy));
  const lines = [
    `${policy.id} #${policy.number}, ${policy.environment}, ${digest}`,
    ...problems.map((problem) => `  not approved: ${problem}`),
    ...notes.map((note) => `  open: ${note}`),
  ];
  print(
    options,
    { id: policy.id, number: policy.number, digest, open: notes, notApproved: problems },
    `${printable(lines.join('\n'))}\n`,
  );
  return problems.length > 0 ? EXIT.refused : EXIT.accepted;
}

/** Why a policy may not come into force: it needs an author and another person who approved it. */
export async function unapproved(
  policy: Policy,
  policyPath: string,
  approversPath: string,
  approvals: string = approvalsPath(policyPath),
): Promise<string[]> {
  const text = readIfThere(approvals);
  if (text === null) return [`nobody signed it: there is no ${approvals}`];
  const signed = parseApprovals(utf8(text));
  return approvalProblems(signed, { digest: policyDigest(policy), number: policy.number }, readKeys(approversPath));
}

/** `chrysalis policy diff`: what changed, and to which side. Exit code 1 where anything may have become weaker. */
export function diff(before: string, after: string, options: JsonOption): ExitCode {
  const [old, now] = [before, after].map((path) => {
    loadPolicy(readText(path));
    return parseStrictJson(readText(path), path);
  }) as [Json, Json];
  const changes = diffPolicies(old, now);
  const rows = changes.map((change) => [sideOf(change), change.path, `${show(change.before)} → ${show(change.after)}`]);
  const text = rows.length === 0 ? 'the policies are the same\n' : `${printable(table(rows, width(), 0))}\n`;
  print(options, { changes }, text);
  return changes.some(({ effect }) => effect === 'weaker' || effect === 'unknown') ? EXIT.refused : EXIT.accepted;
}

function sideOf({ effect }: PolicyChange): string {
  return effect === 'unknown' ? 'look at it' : effect;
}

/** `chrysalis policy explain`: what it accepts, in words. */
export function explain(path: string, options: JsonOption): void {
  const policy = loadPolicy(readText(path));
  const rows = explained(policy);
  print(options, { id: policy.id, accepts: Object.fromEntries(rows) }, `${printable(table(rows, width(), 0))}\n`);
}

/** `chrysalis policy sign`: adds one person's signature to those beside a policy. */
export async function sign(
  path: string,
  options: JsonOption & { as: string; role: Approval['role']; keys: string; approvals?: string },
): Promise<void> {
  const policy = loadPolicy(readText(path));
  const file = options.approvals ?? approvalsPath(path);
  const kept = readIfThere(file);
  const others = kept === null ? [] : parseApprovals(utf8(kept)).filter(({ name }) => name !== options.as);
  if (others.some(({ role }) => role === 'author') && options.role === 'author') {
    throw new CodedError('USAGE_INVALID', 'it has an author already: sign as its approver', { field: 'role' });
  }
  const key = ed25519Key(secretOf(options.keys, `policy-${options.as}`));
  const message = approvalMessage(policyDigest(policy), policy.number, options.role);
  const approval: Approval = { name: options.as, role: options.role, signature: await ed25519Sign(key, message) };
  writeDurably(file, new TextDecoder().decode(encodeApprovals([...others, approval])));
  const publicKey = toHex(key.publicKey);
  const text = `${policy.id} #${policy.number} signed by ${options.as} as its ${options.role}, key ${publicKey}, in ${file}\n`;
  print(
    options,
    { id: policy.id, number: policy.number, name: options.as, role: options.role, publicKey, file },
    printable(text),
  );
}
