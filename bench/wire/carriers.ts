/**
 * The processes under test: `node carriers.ts grpc-js|http2|router`. Each carries the same streams; the parent talks to it
 * over IPC and counts what they cost it.
 */
import { randomBytes } from 'node:crypto';
import http2 from 'node:http2';
import * as grpc from '@grpc/grpc-js';
import { type Bytes, fromHex } from '../../src/core/index.ts';
import { type Admission, Fleet, Worker } from '../../src/router/fleet.ts';
import type { RouterService } from '../../src/router/index.ts';
import { NO_METER } from '../../src/router/meter.ts';
import { createPlacing } from '../../src/router/placing.ts';
import { NO_WATCH } from '../../src/router/request-watch.ts';
import { createRequests } from '../../src/router/requests.ts';
import { Dispatcher } from '../../src/router/routing/index.ts';
import { serveRouter } from '../../src/rpc/index.ts';
import { echoEngine, type InProcess, startInProcess } from '../../tests/network/in-process.ts';
import { type Exchange, exchangesOf } from './exchanges.ts';
import { ROOM } from './load.ts';

export const INFER = '/chrysalis.v1.Inference/Infer';
export const SLOTS = 16_384;
const COLLECTIONS = 4;
const UNLIMITED = { requests: { perSecond: 1e9, burst: 1e9 }, tokens: { perSecond: 1e9, burst: 1e9 } };

export type Cost = Readonly<{ cpuMs: number; mainMs: number }>;
export type Memory = Readonly<{ rss: number; heap: number }>;
type Order =
  | Readonly<{ order: 'cost' | 'memory' }>
  | Readonly<{ order: 'exchanges'; count: number; tokens: number; perClient: number }>;

function cost(): Cost {
  const { user, system } = process.cpuUsage();
  const main = process.threadCpuUsage();
  return { cpuMs: (user + system) / 1000, mainMs: (main.user + main.system) / 1000 };
}

/** Of what is alive: what native code lets go of, it does only after a collection, and another one finds it. */
async function memory(): Promise<Memory> {
  for (let i = 0; i < COLLECTIONS; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { rss, heapUsed, external } = process.memoryUsage(); // `external` holds array buffers
  return { rss, heap: heapUsed + external };
}

/** The least that grpc-js can do: messages pass as bytes, unread. */
async function grpcJsProxy(backend: string): Promise<number> {
  const bytes = (value: Buffer) => value;
  const method = {
    path: INFER,
    requestStream: true,
    responseStream: true,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  } as const;
  const client = new grpc.Client(backend, grpc.credentials.createInsecure());
  const server = new grpc.Server();
  server.addService(
    { infer: method },
    {
      infer: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
        const onward = client.makeBidiStreamRequest(INFER, bytes, bytes);
        call.pipe(onward as never);
        onward.pipe(call as never);
        onward.on('error', (error) => call.emit('error', error));
        call.on('cancelled', () => onward.cancel());
      },
    },
  );
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    ),
  );
}

/** The least that node:http2 can do: DATA passes as it comes, trailers after it. */
async function http2Proxy(backend: string): Promise<number> {
  const session = http2.connect(`http://${backend}`, ROOM);
  const server = http2.createServer(ROOM);
  server.on('stream', (incoming, headers) => {
    const stream = incoming as http2.ServerHttp2Stream;
    const onward = session.request({
      ':method': 'POST',
      ':path': headers[':path'],
      'content-type': 'application/grpc',
    });
    let trailers: http2.IncomingHttpHeaders = {};
    onward.on('response', (answer) =>
      stream.respond({ ':status': 200, 'content-type': answer['content-type'] }, { waitForTrailers: true }),
    );
    onward.on('trailers', (got) => {
      trailers = got;
    });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': trailers['grpc-status'] ?? '2' }));
    stream.on('aborted', () => onward.close(http2.constants.NGHTTP2_CANCEL));
    stream.pipe(onward);
    onward.pipe(stream);
  });
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
  );
}

