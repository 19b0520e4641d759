import { once } from 'node:events';
import http2 from 'node:http2';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Bytes } from '../../src/core/index.ts';
import { GrpcChannel } from '../../src/rpc/grpc/channel.ts';
import { framed, MessageReader, PREFIX_BYTES } from '../../src/rpc/grpc/framing.ts';
import { inferWire } from '../../src/rpc/infer-wire.ts';
import { CHANNEL_LIMITS, v1 } from '../../src/rpc/package.ts';
import { ServeCall } from '../../src/rpc/serve-call.ts';
import { partWire, requestWire, STOP } from '../../src/rpc/serve-messages.ts';
import { attachToRouter } from '../../src/rpc/worker-link.ts';

/** A router that says what the test wants it to say. */
let server: http2.Http2Server;
let channel: GrpcChannel;
let router: PromiseWithResolvers<http2.ServerHttp2Stream>;
/** Serve streams that were opened so far. */
let opened: http2.ServerHttp2Stream[] = [];
let address: string;
beforeAll(async () => {
  server = http2.createServer();
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    if (headers[':path'] === v1.WorkerAttachment.service.Serve.path) opened.push(stream as http2.ServerHttp2Stream);
    (stream as http2.ServerHttp2Stream).respond({ ':status': 200, 'content-type': 'application/grpc+proto' });
    router.resolve(stream as http2.ServerHttp2Stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  address = `127.0.0.1:${(server.address() as { port: number }).port}`;
  channel = new GrpcChannel({ address, tls: null }, CHANNEL_LIMITS, 'ROUTER_UNREACHABLE', Date.now);
});
afterAll(() => {
  channel.close();
  server.close();
});

const some = (fill: number, length = 32): Bytes => new Uint8Array(length).fill(fill);
const { requestDeserialize, responseSerialize } = v1.WorkerAttachment.service.Serve;
const say = (message: object) => framed(responseSerialize(message as never));
const open = {
  header: some(1, 300),
  authorization: some(2, 64),
  commit: some(3),
  wrap: some(4, 48),
  enc: some(5, 1120),
  hello: some(6, 90),
  timeLeftMs: 60_000,
};
const request = (fill: number) =>
  requestWire({ open, frames: [say({ frame: Buffer.from(some(fill, 50)) })], dispatch: 2, signature: some(8, 64) });

async function parked(): Promise<
  Readonly<{ call: ServeCall; of: http2.ServerHttp2Stream; said: () => Promise<object> }>
> {
  router = Promise.withResolvers();
  const call = new ServeCall(channel, some(9, 16));
  const of = await router.promise;
  const heard: object[] = [];
  const reader = new MessageReader(100_000);
  of.on('data', (piece: Buffer) =>
    reader.push(piece, (whole) => heard.push(requestDeserialize(Buffer.from(whole.subarray(PREFIX_BYTES))))),
  );
  const said = async () => {
    await expect.poll(() => heard.length).toBeGreaterThan(0);
    return heard.shift() as object;
  };
  expect(await said()).toMatchObject({ lease: Buffer.from(some(9, 16)) });
  return { call, of, said };
}

test('requests come one after the other with everything in them, and each answer as its worker gave it', async () => {
  const { call, of, said } = await parked();
  for (const fill of [20, 21]) {
    of.write(request(fill));
    const got = await call.request();
    expect(got).toEqual({
      ...open,
      frames: [some(fill, 50)],
      dispatch: 2,
      dispatchSignature: some(8, 64),
    });
    await call.answer(async function* () {
      yield { kind: 'preface', preface: some(1, 65) } as const;
      yield { kind: 'frame', frame: some(2, 300) } as const;
      yield { kind: 'receipt', receipt: { receipt: some(3, 500), signature: some(4, 64) } } as const;
    });
    call.done();
    expect(await said()).toMatchObject({ part: 'preface', preface: Buffer.from(some(1, 65)) });
    expect(await said()).toMatchObject({ part: 'frame', frame: Buffer.from(some(2, 300)) });
    expect(await said()).toMatchObject({
      part: 'receipt',
      receipt: { receipt: Buffer.from(some(3, 500)), signature: Buffer.from(some(4, 64)) },
    });
    expect(await said()).toMatchObject({ part: 'done', done: true });
  }
  of.end();
  await expect(call.request()).rejects.toMatchObject({ code: 'ROUTER_UNREACHABLE' });
});

test('a stop ends the answer under way; one that comes after it was whole is for nobody', async () => {
  const { call, of } = await parked();
  of.write(STOP);
  of.write(request(20));
  await call.request();
  let stopped = false;
  const answering = call.answer(async function* (cancelled) {
    yield { kind: 'preface', preface: some(1, 65) } as const;
    await once(cancelled, 'abort');
    stopped = true;
  });
  of.write(STOP);
  await answering;
  expect(stopped).toBe(true);
  call.cancel();
});

test('a preface goes out with its frame, and alone where none follows for a second', async () => {
  const { call, of, said } = await parked();
  const pieces: Buffer[] = [];
  of.on('data', (piece: Buffer) => pieces.push(piece));
  const preface = { kind: 'preface', preface: some(1, 65) } as const;
  const frame = { kind: 'frame', frame: some(2, 300) } as const;
  of.write(request(20));
  await call.request();
  await call.answer(async function* () {
    yield preface;
    await new Promise((resolve) => setTimeout(resolve, 20));
    yield frame;
  });
  expect([await said(), await said()]).toMatchObject([{ part: 'preface' }, { part: 'frame' }]);
  expect(pieces[0]?.length).toBe(partWire(preface).length + partWire(frame).length);
  call.done();
  await said();
  of.write(request(21));
  await call.request();
  const heard = Promise.withResolvers<void>();
  const answering = call.answer(async function* () {
    yield preface;
    await heard.promise;
    yield frame;
  });
  await expect.poll(() => pieces.at(-1)?.length, { timeout: 20_000 }).toBe(partWire(preface).length);
  heard.resolve();
  await answering;
  expect([await said(), await said()]).toMatchObject([{ part: 'preface' }, { part: 'frame' }]);
  call.cancel();
});

test('a worker that answers one request after the other opens no stream for any of them', async () => {
  router = Promise.withResolvers();
  opened = [];
  const link = attachToRouter(address, Date.now);
  const held = Promise.withResolvers<void>();
  link.serve(some(9, 16), 4, async function* (asked) {
    yield { kind: 'preface', preface: some(1, 65) } as const;
    if (asked.frames[0]?.[0] === 99) await held.promise;
    yield { kind: 'frame', frame: some(2, 300) } as const;
  });
  await expect.poll(() => opened.length, { timeout: 20_000 }).toBe(4);
  const idle = [...opened];
  const done = Buffer.from([0x30, 1]);
  for (let asked = 0; asked < 12; asked++) {
    const of = idle[asked % 4] as http2.ServerHttp2Stream;
    const ended = new Promise<void>((resolve) =>
      of.on('data', (piece: Buffer) => piece.subarray(-2).equals(done) && resolve()),
    );
    of.write(request(20));
    await ended;
  }
  expect(opened.length).toBe(4);
  for (const of of idle.slice(0, 3)) of.write(request(99));
  await expect.poll(() => opened.length, { timeout: 20_000 }).toBe(7);
  held.resolve();
  link.close();
  for (const of of opened) of.close();
});

test('a stream that is lost while an answer is made cancels it', async () => {
  const { call, of } = await parked();
  of.write(request(20));
  await call.request();
  const answering = call.answer(async function* (cancelled) {
    await once(cancelled, 'abort');
    yield { kind: 'frame', frame: some(2, 300) } as const;
  });
  of.close(http2.constants.NGHTTP2_CANCEL);
  await expect(answering).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' });
});

test.each([
  ['a frame before its request', [say({ frame: Buffer.alloc(50) })]],
  ['a dispatch before its request', [say({ dispatch: { dispatch: 1, signature: Buffer.alloc(64) } })]],
  ['two requests in one', [say({ open }), say({ open })]],
  ['a stop within a request', [say({ open }), STOP]],
  ['a request while another waits', [request(1), request(2)]],
  ['an empty message', [framed(Buffer.alloc(0))]],
  [
    'a message with two fields',
    [framed(Buffer.concat([responseSerialize({ frame: Buffer.of(1) } as never), Buffer.of(0x20, 1)]))],
  ],
])('a router that sends %s loses the stream', async (_, messages) => {
  const { call, of } = await parked();
  const closed = once(of, 'close');
  for (const message of messages) of.write(message);
  await closed;
  await expect((async () => (await call.request()) && call.request())()).rejects.toMatchObject({
    code: 'ROUTER_UNREACHABLE',
  });
});

test('what is written without protobuf is what protobuf reads', () => {
  const bytes = (maxLength: number) => fc.uint8Array({ maxLength }) as fc.Arbitrary<Bytes>;
  const candidates = fc.array(fc.record({ wrap: bytes(48), enc: bytes(200) }), { maxLength: 3 });
  const opens = fc.record({
    header: bytes(200),
    authorization: bytes(64),
    commit: bytes(32),
    candidates,
    hello: bytes(200),
  });
  const { Infer } = v1.Inference.service;
  const read = (wire: Buffer, deserialize: (message: Buffer) => object) => {
    const messages: object[] = [];
    new MessageReader(100_000).push(wire, (whole) =>
      messages.push(deserialize(Buffer.from(whole.subarray(PREFIX_BYTES)))),
    );
    return messages;
  };
  fc.assert(
    fc.property(opens, fc.array(bytes(300), { maxLength: 3 }), (of, frames) => {
      const plain = (value: unknown) =>
        JSON.parse(
          JSON.stringify(value, (_, one) =>
            one?.type === 'Buffer' ? [...one.data] : one instanceof Uint8Array ? [...one] : one,
          ),
        );
      const [first, ...rest] = read(inferWire(of, frames), Infer.requestDeserialize);
      expect(plain((first as { open: object }).open)).toEqual(plain(of));
      expect(plain(rest.map((one) => (one as { frame: Buffer }).frame))).toEqual(plain(frames));
      const receipt = { receipt: of.header, signature: of.authorization };
      const parts = Buffer.concat([
        partWire({ kind: 'receipt', receipt }),
        partWire({ kind: 'refused', reason: 'BUSY' }),
      ]);
      const [told, refused] = read(parts, requestDeserialize);
      expect(plain((told as { receipt: object }).receipt)).toEqual(plain(receipt));
      expect(refused).toMatchObject({ refused: 'BUSY' });
    }),
  );
});
