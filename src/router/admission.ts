import type { AffirmingAppraisal, AppraisalGroups } from '../attestation/index.ts';
import {
  type Bytes,
  CodedError,
  type ErrorCode,
  encodeBeacon,
  equalBytes,
  fromHex,
  KIND_OF_CODE,
  type NonceProof,
  parseNonceProof,
  routerNonceInput,
  toHex,
  type UnixMs,
  utf8,
} from '../core/index.ts';
import { epochCertificateDigest } from '../session/index.ts';
import type { AdmissionDeps, JudgedEvidence } from './admission-deps.ts';
import { type LoggedAdmission, logAffirmed, logRejected } from './admission-entries.ts';
import { type EvidenceMessage, signerOf } from './evidence-signer.ts';
import type { Worker } from './fleet.ts';
import { perMinute } from './per-minute.ts';
import type { BeaconSource } from './ports.ts';
import { openChecks } from './standings.ts';
import { createUnlogged } from './unlogged.ts';

type PolicyNow = ReturnType<AdmissionDeps['policy']>;
type Affirmed = JudgedEvidence & Readonly<{ appraisal: AffirmingAppraisal }>;
/** @property isSettled whether it was found out; @property rest is left to do, and may wait for the log */
export type Reviewed = Readonly<{ isSettled: boolean; rest: (() => Promise<void>) | null }>;
export type Admissions = ReturnType<typeof createAdmission>;

/** Of the key that signed a quote: old and new, where a host's firmware has just been updated, and room. */
export const CERTIFICATES_MAX = 4;
/** A challenge is answered within this or not at all. */
export const CHALLENGE_LIFETIME_MS = 30_000;
/** A worker that asks more often is answered no more often: judging evidence costs more than sending it. */
export const CHALLENGE_PAUSE_MS = 1_000;
/** No lease is longer, whatever the evidence's own deadlines allow: two epochs. */
export const LEASE_MS_MAX = 20 * 60_000;
const RETRY_AFTER_MS = 30_000;
/** After that a router that is silent counts as gone. */
const UNKNOWN_RETRY_MS = 12_000;
const UNIQUE_DEVICES = 'uniqueDevices';
const TWIN = 'a device of this worker backs another one as well: neither is believed until both leases are over';

/** Anybody may send evidence that is refused: beyond this, refusals are told to the worker and not logged. */
const REJECTIONS_LOGGED_PER_MINUTE = 30;