/** The whole router. Its worker is admitted here; who plays it parks its streams from outside. */
async function router(): Promise<InProcess & { lease: Bytes }> {
  let lease: Bytes | null = null;
  const park = () => (granted: Bytes) => {
    lease ??= granted;
  };
  const network = await startInProcess({
    engine: echoEngine({ tokens: 100_000 }),
    slots: SLOTS,
    park,
    accountLimits: UNLIMITED,
    // What is recorded once is asked for again and again, and a router serves each request id once.
    ledger: (file) => ({
      ...file,
      reserve: (row, ...rest) => file.reserve({ ...row, requestId: new Uint8Array(randomBytes(16)) }, ...rest),
    }),
  });
  while (lease === null) await new Promise((resolve) => setTimeout(resolve, 10));
  return { ...network, lease };
}

/**
 * Everything that a frame passes on its way, with nothing beside it: our listener, intake, dispatcher and relay, without
 * signatures, accounts and ledger, which the proxies do not have either.
 */
async function dataPath(certificates: readonly Bytes[], lease: Bytes): Promise<number> {
  const knowledge = { policyDigest: new Uint8Array(32), collateral: 0 };
  const fleet = new Fleet(() => knowledge);
  const worker = new Worker({ send: () => undefined, close: () => undefined });
  worker.state = 'admitted';
  worker.judgedBy = knowledge;
  const name = new Uint8Array(32);
  worker.admission = { lease, workerId: name, evidenceDigest: name, expiresAt: Number.POSITIVE_INFINITY } as Admission;
  for (const digest of certificates) worker.knowCertificate(digest);
  fleet.add(worker);
  const dispatcher = new Dispatcher<Worker>({
    now: Date.now,
    random: Math.random,
    schedule: (ms, run) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
  });
  dispatcher.add(worker, SLOTS);
  const reviews = { wait: async () => undefined };
  const placing = createPlacing({ fleet, dispatcher, reviews, now: Date.now, meter: NO_METER }, 5_000, UNLIMITED);
  const signature = new Uint8Array(64);
  const requests = createRequests({
    placing,
    accounts: { reserve: async () => ({ channel: 'one', release: () => undefined }) },
    receipts: { keep: async () => null },
    signatures: { authorizes: async () => true, dispatch: async () => signature },
    now: Date.now,
    onServed: () => undefined,
  });
  const router = {
    infer: (open, deadline, client) => requests.infer(open, deadline, client, NO_WATCH),
    park: (named, link) => fleet.byLease(named)?.park(link) ?? false,
  } satisfies Partial<RouterService> as unknown as RouterService;
  return (await serveRouter(router, () => ({}), { host: '127.0.0.1', port: 0, now: Date.now })).port;
}

const [kind = '', backend = ''] = process.argv.slice(2);
const send = (message: unknown) => process.send?.(message);
let network: InProcess | null = null;
if (kind === 'router') {
  const started = await router();
  network = started;
  send({ port: Number(started.address.split(':')[1]), lease: Buffer.from(started.lease).toString('hex') });
} else if (kind === 'data path') {
  const [lease = '', ...certificates] = backend.split(',');
  const bytes = certificates.map((hex) => fromHex(hex, 'certificate'));
  send({ port: await dataPath(bytes, fromHex(lease, 'lease')), lease });
} else send({ port: await (kind === 'http2' ? http2Proxy(backend) : grpcJsProxy(backend)) });

process.on('message', (message: Order) => {
  if (message.order !== 'exchanges') {
    if (message.order === 'cost') send(cost());
    else void memory().then(send);
    return;
  }
  void (async () => {
    const all: Exchange[] = [];
    const { count, tokens, perClient } = message;
    for await (const one of exchangesOf(network as InProcess, count, tokens, perClient)) all.push(one);
    send(all);
  })();
});
process.on('disconnect', () => process.exit());
