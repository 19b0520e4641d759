import { hmacSha256 } from '#crypto';
import { type Bytes, CodedError, concat, equalBytes, labelledDigest } from '../core/index.ts';
import { verifyDispatch } from './dispatch.ts';
import type { EpochCertificate } from './epoch-certificate.ts';
import type { Epoch, EpochKeys, WorkerContext } from './epoch-keys.ts';
import { FRAME_BYTES_MAX, FRAME_OVERHEAD, FRAMES_MAX, FrameKey } from './frames.ts';
import { type Candidate, encDigest, type Header, headerHash, parseHeader, verifyAuthorization } from './header.ts';
import { bestCommonSuite, bestCommonVersion, type Hello, helloDigest, parseHello } from './hello.ts';
import { type Exporter, sessionInfo, setupReceiver } from './hpke.ts';
import type { PriceSheet } from './price.ts';
import type { ReceiptSigner } from './receipt.ts';
import { type BodyFault, openBody } from './request-body.ts';
import {
  commitmentKey,
  RequestDigest,
  type RequestKeys,
  type RequestName,
  requestKeys,
  responseKeys,
  unwrapContentKey,
} from './request-keys.ts';
import { ResponseSealer } from './response-sealer.ts';
import type { WorkerSessionDeps } from './worker.ts';

/** One request as the router dispatched it to this worker. */
export type IncomingRequest = Readonly<{
  header: Uint8Array;
  authorization: Uint8Array;
  commit: Uint8Array;
  /** This worker's own. */
  wrap: Uint8Array;
  /** Both empty, or both attached where the session may be new here. */
  enc: Uint8Array;
  hello: Uint8Array;
  frames: readonly Uint8Array[];
  dispatch: number;
  dispatchSignature: Uint8Array;
}>;

/**
 * `opened`: run it. `unreadable`: the client sealed nonsense; answer with `respond.error`, for the request is used up.
 */
export type AcceptedRequest = Readonly<{ header: Header; respond: ResponseSealer }> &
  (Readonly<{ outcome: 'opened'; message: Bytes }> | Readonly<{ outcome: 'unreadable'; fault: BodyFault }>);

type WorkerState = Readonly<{
  epochs: EpochKeys;
  signer: ReceiptSigner;
  workerId: Bytes;
  keysetDigest: Bytes;
  deps: WorkerSessionDeps;
}>;

/** What step 1 establishes. */
type Addressed = Readonly<{
  header: Header;
  hash: Bytes;
  own: Candidate;
  epoch: Epoch;
  certificate: EpochCertificate;
  price: PriceSheet;
}>;

/**
 * The nine steps of AIS/1 section 6, in their order. Until step 8 a failure stores nothing.
 * @throws CodedError OBJECT_MALFORMED (header, Hello); REQUEST_REFUSED with `facts.step` and `facts.check` (steps 1, 3);
 *   SESSION_UNKNOWN (2); OPEN_FAILED (4 to 7, without saying which); DISPATCH_REFUSED; REQUEST_REPLAYED,
 *   REPLAY_SET_FULL (8)
 */
export async function acceptRequest(request: IncomingRequest, state: WorkerState): Promise<AcceptedRequest> {
  const to = addressed(request, state);
  const known = () => to.epoch.context(to.own.certificateDigest, to.own.encDigest);
  const attached = attachedHello(request, known());
  await requireOwner(request, to, known() ?? attached);
  // A session stored when step 2 looked may have been evicted while the signature was checked.
  const stored = known();
  if (stored === undefined && attached === null) throw sessionUnknown();
  const context = stored ?? (await openContext(request, to, attached as AttachedHello, state));
  try {
    const name = openedName(request, to);
    await requireDispatch(request, to, name, state);
    const { contentKey, keys } = openWrap(request, context, to, name);
    useOnce(to, stored === undefined ? context : null);
    return opened(request, { to, context, name, contentKey, keys }, state);
  } finally {
    // An exporter that step 8 did not store dies here; a stored one belongs to its epoch.
    if (known()?.exporter !== context.exporter && stored === undefined) context.exporter.erase();
  }
}

function refused(step: number, name: string, why: string): CodedError {
  return new CodedError('REQUEST_REFUSED', why, { step, check: name });
}

