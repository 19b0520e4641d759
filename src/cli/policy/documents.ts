import { ed25519Key } from '#crypto';
import {
  type ApprovalRole,
  type Approvals,
  approvalProblems,
  diffPolicies,
  encodeApprovals,
  isSameStatement,
  loadPolicy,
  type Policy,
  type PolicyChange,
  type PolicyStatement,
  parseApprovals,
  policyDigest,
  signApproval,
} from '../../attestation/index.ts';
import { CodedError, fromUtf8, type Json, parseStrictJson, toHex, utf8 } from '../../core/index.ts';
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
    options.approvers === undefined
      ? []
      : (await approvalsBeside(policy, path, options.approvers, options.approvals)).problems;
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

/** The signatures of a policy, as they lie there, and why it may not come into force with them. */
type ApprovalsBeside = Readonly<{ problems: string[]; text: string; effectiveFromIndex: number | null }>;

/** It needs an author and another person who approved it. @throws CodedError OBJECT_MALFORMED, CONFIG_INVALID */
export async function approvalsBeside(
  policy: Policy,
  policyPath: string,
  approversPath: string,
  file: string = approvalsPath(policyPath),
): Promise<ApprovalsBeside> {
  const text = readIfThere(file);
  if (text === null) {
    return { problems: [`nobody signed it: there is no ${file}`], text: '', effectiveFromIndex: null };
  }
  const signed = parseApprovals(utf8(text));
  const named = { digest: policyDigest(policy), number: policy.number };
  const problems = await approvalProblems(signed, named, readKeys(approversPath));
  return { problems, text, effectiveFromIndex: signed.statement.effectiveFromIndex };
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

/** `chrysalis policy sign`: adds one person's signature (JWS) to those beside a policy; all sign the same statement. */
export async function sign(
  path: string,
  options: JsonOption & {
    as: string;
    role: ApprovalRole;
    keys: string;
    approvals?: string;
    effectiveFromIndex?: number;
  },
): Promise<void> {
  const policy = loadPolicy(readText(path));
  const { id, number } = policy;
  const { effectiveFromIndex = null } = options;
  const file = options.approvals ?? approvalsPath(path);
  const statement = { policyDigest: policyDigest(policy), number, effectiveFromIndex };
  const key = ed25519Key(secretOf(options.keys, `policy-${options.as}`));
  const own = await signApproval(key, options.role, statement);
  const others = signaturesOf(statement, file).filter(({ kid }) => kid !== own.kid);
  if (others.some(({ role }) => role === 'author') && options.role === 'author') {
    throw new CodedError('USAGE_INVALID', 'it has an author already: sign as its approver', { field: 'role' });
  }
  writeDurably(file, fromUtf8(encodeApprovals({ statement, signatures: [...others, own] }), file));
  const publicKey = toHex(key.publicKey);
  const from = effectiveFromIndex === null ? '' : `, effective from log index ${effectiveFromIndex}`;
  const text = `${id} #${number}${from} signed by ${options.as} as its ${options.role}, key ${publicKey}, in ${file}\n`;
  const { kid } = own;
  const document = { id, number, effectiveFromIndex, name: options.as, role: options.role, publicKey, kid, file };
  print(options, document, printable(text));
}

/** Signatures of a statement that lie in a file; nobody's are dropped because they are of another one. */
function signaturesOf(statement: PolicyStatement, file: string): Approvals['signatures'] {
  const kept = readIfThere(file);
  if (kept === null) return [];
  const signed = parseApprovals(utf8(kept));
  if (isSameStatement(signed.statement, statement)) return signed.signatures;
  const { number, effectiveFromIndex } = signed.statement;
  const from = effectiveFromIndex === null ? 'at once' : `from log index ${effectiveFromIndex}`;
  const why = `${file} holds signatures of another statement (#${number}, effective ${from}): sign that, or remove the file`;
  throw new CodedError('USAGE_INVALID', why, { field: 'approvals' });
}
