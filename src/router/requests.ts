import type { SigningKey, Where } from '#crypto';
import { type Bytes, CodedError, equalBytes, type MonotonicClock, toHex, type UnixMs } from '../core/index.ts';
import {
  type Header,
  headerHash,
  parseHeader,
  type SealedOpen,
  signDispatch,
  verifyAuthorization,
} from '../session/index.ts';
import type { Accounts } from './accounts.ts';
import { Cut } from './cut.ts';
import { keepNewest, type Worker } from './fleet.ts';
import { Intake } from './intake.ts';
import type { InferClient, InferInput } from './links.ts';
import type { Placing, Taken } from './placing.ts';
import type { KeptReceipts } from './receipts.ts';
import { Relay, type RelayedRequest, type RelayTimes } from './relay.ts';
import type { RequestWatch } from './request-watch.ts';
import type { Served } from './session-batches.ts';

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
const RETRY_AFTER_MS = 1_000;
/** Timers of one length share a list: deadlines are kept to this, never early. */
const TIMER_STEP_MS = 100;

const SESSIONS_MAX = 4096;

type Sealed = Readonly<{ open: SealedOpen; header: Header; hash: Bytes; intake: Intake }>;
type SessionMemory = Readonly<{ hello: Bytes; encs: readonly Bytes[]; encDigests: readonly Bytes[] }>;

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
export function createRequests(
  deps: Readonly<{
    placing: Placing;
    accounts: Pick<Accounts, 'reserve'>;
    receipts: KeptReceipts;
    signatures: RequestSignatures;
    now: () => UnixMs;
    /** A worker began to answer, and ended. */
    onServed: (served: Served) => void;
  }>,
  limits: RequestLimits = REQUEST_LIMITS,
) {
  const sessions = new Map<string, SessionMemory>();
  let running = 0;
  let heldBytes = 0;

  /** Keeps {Hello, enc} of a session, so that a later request may go to a candidate that never saw it. */
  const remember = ({ open, header }: Sealed): void => {
    if (open.hello.length === 0) return;
    const memory = {
      hello: open.hello,
      encs: open.candidates.map((candidate) => candidate.enc),
      encDigests: header.candidates.map((candidate) => candidate.encDigest),
    };
    keepNewest(sessions, toHex(header.sessionId), memory, SESSIONS_MAX);
  };

  const attachmentFor = (sealed: Sealed, place: number): Readonly<{ hello: Bytes; enc: Bytes }> | null => {
    const memory = sessions.get(toHex(sealed.header.sessionId));
    const wanted = sealed.header.candidates[place]?.encDigest;
    const known =
      wanted === undefined ? -1 : (memory?.encDigests.findIndex((digest) => equalBytes(digest, wanted)) ?? -1);
    return memory === undefined || known < 0 ? null : { hello: memory.hello, enc: memory.encs[known] as Bytes };
  };

  /** What one worker is told, and what it may know of the session. */
  const relayed = async (sealed: Sealed, to: Taken, dispatch: number): Promise<RelayedRequest> => {
    const { open, header, hash: headerHash, intake } = sealed;
    const { certificateDigest } = header.candidates[to.place] as Header['candidates'][number];
    const { requestDigest, frames } = intake;
    const of = { headerHash, requestDigest, certificateDigest, dispatch };
    const own = { hello: open.hello, enc: open.candidates[to.place]?.enc ?? NOTHING };
    const attached = own.hello.length > 0 ? own : attachmentFor(sealed, to.place);
    return {
      ...of,
      signature: await deps.signatures.dispatch(of),
      frames,
      open: {
        header: open.header,
        authorization: open.authorization,
        commit: open.commit,
        wrap: open.candidates[to.place]?.wrap ?? NOTHING,
        enc: attached?.enc ?? NOTHING,
        hello: attached?.hello ?? NOTHING,
        timeLeftMs: Math.min(header.deadline - deps.now(), 2 ** 31 - 1),
      },
    };
  };

  /** Asks one candidate after the other until one begins to answer. @throws CodedError where none does */
  const relay = async (sealed: Sealed, channel: string, end: UnixMs, under: UnderWay): Promise<void> => {
    const { header } = sealed;
    const tried = new Set<Worker>();
    let last: CodedError | null = null;
    for (let number = 1; number <= header.dispatchesMax; ) {
      const waited = under.watch.waits();
      const to = await deps.placing.take(header, channel, end, tried, under.cut).finally(waited);
      if (under.cut.error !== null) {
        to?.giveBack();
        throw under.cut.error;
      }
      if (to === null) break;
      tried.add(to.worker);
      const asked = under.watch.asks(to.worker, number);
      try {
        const ended = await answerOf(sealed, to, number, channel, under);
        if (ended === 'answered') return asked(null);
        if (ended === null) {
          asked(new CodedError('WORKER_GONE', 'the worker may have nothing new any more'));
          tried.delete(to.worker);
          continue;
        }
        number += 1;
        last =
          ended === 'BUSY'
            ? new CodedError('ROUTER_BUSY', 'the worker has no room: try again', { retryAfterMs: RETRY_AFTER_MS })
            : new CodedError(ended, `the worker answered ${ended}`);
        asked(last);
      } catch (error) {
        asked(error);
        // After its first part an answer is never tried again elsewhere (AIS/1 section 7).
        const isFinal = under.begun || under.cut.error !== null;
        if (isFinal || !(error instanceof CodedError) || error.code !== 'WORKER_GONE') throw error;
        number += 1;
        last = error;
      }
    }
    throw last ?? new CodedError('NO_WORKER', 'no candidate of this request is serving now: ask for offers again');
  };

  /** @returns null where nothing was asked of the worker, since it may not have anything new any more */
  const answerOf = async (sealed: Sealed, to: Taken, dispatch: number, channel: string, under: UnderWay) => {
    const request = await relayed(sealed, to, dispatch).catch((error: unknown) => {
      to.giveBack();
      throw error;
    });
    // The last moment to ask: from here on the request is on its way.
    if (!deps.placing.mayBegin(to)) {
      to.giveBack();
      return null;
    }
    const running = new Relay(request, to, {
      now: deps.now,
      times: limits,
      cut: under.cut,
      client: under.client,
      keepReceipt: async (signed, chain) => {
        const of = { request, header: sealed.header, worker: to.worker, channel };
        const usage = await deps.receipts.keep(signed, of, chain);
        if (usage !== null) under.watch.counted(usage);
        return usage;
      },
      begun: () => {
        under.begun = true;
        sealed.intake.forget();
      },
      firstFrame: under.watch.firstFrame,
      served: (startedAt) => {
        const { sessionId, sealedBytes } = sealed.header;
        deps.onServed({ worker: to.worker, sessionId, channel, sealedBytes, startedAt, endedAt: deps.now() });
      },
    });
    under.running = running;
    const answer = running.run();
    if (under.stopped) running.stop();
    return answer.finally(() => {
      under.running = null;
    });
  };

  /** @throws CodedError, by the deadline at the latest */
  const serve = async (sealed: Sealed, end: UnixMs, under: UnderWay): Promise<void> => {
    const { open, header, hash, intake } = sealed;
    if (!(await deps.signatures.authorizes(header, hash, open.authorization))) {
      throw new CodedError('REQUEST_REFUSED', 'the header is not signed by its session key', {
        check: 'authorization',
      });
    }
    const reservation = await deps.accounts.reserve(header, end);
    try {
      deps.placing.admit(header, reservation.channel);
      await intake.whole();
      remember(sealed);
      await relay(sealed, reservation.channel, end, under);
    } finally {
      reservation.release();
    }
  };

  /** Counts a request in until it has ended. @throws CodedError */
  const begin = (open: SealedOpen, deadline: UnixMs, under: UnderWay): Intake => {
    const header = parseHeader(open.header);
    const hash = headerHash(open.header);
    if (open.candidates.length !== header.candidates.length || header.sealedBytes > limits.sealedBytesMax) {
      throw new CodedError('REQUEST_MALFORMED', 'the request does not match its header, or is too long');
    }
    const end = Math.min(deadline, header.deadline);
    const leftMs = end - deps.now();
    if (leftMs <= 0) throw new CodedError('DEADLINE_EXCEEDED', 'the deadline has passed');
    if (running >= limits.requestsMax || heldBytes + header.sealedBytes > limits.heldBytesMax) {
      throw new CodedError('ROUTER_BUSY', 'too many requests at the same time: try again', {
        retryAfterMs: RETRY_AFTER_MS,
      });
    }
    running += 1;
    heldBytes += header.sealedBytes;
    const late = () => under.cut.fire(new CodedError('DEADLINE_EXCEEDED', 'no whole answer before the deadline'));
    const timer = setTimeout(late, Math.min(TIMER_STEP_MS * Math.ceil(leftMs / TIMER_STEP_MS), 2 ** 31 - 1));
    const intake = new Intake({ open, header, hash }, under.client, under.cut);
    const finish = (error: unknown) => {
      clearTimeout(timer);
      running -= 1;
      heldBytes -= header.sealedBytes;
      under.client.finish(error);
    };
    void serve({ open, header, hash, intake }, end, under).then(() => finish(null), finish);
    return intake;
  };

  return {
    /** Takes a request over; it ends by the deadline at the latest. */
    infer(open: SealedOpen, deadline: UnixMs, client: InferClient, watch: RequestWatch): InferInput {
      const cut = new Cut();
      const under: UnderWay = { cut, client, watch, running: null, begun: false, stopped: false };
      let intake: Intake;
      try {
        intake = begin(open, deadline, under);
      } catch (error) {
        client.finish(error);
        return UNHEARD;
      }
      return {
        frame: (frame, wire) => intake.frame(frame, wire),
        halfClosed: () => intake.halfClosed(),
        stop() {
          if (!intake.isComplete) cut.fire(new CodedError('REQUEST_MALFORMED', 'only frames may follow `open`'));
          else if (under.running === null) cut.fire(cancelled('stopped before a worker began'));
          else under.running.stop();
          under.stopped = true;
        },
        gone: () => cut.fire(cancelled('the client is gone')),
        drained: () => under.running?.drained(),
      };
    },
  };
}

const cancelled = (message: string) => new CodedError('REQUEST_CANCELLED', message);

/** One request from its `open` to its end. */
type UnderWay = {
  readonly cut: Cut;
  readonly client: InferClient;
  readonly watch: RequestWatch;
  /** The worker that is being asked. */
  running: Relay | null;
  begun: boolean;
  stopped: boolean;
};

const nothing = () => undefined;
/** Of a request that is over already. */
const UNHEARD: InferInput = { frame: nothing, halfClosed: nothing, stop: nothing, gone: nothing, drained: nothing };
const NOTHING: Bytes = new Uint8Array(0);