function sessionUnknown(): CodedError {
  return new CodedError('SESSION_UNKNOWN', 'this session is not stored here: send enc and Hello again');
}

/** The one answer to a failure in the steps 4 to 7. */
function openFailed(): CodedError {
  return new CodedError('OPEN_FAILED', 'the request does not open');
}

/** Step 1: header, own certificate, living epoch, limits, deadline, model, price, dispatch. */
function addressed(request: IncomingRequest, { epochs, deps }: WorkerState): Addressed {
  const header = parseHeader(request.header);
  const mine = header.candidates.flatMap((own) => {
    const found = epochs.find(own.certificateDigest);
    return found === null ? [] : [{ own, ...found }];
  });
  const [only] = mine;
  if (only === undefined || mine.length > 1) throw refused(1, 'candidate', 'not addressed to a living epoch key, once');
  const { own, epoch, certificate } = only;
  const now = deps.now();
  if (header.version !== certificate.version) throw refused(1, 'version', 'another version than the certificate');
  if (header.sealedBytes > certificate.requestBytesMax) throw refused(1, 'sealedBytes', 'too long a request');
  if (header.outputTokensMax > certificate.outputTokensMax) throw refused(1, 'outputTokensMax', 'too much output');
  if (header.deadline <= now) throw refused(1, 'deadline', 'the deadline has passed');
  if (!equalBytes(header.model, deps.model)) throw refused(1, 'model', 'another model');
  const price = deps.priceSheet(header.priceId);
  if (price === null || price.notAfter < now) throw refused(1, 'price', 'not a price sheet in force here');
  if (request.dispatch < 1 || request.dispatch > header.dispatchesMax) {
    throw refused(1, 'dispatch', 'a dispatch that the header does not allow');
  }
  return { header, hash: headerHash(request.header), own, epoch, certificate, price };
}

type AttachedHello = Readonly<{ hello: Hello; digest: Bytes }>;

/** Step 2. */
function attachedHello(request: IncomingRequest, stored: WorkerContext | undefined): AttachedHello | null {
  if (stored === undefined && (request.enc.length === 0 || request.hello.length === 0)) throw sessionUnknown();
  if (request.hello.length === 0 || stored !== undefined) return null;
  return { hello: parseHello(request.hello), digest: helloDigest(request.hello) };
}

/** Step 3: the session is the header's, and its key signed the header. */
async function requireOwner(
  request: IncomingRequest,
  { header, hash }: Addressed,
  session: WorkerContext | AttachedHello | null,
): Promise<void> {
  if (session === null) throw sessionUnknown();
  const { sessionId, sessionKey } = 'hello' in session ? session.hello : session;
  if (!equalBytes(header.sessionId, sessionId) || !equalBytes(header.sessionKey, sessionKey)) {
    throw refused(3, 'session', 'the header names another session than its Hello');
  }
  if (!(await verifyAuthorization(header.sessionKey, hash, request.authorization))) {
    throw refused(3, 'authorization', 'the session key did not sign this header');
  }
}

/** Step 4: the context is held aside until a wrap has opened under it. */
async function openContext(
  request: IncomingRequest,
  to: Addressed,
  attached: AttachedHello,
  { deps }: WorkerState,
): Promise<WorkerContext> {
  const { hello, digest } = attached;
  const key = to.epoch.keys.get(to.certificate.kem);
  const best =
    to.certificate.kem === bestCommonSuite(hello.suites, deps.keyset.suites) &&
    to.certificate.version === bestCommonVersion(hello.versions, deps.keyset.versions);
  if (key === undefined || !best || !equalBytes(encDigest(request.enc), to.own.encDigest)) throw openFailed();
  const exporter = await setupReceiver(key, request.enc, sessionInfo(digest, to.own.certificateDigest));
  if (exporter === null) throw openFailed();
  return { exporter, enc: concat(request.enc), sessionId: hello.sessionId, sessionKey: hello.sessionKey };
}

