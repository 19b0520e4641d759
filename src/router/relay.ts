import { type Bytes, CodedError, equalBytes, type UnixMs } from '../core/index.ts';
import { type OpenRefusal, parsePreface, ResponseChain, type ServeOpen, type SignedReceipt } from '../session/index.ts';
import type { Cut } from './cut.ts';
import type { FromServe, ServeListener, Wire } from './links.ts';
import type { Taken } from './placing.ts';
import type { Outcome, Usage } from './routing/index.ts';

export type RelayTimes = Readonly<{
  /** A worker that has not begun to answer by then is passed over. */
  firstPartMs: number;
  /** A deadline that ends a request says something of the worker only if it had at least this long. */
  fairTrialMs: number;
}>;

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

export type RelayDeps = Readonly<{
  now: () => UnixMs;
  times: RelayTimes;
  cut: Cut;
  /** Checks a receipt and stores it; resolves once it is durable. @throws CodedError RECEIPT_REFUSED */
  keepReceipt: (receipt: SignedReceipt, chain: ResponseChain) => Promise<Usage | null>;
  client: Readonly<{ write(wire: Wire): boolean }>;
  /** Something of an answer goes to the client: the request is not tried elsewhere any more. */
  begun: () => void;
  firstFrame: () => void;
  /** It began to answer, and ended. */
  served: (startedAt: UnixMs) => void;
}>;

type Ended = 'answered' | OpenRefusal;

/**
 * Passes one worker's answer on as it comes. It computes the chain over the frames that it carries, and holds a receipt
 * back until it is stored; the frames themselves are neither opened nor made anew.
 */
export class Relay implements ServeListener {
  readonly #request: RelayedRequest;
  readonly #to: Taken;
  readonly #deps: RelayDeps;
  readonly #startedAt: UnixMs;
  #chain: ResponseChain | null = null;
  #begun = false;
  #passed = false;
  #firstFrame = false;
  /** Messages that follow each other in memory, to be written at once. */
  #run: Uint8Array | null = null;
  /** A receipt is being stored: what comes after it waits. */
  #keeping = false;
  #waiting: { part: FromServe; wire: Wire }[] = [];
  #ending: { error: CodedError | null } | null = null;
  #usage: Usage | null = null;
  #stalled = false;
  #tooSlow: NodeJS.Timeout | null = null;
  #uncut: () => void = () => undefined;
  #settle: ((error: unknown, ended: Ended | null) => void) | null = null;

  constructor(request: RelayedRequest, to: Taken, deps: RelayDeps) {
    this.#request = request;
    this.#to = to;
    this.#deps = deps;
    this.#startedAt = deps.now();
  }

  /** Resolves when the answer has ended; throws CodedError where it broke, by the cut at the latest. */
  run(): Promise<Ended> {
    const { cut, times } = this.#deps;
    if (cut.error !== null) {
      this.#to.giveBack();
      return Promise.reject(cut.error);
    }
    return new Promise((resolve, reject) => {
      this.#settle = (error, ended) => (ended === null ? reject(error) : resolve(ended));
      this.#uncut = cut.on(() => this.#fail(cut.error as CodedError));
      this.#tooSlow = setTimeout(() => this.#fail(gone('the worker did not begin in time')), times.firstPartMs);
      const { open, frames, dispatch, signature } = this.#request;
      this.#to.link.begin({ open, frames, dispatch, signature }, this);
    });
  }

  /** The client wants no more. A worker that is gone shows in its parts. */
  stop(): void {
    this.#to.link.stop();
  }

