import { type Bytes, CodedError, equalBytes, type UnixMs } from '../core/index.ts';
import { type OpenRefusal, parsePreface, ResponseChain, type ServeOpen, type SignedReceipt } from '../session/index.ts';
import type { Cut } from './cut.ts';
import type { Worker } from './fleet.ts';
import type { AnswerWriter, InferClient, ServeListener, ServePart, Wire } from './links.ts';
import type { Taken } from './placing.ts';
import type { Outcome, Usage } from './routing/index.ts';

export type RelayTimes = Readonly<{
  /** A worker that has not begun to answer by then is passed over. */
  firstPartMs: number;
  /** A deadline that ends a request says something of the worker only if it had at least this long. */
  fairTrialMs: number;
}>;

/** Of one answer: one for each 256 tokens is enough for two million, and each is stored for good. */
export const RECEIPTS_MAX = 8_192;

/** One dispatch of one request. */
export type RelayedRequest = Readonly<{
  headerHash: Bytes;
  requestDigest: Bytes;
  certificateDigest: Bytes;
  dispatch: number;
  signature: Bytes;
  open: ServeOpen;
  frames: readonly Wire[];
}>;

/** Who has an answer relayed, and hears of it. */
export type RelayOwner = Readonly<{
  cut: Cut;
  client: Pick<InferClient, 'answer'>;
  /** Checks a receipt and stores it; resolves once it is durable. @throws CodedError RECEIPT_REFUSED */
  keepReceipt(receipt: SignedReceipt, of: RelayedRequest, by: Worker, chain: ResponseChain): Promise<Usage | null>;
  /** The first frame goes to the client: the request is not tried elsewhere any more. */
  hasBegun(): void;
  firstFrame(): void;
  /** It began to answer, and ended. */
  served(by: Worker, startedAt: UnixMs): void;
}>;

/** What became of a dispatch: an answer, or a refusal that came in its place. */
export type Ended = 'answered' | OpenRefusal;
type UnderRelay = Readonly<{
  request: RelayedRequest;
  to: Taken;
  owner: RelayOwner;
  resolve: (ended: Ended) => void;
  reject: (error: unknown) => void;
}>;

/**
 * Passes one worker's answer on as it comes. It computes the chain over the frames that it carries, and holds a receipt
 * back until it is stored; the frames themselves are neither opened nor made anew.
 */
export class Relay implements ServeListener {
  // What each frame asks for stands together: with many answers under way, none of it is in the processor's cache.
  /** Null once it has ended: streams are long in going, and what hangs on them would be as long. */
  #under: UnderRelay | null = null;
  #answer: AnswerWriter | null = null;
  #chain: ResponseChain | null = null;
  /** A receipt is being stored: what comes after it waits. */
  #keeping = false;
  #firstFrame = false;
  #passed = false;
  /** Messages that follow each other in memory, to be written at once. */
  #run: Wire | null = null;
  #begun = false;
  #stalled = false;
  readonly #now: () => UnixMs;
  readonly #times: RelayTimes;
  readonly #startedAt: UnixMs;
  #waiting: Waiting[] | null = null;
  #ending: { error: CodedError | null } | null = null;
  #usage: Usage | null = null;
  #checkpointed = false;
  /** The receipt of the whole answer, or of its failure, has come. */
  #closed = false;
  #receipts = 0;
  #uncut: (() => void) | null = null;

  /** @param deps a clock, and how long what may take */
  constructor(deps: Readonly<{ now: () => UnixMs; times: RelayTimes }>) {
    this.#now = deps.now;
    this.#times = deps.times;
    this.#startedAt = deps.now();
  }

  /** Resolves when the answer has ended; throws CodedError where it broke, by the cut at the latest. */
  run(request: RelayedRequest, to: Taken, owner: RelayOwner): Promise<Ended> {
    const { cut } = owner;
    if (cut.error !== null) {
      to.giveBack();
      return Promise.reject(cut.error);
    }
    return new Promise((resolve, reject) => {
      this.#under = { request, to, owner, resolve, reject };
      this.#answer = owner.client.answer;
      this.#uncut = cut.on(() => this.#fail(cut.error as CodedError));
      const { open, frames, dispatch, signature } = request;
      to.link.begin({ open, frames, dispatch, signature }, this);
    });
  }

