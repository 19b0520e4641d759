import { type Bytes, CodedError, type Patrolled, type UnixMs } from '../core/index.ts';
import type { Header, ResponseChain, SealedOpen, SignedReceipt } from '../session/index.ts';
import type { Accounts } from './accounts.ts';
import { Cut } from './cut.ts';
import type { Worker } from './fleet.ts';
import { Intake } from './intake.ts';
import type { InferClient, InferInput, Wire } from './links.ts';
import type { Placing, Taken } from './placing.ts';
import type { KeptReceipts } from './receipts.ts';
import { type Ended, Relay, type RelayedRequest, type RelayOwner, type RelayTimes } from './relay.ts';
import type { RequestWatch } from './request-watch.ts';
import type { RequestSignatures } from './requests.ts';
import type { Served } from './session-batches.ts';
import type { SessionMemory } from './session-memory.ts';

export const RETRY_AFTER_MS = 1_000;

export type RequestDeps = Readonly<{
  placing: Placing;
  accounts: Pick<Accounts, 'reserve'>;
  receipts: KeptReceipts;
  signatures: RequestSignatures;
  now: () => UnixMs;
  /** A worker began to answer, and ended. */
  onServed: (served: Served) => void;
}>;
/** What the requests of one router have in common. */
type Shared = Readonly<{ deps: RequestDeps; limits: RelayTimes; sessions: SessionMemory }>;
/** @property hash of the header */
type Sealed = Readonly<{ open: SealedOpen; header: Header; hash: Bytes }>;
type From = Readonly<{ client: InferClient; watch: RequestWatch }>;

/** One request from its `open` to its end. */
export class Request implements InferInput, RelayOwner, Patrolled {
  patrolPlace = -1;
  readonly cut = new Cut();
  readonly client: InferClient;
  readonly #shared: Shared;
  readonly #sealed: Sealed;
  readonly #end: UnixMs;
  readonly #intake: Intake;
  readonly #watch: RequestWatch;
  #channel = '';
  /** The answer that is being passed on. */
  #relay: Relay | null = null;
  #begun = false;
  #stopped = false;

  constructor(shared: Shared, sealed: Sealed, end: UnixMs, { client, watch }: From) {
    this.client = client;
    this.#shared = shared;
    this.#sealed = sealed;
    this.#end = end;
    this.#intake = new Intake(sealed, client, this.cut);
    this.#watch = watch;
  }

  frame(frame: Bytes, wire: Wire): void {
    this.#intake.frame(frame, wire);
  }

  halfClosed(): void {
    this.#intake.halfClosed();
  }

