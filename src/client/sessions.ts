import { sha256 } from '#crypto';
import type {
  AffirmingAppraisal,
  EarClaims,
  KnownBlock,
  Policy,
  Tee,
  Trust,
  VendorEndorsements,
} from '../attestation/index.ts';
import {
  appraise,
  certificatesIn,
  DeviceRegistry,
  earOf,
  loadVendorEndorsements,
  parseEvidenceBundle,
  VerificationCache,
} from '../attestation/index.ts';
import {
  type Bytes,
  CodedError,
  clientNonceInput,
  equalBytes,
  type Randomness,
  toHex,
  type UnixMs,
  utf8,
} from '../core/index.ts';
import type { LogPolicy } from '../log/index.ts';
import {
  type ClientSession,
  createHello,
  drawAtRandom,
  type Mode,
  type OfferEntry,
  type OwnHello,
  openSession,
  parseEpochCertificate,
  parseOffer,
  type VerifiedOffer,
  verifyOffer,
} from '../session/index.ts';
import type { CheckGroups, VerifiedWorker } from './api.ts';
import { createSeenCrls } from './crl-floors.ts';
import type { SessionAsk } from './live-sessions.ts';
import { checkAdmissionEntry, type SeenHeads } from './log-proofs.ts';
import { namedChecks } from './named-checks.ts';
import type { CallOptions, RouterTransport } from './transport.ts';

export type SessionDeps = Readonly<{
  transport: RouterTransport;
  policy: Policy;
  policyDigest: Bytes;
  trust: Trust;
  /** Collateral that this client gets by itself; null to take what the router sends, verified all the same. */
  endorsementsFor: ((bundle: Bytes, certificates: readonly Uint8Array[]) => Promise<VendorEndorsements>) | null;
  /** The log's verifier key, pinned by whoever runs this client. */
  logPolicy: LogPolicy;
  /** Heads of the log that this client was shown. */
  heads: SeenHeads;
  /** Looks a masterchain block up on the chain, or null where the client does not follow it. */
  blockAt: ((seqno: number) => Promise<KnownBlock | null>) | null;
  now: () => UnixMs;
  randomness: Randomness;
}>;

export type OpenedSession = Readonly<{
  session: ClientSession;
  /** In the order of the session's candidates. */
  workers: readonly VerifiedWorker[];
  /** Every worker that passed, the chosen ones last. */
  passed: readonly VerifiedWorker[];
}>;
type Candidate = Readonly<{
  offer: VerifiedOffer;
  worker: VerifiedWorker;
  devices: AffirmingAppraisal['devices'];
}>;
export type Refusal = Readonly<{ worker: string; failed: readonly string[]; unavailable: boolean }>;

const OFFERS_WANTED = 8;
const ENDORSEMENTS_MAX = 16;

/**
 * Opens sessions to workers whose own evidence this client verified under its own policy (AIS/1 sections 5 and 9).
 * Nothing of a prompt exists yet when it runs.
 */
