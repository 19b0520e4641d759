import { type Bytes, CodedError, equalBytes, type UnixMs } from '../core/index.ts';
import {
  epochCertificateDigest,
  type OfferEntry,
  parseEpochCertificate,
  parseHello,
  parseOffer,
} from '../session/index.ts';
import type { Fleet, HelloAnswer, Worker } from './fleet.ts';
import type { Meter } from './meter.ts';
import type { Reviews } from './reviews.ts';
import type { Dispatcher, Work } from './routing/index.ts';

const OFFERS_MAX = 8;
const HELLO_BYTES_MAX = 4096;
const OFFER_WAIT_MS = 5_000;
/** Whom a Hello may go to is judged again first, where that has to be; while one of them serves, others are waited for so long. */
const REVIEW_WAIT_MS = 500;
/** A Hello says nothing of the request that follows. */
const WORK_UNKNOWN: Work = { tokensIn: 512, tokensOut: 256 };

/** Asks workers for offers to a client: those that would likely answer first. */
export function createOffers(
  deps: Readonly<{
    fleet: Fleet;
    dispatcher: Dispatcher<Worker>;
    reviews: Pick<Reviews, 'wait'>;
    now: () => UnixMs;
    meter: Pick<Meter, 'epochAge'>;
  }>,
) {
  const { fleet, dispatcher, reviews, now, meter } = deps;
  let helloId = 0;

  const askForOffer = (worker: Worker, hello: Bytes, waitMs: number): Promise<HelloAnswer> =>
    new Promise((resolve) => {
      helloId = (helloId + 1) >>> 0;
      const id = helloId;
      const settle = (answer: HelloAnswer) => {
        clearTimeout(timer);
        worker.hellos.delete(id);
        resolve(answer);
      };
      const timer = setTimeout(() => settle({ refused: 'TIMEOUT' }), waitMs);
      worker.hellos.set(id, settle);
      worker.control.send({ kind: 'hello', id, hello });
    });

  const offerFrom = async (worker: Worker, hello: Bytes, waitMs: number): Promise<OfferEntry | null> => {
    const askedAt = now();
    const answer = await askForOffer(worker, hello, waitMs);
    if (!('refused' in answer) && answer.bundle.length === 0) dispatcher.timedRoundTrip(worker, now() - askedAt);
    const { admission } = worker;
    if ('refused' in answer || admission === null) return null;
    const { certificate } = parseOffer(answer.offer);
    const { evidenceDigest, workerId, notBefore } = parseEpochCertificate(certificate);
    // Requests are brought to workers by certificate: none may have another's.
    if (!equalBytes(workerId, admission.workerId)) return null;
    worker.knowCertificate(epochCertificateDigest(certificate));
    meter.epochAge(Math.max(0, now() - notBefore) / 1000);
    // Believed by nobody: the client recomputes ED from the bundle it is given.
    if (answer.bundle.length > 0) fleet.keepBundle(evidenceDigest, answer.bundle);
    return { offer: answer.offer, evidenceDigest, workerId, workerName: worker.join?.name ?? '' };
  };

  /** The best few that serve now. Those that have to be judged first are; where all of them are out, others are taken. */
  const ranked = async (model: Bytes, count: number, until: UnixMs): Promise<readonly Worker[]> => {
    const isIn = (worker: Worker) => worker.isIn(now());
    const serves = (worker: Worker) => fleet.serves(worker, now());
    for (;;) {
      const some = dispatcher.rank(fleet.ofModel(model), WORK_UNKNOWN, null, count, isIn);
      await reviews.wait(some, 'all', REVIEW_WAIT_MS, null);
      if (!some.some(serves)) await reviews.wait(some, 'one', Math.max(1, until - now()), null);
      const serving = some.filter(serves);
      if (serving.length > 0 || some.length === 0 || some.some(isIn) || now() >= until) return serving;
    }
  };

  return {
    /** @throws CodedError NO_WORKER, REQUEST_MALFORMED */
    async getOffers(hello: Bytes, offersMax: number, deadline: UnixMs): Promise<readonly OfferEntry[]> {
      if (hello.length > HELLO_BYTES_MAX) throw new CodedError('REQUEST_MALFORMED', 'a Hello has at most 4096 bytes');
      const until = Math.min(deadline, now() + OFFER_WAIT_MS);
      const asked = await ranked(parseHello(hello).model, Math.min(Math.max(offersMax, 1), OFFERS_MAX), until);
      if (asked.length === 0) throw new CodedError('NO_WORKER', 'no admitted worker serves this model now');
      const waitMs = Math.max(1, Math.min(OFFER_WAIT_MS, deadline - now()));
      const offers = await Promise.all(asked.map((worker) => offerFrom(worker, hello, waitMs).catch(() => null)));
      return offers.filter((offer) => offer !== null);
    },
  };
}
