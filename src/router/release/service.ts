import { type Appraisal, loadPolicy } from '../../attestation/index.ts';
import {
  type Bytes,
  CodedError,
  encodeBeacon,
  epochKeyDigest,
  equalBytes,
  KIND_OF_CODE,
  type NonceProof,
  parseNonceProof,
  type Randomness,
  toHex,
  type UnixMs,
} from '../../core/index.ts';
import {
  KEM_XWING,
  type ReleaseAnswer,
  type ReleaseAsk,
  releaseNonceInput,
  wrapReleased,
} from '../../session/index.ts';
import type { ReleaseStore, SecretRow } from '../../store/index.ts';
import type { JudgedEvidence } from '../admission-deps.ts';
import { CERTIFICATES_MAX } from '../answers.ts';
import { perMinute } from '../per-minute.ts';
import type { BeaconSource, LogPort } from '../ports.ts';
import { Buckets, type Rate } from '../routing/index.ts';
import { createUnlogged } from '../unlogged.ts';
import { createChallenges } from './challenges.ts';
import { logRegistered, logReleased, logReleaseRefused, logRevoked } from './entries.ts';
import { checkRegistration, isSecretName, type Owners, type Registration, SECRETS_MAX } from './registration.ts';
import { createVault } from './vault.ts';

export type OwnersPolicy = Readonly<{ text: string; digest: Bytes }>;
/** As a router judges evidence, but under an owner's policy. @param beacons those that challenges of late came with */
export type AppraiseUnderOwner = (
  evidence: Readonly<{ bundle: Bytes; certificates: readonly Bytes[] }>,
  nonce: Readonly<{ input: Bytes; proof: NonceProof }>,
  beacons: readonly BeaconSource[],
  policy: OwnersPolicy,
) => Promise<JudgedEvidence>;

export type KeyReleaseDeps = Readonly<{
  store: ReleaseStore;
  log: LogPort;
  /** Name of this service in the log. */
  source: string;
  /** What secrets at rest are encrypted under, 32 bytes. */
  vaultKey: Bytes;
  owners: Owners;
  appraise: AppraiseUnderOwner;
  beacon: () => Promise<BeaconSource>;
  now: () => UnixMs;
  randomness: Randomness;
}>;

export type ReleaseLimits = Readonly<{
  /** Answers to challenges, of everybody together: judging evidence costs more than sending it. */
  attempts: Rate;
  /** Releases of one secret. */
  releases: Rate;
  /** Appraisals at the same time. */
  judgedAtOnceMax: number;
}>;

/** Twice a thousand releases a minute, and half a second's worth of them at once. */
export const RELEASE_LIMITS: ReleaseLimits = {
  attempts: { perSecond: 100, burst: 200 },
  releases: { perSecond: 34, burst: 64 },
  judgedAtOnceMax: 32,
};

export type SecretState = Readonly<{
  name: string;
  owner: string;
  secretId: Bytes;
  policyId: string;
  policyNumber: number;
  policyDigest: Bytes;
  state: SecretRow['state'];
  logIndex: number | null;
  /** Since the service started. */
  released: number;
  refused: number;
}>;

/** A release service as its edges see it. */
export type KeyRelease = Readonly<{
  challenge(secret: string): Promise<Readonly<{ nonce: Bytes; beacon: Bytes }>>;
  /** Never throws: whatever goes wrong is told to the worker. */
  release(ask: ReleaseAsk): Promise<ReleaseAnswer>;
  register(registration: Registration): Promise<SecretState>;
  revoke(what: Readonly<{ name: string }> | Readonly<{ policyDigest: Bytes }>): Promise<readonly string[]>;
  secrets(): readonly SecretState[];
  close(): Promise<void>;
}>;

const RETRY_AFTER_MS = 5_000;
const REFUSALS_LOGGED_PER_MINUTE = 30;
/** Challenges live half a minute and a beacon a second. */
const BEACONS_MAX = 64;
const SPENT_MAX = 16_384;

type Refusal = Extract<ReleaseAnswer, { outcome: 'refused' }>;

function refusal(code: string, message: string, failedChecks: readonly string[], retryAfterMs: number): Refusal {
  return { outcome: 'refused', code, message, failedChecks, retryAfterMs };
}
const notReleased = (message: string, check: string, retryAfterMs = 0) =>
  refusal('RELEASE_REFUSED', message, [check], retryAfterMs);

/**
 * Releases secrets of model owners, each under its owner's policy: to fresh evidence that answers a challenge of ours,
 * wrapped to a key that this very evidence attests, and not before the log has it.
 * @throws CodedError CONFIG_INVALID where a secret at rest does not open with this key
 */
