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

/** A proposal with its newest signature. @property isComplete nothing is missing: it is to be handed over */
export type DecidedProposal = Readonly<{ proposal: KeptProposal; isComplete: boolean }>;

export type PolicyDeskDeps = Readonly<{
  approvers: () => Approvers;
  /** What a policy has to follow: the one in force, or one that is handed over already. */
  newest: () => Promise<Readonly<{ id: string; number: number }>>;
  kept: () => Promise<KeptProposal | null>;
  /**
   * Keeps what was decided about what is kept, or hands it over: durable when it resolves, and then nothing is proposed any
   * more. Decided again where another router that shares the proposals came between.
   */
  change: (decide: (kept: KeptProposal | null) => Promise<DecidedProposal>) => Promise<void>;
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
  const proposed = (kept: KeptProposal | null): KeptProposal => {
    if (kept === null) throw new CodedError('NOT_FOUND', 'no policy is proposed here');
    return kept;
  };
  /** @throws CodedError POLICY_INVALID */
  const requireNewer = async (text: string): Promise<void> => {
    const [{ id, number }, now] = [named(text), await deps.newest()];
    if (id === now.id && number > now.number) return;
    throw invalid(`${id} #${number} does not follow ${now.id} #${now.number}`, 'number');
  };
  /** Kept, or handed over where nothing is missing. */
  const changed = async (next: (kept: KeptProposal | null) => Promise<KeptProposal>): Promise<PolicyProposal> => {
    const decided: PolicyProposal[] = [];
    await deps.change(async (kept) => {
      const proposal = await next(kept);
      const one = await shown(proposal);
      decided.push(one);
      return { proposal, isComplete: one.missing.length === 0 };
    });
    return decided.at(-1) as PolicyProposal;
  };

  return {
    propose: (text, approvals) =>
      inTurn(() =>
        changed(async () => {
          if (text.length > TEXT_MAX) throw invalid(`a policy has at most ${TEXT_MAX} characters`, 'policy');
          const { number, digest } = named(text);
          await requireNewer(text);
          const signed = parseApprovals(approvals);
          if (toHex(signed.statement.policyDigest) !== toHex(digest) || signed.statement.number !== number) {
            throw invalid('the signature is of another policy', 'approvals');
          }
          await requireAll(signed, 'author', deps.approvers());
          return { text, approvals };
        }),
      ),
    approve: (approvals) =>
      inTurn(() =>
        changed(async (before) => {
          const kept = proposed(before);
          await requireNewer(kept.text); // something else may have come into force since it was proposed
          return { text: kept.text, approvals: await withApproval(kept.approvals, approvals, deps.approvers()) };
        }),
      ),
    proposal: () => inTurn(async () => shown(proposed(await deps.kept()))),
  };
}

/** Signatures of approvers beside those that a proposal has. @throws CodedError POLICY_INVALID, OBJECT_MALFORMED */
async function withApproval(kept: Bytes, approvals: Bytes, approvers: Approvers): Promise<Bytes> {
  const [before, more] = [parseApprovals(kept), parseApprovals(approvals)];
  if (!isSameStatement(before.statement, more.statement)) {
    throw invalid('the signature is of another policy than the one proposed', 'approvals');
  }
  await requireAll(more, 'approver', approvers);
  const own = new Set(more.signatures.map(({ kid }) => kid));
  const others = before.signatures.filter(({ kid }) => !own.has(kid));
  if (!others.some(({ role }) => role === 'author')) throw invalid('nobody approves what he wrote', 'approvals');
  return encodeApprovals({ ...before, signatures: [...others, ...more.signatures] });
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
