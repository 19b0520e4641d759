import type { AffirmingAppraisal, Appraisal } from '../attestation/index.ts';
import { type Bytes, CodedError, equalBytes, KIND_OF_CODE, toHex, type UnixMs, utf8 } from '../core/index.ts';
import { type Anew, type EvidenceMessage, epochCertificateDigest, type ResumeMessage } from '../session/index.ts';
import type { AdmissionDeps, JudgedEvidence } from './admission-deps.ts';
import { type LoggedAdmission, logAffirmed, logRejected, logResumed } from './admission-entries.ts';
import { type Answer, answerTo } from './answers.ts';
import { type Challenge, createChallenges } from './challenges.ts';
import { createDeviceClaims, UNIQUE_DEVICES } from './device-claims.ts';
import { signerOf } from './evidence-signer.ts';
import type { Knowledge, Worker } from './fleet.ts';
import { perMinute } from './per-minute.ts';
import { createRefusals } from './refusals.ts';
import { leftAt, shownBy } from './resumption.ts';
import type { Ticket } from './tickets.ts';
import { createUnlogged } from './unlogged.ts';

type PolicyNow = ReturnType<AdmissionDeps['policy']>;
/** What was judged, under which policy, by what was known then. */
type JudgedBy = Readonly<{ judged: JudgedEvidence; policy: PolicyNow; knowledge: Knowledge }>;
/** `out`: it is gone, or was put out and told so. */
type LetIn = 'in' | 'out' | Anew;
type Affirmed = JudgedEvidence & Readonly<{ appraisal: AffirmingAppraisal }>;
/** @property isSettled whether it was found out; @property rest is left to do, and may wait for the log */
export type Reviewed = Readonly<{ isSettled: boolean; rest: (() => Promise<void>) | null }>;
export type Admissions = ReturnType<typeof createAdmission>;

/** No lease is longer, whatever the evidence's own deadlines allow: two epochs. */
export const LEASE_MS_MAX = 20 * 60_000;
const RETRY_AFTER_MS = 30_000;
const TWIN = 'a device of this worker backs another one as well: neither is believed until both leases are over';

/** Anybody may send evidence that is refused: beyond this, refusals are told to the worker and not logged. */
const REJECTIONS_LOGGED_PER_MINUTE = 30;

/** What a worker was admitted with, and under what. */
type Held = Answer &
  Readonly<{
    attestedAt: UnixMs;
    collateral: Bytes;
    policyDigest: Bytes;
    /** The newest entry that says that it is in. */
    entry: LoggedAdmission;
  }>;

/**
 * Decides who may serve. A nonce is good for one answer; evidence that is not affirmed is refused with each failed check
 * by name; nothing takes effect before its log entry is durable (audit promise P1).
 */