  /** The client reads again. */
  drained(): void {
    this.#stalled = false;
    if (!this.#keeping) this.#to.link.resume();
  }

  part(part: FromServe, wire: Wire): void {
    if (this.#settle === null) return;
    if (this.#keeping) {
      this.#waiting.push({ part: copied(part), wire: Uint8Array.from(wire) });
      return;
    }
    try {
      this.#take(part, wire);
    } catch (error) {
      this.#fail(error);
    }
  }

  pieceEnd(): void {
    this.#flush();
  }

  ended(error: CodedError | null): void {
    if (this.#settle === null) return;
    if (this.#keeping) {
      this.#ending = { error };
      return;
    }
    this.#flush();
    if (error !== null) this.#fail(error);
    else if (this.#chain?.ended !== true) this.#fail(gone('the worker cut its answer'));
    else this.#end('answered', 'answered');
  }

  #take(part: FromServe, wire: Wire): void {
    if (part.kind === 'refused') {
      if (this.#begun) throw gone('the worker broke the protocol');
      this.#end(part.reason, part.reason === 'BUSY' ? 'busy' : 'undecided');
      return;
    }
    if (!this.#begun) this.#begin();
    if (part.kind === 'preface') this.#preface(part.preface);
    else if (this.#chain === null) throw gone('the worker sent no preface');
    else if (part.kind === 'frame') {
      this.#chain.push(part.frame);
      if (!this.#firstFrame) {
        this.#firstFrame = true;
        this.#deps.firstFrame();
      }
    } else {
      this.#keep(copied(part).receipt, Uint8Array.from(wire), this.#chain);
      return;
    }
    this.#pass(wire);
  }

  #begin(): void {
    this.#begun = true;
    if (this.#tooSlow !== null) clearTimeout(this.#tooSlow);
    this.#to.slot.firstPart();
  }

  #preface(bytes: Bytes): void {
    const preface = parsePreface(bytes);
    const { headerHash, requestDigest, certificateDigest, dispatch } = this.#request;
    if (
      this.#chain !== null ||
      preface.dispatch !== dispatch ||
      !equalBytes(preface.certificateDigest, certificateDigest)
    ) {
      throw gone('the worker answered another request');
    }
    this.#chain = new ResponseChain({ headerHash, requestDigest, ...preface });
  }

  /** Durable before it is passed on. */
  #keep(receipt: SignedReceipt, wire: Wire, chain: ResponseChain): void {
    this.#flush();
    this.#keeping = true;
    this.#to.link.pause();
    this.#deps.keepReceipt(receipt, chain).then(
      (usage) => {
        if (this.#settle === null) return;
        this.#usage = usage ?? this.#usage;
        this.#keeping = false;
        this.#pass(wire);
        this.#flush();
        this.#goOn();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #goOn(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      this.part(next.part, next.wire);
      if (this.#keeping) return;
    }
    this.#flush();
    if (this.#ending !== null) this.ended(this.#ending.error);
    else if (!this.#stalled) this.#to.link.resume();
  }

  #pass(wire: Wire): void {
    if (!this.#passed) this.#deps.begun();
    this.#passed = true;
    const run = this.#run;
    if (run !== null && run.buffer === wire.buffer && run.byteOffset + run.length === wire.byteOffset) {
      this.#run = new Uint8Array(run.buffer, run.byteOffset, run.length + wire.length);
      return;
    }
    this.#flush();
    this.#run = wire;
  }

  #flush(): void {
    const run = this.#run;
    this.#run = null;
    if (run === null || this.#deps.client.write(run)) return;
    this.#stalled = true;
    this.#to.link.pause();
  }

  #fail(error: unknown): void {
    if (this.#settle === null) return;
    this.#flush();
    const { cut, now, times } = this.#deps;
    let outcome: Outcome = 'failed';
    if (cut.error !== null) {
      const hadTime =
        !this.#begun && cut.error.code === 'DEADLINE_EXCEEDED' && now() - this.#startedAt >= times.fairTrialMs;
      if (!hadTime) outcome = 'undecided';
    }
    const settle = this.#settle;
    this.#finish(outcome);
    settle(error, null);
  }

  #end(ended: Ended, outcome: Outcome): void {
    const settle = this.#settle;
    this.#finish(outcome);
    settle?.(null, ended);
  }

  #finish(outcome: Outcome): void {
    this.#settle = null;
    this.#uncut();
    if (this.#tooSlow !== null) clearTimeout(this.#tooSlow);
    this.#to.slot.finish(outcome, this.#usage);
    if (this.#begun) this.#deps.served(this.#startedAt);
    if (outcome !== 'answered') this.#to.link.cancel();
  }
}

const gone = (message: string) => new CodedError('WORKER_GONE', message);

/** Parts are views that end with the call that brought them. */
function copied<Part extends FromServe>(part: Part): Part {
  switch (part.kind) {
    case 'preface':
      return { ...part, preface: Uint8Array.from(part.preface) };
    case 'frame':
      return { ...part, frame: Uint8Array.from(part.frame) };
    case 'receipt': {
      const { receipt, signature } = part.receipt;
      return { ...part, receipt: { receipt: Uint8Array.from(receipt), signature: Uint8Array.from(signature) } };
    }
    default:
      return part;
  }
}