export function createSessions(deps: SessionDeps) {
  const { transport, now } = deps;
  const endorsements = new Map<string, Promise<VendorEndorsements>>();
  const nvidiaCache = new VerificationCache();
  // The router brings the lists: it could bring old ones, on which a worker revoked since is not.
  const seenCrls = createSeenCrls();

  const endorsementsOf = (tee: Tee, collateral: string): Promise<VendorEndorsements> => {
    const key = `${tee} ${toHex(sha256(utf8(collateral)))}`;
    const known = endorsements.get(key);
    if (known !== undefined) return known;
    const loaded = loadVendorEndorsements(tee, collateral, deps.trust.trustAnchors, nvidiaCache);
    if (endorsements.size >= ENDORSEMENTS_MAX) endorsements.delete(endorsements.keys().next().value as string);
    endorsements.set(key, loaded);
    loaded.catch(() => endorsements.delete(key));
    return loaded;
  };

  const verify = async (
    entry: OfferEntry,
    own: OwnHello,
    model: Bytes,
    call: CallOptions,
  ): Promise<Candidate | Refusal> => {
    const { mode } = own.hello;
    const offer = parseOffer(entry.offer);
    const { evidenceDigest } = parseEpochCertificate(offer.certificate);
    const [{ bundle, collateral }, admission] = await Promise.all([
      transport.getEvidence(evidenceDigest, call),
      transport.getAdmission(entry.workerId, call),
    ]);
    const parsed = parseEvidenceBundle(bundle);
    const claimed = { workerId: entry.workerId, evidenceDigest: mode === 2 ? null : evidenceDigest };
    const logged = await checkAdmissionEntry(admission, deps.logPolicy, deps.heads, claimed, now());
    const inLog = logged.failed.length === 0;
    const block = await knownBlock(deps, parsed.beacon.seqno);
    const appraisal = await appraise({
      ...deps.trust,
      bundle,
      endorsements: await (deps.endorsementsFor?.(bundle, certificatesIn(parsed.tee, collateral)) ??
        endorsementsOf(parsed.tee, collateral)),
      now: now(),
      expectedNonce:
        offer.nonceProof === null ? undefined : { input: clientNonceInput(own.digest), proof: offer.nonceProof },
      knownBlocks: block === null ? [] : [block],
      loggedAt: inLog && logged.attestedAt !== null ? logged.attestedAt : undefined,
      crlFloors: seenCrls.floors(now()),
    });
    seenCrls.saw(appraisal.crls, now());
    const groups: Record<string, CheckGroups[string]> = Object.fromEntries(
      Object.entries(appraisal.groups).map(([group, checks]) => [group, namedChecks(checks)]),
    );
    groups.log = logged.checks;
    const sameWorker = equalBytes(appraisal.workerId, entry.workerId);
    if (appraisal.status !== 'affirming' || !inLog || !sameWorker) {
      const because = appraisal.status === 'affirming' ? [] : appraisal.because;
      const failed = [...because, ...logged.failed.map((name) => `log.${name}`)];
      if (!sameWorker) failed.push('session.workerId');
      return {
        worker: entry.workerName,
        failed,
        unavailable: appraisal.status === 'unavailable' && inLog && sameWorker,
      };
    }
    const verdict = await verifyOffer(
      entry.offer,
      own,
      attestedOf(appraisal, model, logged.leaseUntil),
      offerPolicy(deps.policy, model),
      now(),
    );
    groups.session = namedChecks(verdict.checks);
    if (verdict.verdict === 'refused') {
      const failed = verdict.failed.map((name) => `session.${name}`);
      return { worker: entry.workerName, failed, unavailable: false };
    }
    const worker = workerOf(entry, appraisal, groups, {
      result: earOf(appraisal, deps.policy, now()),
      mode,
      logged,
      tee: parsed.tee,
      verifiedAt: now(),
      deadline: verdict.offer.deadline,
    });
    return { offer: verdict.offer, worker, devices: appraisal.devices };
  };

  return {
    /**
     * @param avoid worker ids, hex, that are taken only where no other passes
     * @throws CodedError OFFER_REFUSED with the failed checks where no worker passed, NO_WORKER, ENDORSEMENT_UNREACHABLE
     *   where it could not be found out, or the transport's
     */
    async open(
      { model, mode, candidates }: SessionAsk,
      avoid: ReadonlySet<string>,
      call: CallOptions,
    ): Promise<OpenedSession> {
      const refused = (check: string, why: string) => new CodedError('OFFER_REFUSED', why, { check });
      if (mode < deps.policy.session.leastMode) {
        throw refused('leastMode', 'the policy demands a fresher proof than this mode gives');
      }
      if (candidates > deps.policy.session.candidatesMax) {
        throw refused('candidatesMax', 'the policy lets fewer workers read a request');
      }
      const own = createHello({ mode, model, policyDigest: deps.policyDigest }, deps.randomness);
      const offers = await transport.getOffers(own.bytes, OFFERS_WANTED, call);
      if (offers.length === 0) throw new CodedError('NO_WORKER', 'no worker answered: try again');
      const judged = await Promise.all(
        offers
          .slice(0, OFFERS_WANTED)
          .map((entry) =>
            verify(entry, own, model, call).catch((error: unknown): Refusal => refusalOf(entry.workerName, error)),
          ),
      );
      const verified = judged.filter((one): one is Candidate => 'offer' in one);
      const twins = twinsAmong(verified, now());
      const passed = verified.filter((one) => !twins.has(one));
      if (passed.length === 0) {
        const refusals = judged.filter((one): one is Refusal => !('offer' in one));
        throw noneVerified([...refusals, ...[...twins].map(({ worker }) => twinRefusal(worker))]);
      }
      const isAvoided = ({ worker }: Candidate) => avoid.has(worker.workerId);
      const preferred = drawAtRandom(
        passed.filter((one) => !isAvoided(one)),
        candidates,
        deps.randomness,
      );
      const chosen = preferred.length > 0 ? preferred : drawAtRandom(passed, 1, deps.randomness);
      const session = await openSession(
        own,
        chosen.map(({ offer }) => offer),
        now(),
      );
      const told = ({ worker }: Candidate) => ({ ...worker, candidates: passed.length });
      const others = passed.filter((one) => !chosen.includes(one));
      return { session, workers: chosen.map(told), passed: [...others, ...chosen].map(told) };
    },
  };
}

