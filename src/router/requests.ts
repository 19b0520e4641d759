import type { SigningKey } from '#crypto';
import { type Bytes, CodedError, equalBytes, isZero, toHex, type UnixMs } from '../core/index.ts';
import {
  type Header,
  headerHash,
  parseHeader,
  parsePreface,
  parsePriceSheet,
  RequestDigest,
  ResponseChain,
  type ResponsePart,
  receiptDigest,
  type SealedOpen,
  type SignedReceipt,
  signDispatch,
  verifyAuthorization,
  verifyReceiptAsRouter,
} from '../session/index.ts';
import type { Ledger } from '../store/index.ts';
import type { Accounts, Reservation } from './accounts.ts';
import { nextBefore } from './bounded.ts';
import { keepNewest, type Worker } from './fleet.ts';
import type { ToServe } from './links.ts';
import type { Placing, Taken } from './placing.ts';
import type { Outcome, Usage } from './routing/index.ts';
import type { InferSignals } from './service.ts';
import type { Served } from './session-batches.ts';

export type RequestLimits = Readonly<{
  /** Sum of the frames of one request. */
  sealedBytesMax: number;
  /** Sealed bytes held at the same time, over all requests under way. */
  heldBytesMax: number;
  /** Requests under way at the same time. */
  requestsMax: number;
  /** A worker that has not begun to answer by then is passed over. */
  firstPartMs: number;
  /** A deadline that ends a request says something of the worker only if it had at least this long. */
  fairTrialMs: number;
}>;

export const REQUEST_LIMITS: RequestLimits = {
  sealedBytesMax: 4 * 1024 * 1024,
  heldBytesMax: 512 * 1024 * 1024,
  requestsMax: 16_384,
  firstPartMs: 30_000,
  fairTrialMs: 10_000,
};
const RETRY_AFTER_MS = 1_000;

const SESSIONS_MAX = 4096;
const KIND_NUMBER = { checkpoint: 1, final: 2, error: 3 } as const;

type Sealed = Readonly<{
  open: SealedOpen;
  header: Header;
  hash: Bytes;
  frames: readonly Bytes[];
  requestDigest: Bytes;
}>;
type SessionMemory = Readonly<{ hello: Bytes; encs: readonly Bytes[]; encDigests: readonly Bytes[] }>;

/**
 * Relays sealed requests (AIS/1 sections 6 to 8). It reads headers and receipts, forwards ciphertext, computes
 * request_digest and the chain from the bytes it carried, and keeps a receipt durably before it passes it on.
 */