  stop(): void {
    if (!this.#intake.isComplete) {
      this.cut.fire(new CodedError('REQUEST_MALFORMED', 'only frames may follow `open`'));
    } else if (this.#relay === null) this.cut.fire(cancelled('stopped before a worker began'));
    else this.#relay.stop();
    this.#stopped = true;
  }

  gone(): void {
    this.cut.fire(cancelled('the client is gone'));
  }

  /** Whether something should have been by now. */
  look(): void {
    const now = this.#shared.deps.now();
    if (now >= this.#end) this.cut.fire(new CodedError('DEADLINE_EXCEEDED', 'no whole answer before the deadline'));
    else if (!this.#begun) this.#relay?.look(now);
  }

  drained(): void {
    this.#relay?.drained();
  }

  async keepReceipt(signed: SignedReceipt, request: RelayedRequest, worker: Worker, chain: ResponseChain) {
    const of = { request, header: this.#sealed.header, worker, channel: this.#channel };
    const usage = await this.#shared.deps.receipts.keep(signed, of, chain);
    if (usage !== null) this.#watch.counted(usage);
    return usage;
  }

  hasBegun(): void {
    this.#begun = true;
    this.#intake.forget();
  }

  firstFrame(): void {
    this.#watch.firstFrame();
  }

  served(worker: Worker, startedAt: UnixMs): void {
    const { sessionId, sealedBytes } = this.#sealed.header;
    const { now, onServed } = this.#shared.deps;
    onServed({ worker, sessionId, channel: this.#channel, sealedBytes, startedAt, endedAt: now() });
  }

  /** Resolves when it is answered whole. @throws CodedError, by the deadline at the latest */
  async serve(): Promise<void> {
    const { open, header, hash } = this.#sealed;
    const { accounts, placing, signatures } = this.#shared.deps;
    if (!(await signatures.authorizes(header, hash, open.authorization))) {
      throw new CodedError('REQUEST_REFUSED', 'the header is not signed by its session key', {
        check: 'authorization',
      });
    }
    const reservation = await accounts.reserve(header, this.#end);
    this.#channel = reservation.channel;
    try {
      placing.admit(header, reservation.channel);
      await this.#intake.whole();
      this.#shared.sessions.remember(open, header);
      if (open.hello.length > 0) this.#watch.opened(open);
      await this.#answer();
    } finally {
      reservation.release();
    }
  }

  /** Asks one candidate after the other until one begins to answer. @throws CodedError where none does */
  async #answer(): Promise<void> {
    const { header } = this.#sealed;
    let tried: readonly Worker[] = [];
    let last: CodedError | null = null;
    for (let number = 1; number <= header.dispatchesMax; ) {
      const to = await this.#take(tried);
      if (this.cut.error !== null) {
        to?.giveBack();
        throw this.cut.error;
      }
      if (to === null) break;
      const picked = header.tags === null ? 'untagged' : to.slot.matched > 0 ? 'matched' : 'unmatched';
      const asked = this.#watch.asks(to.worker, number, picked);
      try {
        const ended = await this.#relayed(to, number);
        if (ended === 'answered') return asked(null);
        if (ended === null) {
          asked(new CodedError('WORKER_GONE', 'the worker may have nothing new any more'));
          continue;
        }
        last =
          ended === 'BUSY'
            ? new CodedError('ROUTER_BUSY', 'the worker has no room: try again', { retryAfterMs: RETRY_AFTER_MS })
            : new CodedError(ended, `the worker answered ${ended}`);
        asked(last);
      } catch (error) {
        asked(error);
        // After its first frame an answer is never tried again elsewhere (AIS/1 section 7).
        const isFinal = this.#begun || this.cut.error !== null;
        if (isFinal || !(error instanceof CodedError) || error.code !== 'WORKER_GONE') throw error;
        last = error;
      }
      number += 1;
      tried = [...tried, to.worker];
    }
    throw last ?? new CodedError('NO_WORKER', 'no candidate of this request is serving now: ask for offers again');
  }

  async #take(tried: readonly Worker[]): Promise<Taken | null> {
    const waited = this.#watch.waits();
    try {
      return await this.#shared.deps.placing.take(this.#sealed.header, this.#channel, this.#end, tried, this.cut);
    } finally {
      waited();
    }
  }

  /** @returns null where nothing was asked of the worker, since it may not have anything new any more */
  async #relayed(to: Taken, dispatch: number): Promise<Ended | null> {
    const { deps, limits } = this.#shared;
    const { certificateDigest } = this.#sealed.header.candidates[to.place] as Header['candidates'][number];
    const { requestDigest } = this.#intake;
    const of = { headerHash: this.#sealed.hash, requestDigest, certificateDigest, dispatch };
    let signature: Bytes;
    try {
      signature = await deps.signatures.dispatch(of);
    } catch (error) {
      to.giveBack();
      throw error;
    }
    // The last moment to ask: from here on the request is on its way.
    if (!deps.placing.mayBegin(to)) {
      to.giveBack();
      return null;
    }
    const relay = new Relay({ now: deps.now, times: limits });
    this.#relay = relay;
    try {
      const answer = relay.run(this.#requestFor(to.place, of, signature), to, this);
      if (this.#stopped) relay.stop();
      return await answer;
    } finally {
      this.#relay = null;
    }
  }

  /** What one worker is told, and what it may know of the session. */
  #requestFor(
    place: number,
    { headerHash, requestDigest, certificateDigest, dispatch }: Omit<RelayedRequest, 'signature' | 'open' | 'frames'>,
    signature: Bytes,
  ): RelayedRequest {
    const { open, header } = this.#sealed;
    const own = open.candidates[place];
    const isAttached = open.hello.length > 0;
    const known = isAttached ? null : this.#shared.sessions.attachmentFor(header, place);
    return {
      headerHash,
      requestDigest,
      certificateDigest,
      dispatch,
      signature,
      frames: this.#intake.frames,
      open: {
        header: open.header,
        authorization: open.authorization,
        commit: open.commit,
        wrap: own?.wrap ?? NOTHING,
        enc: (isAttached ? own?.enc : known?.enc) ?? NOTHING,
        hello: isAttached ? open.hello : (known?.hello ?? NOTHING),
        timeLeftMs: Math.min(header.deadline - this.#shared.deps.now(), 2 ** 31 - 1),
      },
    };
  }
}

const cancelled = (message: string) => new CodedError('REQUEST_CANCELLED', message);
const NOTHING: Bytes = new Uint8Array(0);