export type Sessions = ReturnType<typeof createSessions>;

/** Workers that answer at the same time with one device: nobody knows which of them has it. */
function twinsAmong(candidates: readonly Candidate[], now: UnixMs): ReadonlySet<Candidate> {
  const registry = new DeviceRegistry();
  const out = new Set<string>();
  for (const { worker, devices } of candidates) {
    const claimed = registry.claim(worker.workerId, devices, worker.expiresAt, now);
    if (claimed.outcome !== 'claimed') out.add(worker.workerId);
    if (claimed.outcome === 'twin') for (const holder of claimed.holders) out.add(holder);
  }
  return new Set(candidates.filter(({ worker }) => out.has(worker.workerId)));
}

function twinRefusal({ name }: VerifiedWorker): Refusal {
  return { worker: name, failed: ['binding.uniqueDevices'], unavailable: false };
}

async function knownBlock(deps: SessionDeps, seqno: number): Promise<KnownBlock | null> {
  // An unreachable chain leaves the beacon unchecked; whether that will do is the policy's matter.
  return deps.blockAt === null ? null : deps.blockAt(seqno).catch(() => null);
}

/** @param leaseUntil as the log has it: an offer is good for no longer than the admission that it stands on */
function attestedOf(
  appraisal: AffirmingAppraisal,
  model: Bytes,
  leaseUntil: UnixMs | null,
): Parameters<typeof verifyOffer>[2] {
  return {
    keyset: appraisal.keyset,
    evidenceDigest: appraisal.evidenceDigest,
    nonceRoot: appraisal.nonceRoot,
    epochKeyDigests: appraisal.epochKeyDigests,
    model: appraisal.modelDigest.length === 32 ? appraisal.modelDigest : model,
    madeAt: appraisal.madeAt,
    deadline: Math.min(appraisal.expiresAt, leaseUntil ?? 0),
  };
}

function offerPolicy(policy: Policy, model: Bytes): Parameters<typeof verifyOffer>[3] {
  return {
    leastMode: policy.session.leastMode,
    evidenceAgeMsMax: policy.freshness.evidenceAgeSecondsMax * 1000,
    model,
  };
}

function refusalOf(worker: string, error: unknown): Refusal {
  const code = error instanceof CodedError ? error.code : 'INVARIANT_BROKEN';
  const check =
    error instanceof CodedError && typeof error.facts.field === 'string' ? `${code}:${error.facts.field}` : code;
  return { worker, failed: [check], unavailable: error instanceof CodedError && UNREACHABLE.has(code) };
}

const UNREACHABLE: ReadonlySet<string> = new Set([
  'ROUTER_UNREACHABLE',
  'NOT_FOUND',
  'DEADLINE_EXCEEDED',
  'PEER_UNREACHABLE',
  'ENDORSEMENT_UNREACHABLE',
  'ENDORSEMENT_MISSING',
]);

function noneVerified(refusals: readonly Refusal[]): CodedError {
  const failed = [...new Set(refusals.flatMap((refusal) => refusal.failed))];
  const facts = { check: failed[0] ?? 'none', failed: failed.join(' '), workers: refusals.length };
  return refusals.every((refusal) => refusal.unavailable)
    ? new CodedError('ENDORSEMENT_UNREACHABLE', `no worker could be judged: ${failed.slice(0, 4).join(', ')}`, facts)
    : new CodedError('OFFER_REFUSED', `no worker passed verification: ${failed.slice(0, 4).join(', ')}`, facts);
}

function workerOf(
  entry: OfferEntry,
  appraisal: AffirmingAppraisal,
  checks: CheckGroups,
  facts: Readonly<{
    result: EarClaims;
    mode: Mode;
    logged: Readonly<{ index: number; size: number; origin: string }>;
    tee: string;
    verifiedAt: UnixMs;
    deadline: UnixMs;
  }>,
): VerifiedWorker {
  const { index, size, origin } = facts.logged;
  return {
    workerId: toHex(appraisal.workerId),
    name: entry.workerName,
    tee: facts.tee,
    simulated: appraisal.simulated,
    evidenceDigest: toHex(appraisal.evidenceDigest),
    modelDigest: toHex(appraisal.modelDigest),
    tcbStatus: appraisal.tcbStatus,
    mode: facts.mode,
    checks,
    result: facts.result,
    admission: { index, size, origin },
    expiresAt: Math.min(facts.deadline, appraisal.expiresAt),
    verifiedAt: facts.verifiedAt,
    candidates: 1,
  };
}