export function createRequests(
  deps: Readonly<{
    placing: Placing;
    accounts: Accounts;
    ledger: Ledger;
    dispatchKey: SigningKey;
    priceSheet: Bytes;
    now: () => UnixMs;
    /** An accepted receipt is stored. @param payee who earns it, where a pool can pay it */
    onReceipt: (worker: Worker, payee: Bytes | null) => void;
    /** A worker began to answer, and ended. */
    onServed: (served: Served) => void;
  }>,
  limits: RequestLimits = REQUEST_LIMITS,
) {
  const sessions = new Map<string, SessionMemory>();
  const price = parsePriceSheet(deps.priceSheet);
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

  const keepReceipt = async (
    signed: SignedReceipt,
    sealed: Sealed,
    worker: Worker,
    chain: ResponseChain,
    of: Readonly<{ certificateDigest: Bytes; dispatch: number; channel: string }>,
  ): Promise<Usage | null> => {
    const { keyset } = worker.admission as NonNullable<Worker['admission']>;
    const verdict = await verifyReceiptAsRouter(signed, {
      keyset,
      certificateDigest: of.certificateDigest,
      header: sealed.header,
      headerHash: sealed.hash,
      requestDigest: sealed.requestDigest,
      dispatch: of.dispatch,
      chain,
      price,
    });
    if (verdict.verdict === 'refused') {
      const [first = 'unknown'] = verdict.failed;
      throw new CodedError('RECEIPT_REFUSED', `the worker's receipt is refused: ${verdict.failed.join(', ')}`, {
        check: first,
      });
    }
    const { receipt } = verdict;
    const payee = poolPayee(keyset);
    await deps.ledger.putReceipt({
      digest: receiptDigest(signed.receipt),
      channel: of.channel,
      sessionKey: sealed.header.sessionKey,
      requestId: sealed.header.requestId,
      kind: KIND_NUMBER[receipt.kind],
      amount: receipt.amount,
      object: signed.receipt,
      signature: signed.signature,
      storedAt: deps.now(),
      payee,
    });
    deps.onReceipt(worker, payee);
    if (receipt.kind !== 'final') return null;
    deps.placing.learn(sealed.header, of.channel, receipt.counts);
    return receipt.counts;
  };

  /** One dispatch to one worker. Yields nothing where the worker refused to open it, and says so. */
  async function* dispatch(
    sealed: Sealed,
    to: Taken,
    number: number,
    channel: string,
    attach: Readonly<{ hello: Bytes; enc: Bytes }> | null,
    { signal, stop: ending }: Readonly<{ signal: AbortSignal; stop: AbortSignal }>,
  ): AsyncGenerator<ResponsePart, 'answered' | 'SESSION_UNKNOWN' | 'OPEN_FAILED' | 'BUSY'> {
    const { worker, link, place, slot } = to;
    const { certificateDigest } = sealed.header.candidates[place] as Header['candidates'][number];
    const startedAt = deps.now();
    const tooSlow = AbortSignal.timeout(limits.firstPartMs);
    let begun = false;
    const why = () => (signal.aborted ? stopCode(signal) : 'WORKER_GONE');
    const parts = link.parts[Symbol.asyncIterator]();
    let chain: ResponseChain | null = null;
    let outcome: Outcome = 'failed';
    let usage: Usage | null = null;
    try {
      const signature = await signDispatch(deps.dispatchKey, {
        headerHash: sealed.hash,
        requestDigest: sealed.requestDigest,
        certificateDigest,
        dispatch: number,
      });
      for (const part of serveParts(sealed, place, attach, number, signature, deps.now())) await link.send(part);
      // A worker that is gone shows in its parts.
      const end = () => void link.send({ kind: 'stop' }).catch(() => undefined);
      if (ending.aborted) end();
      else ending.addEventListener('abort', end, { once: true });
      for (;;) {
        const stop = begun ? signal : AbortSignal.any([signal, tooSlow]);
        const { value: part, done } = await nextBefore(parts, stop, why);
        if (done) break;
        if (part.kind === 'refused') {
          if (begun) throw new CodedError('WORKER_GONE', 'the worker broke the protocol');
          outcome = part.reason === 'BUSY' ? 'busy' : 'undecided';
          return part.reason;
        }
        if (!begun) slot.firstPart();
        begun = true;
        if (part.kind === 'preface') {
          const preface = parsePreface(part.preface);
          if (
            chain !== null ||
            preface.dispatch !== number ||
            !equalBytes(preface.certificateDigest, certificateDigest)
          ) {
            throw new CodedError('WORKER_GONE', 'the worker answered another request');
          }
          chain = new ResponseChain({ headerHash: sealed.hash, requestDigest: sealed.requestDigest, ...preface });
        } else if (chain === null) {
          throw new CodedError('WORKER_GONE', 'the worker sent no preface');
        } else if (part.kind === 'frame') {
          chain.push(part.frame);
        } else {
          const of = { certificateDigest, dispatch: number, channel };
          usage = (await keepReceipt(part.receipt, sealed, worker, chain, of)) ?? usage;
        }
        yield part;
      }
      if (chain === null || !chain.ended) throw new CodedError('WORKER_GONE', 'the worker cut its answer');
      outcome = 'answered';
      return 'answered';
    } finally {
      if (outcome === 'failed' && signal.aborted) {
        const hadTime =
          !begun && stopCode(signal) === 'DEADLINE_EXCEEDED' && deps.now() - startedAt >= limits.fairTrialMs;
        if (!hadTime) outcome = 'undecided';
      }
      slot.finish(outcome, usage);
      if (begun) {
        const { sessionId, sealedBytes } = sealed.header;
        deps.onServed({ worker, sessionId, channel, sealedBytes, startedAt, endedAt: deps.now() });
      }
      if (outcome !== 'answered') link.cancel();
    }
  }

  async function* relay(
    sealed: Sealed,
    reservation: Reservation,
    end: UnixMs,
    signals: Readonly<{ signal: AbortSignal; stop: AbortSignal }>,
  ): AsyncGenerator<ResponsePart> {
    const { signal, stop } = signals;
    let number = 0;
    const tried = new Set<Worker>();
    let last = new CodedError('NO_WORKER', 'no candidate of this request is serving now: ask for offers again');
    while (number < sealed.header.dispatchesMax) {
      if (stop.aborted) throw new CodedError('REQUEST_CANCELLED', 'stopped before a worker began');
      const waiting = AbortSignal.any([signal, stop]);
      const to = await deps.placing.take(sealed.header, reservation.channel, end, tried, waiting);
      if (to === null) break;
      number += 1;
      tried.add(to.worker);
      const own = { hello: sealed.open.hello, enc: sealed.open.candidates[to.place]?.enc ?? new Uint8Array(0) };
      const attach = own.hello.length > 0 ? own : attachmentFor(sealed, to.place);
      let begun = false;
      try {
        const parts = dispatch(sealed, to, number, reservation.channel, attach, signals);
        for (;;) {
          const { value, done } = await parts.next();
          if (!done) {
            begun = true;
            yield value;
            continue;
          }
          if (value === 'answered') return;
          last =
            value === 'BUSY'
              ? new CodedError('ROUTER_BUSY', 'the worker has no room: try again', { retryAfterMs: RETRY_AFTER_MS })
              : new CodedError(value, `the worker answered ${value}`);
          break;
        }
      } catch (error) {
        // After its first part an answer is never tried again elsewhere (AIS/1 section 7).
        if (begun || signal.aborted || !(error instanceof CodedError) || error.code !== 'WORKER_GONE') throw error;
        last = error;
      }
    }
    throw last;
  }

  return {
    /** @throws CodedError, by the deadline at the latest */
    async *infer(
      open: SealedOpen,
      frames: AsyncIterable<Bytes>,
      deadline: UnixMs,
      { cancelled, stop }: InferSignals,
    ): AsyncGenerator<ResponsePart> {
      const header = parseHeader(open.header);
      const hash = headerHash(open.header);
      if (open.candidates.length !== header.candidates.length || header.sealedBytes > limits.sealedBytesMax) {
        throw new CodedError('REQUEST_MALFORMED', 'the request does not match its header, or is too long');
      }
      if (!(await verifyAuthorization(header.sessionKey, hash, open.authorization))) {
        throw new CodedError('REQUEST_REFUSED', 'the header is not signed by its session key', {
          check: 'authorization',
        });
      }
      const end = Math.min(deadline, header.deadline);
      if (end <= deps.now()) throw new CodedError('DEADLINE_EXCEEDED', 'the deadline has passed');
      const signal = AbortSignal.any([cancelled, AbortSignal.timeout(Math.min(end - deps.now(), 2 ** 31 - 1))]);
      if (running >= limits.requestsMax || heldBytes + header.sealedBytes > limits.heldBytesMax) {
        throw new CodedError('ROUTER_BUSY', 'too many requests at the same time: try again', {
          retryAfterMs: RETRY_AFTER_MS,
        });
      }
      running += 1;
      heldBytes += header.sealedBytes;
      let reservation: Reservation | null = null;
      try {
        reservation = await deps.accounts.reserve(header, end);
        deps.placing.admit(header, reservation.channel);
        const sealed = await collect(open, header, hash, frames, signal);
        remember(sealed);
        yield* relay(sealed, reservation, end, { signal, stop });
      } finally {
        running -= 1;
        heldBytes -= header.sealedBytes;
        reservation?.release();
      }
    },
  };
}

