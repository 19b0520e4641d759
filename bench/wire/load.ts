import http2 from 'node:http2';
import { framed, MessageReader, v1 } from '../../src/rpc/index.ts';
import type { Exchange } from './exchanges.ts';

/** For ten thousand streams on one connection, MiB. */
export const ROOM = { maxSessionMemory: 1_024 };
const SERVE = '/chrysalis.v1.WorkerAttachment/Serve';
const INFER = '/chrysalis.v1.Inference/Infer';
/** Streams that the worker keeps idle at the router: at least, and at most. */
const SPARE_LEAST = 8;
const SPARE = 200;
const DONE = framed(Buffer.of(0x30, 1));
const MESSAGE_MAX = 2 * 1024 * 1024;
/** Where an Open message of either direction keeps the request's own bytes: enough to know it again. */
const KEY_AT = { start: 64, end: 160 };

/** Streams that have taken in their request and are being answered. */
type Answering = Readonly<{ write: (bytes: Buffer) => void; end: () => void; messages: readonly Buffer[] }>;

/** Answers that are given a message at a time, spread over the interval like those of independent engines. */
export class Paced {
  readonly #everyMs: number;
  readonly #streams = new Set<{ of: Answering; sent: number }>();
  #timer: NodeJS.Timeout | null = null;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  get open(): number {
    return this.#streams.size;
  }

  add(of: Answering): void {
    this.#streams.add({ of, sent: 0 });
  }

  start(): void {
    let turn = 0;
    const SLICES = 20;
    this.#timer = setInterval(
      () => {
        turn = (turn + 1) % SLICES;
        let i = 0;
        for (const one of this.#streams) if (i++ % SLICES === turn) this.#send(one);
      },
      Math.max(1, this.#everyMs / SLICES),
    );
  }

  hold(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Gives what is left of each answer at once. */
  end(): void {
    this.hold();
    for (const { of, sent } of this.#streams) {
      for (const message of of.messages.slice(sent)) of.write(message);
      of.end();
    }
    this.#streams.clear();
  }

  #send(one: { of: Answering; sent: number }): void {
    const message = one.of.messages[one.sent];
    if (message === undefined) return;
    one.sent += 1;
    one.of.write(message);
    if (one.sent < one.of.messages.length) return;
    one.of.end();
    this.#streams.delete(one);
  }
}

/** The far end, as a plain backend (for proxies) or as the router's worker: answers at once, or as `paced` says. */
export class Backend {
  paced: Paced | null = null;

  answer(of: Answering): void {
    if (this.paced !== null) this.paced.add(of);
    else {
      of.write(Buffer.concat(of.messages as Buffer[]));
      of.end();
    }
  }
}

