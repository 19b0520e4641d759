import { once } from 'node:events';
import http2 from 'node:http2';
import { createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import type { CodedError } from '../../src/core/index.ts';
import { type ChannelLimits, type ClientStream, GrpcChannel } from '../../src/rpc/grpc/channel.ts';
import { framed, PREFIX_BYTES } from '../../src/rpc/grpc/framing.ts';

/** What a peer may do to the side that calls: nothing here is a server of ours. */
const LIMITS: ChannelLimits = {
  messageBytesMax: 100_000,
  metadataBytesMax: 16_384,
  connectionMiBMax: 64,
  keepaliveMs: 10_000,
};
const GRPC = { ':status': 200, 'content-type': 'application/grpc+proto' };
const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

type Peer = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void;

async function listening(peer: Peer): Promise<Readonly<{ address: string; server: http2.Http2Server }>> {
  const server = http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => undefined);
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    peer(stream as http2.ServerHttp2Stream, headers);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { address: `127.0.0.1:${(server.address() as { port: number }).port}`, server };
}

function channelTo(address: string, limits: Partial<ChannelLimits> = {}): GrpcChannel {
  const channel = new GrpcChannel({ address, tls: null }, { ...LIMITS, ...limits }, 'ROUTER_UNREACHABLE', Date.now);
  ends.push(() => channel.close());
  return channel;
}

type Heard = { messages: Buffer[]; ended: Promise<CodedError | null>; stream: ClientStream };

function call(channel: GrpcChannel, deadlineMs: number | null = 10_000, then = (_: ClientStream) => undefined): Heard {
  const messages: Buffer[] = [];
  const { promise, resolve } = Promise.withResolvers<CodedError | null>();
  let endings = 0;
  const stream = channel.open('/x.Y/Z', deadlineMs === null ? null : Date.now() + deadlineMs, {
    message: (whole) => {
      messages.push(Buffer.from(whole.subarray(PREFIX_BYTES)));
      then(stream);
    },
    ended: (error) => {
      expect(++endings).toBe(1);
      resolve(error);
    },
  });
  return { messages, ended: promise, stream };
}

const trailing = (stream: http2.ServerHttp2Stream, trailers: Record<string, string>, ...messages: Buffer[]) => {
  stream.respond(GRPC, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  for (const message of messages) stream.write(message);
  stream.end();
};

test('messages come in order, whatever pieces they came in, and the status is the end', async () => {
  const [one, two] = [framed(Buffer.from('one')), framed(Buffer.alloc(70_000, 7))];
  const whole = Buffer.concat([one, two, one]);
  const { address } = await listening((stream) =>
    trailing(stream, { 'grpc-status': '0' }, whole.subarray(0, 3), whole.subarray(3, 40_000), whole.subarray(40_000)),
  );
  const { messages, ended } = call(channelTo(address));
  expect(await ended).toBeNull();
  expect(messages.map(({ length }) => length)).toEqual([3, 70_000, 3]);
});

test('the headers are those of gRPC, with the time that is left', async () => {
  let seen: http2.IncomingHttpHeaders = {};
  const { address } = await listening((stream, headers) => {
    seen = headers;
    trailing(stream, { 'grpc-status': '0' });
  });
  await call(channelTo(address), 60_000).ended;
  expect(seen).toMatchObject({
    ':method': 'POST',
    ':path': '/x.Y/Z',
    te: 'trailers',
    'content-type': 'application/grpc+proto',
  });
  expect(Number(/^(\d{1,8})m$/.exec(String(seen['grpc-timeout']))?.[1])).toBeGreaterThan(50_000);
});

test.each([
  [{ 'grpc-status': '9', 'grpc-message': 'SESSION_UNKNOWN: 100%25 gone' }, 'SESSION_UNKNOWN', '100% gone'],
  [{ 'grpc-status': '9', 'grpc-message': 'SESSION_UNKNOWN: 100%zz' }, 'SESSION_UNKNOWN', '100%zz'],
  [{ 'grpc-status': '14', 'grpc-message': 'NO_SUCH_CODE: x' }, 'ROUTER_UNREACHABLE', 'UNAVAILABLE'],
  [{ 'grpc-status': '4' }, 'DEADLINE_EXCEEDED', ''],
  [{ 'grpc-status': '1' }, 'REQUEST_CANCELLED', ''],
  [{ 'grpc-status': '00' }, 'ROUTER_UNREACHABLE', ''],
  [{ other: '0' }, 'ROUTER_UNREACHABLE', 'no gRPC status'],
])('a status %j is %s', async (trailers, code, message) => {
  const { address } = await listening((stream) => trailing(stream, trailers as unknown as Record<string, string>));
  const error = await call(channelTo(address)).ended;
  expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
});

test('a status without a body, and its pushback', async () => {
  const { address } = await listening((stream) => {
    const status = { 'grpc-status': '8', 'grpc-message': 'ROUTER_BUSY: later', 'grpc-retry-pushback-ms': '250' };
    stream.respond({ ...GRPC, ...status }, { endStream: true });
  });
  expect(await call(channelTo(address)).ended).toMatchObject({ code: 'ROUTER_BUSY', facts: { retryAfterMs: 250 } });
});

test.each([
  ['speaks HTTP alone', (stream: http2.ServerHttp2Stream) => stream.respond({ ':status': 502 }, { endStream: true })],
  [
    'answers a page',
    (stream: http2.ServerHttp2Stream) => stream.respond({ ':status': 200, 'content-type': 'text/html' }),
  ],
  ['resets the stream', (stream: http2.ServerHttp2Stream) => stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)],
  ['drops the connection', (stream: http2.ServerHttp2Stream) => stream.session?.destroy()],
  [
    'ends within a message',
    (stream: http2.ServerHttp2Stream) => trailing(stream, { 'grpc-status': '0' }, Buffer.of(0, 0)),
  ],
  [
    'compresses',
    (stream: http2.ServerHttp2Stream) => trailing(stream, { 'grpc-status': '0' }, Buffer.of(1, 0, 0, 0, 0)),
  ],
  [
    'sends more than is taken',
    (stream: http2.ServerHttp2Stream) => trailing(stream, { 'grpc-status': '0' }, framed(Buffer.alloc(100_001))),
  ],
] as const)('a peer that %s is unreachable, and its call ends once', async (_, peer) => {
  const { address } = await listening(peer);
  expect(await call(channelTo(address)).ended).toMatchObject({ code: 'ROUTER_UNREACHABLE' });
});

