import {
  type Check,
  loadPolicy,
  mayVouch,
  type Policy,
  policyDigest,
  type Tee,
  type TrustAnchor,
  VERIFIER_VERSION,
} from '../../attestation/index.ts';
import { CodedError, type Json, rfc3339, toHex, type UnixSeconds } from '../../core/index.ts';
import type { VerifyRequest } from './request.ts';
import type { VerdictWord } from './response.ts';

/** The text of a policy that ships with the program, by its id; null for another. */
export type ShippedPolicies = (id: string) => string | null;

type Checks = Readonly<Record<string, Check>>;

/** What a piece of CPU evidence came to: is it genuine? */
export type Genuineness = Readonly<{
  verdict: VerdictWord;
  checks: Checks;
  isRequired: (name: string) => boolean;
  /** The root that vouches, or null where the evidence leads to none. */
  anchor: TrustAnchor | null;
  /** The roots behind its endorsements. */
  endorsementAnchors: readonly TrustAnchor[];
}>;

/** The same, and whether the policy accepts it; `appraisal` is an EAR (draft-ietf-rats-ear), or null without a policy. */
export type Appraised = Omit<Genuineness, 'anchor' | 'endorsementAnchors'> & Readonly<{ appraisal: Json }>;

/**
 * The policy of a request: the name of one that ships in attestation-policies/, or a whole document.
 * @returns null where the request has none
 * @throws CodedError USAGE_INVALID, POLICY_INVALID
 */
export function policyOf({ policy, revocation, require }: VerifyRequest, shipped: ShippedPolicies): Policy | null {
  if (policy === null) return null;
  const usage = (why: string) => new CodedError('USAGE_INVALID', why, { field: 'policy' });
  if (revocation !== 'require' || require.length > 0) {
    throw usage('a policy demands revocation lists: ask for it without another --revocation or --require');
  }
  if (typeof policy !== 'string') return loadPolicy(JSON.stringify(policy));
  const text = /^[a-z0-9][a-z0-9-]{0,63}$/.test(policy) ? shipped(policy) : null;
  if (text === null) throw usage('a policy is named by its id, as in attestation-policies/, or given whole');
  return loadPolicy(text);
}

/**
 * Lays a policy over genuine evidence: its checks stand behind the others as `policy.NAME`, and all of them must pass.
 * @param ofPolicy the checks that this kind of evidence has, by name
 * @param mayStayUnrun names of those that this very evidence cannot have
 */
export function underPolicy(
  genuine: Genuineness,
  policy: Policy,
  evidence: Readonly<{ tee: Tee; ofPolicy: Checks; mayStayUnrun?: readonly string[] }>,
  at: UnixSeconds,
): Appraised {
  const { anchor } = genuine;
  const foreign = genuine.endorsementAnchors.find((signer) => !mayVouch(policy, signer));
  const refused = (reason: string): Check => ({ outcome: 'failed', code: 'EVIDENCE_REFUSED_BY_POLICY', reason });
  const foreignRoot = ({ kind }: TrustAnchor) =>
    refused(`a ${policy.environment} policy does not let this ${kind} root vouch for evidence`);
  const own: Checks = {
    tee: policy.tees.includes(evidence.tee) ? PASSED : refused(`the policy does not accept ${evidence.tee}`),
    trustAnchor:
      anchor === null
        ? { outcome: 'notRun', reason: 'the evidence leads to no trust anchor' }
        : mayVouch(policy, anchor)
          ? PASSED
          : foreignRoot(anchor),
    endorsementAnchors: foreign === undefined ? PASSED : foreignRoot(foreign),
    ...evidence.ofPolicy,
  };
  const named = Object.fromEntries(Object.entries(own).map(([name, check]) => [`policy.${name}`, check]));
  const checks = { ...genuine.checks, ...named };
  const isOptional = (name: string) => evidence.mayStayUnrun?.includes(name.slice('policy.'.length)) === true;
  const isRequired = (name: string) => (name in named ? !isOptional(name) : genuine.isRequired(name));
  const of = (outcome: Check['outcome']) => Object.keys(checks).filter((name) => checks[name]?.outcome === outcome);
  const because = of('failed');
  const isOpen = genuine.verdict === 'unavailable' || of('notRun').some(isRequired);
  const verdict = because.length > 0 ? 'refused' : isOpen ? 'unavailable' : 'verified';
  return { verdict, checks, isRequired, appraisal: earOf(policy, verdict, because, at) };
}

const PASSED: Check = { outcome: 'passed' };
const STATUS = { verified: 'affirming', refused: 'contraindicated', unavailable: 'none' } as const;

/** An EAT Attestation Result of one submodule; its claims stand beside it in the answer. */
function earOf(policy: Policy, verdict: VerdictWord, because: readonly string[], at: UnixSeconds): Json {
  return {
    eat_profile: 'tag:github.com,2023:veraison/ear',
    iat: at,
    'ear.verifier-id': { developer: 'chrysalis', build: VERIFIER_VERSION },
    submods: {
      cpu: {
        'ear.status': STATUS[verdict],
        'ear.appraisal-policy-id': `${policy.id}#${policy.number}`,
        'chrysalis.policy-digest': toHex(policyDigest(policy)),
        'chrysalis.because': because,
        'chrysalis.judged-at': rfc3339(at),
      },
    },
  };
}