type Challenge = Readonly<{ nonce: Bytes; source: BeaconSource; openUntil: UnixMs }>;
/** What a worker was admitted with, and under what. */
type Held = Readonly<{
  evidence: EvidenceMessage;
  nonce: Readonly<{ input: Bytes; proof: NonceProof }>;
  source: BeaconSource;
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
  const open = new WeakMap<Worker, Challenge>();
  const challengedAt = new WeakMap<Worker, UnixMs>();
  const held = new WeakMap<Worker, Held>();
  const rejections = perMinute(REJECTIONS_LOGGED_PER_MINUTE);
  const unlogged = createUnlogged(deps);
  const claimedBy = new WeakMap<Worker, Readonly<{ worker: string; serials: readonly string[] }>>();
  /** Whose identity key has signed for evidence on this connection: to them refusals are told again when they ask. */
  const identified = new WeakMap<Worker, Bytes>();

  const refuse = (
    worker: Worker,
    code: ErrorCode,
    message: string,
    failedChecks: readonly string[],
    retryAfterMs: number,
    groups: AppraisalGroups | null = null,
  ) => {
    if (worker.admission === null) worker.state = 'refused';
    const workerId = identified.get(worker);
    if (workerId !== undefined) {
      const { number: policyNumber, digest: policyDigest } = deps.policy();
      const checks = openChecks(failedChecks, groups);
      const isOutage = groups === null ? KIND_OF_CODE[code] === 'unavailable' : checks.every((one) => one.code === '');
      const told = { code, message, isOutage, checks, retryAfterMs };
      deps.standings.put(workerId, { ...told, at: deps.now(), policyNumber, policyDigest });
    }
    worker.control.send({ kind: 'refusal', code, message, failedChecks, retryAfterMs });
  };

  /** Nothing new goes to a worker that is found not to be what it was admitted as; running answers have their keys. */
  const evict = async (worker: Worker, cause: string, failedChecks: readonly string[]): Promise<void> => {
    const { admission } = worker;
    if (admission === null || worker.state === 'quarantined' || worker.state === 'gone') return;
    worker.state = 'quarantined';
    held.delete(worker);
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

  const challenge = async (worker: Worker): Promise<void> => {
    const last = challengedAt.get(worker);
    if (last !== undefined && deps.now() - last < CHALLENGE_PAUSE_MS) return;
    challengedAt.set(worker, deps.now());
    try {
      const source = await deps.beacon();
      const nonce = deps.randomness(32);
      open.set(worker, { nonce, source, openUntil: deps.now() + CHALLENGE_LIFETIME_MS });
      worker.control.send({
        kind: 'challenge',
        nonce,
        beacon: encodeBeacon(source.beacon),
        checkpoint: source.checkpoint,
      });
    } catch (error) {
      const code = error instanceof CodedError ? error.code : 'INVARIANT_BROKEN';
      refuse(worker, code, 'the router has no beacon to challenge with: chain or log are away', [], RETRY_AFTER_MS);
    }
  };

  /** One device backs one live worker; a twin puts both out, until neither lease is left. */
  const claimDevices = async (
    worker: Worker,
    { appraisal, judgedAt }: Readonly<{ appraisal: AffirmingAppraisal; judgedAt: UnixMs }>,
    until: UnixMs,
  ): Promise<boolean> => {
    const holder = toHex(appraisal.workerId);
    claimedBy.set(worker, { worker: holder, serials: appraisal.devices.map(({ serial }) => serial) });
    // By the clock that the log entry has too: an auditor who replays the leases comes to the same.
    const claimed = await deps.devices.claim(holder, appraisal.devices, until, judgedAt);
    if (isGone(worker)) {
      await released(worker);
      return false;
    }
    if (claimed.outcome === 'claimed') return true;
    if (claimed.outcome === 'unknown') {
      const why = 'another router had a device of this worker and is silent: it will be known soon whether it is gone';
      refuse(worker, 'STORAGE_UNREACHABLE', why, [UNIQUE_DEVICES], UNKNOWN_RETRY_MS);
      return false;
    }
    const retry = claimed.outcome === 'full' ? RETRY_AFTER_MS : Math.max(claimed.until - deps.now(), RETRY_AFTER_MS);
    for (const twin of claimed.outcome === 'twin' ? claimed.holders : []) {
      const other = deps.fleet.byId(fromHex(twin));
      if (other !== undefined && other !== worker) quarantine(other, retry);
    }
    quarantine(worker, retry);
    unlogged.count('uniqueDevices');
    return false;
  };

  const quarantine = (worker: Worker, retryAfterMs: number): void => {
    void evict(worker, 'device twin', [UNIQUE_DEVICES]).catch(() => undefined);
    refuse(worker, 'ADMISSION_REFUSED', TWIN, [UNIQUE_DEVICES], retryAfterMs);
  };

  /** @returns whether it has left every router */
  const released = async (worker: Worker): Promise<boolean> => {
    const claimed = claimedBy.get(worker);
    return claimed === undefined || deps.devices.release(claimed.worker);
  };

  const admit = async (worker: Worker, message: EvidenceMessage): Promise<void> => {
    const asked = open.get(worker);
    open.delete(worker);
    if (asked === undefined || asked.openUntil < deps.now()) {
      refuse(worker, 'ADMISSION_REFUSED', 'the evidence answers no open challenge', ['nonceOpen'], RETRY_AFTER_MS);
      return;
    }
    const nonce = { input: routerNonceInput(asked.nonce), proof: parseNonceProof(message.nonceProof) };
    if (message.certificates.length > CERTIFICATES_MAX) {
      throw new CodedError('EVIDENCE_TOO_LARGE', `at most ${CERTIFICATES_MAX} certificates come with evidence`);
    }
    const signer = await signerOf(message);
    if (signer !== null) identified.set(worker, signer);
    const { judged, policy, knowledge } = await judge(message, nonce, asked.source);
    const { appraisal } = judged;
    if (appraisal.status !== 'affirming') {
      const failed = appraisal.because;
      // At once: nothing new goes to it while the log is waited for.
      const out = appraisal.status === 'unavailable' ? null : evict(worker, 'refused at renewal', failed);
      out?.catch(() => undefined);
      if (rejections.take(deps.now())) await logRejected(deps, policy, judged, message.bundle, failed);
      else unlogged.count('tooMany');
      const retry = appraisal.status === 'unavailable' ? RETRY_AFTER_MS : 0;
      const { groups } = appraisal;
      const word = appraisal.status === 'unavailable' ? 'could not be judged' : 'was refused';
      await out;
      refuse(
        worker,
        'ADMISSION_REFUSED',
        `the evidence ${word}: ${failed.slice(0, 3).join(', ')}`,
        failed,
        retry,
        groups,
      );
      return;
    }
    if (signer === null) {
      await evict(worker, 'refused at renewal', ['epochCertificate']);
      refuse(
        worker,
        'ADMISSION_REFUSED',
        'the epoch certificate is not the attested identity’s',
        ['epochCertificate'],
        0,
      );
      return;
    }
    const twin = deps.fleet.byId(appraisal.workerId);
    if (twin !== undefined && twin !== worker && twin.state !== 'gone') {
      refuse(
        worker,
        'ADMISSION_REFUSED',
        'a worker with this identity is attached already',
        ['uniqueIdentity'],
        RETRY_AFTER_MS,
      );
      return;
    }
    if (isGone(worker)) return;
    const previous = worker.admission;
    const expiresAt = Math.min(appraisal.expiresAt, deps.now() + LEASE_MS_MAX);
    const claim = { appraisal, judgedAt: judged.judgedAt };
    // Before anything is waited for: two workers that come with one device at the same time are twins too.
    if (!(await claimDevices(worker, claim, expiresAt))) return;
    await deps.evictions.written();
    const was = worker.state;
    const isRenewal = previous !== null && equalBytes(previous.workerId, appraisal.workerId);
    const before = isRenewal ? (held.get(worker)?.entry ?? null) : null;
    const entry = await logAffirmed(deps, policy, judged, message.bundle, { leaseUntil: expiresAt, before });
    const logIndex = entry.index;
    worker.admission = {
      workerId: appraisal.workerId,
      keyset: appraisal.keyset,
      keysetDigest: appraisal.keysetDigest,
      evidenceDigest: appraisal.evidenceDigest,
      bundle: message.bundle,
      lease: previous?.lease ?? deps.randomness(16),
      expiresAt,
      logIndex,
      policyNumber: policy.number,
      image: appraisal.image,
      appraisal: JSON.stringify(appraisal.groups),
      simulated: appraisal.simulated,
      tee: appraisal.tee,
    };
    if (wasPutOut(worker, was)) {
      deps.evictions.add(appraisal.workerId, logIndex);
      return;
    }
    // A twin may have come while the entry was written.
    if (!(await claimDevices(worker, claim, expiresAt))) return;
    worker.knowCertificate(epochCertificateDigest(message.epochCertificate));
    deps.fleet.keepBundle(appraisal.evidenceDigest, message.bundle);
    deps.fleet.keepAdmission(appraisal.workerId, logIndex);
    await deps.devices.admitted(toHex(appraisal.workerId), logIndex);
    const { collateral } = judged;
    held.set(worker, {
      evidence: message,
      nonce,
      source: asked.source,
      collateral,
      policyDigest: policy.digest,
      entry,
    });
    worker.judgedBy = knowledge;
    if (worker.state !== 'draining' && worker.state !== 'admitted') {
      worker.state = 'admitted';
      deps.onAdmitted(worker);
    }
    deps.standings.admitted(appraisal.workerId);
    const { lease } = worker.admission;
    const { dispatchKey } = deps;
    const priceSheet = deps.priceSheetOf(appraisal.modelDigest);
    worker.control.send({ kind: 'lease', lease, expiresAt, logIndex, dispatchKey, priceSheet });
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
    const until = { leaseUntil: expiresAt, before: last.entry };
    const entry = await logAffirmed(deps, policy, judged, last.evidence.bundle, until);
    if (wasPutOut(worker, 'admitted')) return deps.evictions.add(appraisal.workerId, entry.index);
    if (held.get(worker) !== last) return;
    held.set(worker, { ...last, collateral, policyDigest: policy.digest, entry });
    const { number: policyNumber } = policy;
    worker.admission = { ...admission, expiresAt, logIndex: entry.index, policyNumber, image: appraisal.image };
    deps.fleet.keepAdmission(appraisal.workerId, entry.index);
    await deps.devices.admitted(toHex(appraisal.workerId), entry.index);
  };

  return {
    challenge,
    review,
    /** A worker is gone: its devices may back another. @returns whether it has left every router */
    gone: released,
    /** Devices that two workers claimed, at whatever router: whoever has one here is put out. */
    twins: (quarantined: ReadonlySet<string>): void => {
      for (const worker of deps.fleet.all()) {
        const serials = claimedBy.get(worker)?.serials ?? [];
        if (worker.state === 'admitted' && serials.some((serial) => quarantined.has(serial))) {
          quarantine(worker, RETRY_AFTER_MS);
        }
      }
    },
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
