import type { KemId } from '#crypto';
import { type Bytes, CodedError, equalBytes, type UnixMs } from '../core/index.ts';
import { CANDIDATES_MAX, encDigest } from './header.ts';
import type { OwnHello } from './hello.ts';
import { Exporter, sessionInfo, setupSender } from './hpke.ts';
import type { VerifiedOffer } from './offer.ts';

/** One worker that a session may wrap a request to. */
export type SessionCandidate = Readonly<{
  offer: VerifiedOffer;
  enc: Bytes;
  encDigest: Bytes;
  exporter: Exporter;
}>;

export const SESSION_REQUESTS_MAX = 2 ** 20;

/** A client's open session: nothing in it outlives {@link ClientSession.close}. */
export class ClientSession {
  readonly own: OwnHello;
  /** In the order in which the caller chose them. */
  readonly candidates: readonly SessionCandidate[];
  /** Least of all deadlines of all candidates: no request starts after it. */
  readonly deadline: UnixMs;
  #requests = 0;

  constructor(own: OwnHello, candidates: readonly SessionCandidate[]) {
    this.own = own;
    this.candidates = candidates;
    this.deadline = Math.min(...candidates.map((c) => c.offer.deadline));
  }

  /** Counts one request. @throws CodedError SESSION_EXPIRED after the deadline, 2^20 requests or {@link close} */
  use(now: UnixMs): void {
    if (
      now > this.deadline ||
      this.#requests >= SESSION_REQUESTS_MAX ||
      this.candidates.some((c) => c.exporter.erased)
    ) {
      throw new CodedError('SESSION_EXPIRED', 'the session is over: open a new one', { deadline: this.deadline });
    }
    this.#requests++;
  }

  /** Overwrites every exporter secret. Responses under way keep the keys they have derived. */
  close(): void {
    for (const { exporter } of this.candidates) exporter.erase();
  }
}

/**
 * Encapsulates to 1 to 3 verified workers (AIS/1 section 5). Each of them will be able to read every prompt of the
 * session: more candidates mean more readers.
 * @param offers verified for this very Hello, no worker twice
 * @throws CodedError KEY_REFUSED for an epoch key that gives an all-zero result; SESSION_EXPIRED where an offer's
 *   deadline has passed; OFFER_REFUSED for none, too many, or one worker twice
 */
export async function openSession(
  own: OwnHello,
  offers: readonly VerifiedOffer[],
  now: UnixMs,
): Promise<ClientSession> {
  if (offers.length < 1 || offers.length > CANDIDATES_MAX) {
    throw new CodedError('OFFER_REFUSED', `a session has 1 to ${CANDIDATES_MAX} candidates`, { check: 'candidates' });
  }
  offers.forEach(({ certificate }, i) => {
    if (offers.slice(0, i).some((other) => equalBytes(other.certificate.workerId, certificate.workerId))) {
      throw new CodedError('OFFER_REFUSED', 'one worker twice', { check: 'candidates' });
    }
  });
  const expired = offers.find((offer) => now > offer.deadline);
  if (expired) throw new CodedError('SESSION_EXPIRED', 'an offer is past its deadline', { deadline: expired.deadline });
  const candidates = await Promise.all(offers.map((offer) => encapsulateTo(own, offer)));
  return new ClientSession(own, candidates);
}

async function encapsulateTo(own: OwnHello, offer: VerifiedOffer): Promise<SessionCandidate> {
  const { kem, publicKey } = offer.certificate;
  const { enc, exporter } = await setupSender(kem, publicKey, sessionInfo(own.digest, offer.certificateDigest));
  return { offer, enc, encDigest: encDigest(enc), exporter };
}

/** A candidate whose exporter secret is known already: for known-answer tests of what follows from it. */
export function candidateFromSecret(offer: VerifiedOffer, kem: KemId, enc: Bytes, secret: Bytes): SessionCandidate {
  return { offer, enc, encDigest: encDigest(enc), exporter: new Exporter(kem, secret) };
}