test('a listener that throws has its call ended: the peer broke the protocol', async () => {
  const { address } = await listening((stream) => trailing(stream, { 'grpc-status': '0' }, framed(Buffer.of(1))));
  const { ended } = call(channelTo(address), 10_000, () => {
    throw new Error('not what was agreed');
  });
  expect(await ended).toMatchObject({ code: 'ROUTER_UNREACHABLE', message: 'the peer broke the protocol' });
});

test('the deadline ends a call that nobody answers, and the peer hears of it', async () => {
  const reset = Promise.withResolvers<number>();
  const { address } = await listening((stream) => void stream.on('close', () => reset.resolve(stream.rstCode)));
  expect(await call(channelTo(address), 50).ended).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(await reset.promise).toBe(http2.constants.NGHTTP2_CANCEL);
});

test('a call that is cancelled ends at once, also before its connection is there, and the peer hears of it', async () => {
  const { address } = await listening(() => undefined);
  const channel = channelTo(address);
  for (let turn = 0; turn < 2; turn++) {
    const { ended, stream } = call(channel);
    stream.cancel();
    stream.cancel();
    expect(await ended).toMatchObject({ code: 'REQUEST_CANCELLED' });
  }
});

test('nobody there: unreachable', async () => {
  expect(await call(channelTo('127.0.0.1:1')).ended).toMatchObject({
    code: 'ROUTER_UNREACHABLE',
    message: 'the connection to the peer failed (ECONNREFUSED)',
  });
});

test('after a connection that was lost the next call gets another', async () => {
  let calls = 0;
  const { address } = await listening((stream) => {
    if (++calls === 1) stream.session?.destroy();
    else trailing(stream, { 'grpc-status': '0' });
  });
  const channel = channelTo(address);
  expect(await call(channel).ended).toMatchObject({ code: 'ROUTER_UNREACHABLE' });
  expect(await call(channel).ended).toBeNull();
  channel.close();
  expect(() => call(channel)).toThrow(expect.objectContaining({ code: 'ROUTER_UNREACHABLE' }));
});

