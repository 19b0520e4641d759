import { hash } from 'node:crypto';
import http2 from 'node:http2';
import net from 'node:net';
import { framed, MessageReader, packageDefinition, v1 } from '../../src/rpc/index.ts';
import type { Draw } from './draw.ts';

const INFER = '/chrysalis.v1.Inference/Infer';
const ATTACH = '/chrysalis.v1.WorkerAttachment/Attach';
const SERVE = '/chrysalis.v1.WorkerAttachment/Serve';
const MESSAGE_MAX = 2 * 1024 * 1024;
/** An action is over by then, whatever the router did. */
const ACTION_MS = 1_500;
const MARK_BYTES = 16;
/** Where it stands in a header: after version and session id, each field with its length before it. */
const requestIdOf = (header: Buffer): Buffer => header.subarray(4 + 2 + 4 + 16 + 4, 4 + 2 + 4 + 16 + 4 + MARK_BYTES);

export type Target = Readonly<{ port: number; lease: Buffer; requests: readonly Buffer[] }>;
/** Told of every answer's frame that was meant for another stream. */
export type Actor = Readonly<{ draw: Draw; target: Target; mixed: (what: string) => void }>;
type Action = (actor: Actor) => Promise<void>;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function connected(port: number): Promise<http2.ClientHttp2Session | null> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  const isThere = await new Promise<boolean>((resolve) => {
    session.once('connect', () => resolve(true));
    session.once('close', () => resolve(false));
    setTimeout(() => resolve(false), ACTION_MS).unref();
  });
  if (isThere) return session;
  session.destroy();
  return null;
}

function open(session: http2.ClientHttp2Session, path: string, more: http2.OutgoingHttpHeaders = {}) {
  const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers', ...more };
  const stream = session.request(headers);
  stream.on('error', () => undefined);
  stream.resume();
  return stream;
}

/** What a peer that knows the protocol would send, spoilt. */
function spoilt(message: Buffer, draw: Draw): Buffer {
  const bytes = Buffer.from(message);
  switch (draw.int(8)) {
    case 0:
      for (let i = 0; i <= draw.int(4); i++) if (bytes.length > 0) bytes[draw.int(bytes.length)] = draw.int(256);
      return bytes;
    case 1:
      return bytes.subarray(0, draw.int(bytes.length + 1));
    case 2:
      return Buffer.concat([bytes, draw.bytes(draw.int(40))]);
    case 3: // compressed, they say
      if (bytes.length > 0) bytes[0] = 1;
      return bytes;
    case 4: // a length that never comes
      if (bytes.length >= 5) bytes.writeUInt32BE(draw.of([0xffffffff, MESSAGE_MAX, MESSAGE_MAX + 1, 70_000]), 1);
      return bytes;
    case 5:
      return framed(draw.bytes(draw.int(200)));
    case 6:
      return framed(Buffer.alloc(0));
    default:
      return bytes;
  }
}

/** In pieces of any size, with or without time between them. */
async function written(stream: http2.ClientHttp2Stream, bytes: Buffer, draw: Draw): Promise<void> {
  for (let at = 0; at < bytes.length && !stream.destroyed; ) {
    const length = draw.chance(0.7) ? bytes.length : 1 + draw.int(Math.min(bytes.length, 4_000));
    stream.write(bytes.subarray(at, at + length));
    at += length;
    if (draw.chance(0.1)) await pause(draw.int(20));
  }
}

function left(stream: http2.ClientHttp2Stream, session: http2.ClientHttp2Session, draw: Draw): void {
  switch (draw.int(6)) {
    case 0:
      stream.close(draw.of([0, 1, 2, 3, 7, 8, 11]));
      return;
    case 1:
      session.destroy();
      return;
    case 2: // says nothing more
      return;
    default:
      if (!stream.destroyed) stream.end();
  }
}

const messagesOf = (request: Buffer): Buffer[] => {
  const messages: Buffer[] = [];
  new MessageReader(MESSAGE_MAX).push(request, (whole) => messages.push(Buffer.from(whole)));
  return messages;
};