  /** The client wants no more. A worker that is gone shows in its parts. */
  stop(): void {
    this.#under?.to.link.stop();
  }

  /** A worker that does not begin in time is passed over. */
  look(now: UnixMs): void {
    if (this.#begun || now - this.#startedAt < this.#times.firstPartMs) return;
    this.#fail(gone('the worker did not begin in time'));
  }

  /** The client reads again. */
  drained(): void {
    this.#stalled = false;
    if (this.#waiting === null) this.#under?.to.link.resume();
  }

  frame(wire: Wire, at: number, isAlone: boolean): void {
    const under = this.#under;
    if (under === null) return;
    if (this.#keeping) {
      this.#wait(under, { part: null, wire: Buffer.from(wire), at });
      return;
    }
    try {
      this.#begun = true;
      if (this.#chain === null) throw gone('the worker sent no preface');
      this.#chain.push(wire, at);
      if (!this.#firstFrame) {
        this.#firstFrame = true;
        under.to.slot.firstPart();
        under.owner.firstFrame();
      }
      if (isAlone && this.#passed && this.#run === null) this.#write(wire);
      else {
        this.#pass(wire);
        if (isAlone) this.#flush();
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  part(part: ServePart, wire: Wire): void {
    const under = this.#under;
    if (under === null) return;
    if (this.#keeping) {
      this.#wait(under, { ...kept(part, wire), at: 0 });
      return;
    }
    try {
      this.#take(under, part, wire);
    } catch (error) {
      this.#fail(error);
    }
  }

  pieceEnd(): void {
    this.#flush();
  }

  ended(error: CodedError | null): void {
    if (this.#under === null) return;
    if (this.#keeping) {
      this.#ending = { error };
      return;
    }
    this.#flush();
    if (error !== null) this.#fail(error);
    else if (this.#chain?.ended !== true) this.#fail(gone('the worker cut its answer'));
    // Whoever fails after a checkpoint, which is paid, fails: an error before it may be of the request.
    else this.#end('answered', this.#usage === null && this.#checkpointed ? 'failed' : 'answered');
  }

  /** Nothing has to come after a receipt but the end. What came with it waits here, the rest at the worker. */
  #wait({ to }: UnderRelay, what: Waiting): void {
    if (this.#waiting === null) to.link.pause();
    this.#waiting ??= [];
    this.#waiting.push(what);
  }

  #take(under: UnderRelay, part: ServePart, wire: Wire): void {
    if (part.kind === 'refused') {
      if (this.#begun) throw gone('the worker broke the protocol');
      this.#end(part.reason, part.reason === 'BUSY' ? 'busy' : 'undecided');
      return;
    }
    this.#begun = true;
    if (part.kind === 'preface') {
      this.#preface(under.request, part.preface);
      // Until the first frame comes the request may go elsewhere (AIS/1 section 7): the client hears of nobody before.
      this.#run = wire;
      return;
    }
    if (this.#chain === null) throw gone('the worker sent no preface');
    const own = kept(part, wire);
    this.#keep(under, own.part.receipt, own.wire, this.#chain);
  }

  #preface({ headerHash, requestDigest, certificateDigest, dispatch }: RelayedRequest, bytes: Bytes): void {
    const preface = parsePreface(bytes);
    if (
      this.#chain !== null ||
      preface.dispatch !== dispatch ||
      !equalBytes(preface.certificateDigest, certificateDigest)
    ) {
      throw gone('the worker answered another request');
    }
    const { responseNonce } = preface;
    this.#chain = new ResponseChain({ headerHash, requestDigest, certificateDigest, dispatch, responseNonce });
  }

  /** Durable before it is passed on. */
  #keep({ request, to, owner }: UnderRelay, receipt: SignedReceipt, wire: Wire, chain: ResponseChain): void {
    // Only the first is one that the client takes: another might count more.
    if (this.#closed) throw gone('the worker sent a receipt after the last one');
    this.#closed = chain.ended;
    this.#receipts += 1;
    if (this.#receipts > RECEIPTS_MAX) throw gone('the worker signs receipts without end');
    this.#flush();
    this.#keeping = true;
    owner.keepReceipt(receipt, request, to.worker, chain).then(
      (usage) => {
        if (this.#under === null) return;
        this.#usage = usage ?? this.#usage;
        if (!chain.ended) this.#checkpointed = true;
        this.#keeping = false;
        this.#pass(wire);
        this.#goOn(to);
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #goOn({ link }: Taken): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    for (const [i, { part, wire, at }] of waiting?.entries() ?? []) {
      if (part === null) this.frame(wire, at, false);
      else this.part(part, wire);
      if (!this.#keeping) continue;
      // Another receipt: the rest waits on.
      this.#waiting = (waiting as NonNullable<typeof waiting>).slice(i + 1);
      return;
    }
    this.#flush();
    if (this.#ending !== null) this.ended(this.#ending.error);
    else if (waiting !== null && !this.#stalled) link.resume();
  }

  #pass(wire: Wire): void {
    if (!this.#passed) this.#under?.owner.hasBegun();
    this.#passed = true;
    const run = this.#run;
    if (run !== null && run.buffer === wire.buffer && run.byteOffset + run.length === wire.byteOffset) {
      this.#run = Buffer.from(run.buffer as ArrayBuffer, run.byteOffset, run.length + wire.length);
      return;
    }
    this.#flush();
    this.#run = wire;
  }

  #flush(): void {
    const run = this.#run;
    if (!this.#passed) {
      // A preface that waits for its frame, and lies in memory that is its connection's.
      if (run !== null) this.#run = Buffer.from(run);
      return;
    }
    this.#run = null;
    if (run !== null) this.#write(run);
  }

  #write(wire: Wire): void {
    // After the last frame a receipt comes, and the end.
    const mayWait = this.#chain?.ended === true;
    if (this.#answer === null || this.#answer.write(wire, mayWait)) return;
    this.#stalled = true;
    this.#under?.to.link.pause();
  }

  #fail(error: unknown): void {
    if (this.#under === null) return;
    this.#flush();
    const { owner, reject } = this.#under;
    let outcome: Outcome = 'failed';
    const cut = owner.cut.error;
    if (cut !== null) {
      const hadTime =
        !this.#begun && cut.code === 'DEADLINE_EXCEEDED' && this.#now() - this.#startedAt >= this.#times.fairTrialMs;
      if (!hadTime) outcome = 'undecided';
    }
    this.#finish(outcome);
    reject(error);
  }

  #end(ended: Ended, outcome: Outcome): void {
    const under = this.#under;
    this.#finish(outcome);
    under?.resolve(ended);
  }

  #finish(outcome: Outcome): void {
    if (this.#under === null) return;
    const { to, owner } = this.#under;
    this.#under = null;
    this.#answer = null;
    this.#uncut?.();
    to.slot.finish(outcome, this.#usage);
    if (this.#begun) owner.served(to.worker, this.#startedAt);
    if (outcome !== 'answered') to.link.cancel();
  }
}

/** What came behind a receipt, in memory of its own. @property part null for a frame, which begins at `at` */
type Waiting = Readonly<{ part: ServePart | null; wire: Wire; at: number }>;

const gone = (message: string) => new CodedError('WORKER_GONE', message);

/** A part and its wire are views that end with the call that brought them: both in memory of their own. */
function kept<Part extends ServePart>(part: Part, wire: Wire): { part: Part; wire: Wire } {
  const own = Buffer.from(wire);
  const at = (bytes: Bytes): Bytes =>
    new Uint8Array(own.buffer, own.byteOffset + bytes.byteOffset - wire.byteOffset, bytes.length);
  switch (part.kind) {
    case 'preface':
      return { part: { ...part, preface: at(part.preface) }, wire: own };
    case 'receipt': {
      const { receipt, signature } = part.receipt;
      return { part: { ...part, receipt: { receipt: at(receipt), signature: at(signature) } }, wire: own };
    }
    default:
      return { part, wire: own };
  }
}
