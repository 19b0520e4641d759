import { approvalProblems, loadPolicy, parseApprovals, policyDigest } from '../../attestation/index.ts';
import { asCodedError, type Bytes, CodedError, equalBytes } from '../../core/index.ts';
import type { KeptProposal } from '../../router/index.ts';
import type { Ledger } from '../../store/index.ts';
import { readKeys } from '../audit/trust.ts';
import { readText } from './files.ts';
import type { PolicyOptions } from './policy-in-force.ts';
import { encodeProposal, type PolicyShelf, parseProposal, writePolicyFiles } from './policy-shelf.ts';

/** Names of settings: what is proposed, and the newest that all signed. */
const PROPOSED = 'policy-proposed';
const APPROVED = 'policy-approved';
/** Two replicas that are told of policies at the same time. */
const TRIES_MAX = 8;
const LOOK_MS = 1_000;

export type SharedPolicies = PolicyShelf &
  Readonly<{
    /**
     * Writes what all signed into this replica's own files, where it goes on from what they hold. What is in the database
     * counts for nothing by itself: the signatures have to hold under this replica's own list of people.
     */
    take(): Promise<void>;
    close(): void;
  }>;

/**
 * Policies of replicas that share a database: what is proposed at one is proposed at all, and once all signed it each of
 * them takes it over, one that was away when it is back.
 * @param report hears of what is not taken, once
 */
export function sharePolicies(
  ledger: Pick<Ledger, 'setting' | 'putSetting'>,
  options: PolicyOptions & Readonly<{ policyApprovers: string }>,
  report: (problem: string) => void,
): SharedPolicies {
  let taken: Bytes | null = null;
  let reported = '';
  let isLooking = false;

  const shelved = async () => {
    const [proposed, approved] = [await ledger.setting(PROPOSED), await ledger.setting(APPROVED)];
    const proposal = proposed && parseProposal(proposed, PROPOSED);
    const newest = approved && parseProposal(approved, APPROVED);
    // One that was handed over stays where it was proposed: it is no proposal any more.
    const isOpen = proposal !== null && (newest === null || numberOf(proposal) > numberOf(newest));
    return { raw: { proposed, approved }, kept: isOpen ? proposal : null, newest };
  };

  const take = async (): Promise<void> => {
    const raw = await ledger.setting(APPROVED);
    if (raw === null || (taken !== null && equalBytes(raw, taken))) return;
    const next = parseProposal(raw, APPROVED);
    const [policy, own] = [loadPolicy(next.text), loadPolicy(readText(options.policy))];
    const { id, number } = policy;
    if (id !== own.id) throw new CodedError('POLICY_INVALID', `${id} #${number} does not follow ${own.id}`);
    const digest = policyDigest(policy);
    if (number === own.number && !equalBytes(digest, policyDigest(own))) {
      throw new CodedError('POLICY_INVALID', `${id} #${number} is another policy in this replica's own file`);
    }
    if (number > own.number) {
      const statement = { digest, number };
      const approvers = readKeys(options.policyApprovers);
      const problems = await approvalProblems(parseApprovals(next.approvals), statement, approvers);
      if (problems.length > 0) {
        throw new CodedError('POLICY_INVALID', `${id} #${number} is not approved: ${problems.join('; ')}`);
      }
      writePolicyFiles(options, next);
    }
    taken = raw;
  };
  const attempt = async (): Promise<void> => {
    isLooking = true;
    try {
      await take();
      reported = '';
    } catch (thrown) {
      const { code, message } = asCodedError(thrown);
      if (`${code} ${message}` !== reported) report(`what all signed is not taken: ${message} [${code}]`);
      reported = `${code} ${message}`;
    } finally {
      isLooking = false;
    }
  };
  /** One after the other: two would write the same files. */
  let last: Promise<void> = Promise.resolve();
  const look = (): Promise<void> => {
    last = last.then(attempt);
    return last;
  };
  const timer = setInterval(() => {
    if (!isLooking) void look();
  }, LOOK_MS);
  timer.unref();

  return {
    take: look,
    close: () => clearInterval(timer),
    newest: async () => {
      const { newest } = await shelved();
      return newest === null ? null : named(newest);
    },
    kept: async () => (await shelved()).kept,
    async change(decide) {
      for (let tries = 1; tries <= TRIES_MAX; tries++) {
        const { raw, kept } = await shelved();
        const { proposal, isComplete } = await decide(kept);
        const next = encodeProposal(proposal);
        const [name, from] = isComplete ? ([APPROVED, raw.approved] as const) : ([PROPOSED, raw.proposed] as const);
        if (!equalBytes(await ledger.putSetting(name, from, next), next)) continue; // another came between
        if (isComplete) await look();
        return;
      }
      throw new CodedError('ROUTER_BUSY', 'other replicas are told of policies at the same time', {
        retryAfterMs: LOOK_MS,
      });
    },
  };
}

function named({ text }: KeptProposal): Readonly<{ id: string; number: number }> {
  const { id, number } = loadPolicy(text);
  return { id, number };
}
const numberOf = (proposal: KeptProposal): number => named(proposal).number;
