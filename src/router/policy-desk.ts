import {
  type ApprovalRole,
  type Approvals,
  type Approvers,
  approvalProblems,
  encodeApprovals,
  isSameStatement,
  loadPolicy,
  parseApprovals,
  policyDigest,
  signersOf,
} from '../attestation/index.ts';
import { type Bytes, CodedError, toHex } from '../core/index.ts';

/** A policy that is not in force, with the signatures that it has. */
export type KeptProposal = Readonly<{ text: string; approvals: Bytes }>;

export type PolicyProposal = KeptProposal &
  Readonly<{
    id: string;
    number: number;
    digest: Bytes;
    /** Why it cannot come into force yet; empty once it was handed over to come into force. */
    missing: readonly string[];
  }>;

/** Where policies are proposed and approved by people who don't share a file with the router. */
export type PolicyDesk = Readonly<{
  /**
   * A policy with the signature of its author; it takes the place of what was proposed before.
   * @throws CodedError POLICY_INVALID, OBJECT_MALFORMED
   */
  propose(text: string, approvals: Bytes): Promise<PolicyProposal>;
  /**
   * Adds signatures of approvers. With the last that is missing, the policy is handed over.
   * @throws CodedError NOT_FOUND where nothing is proposed, POLICY_INVALID, OBJECT_MALFORMED
   */
  approve(approvals: Bytes): Promise<PolicyProposal>;
  /** @throws CodedError NOT_FOUND */
  proposal(): Promise<PolicyProposal>;
}>;

export type PolicyDeskDeps = Readonly<{
  approvers: () => Approvers;
  inForce: () => Readonly<{ id: string; number: number }>;
  kept: () => KeptProposal | null;
  /** Durable when it returns. */
  keep: (proposal: KeptProposal) => void;
  /** Hands over a policy that all signed: durable when it returns, and nothing is proposed any more. */
  handOver: (proposal: KeptProposal) => void;
}>;

const TEXT_MAX = 256 * 1024;
const invalid = (why: string, field: string) => new CodedError('POLICY_INVALID', why, { field });

export function createPolicyDesk(deps: PolicyDeskDeps): PolicyDesk {
  /** One after the other: two signatures that come together are both kept. */
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const run = last.then(work);
    last = run.catch(() => undefined);
    return run;
  };

  const shown = async ({ text, approvals }: KeptProposal): Promise<PolicyProposal> => {
    const { id, number, digest } = named(text);
    const missing = await approvalProblems(parseApprovals(approvals), { digest, number }, deps.approvers());
    return { text, approvals, id, number, digest, missing };
  };
  const proposed = (): KeptProposal => {
    const kept = deps.kept();
    if (kept === null) throw new CodedError('NOT_FOUND', 'no policy is proposed here');
    return kept;
  };
  /** Kept, or handed over where nothing is missing. */
  const settle = async (proposal: KeptProposal): Promise<PolicyProposal> => {
    const next = await shown(proposal);
    if (next.missing.length === 0) deps.handOver(proposal);
    else deps.keep(proposal);
    return next;
  };

  return {
    propose: (text, approvals) =>
      inTurn(async () => {
        if (text.length > TEXT_MAX) throw invalid(`a policy has at most ${TEXT_MAX} characters`, 'policy');
        const { id, number, digest } = named(text);
        const now = deps.inForce();
        if (id !== now.id || number <= now.number) {
          throw invalid(`${id} #${number} does not follow ${now.id} #${now.number}`, 'number');
        }
        const signed = parseApprovals(approvals);
        if (toHex(signed.statement.policyDigest) !== toHex(digest) || signed.statement.number !== number) {
          throw invalid('the signature is of another policy', 'approvals');
        }
        await requireAll(signed, 'author', deps.approvers());
        return settle({ text, approvals });
      }),
    approve: (approvals) =>
      inTurn(async () => {
        const kept = proposed();
        const [before, more] = [parseApprovals(kept.approvals), parseApprovals(approvals)];
        if (!isSameStatement(before.statement, more.statement)) {
          throw invalid('the signature is of another policy than the one proposed', 'approvals');
        }
        await requireAll(more, 'approver', deps.approvers());
        const own = new Set(more.signatures.map(({ kid }) => kid));
        const others = before.signatures.filter(({ kid }) => !own.has(kid));
        if (!others.some(({ role }) => role === 'author')) throw invalid('nobody approves what he wrote', 'approvals');
        const signatures = [...others, ...more.signatures];
        return settle({ text: kept.text, approvals: encodeApprovals({ ...before, signatures }) });
      }),
    proposal: () => inTurn(async () => shown(proposed())),
  };
}

function named(text: string) {
  const policy = loadPolicy(text);
  return { id: policy.id, number: policy.number, digest: policyDigest(policy) };
}

/** Each signature is of somebody named, in this role, and holds: nobody hands in another's part. @throws CodedError POLICY_INVALID */
async function requireAll(approvals: Approvals, role: ApprovalRole, approvers: Approvers): Promise<void> {
  const { people, problems } = await signersOf(approvals, approvers);
  if (problems.length > 0) throw invalid(problems.join('; '), 'approvals');
  const roles = [...people.values()];
  if (people.size < approvals.signatures.length || roles.length === 0 || roles.some((own) => own !== role)) {
    throw invalid(`only signatures of its ${role} belong here, of people who may sign policies`, 'approvals');
  }
}