test('a peer that goes away in order ends what is open, and the next call gets another connection', async () => {
  let connections = 0;
  const { address, server } = await listening((stream) => {
    stream.session?.close();
    trailing(stream, { 'grpc-status': '0' });
  });
  server.on('session', () => {
    connections += 1;
  });
  const channel = channelTo(address);
  for (let turn = 1; turn <= 3; turn++) {
    expect(await call(channel).ended).toBeNull();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(connections).toBe(3);
});

test('a stream that was made ready is the next call’s, once, and only where that has nothing of its own to say', async () => {
  const streams: http2.ServerHttp2Stream[] = [];
  const { address } = await listening((stream) => {
    streams.push(stream);
    stream.once('data', () => trailing(stream, { 'grpc-status': '0' }));
  });
  const channel = channelTo(address);
  const asked = async () => {
    const { stream, ended } = call(channel);
    stream.write(framed(Buffer.from('a')));
    stream.halfClose();
    expect(await ended).toBeNull();
  };
  channel.makeReady('/x.Y/Z'); // without a connection: nothing
  await asked();
  expect(streams.length).toBe(1);
  channel.makeReady('/x.Y/Z');
  channel.makeReady('/x.Y/Z');
  await expect.poll(() => streams.length).toBe(2);
  const other = channel.open('/x.Y/Z', null, { message: () => undefined, ended: () => undefined }, { a: 'b' });
  await expect.poll(() => streams.length).toBe(3);
  other.cancel();
  await asked();
  expect(streams.length).toBe(3);
  await asked();
  expect(streams.length).toBe(4);
});

test('a stream that was made ready holds up no peer that goes away, and no channel that closes', async () => {
  let calls = 0;
  const ready: http2.ServerHttp2Stream[] = [];
  const { address } = await listening((stream, headers) => {
    calls += 1;
    if (headers['grpc-timeout'] === undefined) ready.push(stream);
    else trailing(stream, { 'grpc-status': '0' });
  });
  const channel = channelTo(address);
  const gone = async (leave: () => void) => {
    expect(await call(channel).ended).toBeNull();
    channel.makeReady('/x.Y/Z');
    await expect.poll(() => ready.length).toBe(1);
    const stream = ready.pop() as http2.ServerHttp2Stream;
    const session = stream.session as http2.ServerHttp2Session;
    leave.call(stream);
    await expect.poll(() => stream.closed, { timeout: 20_000 }).toBe(true);
    return session;
  };
  // It ends the stream, it ends the connection in order, and the channel does.
  await gone(function (this: http2.ServerHttp2Stream) {
    this.respond({ ...GRPC, 'grpc-status': '14' }, { endStream: true });
  });
  const left = await gone(function (this: http2.ServerHttp2Stream) {
    this.session?.close();
  });
  await expect.poll(() => left.destroyed, { timeout: 20_000 }).toBe(true);
  await gone(() => channel.close());
  channel.makeReady('/x.Y/Z');
  expect(calls).toBe(6);
});

test('a peer that answers no PING is gone', async () => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    // The server's half of the preface: an empty SETTINGS frame, and nothing after it.
    socket.write(Buffer.of(0, 0, 0, 4, 0, 0, 0, 0, 0));
  });
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const address = `127.0.0.1:${(silent.address() as { port: number }).port}`;
  const { ended } = call(channelTo(address, { keepaliveMs: 50 }), null);
  expect(await ended).toMatchObject({ code: 'ROUTER_UNREACHABLE' });
});

test('a reader that pauses holds its peer up, and nothing is lost', async () => {
  const count = 200;
  const { address } = await listening((stream) =>
    trailing(
      stream,
      { 'grpc-status': '0' },
      ...Array.from({ length: count }, (_, i) => framed(Buffer.alloc(9_000, i))),
    ),
  );
  const channel = channelTo(address);
  const { messages, ended, stream } = call(channel, 20_000, (of) => void (messages.length === 5 && of.pause()));
  await expect.poll(() => messages.length >= 5).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 100));
  // No more than the window that was open.
  expect(messages.length).toBeLessThan(count / 2);
  stream.resume();
  expect(await ended).toBeNull();
  expect(messages.map((message) => message[0])).toEqual(Array.from({ length: count }, (_, i) => i));
});

test.each(['', 'host', 'host:', ':1', 'host:port', 'http://host:1', 'host:1/path', 'us er:1', 'a@b:1', 'host:123456'])(
  'an address that is not host:port is refused: %j',
  (address) => {
    expect(() => channelTo(address)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  },
);

test('whatever bytes a peer answers, a call ends once and with a code', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }),
      fc.constantFrom('0', '3', '14', 'x', ''),
      async (pieces, status) => {
        const { address } = await listening((stream) => {
          trailing(
            stream,
            status === '' ? {} : { 'grpc-status': status },
            ...pieces.map((piece) => Buffer.from(piece)),
          );
        });
        const { ended, messages } = call(channelTo(address), 5_000);
        const error = await ended;
        const whole = Buffer.concat(messages.map((message) => framed(message)));
        // Only what was whole and plain was told, in order; it is fine where all of it was.
        const sent = Buffer.concat(pieces);
        expect(sent.subarray(0, whole.length)).toEqual(whole);
        if (error === null) expect(whole.length === sent.length && status === '0').toBe(true);
        else expect(error.code).toBe('ROUTER_UNREACHABLE');
        for (const end of ends.splice(0)) end();
      },
    ),
    { numRuns: 40 },
  );
});