/** As a client: a request that is good, or whose messages are spoilt, doubled, left out or out of order. */
const infer: Action = async ({ draw, target, mixed }) => {
  const session = await connected(target.port);
  if (session === null) return;
  const request = draw.of(target.requests);
  let messages = messagesOf(request);
  const isHonest = draw.chance(0.5);
  if (!isHonest) {
    messages = messages.flatMap((message) =>
      draw.chance(0.3)
        ? [spoilt(message, draw)]
        : draw.chance(0.1)
          ? []
          : draw.chance(0.1)
            ? [message, message]
            : [message],
    );
    if (draw.chance(0.2)) messages.reverse();
    if (draw.chance(0.2)) messages.splice(draw.int(messages.length + 1), 0, framed(Buffer.of(0x18, 1)));
    if (draw.chance(0.05)) messages.push(framed(draw.bytes(1000)), Buffer.alloc(3 * 1024 * 1024));
  }
  const more: http2.OutgoingHttpHeaders = {};
  if (draw.chance(0.3)) more['grpc-timeout'] = draw.of(['1S', '10m', '0n', '99999999H', '-1S', 'x', '1', '100000000S']);
  if (draw.chance(0.05)) more['grpc-encoding'] = draw.of(['gzip', 'identity', 'deflate', 'x']);
  if (draw.chance(0.05)) more['x-large'] = 'x'.repeat(draw.of([1_000, 20_000, 60_000]));
  const stream = open(session, INFER, more);
  const mark = markOf(request);
  const reader = new MessageReader(MESSAGE_MAX);
  stream.on('data', (piece: Buffer) =>
    reader.push(piece, (whole) => {
      const found = markIn(whole);
      if (found !== null && !found.equals(mark)) mixed('a frame came on the stream of another request');
    }),
  );
  for (const message of messages) await written(stream, message, draw);
  if (isHonest && draw.chance(0.3)) await written(stream, framed(Buffer.of(0x18, 1)), draw);
  if (draw.chance(0.5)) await pause(draw.int(300));
  left(stream, session, draw);
  await pause(draw.int(ACTION_MS));
  session.destroy();
};

/** The request id, which the header's signature covers: what the worker here answers to the request carries it. */
function markOf(request: Buffer): Buffer {
  const [first] = messagesOf(request);
  const { requestDeserialize } = v1.Inference.service.Infer;
  const { open: asked } = requestDeserialize((first as Buffer).subarray(5));
  return requestIdOf((asked as { header: Buffer }).header);
}

const MAGIC = Buffer.from('marked:');
const CHECK_BYTES = 8;
/** With a check of its own: a mark that was spoilt on purpose is nobody's. */
const marked = (id: Buffer): Buffer =>
  Buffer.concat([MAGIC, id, hash('sha256', id, 'buffer').subarray(0, CHECK_BYTES)]);

function markIn(message: Buffer): Buffer | null {
  const at = message.indexOf(MAGIC);
  if (at < 0) return null;
  const id = message.subarray(at + MAGIC.length, at + MAGIC.length + MARK_BYTES);
  const whole = message.subarray(at, at + MAGIC.length + MARK_BYTES + CHECK_BYTES);
  return marked(id).equals(whole) ? id : null;
}

const serialize = (message: object): Buffer =>
  framed(v1.WorkerAttachment.service.Serve.requestSerialize(message as never));

/** What a worker may say to a request, in an order that may be right. */
function answersTo(open: { header: Buffer }, dispatch: number, draw: Draw): Buffer[] {
  // version, session id, request id, idempotency, then the candidates, each field with its length before it
  const digests = open.header.subarray(4 + 2 + 4 + 16 + 4 + 16 + 4);
  const certificate = digests.subarray(open.header.readUInt32BE(46) + 4, open.header.readUInt32BE(46) + 36);
  const preface = serialize({ preface: Buffer.concat([certificate, Buffer.of(dispatch), draw.bytes(32)]) });
  const frame = (flags: number) =>
    serialize({
      frame: Buffer.concat([Buffer.of(flags), marked(requestIdOf(open.header)), draw.bytes(16 + draw.int(600))]),
    });
  const receipt = () => serialize({ receipt: { receipt: draw.bytes(500), signature: draw.bytes(64) } });
  const honest = [preface, ...Array.from({ length: draw.int(6) }, () => frame(0)), frame(1)];
  const done = serialize({ done: true });
  switch (draw.int(9)) {
    case 0:
      return [...honest, done];
    case 1:
      return honest;
    case 2:
      return [serialize({ refused: draw.of(['BUSY', 'OPEN_FAILED', 'SESSION_UNKNOWN', 'NO', '']) })];
    case 3:
      return [...honest, receipt(), done];
    case 4:
      return [preface, preface, ...honest];
    case 5:
      return [...honest, frame(0), frame(1), done, done];
    case 6:
      return [done, ...honest];
    case 7:
      return [preface, serialize({ frame: draw.bytes(draw.of([0, 1, 20, 70_000, 1_000_000])) })];
    default:
      return honest.map((message) => (draw.chance(0.4) ? spoilt(message, draw) : message));
  }
}

