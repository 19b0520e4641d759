import { hmacSha256 } from '#crypto';
import { type Bytes, CodedError, concat, equalBytes, type Randomness, type UnixMs } from '../core/index.ts';
import type { ClientSession, SessionCandidate } from './client-session.ts';
import type { SealedOpen } from './exchange.ts';
import { FrameKey } from './frames.ts';
import { authorizationDigest, encodeHeader, type Header, headerHash, type Padding } from './header.ts';
import { signDigest } from './objects.ts';
import { type PriceSheet, priceIdOf } from './price.ts';
import { type BodyPadding, bodyBytes, sealBody, sealedBytesOf } from './request-body.ts';
import { commitmentKey, RequestDigest, requestKeys, wrapContentKey } from './request-keys.ts';
import { SecretsOfResponses } from './response-secrets.ts';

/** What a caller says of one request; the rest of its header follows from the session. */
export type RequestAsk = Readonly<{
  message: Uint8Array;
  /** Opaque, given by the router: 16 bytes. */
  paymentRef: Uint8Array;
  price: PriceSheet;
  priceCap: bigint;
  outputTokensMax: number;
  dispatchesMax: number;
  deadline: UnixMs;
  /** 0 to 255, default 0. */
  priority?: number;
  /** Of the response; `bucket` by default. */
  padding?: Padding;
  /** Of the request; `padme` by default. */
  bodyPadding?: BodyPadding;
  /** 16 bytes, to name another try of the same work. */
  idempotency?: Uint8Array;
  /** 48 bytes of {@link prefixTags}. */
  tags?: Uint8Array;
}>;

/** A request as the client keeps it until its response has ended. {@link SentRequest.erase} it then. */
export type SentRequest = Readonly<{
  session: ClientSession;
  header: Header;
  headerHash: Bytes;
  requestDigest: Bytes;
  contentKey: Bytes;
  messageBytes: number;
  price: PriceSheet;
  /** Request commitment that an honest worker's receipt shows, for each candidate. */
  requestCommitments: readonly Bytes[];
  secrets: SecretsOfResponses;
  erase(): void;
}>;

/**
 * Seals one message for all candidates of a session (AIS/1 section 6): the body once, its key once for each of them.
 * Draws from `randomness`, in this order: request id (16 bytes), content key (32).
 * @returns `open` with enc and Hello attached (a transport may blank them after the session's first request), the
 *   frames, and what {@link openResponse} and {@link verifyReceiptAsClient} need
 * @throws CodedError SESSION_EXPIRED; REQUEST_REFUSED where a candidate's certificate does not allow such a request
 */
export async function sealRequest(
  session: ClientSession,
  ask: RequestAsk,
  now: UnixMs,
  randomness: Randomness,
): Promise<Readonly<{ open: SealedOpen; frames: readonly Bytes[]; sent: SentRequest }>> {
  session.use(now);
  const bodyLength = bodyBytes(ask.message.length, ask.bodyPadding ?? 'padme');
  const header = headerOf(session, ask, sealedBytesOf(bodyLength), randomness(16));
  requireAllowed(session, header, now);
  const headerObject = encodeHeader(header);
  const hash = headerHash(headerObject);
  const contentKey = randomness(32);
  const keys = requestKeys(header.requestId, contentKey, hash);
  const frameKey = new FrameKey(keys.key, keys.nonce);
  const frames = sealBody(frameKey, ask.message, bodyLength);
  frameKey.erase();
  keys.key.fill(0);
  keys.nonce.fill(0);
  const digest = new RequestDigest(hash, keys.commit);
  for (const frame of frames) digest.push(frame);
  const name = { requestId: header.requestId, headerHash: hash, requestDigest: digest.value };
  const secrets = new SecretsOfResponses(session, name);
  const sent: SentRequest = {
    session,
    header,
    headerHash: hash,
    requestDigest: digest.value,
    contentKey,
    messageBytes: ask.message.length,
    price: ask.price,
    requestCommitments: session.candidates.map((c) => requestCommitment(c, header.requestId, hash, ask.message)),
    secrets,
    erase() {
      contentKey.fill(0);
      secrets.erase();
    },
  };
  const open: SealedOpen = {
    header: headerObject,
    authorization: await signDigest(session.own.sessionKey, authorizationDigest(hash)),
    commit: keys.commit,
    candidates: session.candidates.map((c) => ({ wrap: wrapContentKey(c.exporter, name, contentKey), enc: c.enc })),
    hello: session.own.bytes,
  };
  return { open, frames, sent };
}

function headerOf(session: ClientSession, ask: RequestAsk, sealedBytes: number, requestId: Bytes): Header {
  const [first] = session.candidates as [SessionCandidate];
  return {
    version: first.offer.certificate.version,
    sessionId: session.own.hello.sessionId,
    requestId,
    idempotency: ask.idempotency === undefined ? null : concat(ask.idempotency),
    candidates: session.candidates.map((c) => ({
      certificateDigest: c.offer.certificateDigest,
      encDigest: c.encDigest,
    })),
    sessionKey: session.own.hello.sessionKey,
    paymentRef: concat(ask.paymentRef),
    priceId: priceIdOf(ask.price),
    priceCap: ask.priceCap,
    model: first.offer.model,
    outputTokensMax: ask.outputTokensMax,
    sealedBytes,
    dispatchesMax: ask.dispatchesMax,
    deadline: ask.deadline,
    priority: ask.priority ?? 0,
    padding: ask.padding ?? 'bucket',
    tags: ask.tags === undefined ? null : concat(ask.tags),
  };
}

function requireAllowed(session: ClientSession, header: Header, now: UnixMs): void {
  const refuse = (name: string, why: string) => new CodedError('REQUEST_REFUSED', why, { check: name });
  if (header.deadline <= now) throw refuse('deadline', 'the deadline has passed');
  if (header.dispatchesMax < 1) throw refuse('dispatchesMax', 'no dispatch allowed');
  for (const { offer } of session.candidates) {
    const { certificate } = offer;
    if (!equalBytes(offer.model, header.model)) throw refuse('model', 'candidates of different models');
    if (certificate.version !== header.version) throw refuse('version', 'candidates of different versions');
    if (header.sealedBytes > certificate.requestBytesMax) throw refuse('sealedBytes', 'longer than a candidate takes');
    if (header.outputTokensMax > certificate.outputTokensMax) {
      throw refuse('outputTokensMax', 'more output than a candidate gives');
    }
  }
}

function requestCommitment(candidate: SessionCandidate, requestId: Bytes, hash: Bytes, message: Uint8Array): Bytes {
  const key = commitmentKey(candidate.exporter, 'request', requestId, hash);
  const commitment = hmacSha256(key, message);
  key.fill(0);
  return commitment;
}