/** A pool pays accounts of workchain 0; the account of zeros is nobody's. */
function poolPayee({ payee }: NonNullable<Worker['admission']>['keyset']): Bytes | null {
  return payee.workchain === 0 && !isZero(payee.account) ? payee.account : null;
}

function stopCode(signal: AbortSignal): 'DEADLINE_EXCEEDED' | 'REQUEST_CANCELLED' {
  return (signal.reason as Error | undefined)?.name === 'TimeoutError' ? 'DEADLINE_EXCEEDED' : 'REQUEST_CANCELLED';
}

async function collect(
  open: SealedOpen,
  header: Header,
  hash: Bytes,
  frames: AsyncIterable<Bytes>,
  signal: AbortSignal,
): Promise<Sealed> {
  const digest = new RequestDigest(hash, open.commit);
  const kept: Bytes[] = [];
  const iterator = frames[Symbol.asyncIterator]();
  for (;;) {
    const { value, done } = await nextBefore(iterator, signal, () => stopCode(signal));
    if (done) break;
    digest.push(value);
    if (digest.sealedBytes > header.sealedBytes)
      throw new CodedError('REQUEST_MALFORMED', 'more frames than the header says');
    kept.push(value);
    if (digest.sealedBytes === header.sealedBytes) {
      await iterator.return?.();
      break;
    }
  }
  if (digest.sealedBytes !== header.sealedBytes)
    throw new CodedError('REQUEST_MALFORMED', 'fewer frames than the header says');
  return { open, header, hash, frames: kept, requestDigest: digest.value };
}

function* serveParts(
  sealed: Sealed,
  place: number,
  attach: Readonly<{ hello: Bytes; enc: Bytes }> | null,
  dispatch: number,
  signature: Bytes,
  now: UnixMs,
): Generator<ToServe> {
  const { open, header, frames } = sealed;
  const nothing = new Uint8Array(0);
  yield {
    kind: 'open',
    header: open.header,
    authorization: open.authorization,
    commit: open.commit,
    wrap: open.candidates[place]?.wrap ?? nothing,
    enc: attach?.enc ?? nothing,
    hello: attach?.hello ?? nothing,
    timeLeftMs: Math.min(header.deadline - now, 2 ** 31 - 1),
  };
  for (const frame of frames) yield { kind: 'frame', frame };
  yield { kind: 'dispatch', dispatch, signature };
}
