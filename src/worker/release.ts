import { type KemId, kemErase, kemPrivateKey } from '#crypto';
import {
  type Bytes,
  CodedError,
  encodeNonceProof,
  epochKeyDigest,
  parseBeacon,
  type Randomness,
} from '../core/index.ts';
import { KEM_XWING, openReleased, type ReleaseAnswer, type ReleaseAsk, releaseNonceInput } from '../session/index.ts';
import type { Boot } from './boot.ts';

/** A connection to a release service. Throws CodedError of kind `unavailable` where it is lost. */
export type ReleaseLink = Readonly<{
  challenge(secret: string): Promise<Readonly<{ nonce: Bytes; beacon: Bytes }>>;
  release(ask: ReleaseAsk): Promise<ReleaseAnswer>;
  close(): void;
}>;

export type ReleaseDeps = Readonly<{
  link: ReleaseLink;
  randomness: Randomness;
  /** Told before each new attempt; facts only. */
  waiting: (why: Readonly<{ code: string; message: string; retryInMs: number }>) => void;
  delay: (ms: number) => Promise<void>;
}>;

/** An outage of the service, its log or a vendor's collateral may last; a refusal does not become another answer. */
const ATTEMPTS_MAX = 60;
const RETRY_MS = { least: 1_000, most: 30_000 };

/**
 * Asks for a secret with fresh evidence of this boot, wrapped to a key that was made for this one question and is in the
 * evidence. The caller overwrites the secret.
 * @throws CodedError RELEASE_REFUSED with `facts.failedChecks`, or the service's own code; of kind `unavailable` where it
 *   stayed away; OPEN_FAILED where the answer is not one to this question
 */
export async function fetchReleasedSecret(boot: Boot, secret: string, deps: ReleaseDeps): Promise<Bytes> {
  for (let attempt = 1; ; attempt++) {
    const answer = await askOnce(boot, secret, deps).catch((error: unknown): Refused => {
      if (!(error instanceof CodedError) || error.code !== 'PEER_UNREACHABLE') throw error;
      return { code: error.code, message: error.message, failedChecks: [], retryAfterMs: RETRY_MS.least };
    });
    if (answer instanceof Uint8Array) return answer;
    const { code, message, failedChecks, retryAfterMs } = answer;
    if (retryAfterMs === 0 || attempt >= ATTEMPTS_MAX) {
      const facts = { check: failedChecks.join(', '), service: code };
      throw new CodedError('RELEASE_REFUSED', `the secret ${secret} was not released: ${message}`, facts);
    }
    const retryInMs = Math.min(Math.max(retryAfterMs, RETRY_MS.least), RETRY_MS.most);
    deps.waiting({ code, message, retryInMs });
    await deps.delay(retryInMs);
  }
}

type Refused = Readonly<{ code: string; message: string; failedChecks: readonly string[]; retryAfterMs: number }>;

async function askOnce(boot: Boot, secret: string, { link, randomness }: ReleaseDeps): Promise<Bytes | Refused> {
  const { nonce, beacon } = await link.challenge(secret);
  const keys = await Promise.all(
    boot.keyset.suites.map(async (suite) => {
      const seed = randomness(32);
      return kemPrivateKey(suite as KemId, seed).finally(() => seed.fill(0));
    }),
  );
  try {
    const key = keys.find(({ kem }) => kem === KEM_XWING);
    if (key === undefined) throw new CodedError('INVARIANT_BROKEN', 'the keyset has no X-Wing key');
    const made = await boot.attester.evidence(
      [releaseNonceInput(secret, nonce)],
      parseBeacon(beacon),
      keys.map(({ kem, publicKey }) => epochKeyDigest(kem, publicKey)),
    );
    const answer = await link.release({
      secret,
      nonce,
      bundle: made.bundle,
      nonceProof: encodeNonceProof(made.proofs[0] as (typeof made.proofs)[number]),
      publicKey: key.publicKey,
      certificates: boot.certificates(),
    });
    if (answer.outcome === 'refused') return answer;
    const { evidenceDigest } = made;
    return await openReleased(key, { secret, nonce, evidenceDigest, policyDigest: answer.policyDigest }, answer);
  } finally {
    for (const key of keys) kemErase(key);
  }
}
