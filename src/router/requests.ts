import type { SigningKey, Where } from '#crypto';
import { type Bytes, CodedError, type MonotonicClock, Patrol, type UnixMs } from '../core/index.ts';
import {
  type Header,
  headerHash,
  headerIn,
  type SealedOpen,
  signDispatch,
  verifyAuthorization,
} from '../session/index.ts';
import type { InferClient, InferInput } from './links.ts';
import type { RelayTimes } from './relay.ts';
import { RETRY_AFTER_MS, Request, type RequestDeps } from './request.ts';
import type { RequestWatch } from './request-watch.ts';
import { SessionMemory } from './session-memory.ts';

export type RequestLimits = RelayTimes &
  Readonly<{
    /** Sum of the frames of one request. */
    sealedBytesMax: number;
    /** Sealed bytes held at the same time, over all requests under way. */
    heldBytesMax: number;
    /** Requests under way at the same time. */
    requestsMax: number;
  }>;

export const REQUEST_LIMITS: RequestLimits = {
  sealedBytesMax: 4 * 1024 * 1024,
  heldBytesMax: 512 * 1024 * 1024,
  requestsMax: 16_384,
  firstPartMs: 30_000,
  fairTrialMs: 10_000,
};
/** Deadlines are kept to this, never early. */
const PATROL_MS = 100;

/** The two signatures at a request's beginning: the client's over its header, and the router's own. */
export type RequestSignatures = Readonly<{
  authorizes(header: Header, hash: Bytes, authorization: Bytes): Promise<boolean>;
  dispatch(of: Parameters<typeof signDispatch>[1]): Promise<Bytes>;
}>;

/** Requests whose signatures are computed at once come no closer to each other: at most a twentieth of the event loop. */
const APART_MS = 2;

/**
 * Beside the event loop, which meanwhile carries other answers; where none came a moment ago, at once: the way to another
 * thread and back takes longer than a signature does.
 */
export function requestSignatures(dispatchKey: SigningKey, monotonic: MonotonicClock): RequestSignatures {
  const where = () => {
    let last = Number.NEGATIVE_INFINITY;
    return (): Where => {
      const now = monotonic();
      if (now - last < APART_MS) return 'aside';
      last = now;
      return 'here';
    };
  };
  const [authorizing, dispatching] = [where(), where()];
  return {
    authorizes: (header, hash, authorization) =>
      verifyAuthorization(header.sessionKey, hash, authorization, authorizing()),
    dispatch: (of) => signDispatch(dispatchKey, of, dispatching()),
  };
}

/**
 * Relays sealed requests (AIS/1 sections 6 to 8). It reads headers and receipts, forwards ciphertext, computes
 * request_digest and the chain from the bytes it carried, and keeps a receipt durably before it passes it on.
 */
export function createRequests(deps: RequestDeps, limits: RequestLimits = REQUEST_LIMITS) {
  const shared = { deps, limits, sessions: new SessionMemory() };
  const patrol = new Patrol<Request>(PATROL_MS);
  let running = 0;
  let heldBytes = 0;

  /** Counts a request in until it has ended. @throws CodedError */
  const begin = (open: SealedOpen, deadline: UnixMs, client: InferClient, watch: RequestWatch): Request => {
    const header = headerIn(open.header);
    if (open.candidates.length !== header.candidates.length || header.sealedBytes > limits.sealedBytesMax) {
      throw new CodedError('REQUEST_MALFORMED', 'the request does not match its header, or is too long');
    }
    const end = Math.min(deadline, header.deadline);
    if (end <= deps.now()) throw new CodedError('DEADLINE_EXCEEDED', 'the deadline has passed');
    if (running >= limits.requestsMax || heldBytes + header.sealedBytes > limits.heldBytesMax) {
      throw new CodedError('ROUTER_BUSY', 'too many requests at the same time: try again', {
        retryAfterMs: RETRY_AFTER_MS,
      });
    }
    const sealed = { open, header, hash: headerHash(open.header) };
    const request = new Request(shared, sealed, end, { client, watch });
    running += 1;
    heldBytes += header.sealedBytes;
    patrol.add(request);
    const finish = (error: unknown) => {
      patrol.delete(request);
      running -= 1;
      heldBytes -= header.sealedBytes;
      client.finish(error);
    };
    request.serve().then(() => finish(null), finish);
    return request;
  };

  return {
    underWay: () => running,
    /** Takes a request over; it ends by the deadline at the latest. */
    infer(open: SealedOpen, deadline: UnixMs, client: InferClient, watch: RequestWatch): InferInput {
      try {
        return begin(open, deadline, client, watch);
      } catch (error) {
        client.finish(error);
        return UNHEARD;
      }
    },
  };
}

const nothing = () => undefined;
/** Of a request that is over already. */
const UNHEARD: InferInput = { frame: nothing, halfClosed: nothing, stop: nothing, gone: nothing, drained: nothing };
