import { EventEmitter } from 'node:events';
import http2 from 'node:http2';
import type { TlsOptions } from 'node:tls';
import {
  Metadata,
  type MethodDefinition,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { type Clock, CodedError } from '../../core/index.ts';
import { statusOf } from '../status.ts';
import { Call, type CallHandler, ifAlive, leave, Outbox } from './call.ts';
import { framed, PREFIX_BYTES } from './framing.ts';
import { keepAlive } from './keep-alive.ts';

export type GrpcLimits = Readonly<{
  messageBytesMax: number;
  /** Header names and values of one stream, as HTTP/2 counts them. */
  metadataBytesMax: number;
  connectionsMax: number;
  /** Streams open at the same time on one connection. */
  streamsMax: number;
  /** Of one connection, its streams and what waits on them included; beyond it streams are refused. */
  connectionMiBMax: number;
  /** A peer that answers no PING for this long is gone. */
  keepaliveMs: number;
}>;

/**
 * The gRPC wire over node:http2, for the listener that carries answers: no message is parsed that need not be, and
 * flow control reaches from end to end. It takes uncompressed messages, and every stock client speaks to it. Services
 * written for grpc-js are served too, with the part of its interface that those use here.
 */
export class GrpcServer {
  readonly #handlers = new Map<string, CallHandler>();
  readonly #sessions = new Set<http2.ServerHttp2Session>();
  readonly #outbox = new Outbox();
  readonly #limits: GrpcLimits;
  readonly #now: Clock;
  #server: http2.Http2Server | http2.Http2SecureServer | null = null;
  #closed: Promise<void> | null = null;

  constructor(limits: GrpcLimits, now: Clock) {
    this.#limits = limits;
    this.#now = now;
  }

  handle(path: string, handler: CallHandler): void {
    this.#handlers.set(path, handler);
  }

  /** As grpc-js has it. */
  addService(service: ServiceDefinition, implementation: UntypedServiceImplementation): void {
    for (const [name, method] of Object.entries(service)) {
      const own = implementation[name] ?? implementation[method.originalName ?? ''];
      if (own === undefined) continue;
      const isUnary = !method.requestStream && !method.responseStream;
      this.handle(
        method.path,
        isUnary ? unaryHandler(method, own as UnaryOwn) : streamHandler(method, own as StreamOwn),
      );
    }
  }

  /** @throws CodedError PORT_IN_USE @returns the port bound */
  listen(options: Readonly<{ host: string; port: number; tls: TlsOptions | null }>): Promise<number> {
    const { metadataBytesMax, streamsMax, connectionsMax, connectionMiBMax: maxSessionMemory } = this.#limits;
    const settings = { maxHeaderListSize: metadataBytesMax, maxConcurrentStreams: streamsMax, enablePush: false };
    const server =
      options.tls === null
        ? http2.createServer({ settings, maxSessionMemory })
        : http2.createSecureServer({ settings, maxSessionMemory, allowHTTP1: false, ...options.tls });
    this.#server = server;
    server.maxConnections = connectionsMax;
    server.on('session', (session) => this.#keep(session));
    server.on('stream', (stream, headers) => this.#open(stream as http2.ServerHttp2Stream, headers));
    // A connection that breaks is its peer's affair.
    server.on('sessionError', () => undefined);
    return new Promise((resolve, reject) => {
      const { host, port } = options;
      server.once('error', () => reject(new CodedError('PORT_IN_USE', `${host}:${port} cannot be bound`, { port })));
      server.listen(port, host, () => {
        server.on('error', () => undefined);
        resolve((server.address() as { port: number }).port);
      });
    });
  }

  /** Takes no new connections and streams; resolves when all that are open have ended. */
  drain(): Promise<void> {
    const server = this.#server;
    this.#closed ??= server === null ? Promise.resolve() : new Promise((resolve) => server.close(() => resolve()));
    for (const session of this.#sessions) session.close();
    return this.#closed;
  }

  /** Takes no new streams, lets those under way end for so long, then cuts them. */
  async close(graceMs: number): Promise<void> {
    const closed = this.drain();
    const kill = setTimeout(() => {
      for (const session of this.#sessions) session.destroy();
    }, graceMs);
    await closed;
    clearTimeout(kill);
  }

  #keep(session: http2.ServerHttp2Session): void {
    this.#sessions.add(session);
    keepAlive(session, this.#limits.keepaliveMs);
    session.on('error', () => undefined);
    session.once('close', () => this.#sessions.delete(session));
  }

  #open(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
    // Whatever breaks a stream shows in its `close`.
    stream.on('error', nothing);
    if (headers[':method'] !== 'POST') {
      refuse(stream, 405);
      return;
    }
    if (!/^application\/grpc(\+proto)?($|;)/.test(headers['content-type'] ?? '')) {
      refuse(stream, 415);
      return;
    }
    const { messageBytesMax } = this.#limits;
    try {
      const call = new Call(stream, headers, { messageBytesMax, outbox: this.#outbox, now: this.#now() });
      const encoding = headers['grpc-encoding'];
      const handler = this.#handlers.get(headers[':path'] ?? '');
      if (encoding !== undefined && encoding !== 'identity') {
        call.end(new CodedError('REQUEST_UNSUPPORTED', 'compressed messages are not taken'));
      } else if (handler === undefined) call.end(new CodedError('REQUEST_UNSUPPORTED', 'no such method'));
      else handler(call);
    } catch (error) {
      const answer = { ':status': 200, 'content-type': 'application/grpc+proto', ...statusOf(error) };
      ifAlive(stream, () => stream.respond(answer, { endStream: true }));
      leave(stream);
    }
  }
}

const nothing = (): void => undefined;

function refuse(stream: http2.ServerHttp2Stream, status: number): void {
  ifAlive(stream, () => stream.respond({ ':status': status }, { endStream: true }));
  leave(stream);
}

type AnyMethod = MethodDefinition<unknown, unknown>;
type UnaryOwn = (call: object, callback: (error: unknown, value?: unknown) => void) => void;
type StreamOwn = (call: EventEmitter) => void;

function unaryHandler(method: AnyMethod, own: UnaryOwn): CallHandler {
  return (call) => {
    let request: Buffer | null = null;
    const surface = Object.assign(new EventEmitter(), {
      request: null as unknown,
      cancelled: false,
      metadata: new Metadata(),
      getDeadline: () => call.deadline,
      getAuthContext: () => ({ sslPeerCertificate: call.peerCertificate }),
    });
    call.listen({
      message: (whole) => {
        if (request !== null) call.end(new CodedError('REQUEST_MALFORMED', 'one message too many'));
        request = Buffer.from(whole.subarray(PREFIX_BYTES));
      },
      halfClosed: () => {
        if (request === null) return call.end(new CodedError('REQUEST_MALFORMED', 'a call without its message'));
        const parsed = deserialized(method, request);
        if (parsed === null) return call.end(new CodedError('REQUEST_MALFORMED', 'a message that is no protobuf'));
        surface.request = parsed;
        own(surface, (error, value) => {
          if (error) return call.end(error);
          call.write(framed(method.responseSerialize(value)));
          call.end();
        });
      },
      gone: () => {
        surface.cancelled = true;
        surface.emit('cancelled', 'cancelled');
      },
    });
  };
}

/** Bytes of answers that wait for a peer which does not read; beyond it the stream is cut. */
const WAITING_BYTES_MAX = 1024 * 1024;

function streamHandler(method: AnyMethod, own: StreamOwn): CallHandler {
  return (call) => {
    const surface = Object.assign(new EventEmitter(), {
      request: null as unknown,
      metadata: new Metadata(),
      write: (value: unknown): boolean => {
        if (call.waitingBytes > WAITING_BYTES_MAX)
          call.end(new CodedError('TOO_MANY_REQUESTS', 'nobody reads the answers'));
        return call.write(framed(method.responseSerialize(value)));
      },
      end: () => call.end(),
    });
    call.listen({
      message: (whole) => {
        const parsed = deserialized(method, Buffer.from(whole.subarray(PREFIX_BYTES)));
        if (parsed === null) return call.end(new CodedError('REQUEST_MALFORMED', 'a message that is no protobuf'));
        if (method.requestStream) surface.emit('data', parsed);
        else {
          surface.request = parsed;
          own(surface);
        }
      },
      halfClosed: () => void surface.emit('end'),
      gone: () => void surface.emit('cancelled', 'cancelled'),
    });
    surface.on('error', (error) => call.end(error));
    if (method.requestStream) own(surface);
  };
}

function deserialized(method: AnyMethod, message: Buffer): unknown {
  try {
    return method.requestDeserialize(message);
  } catch {
    return null;
  }
}