/** Step 5: lengths, flags, digest. */
function openedName(request: IncomingRequest, { header, hash }: Addressed): RequestName {
  const { frames, commit } = request;
  let sum = 0;
  for (const [i, frame] of frames.entries()) {
    sum += frame.length;
    const flags = i === frames.length - 1 ? 1 : 0;
    if (frame.length < FRAME_OVERHEAD || frame.length > FRAME_BYTES_MAX || frame[0] !== flags) throw openFailed();
  }
  if (frames.length === 0 || frames.length > FRAMES_MAX || sum !== header.sealedBytes || commit.length !== 32) {
    throw openFailed();
  }
  const digest = new RequestDigest(hash, commit);
  for (const frame of frames) digest.push(frame);
  return { requestId: header.requestId, headerHash: hash, requestDigest: digest.value };
}

/** Section 7: the worker's claim on the router. What it speaks of is public, so its own code tells nothing. */
async function requireDispatch(
  request: IncomingRequest,
  to: Addressed,
  name: RequestName,
  { deps }: WorkerState,
): Promise<void> {
  const of = { ...name, certificateDigest: to.own.certificateDigest, dispatch: request.dispatch };
  if (!(await verifyDispatch(deps.dispatchKey(request), of, request.dispatchSignature))) {
    throw new CodedError('DISPATCH_REFUSED', 'not signed by the dispatch key of the router', { check: 'dispatch' });
  }
}

/** Steps 6 and 7. */
function openWrap(
  request: IncomingRequest,
  context: WorkerContext,
  { header, hash, epoch }: Addressed,
  name: RequestName,
): Readonly<{ contentKey: Bytes; keys: RequestKeys }> {
  // The epoch may have ended, or the session may have been evicted, while a signature was checked.
  if (epoch.erased || context.exporter.erased) throw sessionUnknown();
  const contentKey = unwrapContentKey(context.exporter, name, request.wrap);
  if (contentKey === null || contentKey.length !== 32) throw openFailed();
  const keys = requestKeys(header.requestId, contentKey, hash);
  if (!equalBytes(keys.commit, request.commit)) throw openFailed();
  return { contentKey, keys };
}

/** Step 8. @param fresh the context to store, unless it is stored already */
function useOnce({ epoch, own, header }: Addressed, fresh: WorkerContext | null): void {
  epoch.useOnce(labelledDigest('used', own.encDigest, header.requestId));
  if (fresh !== null) epoch.storeContext(own.certificateDigest, own.encDigest, fresh);
}

type Opened = Readonly<{
  to: Addressed;
  context: WorkerContext;
  name: RequestName;
  contentKey: Bytes;
  keys: RequestKeys;
}>;

/** Step 9, and the keys of the answer; CEK is not needed after it. */
function opened(request: IncomingRequest, all: Opened, state: WorkerState): AcceptedRequest {
  const { to, context, contentKey, keys } = all;
  const frameKey = new FrameKey(keys.key, keys.nonce);
  const body = openBody(frameKey, request.frames);
  frameKey.erase();
  const key = commitmentKey(context.exporter, 'request', to.header.requestId, to.hash);
  const requestCommitment = hmacSha256(key, 'message' in body ? body.message : new Uint8Array(0));
  const respond = sealer(request, all, requestCommitment, state);
  for (const used of [key, contentKey, keys.key, keys.nonce]) used.fill(0);
  return 'message' in body
    ? { outcome: 'opened', header: to.header, respond, message: body.message }
    : { outcome: 'unreadable', header: to.header, respond, fault: body.fault };
}

function sealer(request: IncomingRequest, all: Opened, requestCommitment: Bytes, state: WorkerState): ResponseSealer {
  const { to, context, name, contentKey } = all;
  const { header, hash, own, price } = to;
  const responseNonce = state.deps.randomness(32);
  return new ResponseSealer(
    {
      preface: { certificateDigest: own.certificateDigest, dispatch: request.dispatch, responseNonce },
      padding: header.padding,
      ...responseKeys(context.exporter, name, contentKey, context.enc, responseNonce),
      commitmentKey: commitmentKey(context.exporter as Exporter, 'response', header.requestId, hash),
      price,
      priceCap: header.priceCap,
      started: state.deps.now(),
      receipt: {
        workerId: state.workerId,
        keysetDigest: state.keysetDigest,
        certificateDigest: own.certificateDigest,
        model: header.model,
        requestId: header.requestId,
        headerHash: hash,
        requestDigest: name.requestDigest as Bytes,
        dispatch: request.dispatch,
        requestCommitment,
        priceId: header.priceId,
      },
    },
    state.signer,
    state.deps.now,
  );
}
