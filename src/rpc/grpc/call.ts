import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import { TLSSocket } from 'node:tls';
import { asCodedError, CodedError, type UnixMs } from '../../core/index.ts';
import { statusOf } from '../status.ts';
import { isOneMessage, MessageReader } from './framing.ts';

/** What a call's owner wants to hear. After `gone` or an `end` of its own nothing comes any more. */
export type CallListener = Readonly<{
  /**
   * One message, its prefix in front: `whole.subarray(PREFIX_BYTES)` is the message. A view: copy what is kept.
   * @param isAlone nothing came with it; after messages that came together `pieceEnd` is told
   */
  message(whole: Buffer, isAlone: boolean): void;
  /** The last of the messages that came together has been told: what was gathered may go on. */
  pieceEnd?(): void;
  /** The peer half-closed, after a whole message. */
  halfClosed(): void;
  /** The peer reset the stream, the connection is lost, or it broke the framing. */
  gone(error: CodedError): void;
  /** After `write` has answered false: there is room again. */
  drained?(): void;
}>;

/** Takes over a call at once: it has to `listen` before it returns. */
export type CallHandler = (call: Call) => void;

const TIMEOUT_UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** When the peer gives up, or infinity. @throws CodedError REQUEST_MALFORMED */
export function deadlineOf(timeout: string | string[] | undefined, now: UnixMs): UnixMs {
  if (timeout === undefined) return Number.POSITIVE_INFINITY;
  const [, digits, unit] = (typeof timeout === 'string' && /^(\d{1,8})([HMSmun])$/.exec(timeout)) || [];
  if (digits === undefined || unit === undefined)
    throw new CodedError('REQUEST_MALFORMED', 'a grpc-timeout of no form');
  return now + Number(digits) * (TIMEOUT_UNIT_MS[unit] as number);
}

const HEADERS = [':status', '200', 'content-type', 'application/grpc+proto', 'grpc-accept-encoding', 'identity'];
const ANSWER = { waitForTrailers: true, sendDate: false };
const REFUSAL = { endStream: true, sendDate: false };
const STATUS_OK: Readonly<Record<string, string>> = { 'grpc-status': '0' };

/**
 * Node throws where a peer has reset the stream a moment ago, before anybody could be told. Its `close` says the same,
 * to those who need to know.
 */
export function ifAlive(stream: ServerHttp2Stream, act: () => void): void {
  if (stream.destroyed || stream.closed) return;
  try {
    act();
  } catch (error) {
    if (!stream.destroyed && !stream.closed) throw error;
  }
}

/** Time that a peer has to end its side of a call that is over. */
const LEAVE_MS = 1_000;

/**
 * Reads no more of a peer that still sends. Well-behaved ones end their side when they see the status; the others are
 * reset (RFC 9113 8.1). Not at once: a client may drop a status that a reset follows closely.
 */
export function leave(stream: ServerHttp2Stream): void {
  stream.resume();
  const timer = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), LEAVE_MS);
  stream.once('close', () => clearTimeout(timer));
}

/**
 * What may wait leaves at the end of this round of the event loop: the last messages of an answer and its end go out
 * together, and so do requests that came together. Under load that saves a write each; else it costs nothing to speak of.
 */
export class Outbox {
  #calls: Call[] = [];
  readonly #flush = (): void => {
    const calls = this.#calls;
    this.#calls = [];
    for (const call of calls) call.flush();
  };

  add(call: Call): void {
    if (this.#calls.push(call) === 1) setImmediate(this.#flush);
  }
}

const CALL = Symbol('call');
/** A stream knows its call, so that all streams have the same listeners: nothing is made for a stream but its call. */
type CallStream = ServerHttp2Stream & { [CALL]: Call };

/** One gRPC call as its server has it: messages as bytes, with HTTP/2's flow control in both directions. */
export class Call {
  // What each message asks for stands together: with many calls open, none of it is in the processor's cache.
  readonly #stream: CallStream;
  /** Null once the call is over: a stream is long in going, and what hangs on it would be as long. */
  #listener: CallListener | null = null;
  readonly #messageBytesMax: number;
  /** Null where no message is in the middle. */
  #reader: MessageReader | null = null;
  #over = false;
  /** Its headers are sent. */
  #begun = false;
  #isInOutbox = false;
  #isFull = false;
  readonly #outbox: Outbox;
  #status: Readonly<Record<string, string>> | null = null;
  readonly deadline: UnixMs;
  /** Of W3C Trace Context, as it came. */
  readonly traceparent: string | null;

