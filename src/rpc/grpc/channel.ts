import http2 from 'node:http2';
import type { SecureContext } from 'node:tls';
import { type Clock, CodedError, type ErrorCode, type UnixMs } from '../../core/index.ts';
import { fromStatus } from '../status.ts';
import { MessageReader } from './framing.ts';
import { keepAlive } from './keep-alive.ts';

/** The other end of a connection. @property tls null for one that is not encrypted */
export type ChannelDoor = Readonly<{ address: string; tls: SecureContext | null }>;

export type ChannelLimits = Readonly<{
  messageBytesMax: number;
  /** Header names and values of one stream, as HTTP/2 counts them. */
  metadataBytesMax: number;
  /** Of the connection, its streams and what waits on them included. */
  connectionMiBMax: number;
  /** A peer that answers no PING for this long is gone. */
  keepaliveMs: number;
}>;

/** What whoever opened a stream wants to hear. */
export type StreamListener = Readonly<{
  /** One message, its prefix in front: `whole.subarray(PREFIX_BYTES)` is the message. A view: copy what is kept. */
  message(whole: Buffer): void;
  /** Once, and nothing after it. @param error null for OK */
  ended(error: CodedError | null): void;
  /** After `write` has answered false: there is room again. */
  drained?(): void;
}>;

/** Before it is of no use: a peer ends streams on which nothing is said for half a minute. */
const READY_MS = 25_000;

/** A stream that was opened beforehand. @property drop closes it */
type Ready = Readonly<{ stream: http2.ClientHttp2Stream; drop: () => void; forget: () => void }>;

type Connection = { readonly session: http2.ClientHttp2Session; streams: number };

/**
 * One peer's connection as a gRPC client has it, over node:http2: made when it is first needed, and anew after it was
 * lost. A stream is told of what comes by plain calls, so that a request's way to a worker has no wait but the network's.
 */
export class GrpcChannel {
  readonly #url: string;
  readonly #options: http2.SecureClientSessionOptions;
  readonly #limits: ChannelLimits;
  readonly #unreachable: ErrorCode;
  readonly #now: Clock;
  #connection: Connection | null = null;
  /** What a connection was lost for last. */
  #broke: unknown;
  #closed = false;
  /** By path. */
  readonly #ready = new Map<string, Ready>();