/** A bare gRPC server that answers each request as its exchange says. */
export function serveBackend(backend: Backend, byKey: ReadonlyMap<string, Exchange>): Promise<http2.Http2Server> {
  const server = http2.createServer(ROOM);
  server.on('stream', (incoming) => {
    const stream = incoming as http2.ServerHttp2Stream;
    const pieces: Buffer[] = [];
    stream.on('error', () => undefined);
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    stream.on('end', () => {
      const exchange = byKey.get(keyOf(Buffer.concat(pieces)));
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': exchange === undefined ? '5' : '0' }));
      backend.answer({
        write: (bytes) => void stream.write(bytes),
        end: () => stream.end(),
        messages: exchange?.toClient ?? [],
      });
    });
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

export const keyOf = (request: Buffer): string => request.toString('latin1', KEY_AT.start, KEY_AT.end);

/** Plays an admitted worker: parks Serve streams over a connection of its own and answers on them. */
export async function parkWorker(
  address: string,
  lease: Buffer,
  backend: Backend,
  byHeader: ReadonlyMap<string, Exchange>,
): Promise<http2.ClientHttp2Session> {
  const session = http2.connect(`http://${address}`, ROOM);
  const first = framed(v1.WorkerAttachment.service.Serve.requestSerialize({ lease }));
  const { responseDeserialize } = v1.WorkerAttachment.service.Serve;
  let idle = 0;
  const park = (): void => {
    idle += 1;
    const stream = session.request({
      ':method': 'POST',
      ':path': SERVE,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const reader = new MessageReader(MESSAGE_MAX);
    let exchange: Exchange | undefined;
    let isIdle = true;
    const again = () => {
      isIdle = true;
      idle += 1;
      stream.write(DONE);
    };
    stream.on('error', () => undefined);
    stream.on('data', (piece: Buffer) =>
      reader.push(piece, (whole) => {
        if (isIdle) {
          isIdle = false;
          idle -= 1;
          while (idle < SPARE_LEAST && !session.destroyed) park();
          exchange = byHeader.get(headerKey(responseDeserialize(whole.subarray(5) as never).open!.header as Buffer));
          return;
        }
        // Field 3 of ServeFromRouter is the dispatch: the request is there whole.
        if (whole[5] !== 0x1a || exchange === undefined) return;
        const { fromWorker } = exchange;
        const end = () => (idle < SPARE ? again() : stream.end());
        backend.answer({ write: (bytes) => void stream.write(bytes), end, messages: fromWorker });
      }),
    );
    stream.write(first);
  };
  await new Promise((resolve, reject) => session.once('connect', resolve).once('error', reject));
  while (idle < SPARE) park();
  return session;
}

/** A worker that has joined, parks a few streams, and is asked nothing. */
export async function attachIdle(address: string, lease: Buffer, streams: number): Promise<http2.ClientHttp2Session> {
  const session = http2.connect(`http://${address}`, ROOM);
  await new Promise((resolve, reject) => session.once('connect', resolve).once('error', reject));
  const { Attach, Serve } = v1.WorkerAttachment.service;
  const join = { versions: [1], name: 'idle', modelName: 'idle', concurrencyMax: 1 };
  const open = (path: string, first: Buffer) => {
    const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc' });
    stream.on('error', () => undefined);
    stream.resume();
    stream.write(framed(first));
  };
  open(Attach.path, Attach.requestSerialize({ join }));
  for (let i = 0; i < streams; i++) open(Serve.path, Serve.requestSerialize({ lease }));
  return session;
}

export const headerKey = (header: Uint8Array): string => Buffer.from(header).toString('latin1', 0, 128);

export type Reply = Readonly<{ status: string; bytes: number }>;

/** The near end: one connection that sends requests as they were recorded. */
export class Frontend {
  readonly #session: http2.ClientHttp2Session;

  private constructor(session: http2.ClientHttp2Session) {
    this.#session = session;
  }

  static async connect(address: string): Promise<Frontend> {
    const session = http2.connect(`http://${address}`, ROOM);
    await new Promise((resolve, reject) => session.once('connect', resolve).once('error', reject));
    return new Frontend(session);
  }

  ask({ request }: Exchange, seen: (bytes: number) => void = () => undefined): Promise<Reply> {
    return new Promise((resolve) => {
      const stream = this.#session.request({
        ':method': 'POST',
        ':path': INFER,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      let bytes = 0;
      let status = 'cut';
      stream.on('data', (piece: Buffer) => {
        bytes += piece.length;
        seen(piece.length);
      });
      stream.on('response', (headers) => {
        if (headers['grpc-status'] !== undefined) status = `${headers['grpc-status']} ${headers['grpc-message']}`;
      });
      stream.on('trailers', (trailers) => {
        status = trailers['grpc-status'] === '0' ? '0' : `${trailers['grpc-status']} ${trailers['grpc-message']}`;
      });
      stream.on('error', () => undefined);
      stream.on('close', () => resolve({ status, bytes }));
      stream.end(request);
    });
  }

  close(): void {
    this.#session.destroy();
  }
}