  static readonly #onData = function (this: CallStream, piece: Buffer): void {
    this[CALL].#take(piece);
    // Asked for here, more needs no tick of its own.
    if (this.readableFlowing === true && this.readableLength === 0) this.read(0);
  };
  static readonly #onEnd = function (this: CallStream): void {
    this[CALL].#halfClosed();
  };
  static readonly #onClose = function (this: CallStream): void {
    this[CALL].#lost();
  };
  static readonly #onDrain = function (this: CallStream): void {
    this[CALL].#isFull = false;
    this[CALL].#listener?.drained?.();
  };
  static readonly #onWantTrailers = function (this: CallStream): void {
    ifAlive(this, () => this.sendTrailers(this[CALL].#status ?? {}));
  };

  /** @throws CodedError REQUEST_MALFORMED for headers that are not gRPC's */
  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    { messageBytesMax, outbox, now }: Readonly<{ messageBytesMax: number; outbox: Outbox; now: UnixMs }>,
  ) {
    this.deadline = deadlineOf(headers['grpc-timeout'], now);
    this.traceparent = typeof headers.traceparent === 'string' ? headers.traceparent : null;
    this.#stream = Object.assign(stream, { [CALL]: this });
    this.#messageBytesMax = messageBytesMax;
    this.#outbox = outbox;
  }

  /** Set once, at once. */
  listen(listener: CallListener): void {
    const stream = this.#stream;
    this.#listener = listener;
    stream.on('data', Call.#onData).on('end', Call.#onEnd).on('close', Call.#onClose);
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** What the peer showed in the TLS handshake; null without. Whether it is good for anything is not checked here. */
  get peerCertificate(): Readonly<{ raw: Buffer }> | null {
    const socket = this.#stream.session?.socket;
    if (!(socket instanceof TLSSocket)) return null;
    const { raw } = socket.getPeerCertificate();
    return raw === undefined ? null : { raw };
  }

  /** Bytes that the peer has not taken yet. */
  get waitingBytes(): number {
    return this.#stream.writableLength;
  }

  /**
   * @param bytes whole messages, prefixes included
   * @param mayWait to the end of this round of the event loop
   * @returns false where no more should be written until `drained`
   */
  write(bytes: Uint8Array, mayWait = false): boolean {
    if (this.#over) return true;
    const stream = this.#stream;
    if (!this.#begun) {
      this.#begun = true;
      stream.on('wantTrailers', Call.#onWantTrailers);
      ifAlive(stream, () => stream.respond(HEADERS, ANSWER));
    }
    if (mayWait && !this.#isInOutbox) {
      this.#isInOutbox = true;
      stream.cork();
      this.#outbox.add(this);
    }
    const hasRoom = stream.write(bytes);
    if (!hasRoom && !this.#isFull) {
      this.#isFull = true;
      stream.once('drain', Call.#onDrain);
    }
    return hasRoom;
  }

  /** Lets go what was written. */
  flush(): void {
    this.#isInOutbox = false;
    this.#stream.uncork();
  }

  /** Stops reading: once its window is full, the peer waits. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** Ends the call. @param error what went wrong; null for OK */
  end(error: unknown = null): void {
    if (this.#over) return;
    this.#over = true;
    this.#listener = null;
    const stream = this.#stream;
    this.#status = error === null ? STATUS_OK : statusOf(error);
    if (this.#begun) stream.end();
    else {
      const headers = { ':status': 200, 'content-type': 'application/grpc+proto', ...this.#status };
      ifAlive(stream, () => stream.respond(headers, REFUSAL));
    }
    if (!stream.readableEnded && !stream.destroyed) leave(stream);
  }

  #take(piece: Buffer): void {
    const listener = this.#listener;
    if (listener === null) return;
    try {
      if (this.#reader === null && isOneMessage(piece, this.#messageBytesMax)) listener.message(piece, true);
      else this.#cut(piece);
    } catch (error) {
      this.#break(error);
    }
  }

  #cut(piece: Buffer): void {
    this.#reader ??= new MessageReader(this.#messageBytesMax);
    this.#reader.push(piece, (whole) => this.#listener?.message(whole, false));
    if (this.#reader.isAtBorder) this.#reader = null;
    this.#listener?.pieceEnd?.();
  }

  #halfClosed(): void {
    if (this.#over) return;
    if (this.#reader === null) this.#listener?.halfClosed();
    else this.#break(new CodedError('REQUEST_MALFORMED', 'the stream ended within a message'));
  }

  #break(error: unknown): void {
    const listener = this.#listener;
    this.end(error);
    listener?.gone(asCodedError(error));
  }

  #lost(): void {
    if (this.#over) return;
    this.#over = true;
    const listener = this.#listener;
    this.#listener = null;
    listener?.gone(new CodedError('REQUEST_CANCELLED', 'the peer is gone'));
  }
}