export function createKeyRelease(deps: KeyReleaseDeps, limits: ReleaseLimits = RELEASE_LIMITS): KeyRelease {
  const { store, now } = deps;
  const vault = createVault(deps.vaultKey, deps.randomness);
  const challenges = createChallenges(deps, SPENT_MAX);
  const attempts = new Buckets(limits.attempts, 1);
  const releases = new Buckets(limits.releases, SECRETS_MAX);
  const refusals = perMinute(REFUSALS_LOGGED_PER_MINUTE);
  const unlogged = createUnlogged(deps);
  const rows = new Map(store.secrets().map((row) => [row.name, row]));
  for (const row of rows.values()) vault.open(row).fill(0);
  const revoked = new Set(store.revokedPolicies().map(toHex));
  const counts = new Map<string, { released: number; refused: number }>();
  const beacons: BeaconSource[] = [];
  let judging = 0;

  const isActive = (row: SecretRow): boolean =>
    rows.get(row.name) === row && row.state === 'active' && !revoked.has(toHex(row.policyDigest));
  const keep = (row: SecretRow): void => {
    store.put(row);
    rows.set(row.name, row);
  };
  const count = (name: string, what: 'released' | 'refused'): void => {
    const known = counts.get(name) ?? { released: 0, refused: 0 };
    known[what] += 1;
    counts.set(name, known);
  };
  const stateOf = ({ salt: _, sealed: __, policyText, ...row }: SecretRow): SecretState => ({
    ...row,
    policyId: loadPolicy(policyText).id,
    state: revoked.has(toHex(row.policyDigest)) ? 'revoked' : row.state,
    ...(counts.get(row.name) ?? { released: 0, refused: 0 }),
  });

  const knownBeacon = async (): Promise<BeaconSource> => {
    const newest = await deps.beacon();
    if (beacons.at(-1) !== newest) beacons.push(newest);
    if (beacons.length > BEACONS_MAX) beacons.shift();
    return newest;
  };

  const judge = async (row: SecretRow, ask: ReleaseAsk): Promise<JudgedEvidence> => {
    judging += 1;
    try {
      const nonce = { input: releaseNonceInput(ask.secret, ask.nonce), proof: parseNonceProof(ask.nonceProof) };
      return await deps.appraise(ask, nonce, beacons, { text: row.policyText, digest: row.policyDigest });
    } finally {
      judging -= 1;
    }
  };

  const notAffirmed = async (row: SecretRow, judged: JudgedEvidence, ask: ReleaseAsk): Promise<Refusal> => {
    const { appraisal } = judged;
    const failed = appraisal.status === 'affirming' ? [] : appraisal.because;
    if (refusals.take(now())) await logReleaseRefused(deps, row, judged, ask.bundle, failed);
    else unlogged.count('tooMany');
    const isOutage = appraisal.status === 'unavailable';
    const word = isOutage ? 'could not be judged' : 'does not satisfy the owner’s policy';
    const message = `the evidence ${word}: ${failed.slice(0, 3).join(', ')}`;
    return refusal('RELEASE_REFUSED', message, failed, isOutage ? RETRY_AFTER_MS : 0);
  };

  const released = async (ask: ReleaseAsk): Promise<ReleaseAnswer> => {
    if (!isSecretName(ask.secret) || !challenges.isOpen(ask.secret, ask.nonce)) {
      return notReleased('the request answers no open challenge', 'nonceOpen', RETRY_AFTER_MS);
    }
    // Before anything is remembered of it: nobody fills what is remembered by asking often.
    const wait = attempts.take('', 1, now());
    if (wait > 0 || judging >= limits.judgedAtOnceMax) {
      return notReleased('too many ask at this time', 'rate', Math.max(wait, 1_000));
    }
    // Spent from here on, whatever comes of it: a challenge is good for one answer.
    challenges.take(ask.secret, ask.nonce);
    const row = rows.get(ask.secret);
    if (row === undefined) return notReleased('no such secret is released here', 'secretKnown');
    if (!isActive(row)) return notReleased('its owner has revoked this secret, or its policy', 'secretActive');
    if (ask.certificates.length > CERTIFICATES_MAX) {
      throw new CodedError('EVIDENCE_TOO_LARGE', `at most ${CERTIFICATES_MAX} certificates come with evidence`);
    }
    const judged = await judge(row, ask);
    const { appraisal } = judged;
    if (appraisal.status !== 'affirming') return notAffirmed(row, judged, ask);
    if (!attests(appraisal, ask)) {
      if (refusals.take(now())) await logReleaseRefused(deps, row, judged, ask.bundle, ['binding.releaseKey']);
      else unlogged.count('tooMany');
      return notReleased('the evidence does not attest the key to wrap to', 'binding.releaseKey');
    }
    const pause = releases.take(row.name, 1, now());
    if (pause > 0) return notReleased('this secret is released too often at this time', 'rate', pause);
    const logIndex = await logReleased(deps, row, judged, ask.bundle);
    // It may have been revoked while the entry was written.
    if (!isActive(row)) return notReleased('its owner has revoked this secret, or its policy', 'secretActive');
    const secret = vault.open(row);
    const { policyDigest } = row;
    const { evidenceDigest } = appraisal;
    const context = { secret: row.name, nonce: ask.nonce, evidenceDigest, policyDigest };
    const wrapped = await wrapReleased(ask.publicKey, context, secret).finally(() => secret.fill(0));
    return { outcome: 'released', ...wrapped, policyDigest, logIndex };
  };

  const logLate = async (): Promise<void> => {
    for (const row of rows.values()) {
      if (row.state !== 'revoked' || row.logIndex !== null) continue;
      const logIndex = await logRevoked(deps, row);
      if (rows.get(row.name) === row) keep({ ...row, logIndex });
    }
  };
  const late = logLate().catch(() => undefined); // what the last run could not log; `revoke` tries again

  return {
    async challenge(secret) {
      if (!isSecretName(secret)) throw new CodedError('REQUEST_MALFORMED', 'that is no name of a secret');
      const { beacon } = await knownBeacon();
      return { nonce: challenges.make(secret), beacon: encodeBeacon(beacon) };
    },
    async release(ask) {
      const answer = await released(ask).catch((error: unknown): Refusal => {
        const coded = error instanceof CodedError ? error : null;
        const malformed = coded !== null && KIND_OF_CODE[coded.code] === 'rejected';
        unlogged.count(coded?.code ?? 'INVARIANT_BROKEN');
        const message = coded?.message ?? 'an internal error of the release service';
        return refusal(coded?.code ?? 'INVARIANT_BROKEN', message, [], malformed ? 0 : RETRY_AFTER_MS);
      });
      if (rows.has(ask.secret)) count(ask.secret, answer.outcome);
      return answer;
    },
    async register(registration) {
      const { name, owner, policyText } = registration;
      const before = rows.get(name);
      if (before === undefined && rows.size >= SECRETS_MAX) {
        throw new CodedError('SECRET_REFUSED', `at most ${SECRETS_MAX} secrets are kept`, { field: 'name' });
      }
      const { logSize } = (await knownBeacon()).beacon;
      const checked = await checkRegistration(registration, before, deps.owners, logSize);
      if (revoked.has(toHex(checked.policyDigest))) {
        throw new CodedError('SECRET_REFUSED', 'this policy was revoked', { field: 'policy' });
      }
      const named = { name, secretId: deps.randomness(16), owner, policyText, ...checked };
      const row = { ...named, ...vault.seal(named, registration.secret), state: 'active' as const };
      const logIndex = await logRegistered(deps, row);
      if (rows.get(name) !== before || revoked.has(toHex(checked.policyDigest))) {
        throw new CodedError('SECRET_REFUSED', 'the secret was changed at the same time: try again', { field: 'name' });
      }
      keep({ ...row, logIndex });
      return stateOf({ ...row, logIndex });
    },
    async revoke(what) {
      const meant = [...rows.values()].filter((row) =>
        'name' in what ? row.name === what.name : equalBytes(row.policyDigest, what.policyDigest),
      );
      if ('policyDigest' in what) {
        store.revokePolicy(what.policyDigest);
        revoked.add(toHex(what.policyDigest));
      } else if (meant.length === 0) throw new CodedError('NOT_FOUND', 'no such secret is released here');
      // In force before it is in the log: while the log is away nothing is released either.
      for (const row of meant) if (row.state === 'active') keep({ ...row, state: 'revoked', logIndex: null });
      await late;
      await logLate();
      return meant.map(({ name }) => name);
    },
    secrets: () => [...rows.values()].map(stateOf),
    async close() {
      await late;
      await unlogged.close();
    },
  };
}

/** Whether the evidence commits to this X-Wing key, by its digest in REPORT_DATA. */
function attests({ keyset, epochKeyDigests }: Appraisal, { publicKey }: ReleaseAsk): boolean {
  const digest = epochKeyDigests[keyset.suites.indexOf(KEM_XWING)];
  return digest !== undefined && equalBytes(epochKeyDigest(KEM_XWING, publicKey), digest);
}