/** As the worker that holds the lease: takes what it is given and answers in any way, for a while. */
const serve: Action = async ({ draw, target }) => {
  const session = await connected(target.port);
  if (session === null) return;
  const until = Date.now() + ACTION_MS;
  const lanes = Array.from({ length: 1 + draw.int(12) }, async () => {
    const stream = open(session, SERVE);
    const reader = new MessageReader(MESSAGE_MAX);
    let asked: { header: Buffer } | null = null;
    const { responseDeserialize } = v1.WorkerAttachment.service.Serve;
    stream.on('data', (piece: Buffer) =>
      reader.push(piece, (whole) => {
        const message = responseDeserialize(Buffer.from(whole.subarray(5)));
        if (message.open) asked = { header: message.open.header as Buffer };
        if (!message.dispatch || asked === null) return;
        const answers = answersTo(asked, message.dispatch.dispatch, draw);
        void (async () => {
          for (const answer of answers) await written(stream, answer, draw);
          if (draw.chance(0.3)) left(stream, session, draw);
        })();
      }),
    );
    const lease = draw.chance(0.9) ? target.lease : draw.bytes(draw.int(40));
    const first = serialize({ lease });
    await written(stream, draw.chance(0.1) ? spoilt(first, draw) : first, draw);
    if (draw.chance(0.1)) await written(stream, spoilt(serialize({ frame: draw.bytes(30) }), draw), draw);
    while (Date.now() < until && !stream.destroyed && draw.chance(0.97)) await pause(20);
    left(stream, session, draw);
  });
  await Promise.all(lanes);
  session.destroy();
};

const control = (message: object): Buffer =>
  framed(v1.WorkerAttachment.service.Attach.requestSerialize(message as never));

/** As a worker that attaches: every message of the control stream, at any time. */
const attach: Action = async ({ draw, target }) => {
  const session = await connected(target.port);
  if (session === null) return;
  const stream = open(session, ATTACH);
  const messages: (() => object)[] = [
    () => ({
      join: {
        versions: draw.of([[1], [], [0], [1, 2, 4_000_000_000]]),
        name: draw.bytes(draw.int(100)).toString('latin1'),
        modelDigest: draw.bytes(draw.of([0, 32, 33])),
        modelName: draw.of(['echo', '', 'x'.repeat(5_000)]),
        contextTokensMax: draw.int(2 ** 31),
        concurrencyMax: draw.of([0, 1, 4_294_967_295]),
      },
    }),
    () => ({ evidence: { bundle: draw.bytes(draw.of([0, 10, 5_000, 20_000])), nonceProof: draw.bytes(8) } }),
    () => ({
      resume: {
        ticket: draw.bytes(draw.of([0, 100, 400, 5_000])),
        evidence: draw.chance(0.9) ? { bundle: draw.bytes(draw.int(5_000)), nonceProof: draw.bytes(8) } : null,
        signature: draw.bytes(64),
      },
    }),
    () => ({ offer: { id: draw.int(50), offer: draw.bytes(draw.int(300)), bundle: draw.bytes(draw.int(30)) } }),
    () => ({ offer: { id: draw.int(50), refused: draw.bytes(80).toString('latin1') } }),
    () => ({ status: { running: draw.int(2 ** 31), idleStreams: draw.int(2 ** 31) } }),
    () => ({ renewal: {} }),
    () => ({}),
  ];
  if (draw.chance(0.7)) await written(stream, control((messages[0] as () => object)()), draw);
  const count = draw.chance(0.1) ? 2_000 : draw.int(12);
  for (let i = 0; i < count && !stream.destroyed; i++) {
    const message = control(draw.of(messages)());
    await written(stream, draw.chance(0.15) ? spoilt(message, draw) : message, draw);
  }
  await pause(draw.int(200));
  left(stream, session, draw);
  await pause(draw.int(200));
  session.destroy();
};