export function createAdmission(deps: AdmissionDeps) {
  const challenges = createChallenges(deps);
  const held = new WeakMap<Worker, Held>();
  /** Why those were put out that have not been let in since. */
  const putOutFor = new WeakMap<Worker, Readonly<{ cause: string; failedChecks: readonly string[] }>>();
  const rejections = perMinute(REJECTIONS_LOGGED_PER_MINUTE);
  const unlogged = createUnlogged(deps);
  const { identify, refuse } = createRefusals(deps);

  /** Nothing new goes to a worker that is found not to be what it was admitted as; running answers have their keys. */
  const evict = async (worker: Worker, cause: string, failedChecks: readonly string[]): Promise<void> => {
    const { admission } = worker;
    if (admission === null || worker.state === 'quarantined' || worker.state === 'gone') return;
    worker.state = 'quarantined';
    held.delete(worker);
    putOutFor.set(worker, { cause, failedChecks });
    deps.onEvicted(worker);
    deps.evictions.add(admission.workerId, admission.logIndex, { cause, failedChecks });
    await deps.evictions.written();
  };

  /** Judges evidence under one policy, and says which: where another came into force meanwhile, under that one. */
  const judge = async (...asked: Parameters<AdmissionDeps['appraise']>) => {
    for (;;) {
      const [policy, knowledge] = [deps.policy(), deps.fleet.knowledge()];
      const judged = await deps.appraise(...asked);
      if (equalBytes(deps.policy().digest, policy.digest)) return { judged, policy, knowledge };
    }
  };

  /** @param anew why what it was in with before does not do; null where it has not shown that */
  const challenge = async (worker: Worker, anew: Anew | null): Promise<void> => {
    try {
      await challenges.send(worker, anew);
    } catch (error) {
      const code = error instanceof CodedError ? error.code : 'INVARIANT_BROKEN';
      refuse(worker, code, 'the router has no beacon to challenge with: chain or log are away', [], RETRY_AFTER_MS);
    }
  };

  const quarantine = (worker: Worker, retryAfterMs: number): void => {
    void evict(worker, 'device twin', [UNIQUE_DEVICES]).catch(() => undefined);
    refuse(worker, 'ADMISSION_REFUSED', TWIN, [UNIQUE_DEVICES], retryAfterMs);
  };

  const claims = createDeviceClaims(deps, {
    unknown: (worker, retryAfterMs) => {
      const why = 'another router had a device of this worker and is silent: it will be known soon whether it is gone';
      refuse(worker, 'STORAGE_UNREACHABLE', why, [UNIQUE_DEVICES], retryAfterMs);
    },
    twin: quarantine,
    refused: () => unlogged.count(UNIQUE_DEVICES),
  });

  /** Connections that are being let in, by identity: what two of them claim is one claim, and neither may take it back. */
  const comingIn = new Map<string, Worker>();
  const isElsewhere = (worker: Worker, workerId: Bytes): boolean =>
    [deps.fleet.byId(workerId), comingIn.get(toHex(workerId))].some(
      (other) => other !== undefined && other !== worker && other.state !== 'gone',
    );

  const admit = async (worker: Worker, message: EvidenceMessage): Promise<void> => {
    const asked = challenges.take(worker);
    if (asked === null) return refuseUnasked(worker);
    await attest(worker, message, asked).finally(() => challenges.over(worker));
  };

  const attest = async (worker: Worker, message: EvidenceMessage, asked: Challenge): Promise<void> => {
    const answer = answerTo(asked, message, null);
    const signer = await signerOf(message);
    if (signer !== null) identify(worker, signer);
    const by = await judge(message, answer.nonce, answer.source);
    const { appraisal } = by.judged;
    if (appraisal.status !== 'affirming') return refuseJudged(worker, message, { ...by, appraisal });
    if (signer === null) {
      const why = 'the epoch certificate is not the attested identity’s';
      await evict(worker, 'refused at renewal', ['epochCertificate']);
      return refuse(worker, 'ADMISSION_REFUSED', why, ['epochCertificate'], 0);
    }
    if (isElsewhere(worker, appraisal.workerId)) {
      const why = 'a worker with this identity is attached already';
      return refuse(worker, 'ADMISSION_REFUSED', why, ['uniqueIdentity'], RETRY_AFTER_MS);
    }
    await letIn(worker, answer, { ...by, judged: { ...by.judged, appraisal } }, null);
  };

  const refuseUnasked = (worker: Worker): void =>
    refuse(worker, 'ADMISSION_REFUSED', 'the evidence answers no open challenge', ['nonceOpen'], RETRY_AFTER_MS);

  const refuseJudged = async (
    worker: Worker,
    { bundle }: EvidenceMessage,
    { judged, policy, appraisal }: JudgedBy & Readonly<{ appraisal: Exclude<Appraisal, AffirmingAppraisal> }>,
  ): Promise<void> => {
    const { because: failed, groups } = appraisal;
    const isOutage = appraisal.status === 'unavailable';
    // At once: nothing new goes to it while the log is waited for.
    const out = isOutage ? null : evict(worker, 'refused at renewal', failed);
    out?.catch(() => undefined);
    if (rejections.take(deps.now())) await logRejected(deps, policy, judged, bundle, failed);
    else unlogged.count('tooMany');
    await out;
    const why = `the evidence ${isOutage ? 'could not be judged' : 'was refused'}: ${failed.slice(0, 3).join(', ')}`;
    refuse(worker, 'ADMISSION_REFUSED', why, failed, isOutage ? RETRY_AFTER_MS : 0, groups);
  };

  /** What a worker that came back shows is judged once more, by what is known now; it changes nothing where it does not do. */
  const comeBack = async (worker: Worker, message: ResumeMessage, asked: Challenge): Promise<LetIn> => {
    const ticket = await shownBy(deps, asked, message);
    if (typeof ticket === 'string') return ticket;
    if (isElsewhere(worker, ticket.workerId)) return 'identity';
    identify(worker, ticket.workerId);
    const { nonce, beacon, madeAt, attestedAt } = ticket;
    const answer = answerTo({ nonce, source: { beacon, madeAt } }, message.evidence, attestedAt);
    const by = await judge(message.evidence, answer.nonce, answer.source);
    const { appraisal } = by.judged;
    if (appraisal.status === 'unavailable') return 'unavailable';
    if (appraisal.status !== 'affirming') return 'judgement';
    if (isElsewhere(worker, ticket.workerId)) return 'identity'; // another connection of it was judged meanwhile
    return letIn(worker, answer, { ...by, judged: { ...by.judged, appraisal } }, ticket);
  };

  /** Where anything is wrong, another challenge follows, and evidence alone answers that. */
  const resume = async (worker: Worker, message: ResumeMessage): Promise<void> => {
    const asked = challenges.take(worker);
    if (asked === null) return refuseUnasked(worker);
    if (asked.anew !== null || worker.admission !== null) {
      challenges.over(worker);
      return refuseUnasked(worker);
    }
    const outcome = await comeBack(worker, message, asked).catch((error: unknown): Anew => {
      return error instanceof CodedError && KIND_OF_CODE[error.code] === 'rejected' ? 'proof' : 'unavailable';
    });
    const isAnew = outcome !== 'in' && outcome !== 'out';
    if (outcome !== 'out') deps.meter.cameBack(outcome === 'in' ? 'resumed' : outcome);
    if (isAnew) await claims.released(worker).catch(() => false); // whoever comes with its devices now has shown more
    challenges.over(worker);
    if (isAnew) await challenge(worker, outcome);
  };

  const letIn = async (...admitted: Parameters<typeof admitOne>): Promise<LetIn> => {
    const [worker, , { judged }] = admitted;
    const id = toHex(judged.appraisal.workerId);
    comingIn.set(id, worker);
    try {
      return await admitOne(...admitted);
    } finally {
      if (comingIn.get(id) === worker) comingIn.delete(id);
    }
  };

  /**
   * Admits a worker whose evidence is affirmed: its devices, the log, its lease.
   * @param ticket of an earlier admission that this goes on from, and that it outlasts by nothing
   */
  const admitOne = async (
    worker: Worker,
    answer: Answer,
    { judged, policy, knowledge }: JudgedBy & Readonly<{ judged: Affirmed }>,
    ticket: Ticket | null,
  ): Promise<LetIn> => {
    const [{ appraisal }, { evidence }] = [judged, answer];
    if (isGone(worker)) return 'out';
    const previous = worker.admission;
    const expiresAt = Math.min(appraisal.expiresAt, ticket?.leaseUntil ?? deps.now() + LEASE_MS_MAX);
    // Before anything is waited for: two workers that come with one device at the same time are twins too.
    const isTheirs = ticket === null ? claims.claim : claims.claimFree;
    if (!(await isTheirs(worker, judged, expiresAt))) return ticket === null || isGone(worker) ? 'out' : 'device';
    await deps.evictions.written();
    const was = worker.state;
    const entry = await entered(worker, answer, { judged, policy }, { leaseUntil: expiresAt, ticket });
    if (entry === null) return 'log';
    worker.admission = {
      workerId: appraisal.workerId,
      keyset: appraisal.keyset,
      keysetDigest: appraisal.keysetDigest,
      evidenceDigest: appraisal.evidenceDigest,
      bundle: evidence.bundle,
      lease: previous?.lease ?? deps.randomness(16),
      expiresAt,
      logIndex: entry.index,
      resumed: ticket !== null,
      policyNumber: policy.number,
      image: appraisal.image,
      appraisal: JSON.stringify(appraisal.groups),
      simulated: appraisal.simulated,
      tee: appraisal.tee,
    };
    if (wasPutOut(worker, was)) {
      deps.evictions.add(appraisal.workerId, entry.index, putOutFor.get(worker));
      return 'out';
    }
    await deps.devices.admitted(toHex(appraisal.workerId), entry.index);
    // A twin may have come while the entry was written.
    if (!(await claims.claim(worker, judged, expiresAt))) return 'out';
    // What it is found by is what it attests, whatever it said as it joined.
    if (worker.join !== null) worker.join = { ...worker.join, modelDigest: appraisal.modelDigest };
    worker.knowCertificate(epochCertificateDigest(evidence.epochCertificate));
    deps.fleet.keepBundle(appraisal.evidenceDigest, evidence.bundle);
    deps.fleet.keepAdmission(appraisal.workerId, entry.index);
    const { collateral, judgedAt } = judged;
    const attestedAt = answer.attestedAt ?? judgedAt;
    putOutFor.delete(worker);
    held.set(worker, { ...answer, attestedAt, collateral, policyDigest: policy.digest, entry });
    worker.judgedBy = knowledge;
    if (worker.state !== 'draining' && worker.state !== 'admitted') {
      worker.state = 'admitted';
      deps.onAdmitted(worker);
    }
    deps.standings.admitted(appraisal.workerId);
    tellLease(worker, appraisal.modelDigest);
    return 'in';
  };

  /** @returns null where an admission cannot go on, as the log has something else since */
  const entered = async (
    worker: Worker,
    { evidence: { bundle } }: Answer,
    { judged, policy }: Pick<JudgedBy, 'policy'> & Readonly<{ judged: Affirmed }>,
    { leaseUntil, ticket }: Readonly<{ leaseUntil: UnixMs; ticket: Ticket | null }>,
  ): Promise<LoggedAdmission | null> => {
    if (ticket !== null) {
      const after = await leftAt(deps, ticket);
      return after === null ? null : logResumed(deps, policy, judged, bundle, { leaseUntil, ticket, after });
    }
    const isRenewal = worker.admission !== null && equalBytes(worker.admission.workerId, judged.appraisal.workerId);
    const before = isRenewal ? (held.get(worker)?.entry ?? null) : null;
    return logAffirmed(deps, policy, judged, bundle, { leaseUntil, before });
  };

  /** What it may do and until when, and the ticket that a later connection of it may show. */
  const tellLease = (worker: Worker, modelDigest: Uint8Array): void => {
    const [{ admission }, last] = [worker, held.get(worker)];
    if (admission === null || last === undefined) return;
    const { workerId, evidenceDigest, lease, expiresAt, logIndex } = admission;
    const {
      challenge: nonce,
      attestedAt,
      source: { beacon, madeAt },
    } = last;
    const ticket = deps.tickets.seal({
      ...{ router: deps.source, workerId, evidenceDigest, nonce, beacon, madeAt, attestedAt },
      ...{ leaseUntil: expiresAt, logIndex, issuedAt: deps.now() },
    });
    const terms = { dispatchKey: deps.dispatchKey, priceSheet: deps.priceSheetOf(modelDigest) };
    worker.control.send({ kind: 'lease', lease, expiresAt, logIndex, ...terms, ticket });
  };

  /**
   * Judges a worker that is in again, with the evidence it was admitted with, where policy or collateral has changed
   * since. What could not be found out changes nothing before the lease ends; but where it is not even known what to judge
   * by, nobody serves on the word of an older policy. From here on nothing new goes to a worker that is out.
   */
  const review = async (worker: Worker): Promise<Reviewed> => {
    const last = held.get(worker);
    if (last === undefined || worker.state !== 'admitted') return { isSettled: true, rest: null };
    const knowledge = deps.fleet.knowledge();
    const isSamePolicy = equalBytes(knowledge.policyDigest, last.policyDigest);
    const text = await deps.collateral(last.evidence.bundle).catch((error: unknown) => {
      if (!isSamePolicy || !isUnavailable(error)) throw error;
      return null;
    });
    if (isSamePolicy && (text === null || equalBytes(utf8(text), last.collateral))) {
      if (held.get(worker) === last) worker.judgedBy = knowledge;
      return { isSettled: text !== null, rest: null };
    }
    const { judged, policy, knowledge: by } = await judge(last.evidence, last.nonce, last.source);
    const { appraisal } = judged;
    // Admitted anew, or gone, meanwhile.
    if (held.get(worker)?.evidence !== last.evidence || worker.admission === null)
      return { isSettled: true, rest: null };
    worker.judgedBy = by;
    if (appraisal.status === 'unavailable') return { isSettled: false, rest: null };
    if (appraisal.status === 'affirming') {
      return { isSettled: true, rest: () => affirm(worker, last.evidence, policy, { ...judged, appraisal }) };
    }
    const failed = appraisal.because;
    const out = evict(worker, 'no longer accepted under what is known now', failed);
    out.catch(() => undefined); // whoever waits for it hears of it
    const rest = async (): Promise<void> => {
      await out;
      const message = `no longer accepted: ${failed.slice(0, 3).join(', ')}`;
      refuse(worker, 'ADMISSION_REFUSED', message, failed, RETRY_AFTER_MS, appraisal.groups);
    };
    return { isSettled: true, rest };
  };

  /** Enters into the log that a worker is still accepted, and lets it serve under what is known now. */
  const affirm = async (
    worker: Worker,
    evidence: EvidenceMessage,
    policy: PolicyNow,
    judged: Affirmed,
  ): Promise<void> => {
    const { appraisal, collateral } = judged;
    const { admission } = worker;
    const last = held.get(worker);
    if (last === undefined || last.evidence !== evidence || admission === null) return;
    const expiresAt = Math.min(admission.expiresAt, appraisal.expiresAt);
    const until = { leaseUntil: expiresAt, before: last.entry, attestedAt: last.attestedAt };
    const entry = await logAffirmed(deps, policy, judged, last.evidence.bundle, until);
    if (wasPutOut(worker, 'admitted')) {
      return deps.evictions.add(appraisal.workerId, entry.index, putOutFor.get(worker));
    }
    if (held.get(worker) !== last) return;
    held.set(worker, { ...last, collateral, policyDigest: policy.digest, entry });
    const { number: policyNumber } = policy;
    worker.admission = { ...admission, expiresAt, logIndex: entry.index, policyNumber, image: appraisal.image };
    deps.fleet.keepAdmission(appraisal.workerId, entry.index);
    await deps.devices.admitted(toHex(appraisal.workerId), entry.index);
    tellLease(worker, appraisal.modelDigest);
  };

  return {
    /** Asks a worker for evidence, or for what it was in with before; not as often as it likes. */
    challenge: async (worker: Worker): Promise<void> => {
      if (challenges.isDue(worker)) await challenge(worker, null);
    },
    /** Never throws: where it comes to nothing, the worker is told why and asked for new evidence. */
    resume,
    review,
    /** A worker is gone: its devices may back another. @returns whether it has left every router */
    gone: claims.released,
    twins: claims.twins,
    /** Logs what was refused and has no entry of its own yet. */
    close: unlogged.close,
    /** Never throws: whatever goes wrong is told to the worker. */
    evidence: (worker: Worker, message: EvidenceMessage): Promise<void> =>
      admit(worker, message).catch((error: unknown) => {
        const coded = error instanceof CodedError ? error : null;
        const malformed = coded !== null && KIND_OF_CODE[coded.code] === 'rejected';
        unlogged.count(coded?.code ?? 'INVARIANT_BROKEN');
        if (malformed) void evict(worker, 'malformed evidence at renewal', []).catch(() => undefined);
        refuse(
          worker,
          coded?.code ?? 'INVARIANT_BROKEN',
          coded?.message ?? 'an internal error of the router',
          [],
          malformed ? 0 : RETRY_AFTER_MS,
        );
      }),
  };
}

/** It may have left while something was waited for. */
const isGone = ({ state }: Worker) => state === 'gone';

/** Since it had the state `was`; its eviction may stand before the entry that was written meanwhile, so it needs another. */
const wasPutOut = (worker: Worker, was: Worker['state']) =>
  isGone(worker) || (worker.state === 'quarantined' && was !== 'quarantined');

const isUnavailable = (error: unknown) => error instanceof CodedError && KIND_OF_CODE[error.code] === 'unavailable';