  /**
   * @param unreachable code for a peer that is lost, or speaks no gRPC
   * @throws CodedError CONFIG_INVALID for an address that is not `host:port`
   */
  constructor(door: ChannelDoor, limits: ChannelLimits, unreachable: ErrorCode, now: Clock) {
    const { address, tls } = door;
    const url = `${tls === null ? 'http' : 'https'}://${address}`;
    if (!/^(\[[0-9a-fA-F:.]+\]|[^/:@?#\s]+):\d{1,5}$/.test(address) || !URL.canParse(url)) {
      throw new CodedError('CONFIG_INVALID', 'an address is host:port');
    }
    this.#url = url;
    this.#options = {
      settings: { enablePush: false, maxHeaderListSize: limits.metadataBytesMax },
      maxSessionMemory: limits.connectionMiBMax,
      ...(tls === null ? {} : { secureContext: tls, minVersion: 'TLSv1.3' as const }),
    };
    this.#limits = limits;
    this.#unreachable = unreachable;
    this.#now = now;
  }

  /** Opens a stream. What goes wrong later than this call is told to the listener. @throws CodedError after {@link close} */
  open(
    path: string,
    deadline: UnixMs | null,
    listener: StreamListener,
    metadata: Readonly<Record<string, string>> = {},
  ): ClientStream {
    const connection = this.#connected();
    const { session } = connection;
    const leftMs = deadline === null ? null : Math.max(1, Math.ceil(deadline - this.#now()));
    const timeout = leftMs === null ? {} : { 'grpc-timeout': timeoutOf(leftMs) };
    const stream =
      this.#takeReady(session, path, metadata) ??
      this.#request(session, { ...headersOf(path), ...timeout, ...metadata });
    if (connection.streams++ === 0) session.ref();
    stream.once('close', () => {
      if (--connection.streams === 0 && !session.destroyed) session.unref();
    });
    return new ClientStream(stream, listener, {
      unreachable: this.#unreachable,
      messageBytesMax: this.#limits.messageBytesMax,
      leftMs,
      broke: () => this.#broke,
    });
  }

  /**
   * Opens a stream for the next call of this method that has no metadata, where a connection is there: opening it is a
   * good part of a short message's way. The peer hears of no deadline, so this is for methods whose messages say it.
   */
  makeReady(path: string): void {
    const session = this.#connection?.session;
    if (session === undefined || session.closed || session.destroyed || this.#closed || this.#ready.has(path)) return;
    const stream = ifTaken(() => session.request(headersOf(path)));
    if (stream === null) return;
    const forget = () => {
      clearTimeout(timer);
      stream.off('response', drop).off('close', drop);
      session.off('goaway', drop);
      this.#ready.delete(path);
    };
    const drop = () => {
      forget();
      stream.close(http2.constants.NGHTTP2_CANCEL);
    };
    const timer = setTimeout(drop, READY_MS).unref();
    // Whatever breaks it shows in its `close`; a peer that answers nothing, or leaves, wants no more of it.
    stream.on('error', () => undefined);
    stream.on('response', drop).on('close', drop);
    session.on('goaway', drop);
    this.#ready.set(path, { stream, drop, forget });
  }

  #takeReady(session: http2.ClientHttp2Session, path: string, metadata: object): http2.ClientHttp2Stream | null {
    const ready = this.#ready.get(path);
    if (ready?.stream.session !== session || ready.stream.closed || Object.keys(metadata).length > 0) return null;
    ready.forget();
    return ready.stream;
  }

  /** Opens no more streams; those that are open go on to their end. */
  close(): void {
    this.#closed = true;
    for (const { drop } of [...this.#ready.values()]) drop();
    this.#connection?.session.close();
  }

  #request(session: http2.ClientHttp2Session, headers: http2.OutgoingHttpHeaders): http2.ClientHttp2Stream {
    try {
      return session.request(headers);
    } catch (cause) {
      // Its stream numbers are used up, say: the next one gets another connection.
      session.close();
      throw new CodedError(this.#unreachable, 'the connection takes no more streams', {}, { cause });
    }
  }

  #connected(): Connection {
    const known = this.#connection;
    if (known !== null && !known.session.closed && !known.session.destroyed) return known;
    if (this.#closed) throw new CodedError(this.#unreachable, 'the connection is closed');
    const session = http2.connect(this.#url, this.#options);
    const connection = { session, streams: 0 };
    this.#connection = connection;
    // It keeps no process alive that has nothing under way.
    session.unref();
    session.on('error', (error) => {
      this.#broke = error;
    });
    keepAlive(session, this.#limits.keepaliveMs);
    session.once('close', () => {
      if (this.#connection === connection) this.#connection = null;
    });
    return connection;
  }
}

/** Null where a connection takes no more streams: whoever calls next is told. */
function ifTaken(open: () => http2.ClientHttp2Stream): http2.ClientHttp2Stream | null {
  try {
    return open();
  } catch {
    return null;
  }
}

function headersOf(path: string): http2.OutgoingHttpHeaders {
  return { ':method': 'POST', ':path': path, 'content-type': 'application/grpc+proto', te: 'trailers' };
}

/** At most eight digits and a unit, as gRPC asks. */
function timeoutOf(ms: number): string {
  return ms < 1e8 ? `${ms}m` : `${Math.min(99_999_999, Math.ceil(ms / 1000))}S`;
}

const TIMER_MS_MAX = 2 ** 31 - 1;
type Terms = Readonly<{
  unreachable: ErrorCode;
  messageBytesMax: number;
  leftMs: number | null;
  broke: () => unknown;
}>;

/** One call, from its headers to its status. */
export class ClientStream {
  readonly #stream: http2.ClientHttp2Stream;
  readonly #listener: StreamListener;
  readonly #reader: MessageReader;
  readonly #terms: Terms;
  readonly #late: NodeJS.Timeout | null;
  #status: http2.IncomingHttpHeaders | null = null;
  #over = false;

  constructor(stream: http2.ClientHttp2Stream, listener: StreamListener, terms: Terms) {
    this.#stream = stream;
    this.#listener = listener;
    this.#reader = new MessageReader(terms.messageBytesMax);
    this.#terms = terms;
    const late = () => this.#fail(new CodedError('DEADLINE_EXCEEDED', 'no answer before the deadline'));
    this.#late = terms.leftMs === null ? null : setTimeout(late, Math.min(terms.leftMs, TIMER_MS_MAX));
    // Where the connection broke, what for is told a moment after its streams have closed.
    const finishSoon = () => this.#over || setImmediate(() => this.#finish());
    stream.on('response', (headers) => this.#begin(headers));
    stream.on('trailers', (headers) => {
      this.#status = headers;
    });
    stream.on('data', (piece: Buffer) => this.#take(piece));
    stream.on('end', () => (this.#status === null ? finishSoon() : this.#finish()));
    // Whatever breaks it shows in its `close`.
    stream.on('error', () => undefined);
    stream.on('close', finishSoon);
    stream.on('drain', () => this.#over || this.#listener.drained?.());
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** Bytes that the peer has not taken yet. */
  get waitingBytes(): number {
    return this.#stream.writableLength;
  }

  /** @param bytes whole messages, prefixes included @returns false where no more should be written until `drained` */
  write(bytes: Uint8Array): boolean {
    if (this.#over || this.#stream.destroyed || this.#stream.writableEnded) return true;
    return this.#stream.write(bytes);
  }

  /** Half-closes: the peer hears that nothing more is asked. */
  halfClose(): void {
    if (!this.#stream.destroyed && !this.#stream.writableEnded) this.#stream.end();
  }

  /** Stops reading: once its window is full, the peer waits. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** Ends the call, unless it has ended. The listener hears REQUEST_CANCELLED. */
  cancel(): void {
    this.#fail(new CodedError('REQUEST_CANCELLED', 'the request was cancelled'));
  }

  #begin(headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader): void {
    const status = headers[':status'];
    if (status !== 200 || !/^application\/grpc(\+proto)?($|;)/.test(headers['content-type'] ?? '')) {
      this.#fail(new CodedError(this.#terms.unreachable, `the peer speaks no gRPC (HTTP ${status})`));
    } else if (headers['grpc-status'] !== undefined) this.#status = headers;
  }

  #take(piece: Buffer): void {
    if (this.#over) return;
    try {
      this.#reader.push(piece, (whole) => {
        if (!this.#over) this.#listener.message(whole);
      });
    } catch (cause) {
      this.#fail(new CodedError(this.#terms.unreachable, 'the peer broke the protocol', {}, { cause }));
    }
  }

  /** The peer has ended the stream, or it is lost. */
  #finish(): void {
    if (this.#over) return;
    if (this.#status !== null && this.#reader.isAtBorder) {
      this.#end(fromStatus(this.#status, this.#terms.unreachable));
      this.halfClose();
    } else {
      const cause = this.#terms.broke();
      const why = (cause as NodeJS.ErrnoException | undefined)?.code ?? `HTTP/2 code ${this.#stream.rstCode}`;
      this.#fail(new CodedError(this.#terms.unreachable, `the connection to the peer failed (${why})`, {}, { cause }));
    }
  }

  #fail(error: CodedError): void {
    if (this.#over) return;
    this.#end(error);
    if (!this.#stream.destroyed) this.#stream.close(http2.constants.NGHTTP2_CANCEL);
  }

  #end(error: CodedError | null): void {
    this.#over = true;
    if (this.#late !== null) clearTimeout(this.#late);
    // Whatever still comes is read and forgotten, so that the stream can end.
    this.#stream.resume();
    this.#listener.ended(error);
  }
}