const PATHS = Object.values(packageDefinition).flatMap((service) =>
  Object.values(service as Record<string, { path?: string }>).flatMap(({ path }) => (path === undefined ? [] : [path])),
);

/** Any method, with any bytes, and requests that are no gRPC. */
const anything: Action = async ({ draw, target }) => {
  const session = await connected(target.port);
  if (session === null) return;
  for (let i = 0; i < 1 + draw.int(10); i++) {
    const path = draw.chance(0.9) ? draw.of(PATHS) : `/${draw.bytes(draw.int(30)).toString('hex')}`;
    const more: http2.OutgoingHttpHeaders = {};
    if (draw.chance(0.1)) more[':method'] = draw.of(['GET', 'PUT', 'OPTIONS']);
    if (draw.chance(0.1))
      more['content-type'] = draw.of(['text/plain', 'application/grpc+json', 'application/grpc-web']);
    const stream = open(session, path, more);
    if (!stream.writable) continue;
    await written(stream, spoilt(framed(draw.bytes(draw.int(500))), draw), draw);
    if (draw.chance(0.3)) await written(stream, framed(draw.bytes(draw.int(500))), draw);
    left(stream, session, draw);
  }
  await pause(draw.int(300));
  session.destroy();
};

/** Streams opened and reset, or opened and forgotten, as fast as they can be. */
const flood: Action = async ({ draw, target }) => {
  const session = await connected(target.port);
  if (session === null) return;
  const path = draw.of([INFER, SERVE, ATTACH]);
  for (let i = 0; i < 400 && !session.destroyed; i++) {
    const stream = open(session, path);
    if (draw.chance(0.3)) stream.write(serialize({ lease: target.lease }));
    if (draw.chance(0.5)) stream.close(8);
  }
  await pause(draw.int(300));
  session.destroy();
};

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** Below gRPC: frames of HTTP/2 that are no frames, or too many of them. */
const raw: Action = ({ draw, target }) =>
  new Promise((resolve) => {
    const socket = net.connect(target.port, '127.0.0.1');
    const frame = (type: number, flags: number, stream: number, payload: Buffer) => {
      const head = Buffer.alloc(9);
      head.writeUIntBE(draw.chance(0.9) ? payload.length : draw.int(2 ** 24), 0, 3);
      head[3] = type;
      head[4] = flags;
      head.writeUInt32BE(stream, 5);
      return Buffer.concat([head, payload]);
    };
    socket.on('error', () => undefined);
    socket.resume();
    socket.on('connect', () => {
      if (draw.chance(0.8)) socket.write(Buffer.concat([PREFACE, frame(4, 0, 0, Buffer.alloc(0))]));
      const type = draw.int(12);
      const count = draw.chance(0.2) ? 3_000 : draw.int(30);
      const flags = draw.int(256);
      for (let i = 0; i < count; i++) {
        socket.write(frame(draw.chance(0.5) ? type : draw.int(12), flags, draw.int(8), draw.bytes(draw.int(40))));
      }
      setTimeout(() => socket.destroy(), draw.int(400));
    });
    socket.on('close', () => resolve());
  });

const ACTIONS: readonly Action[] = [
  infer,
  infer,
  infer,
  infer,
  serve,
  serve,
  serve,
  attach,
  attach,
  anything,
  flood,
  raw,
];

/** Does one thing after the other that a hostile peer may do, until the time is over. @returns how many */
export async function harass(actor: Actor, until: number): Promise<number> {
  let count = 0;
  for (; Date.now() < until; count++) await actor.draw.of(ACTIONS)(actor);
  return count;
}
