import * as grpc from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { type Bytes, type Clock, CodedError, type UnixMs } from '../core/index.ts';
import type { Identities, RouterService } from '../router/index.ts';
import type { ResponsePart, SealedOpen } from '../session/index.ts';
import { bytesOf } from './bytes.ts';
import { readFrom, writeTo } from './duplex.ts';
import { identified } from './identified.ts';
import { CHANNEL_OPTIONS, packageDefinition, v1 } from './package.ts';
import { toServiceError } from './status.ts';
import { type ServerTls, serverCredentials } from './tls.ts';
import type { InferRequest__Output } from './wire/chrysalis/v1/InferRequest.ts';
import { attachmentHandlers } from './worker-server.ts';

/** A request without a gRPC deadline gets this one: nothing waits for ever. */
export const DEADLINE_DEFAULT_MS = 120_000;

export function deadlineOf(call: { getDeadline(): grpc.Deadline }, now: UnixMs): UnixMs {
  const deadline = call.getDeadline();
  const ms = deadline instanceof Date ? deadline.getTime() : deadline;
  return Math.min(Number.isFinite(ms) ? ms : Number.POSITIVE_INFINITY, now + DEADLINE_DEFAULT_MS);
}

export function unary<Ask, Answer>(
  answer: (ask: Ask, deadline: UnixMs) => Answer | Promise<Answer>,
  now: Clock,
): grpc.handleUnaryCall<Ask, Answer> {
  return (call, callback) => {
    void (async () => answer(call.request, deadlineOf(call, now())))().then(
      (value) => callback(null, value),
      (error: unknown) => callback(toServiceError(error)),
    );
  };
}

function openFromWire(request: InferRequest__Output | undefined): SealedOpen {
  const open = request?.part === 'open' ? request.open : undefined;
  if (!open) throw new CodedError('REQUEST_MALFORMED', 'the first message of a request must be `open`');
  return {
    header: bytesOf(open.header),
    authorization: bytesOf(open.authorization),
    commit: bytesOf(open.commit),
    candidates: open.candidates.map(({ wrap, enc }) => ({ wrap: bytesOf(wrap), enc: bytesOf(enc) })),
    hello: bytesOf(open.hello),
  };
}

/**
 * The frames of one request. Whoever has read enough of them leaves; from then on a `stop` may come, or the half-close.
 * @param ended tells of what came after the frames: `stop`, or a message that may not come there
 */
async function* framesFromWire(
  messages: AsyncIterator<InferRequest__Output>,
  ended: Readonly<{ stop: () => void; broken: () => void }>,
): AsyncGenerator<Bytes> {
  let complete = false;
  try {
    for (;;) {
      const { value, done } = await messages.next();
      complete = done === true;
      if (done) return;
      if (value.part !== 'frame' || !value.frame) {
        throw new CodedError('REQUEST_MALFORMED', 'only frames may follow `open`');
      }
      yield bytesOf(value.frame);
    }
  } finally {
    if (!complete) {
      void messages.next().then(
        ({ value, done }) => {
          if (done) return;
          if ((value as InferRequest__Output).part === 'stop') ended.stop();
          else ended.broken();
        },
        () => undefined,
      );
    }
  }
}

export function partToWire(part: ResponsePart): object {
  if (part.kind === 'preface') return { preface: part.preface };
  if (part.kind === 'frame') return { frame: part.frame };
  return { receipt: part.receipt };
}

function inferHandler(router: RouterService, now: Clock): grpc.handleBidiStreamingCall<InferRequest__Output, object> {
  return (call) => {
    const abort = new AbortController();
    const stop = new AbortController();
    call.on('cancelled', () => abort.abort());
    call.on('error', () => abort.abort());
    void (async () => {
      const messages = readFrom<InferRequest__Output>(call, 'PEER_UNREACHABLE')[Symbol.asyncIterator]();
      const first = await messages.next();
      const open = openFromWire(first.value as InferRequest__Output | undefined);
      const deadline = deadlineOf(call, now());
      const frames = framesFromWire(messages, { stop: () => stop.abort(), broken: () => abort.abort() });
      for await (const part of router.infer(open, frames, deadline, { cancelled: abort.signal, stop: stop.signal })) {
        await writeTo(call, partToWire(part));
      }
      call.end();
    })().catch((error: unknown) => {
      abort.abort();
      call.emit('error', toServiceError(error));
    });
  };
}

function inferenceHandlers(router: RouterService, now: Clock): grpc.UntypedServiceImplementation {
  return {
    listModels: unary(() => ({ models: [...router.listModels()] }), now),
    getOffers: unary(
      async (ask: { hello: Buffer; offersMax: number }, deadline) => ({
        offers: await router.getOffers(bytesOf(ask.hello), ask.offersMax, deadline),
      }),
      now,
    ),
    infer: inferHandler(router, now),
  } as grpc.UntypedServiceImplementation;
}

function transparencyHandlers(router: RouterService, now: Clock): grpc.UntypedServiceImplementation {
  return {
    getEvidence: unary((ask: { evidenceDigest: Buffer }) => router.getEvidence(bytesOf(ask.evidenceDigest)), now),
    getAdmission: unary((ask: { workerId: Buffer }) => router.getAdmission(bytesOf(ask.workerId)), now),
    getReceiptProof: unary((ask: { receiptDigest: Buffer }) => router.getReceiptProof(bytesOf(ask.receiptDigest)), now),
  } as grpc.UntypedServiceImplementation;
}

function administrationHandlers(router: RouterService, now: Clock): grpc.UntypedServiceImplementation {
  return {
    listWorkers: unary(
      () => ({
        workers: router
          .listWorkers()
          .map((row) => ({ ...row, leaseExpiresAt: String(row.leaseExpiresAt), logIndex: String(row.logIndex) })),
      }),
      now,
    ),
    drainWorker: unary((ask: { workerId: Buffer; reason: string }) => {
      router.drainWorker(bytesOf(ask.workerId), ask.reason);
      return {};
    }, now),
    getPolicy: unary(() => ({ policy: router.policy().policy, policyDigest: router.policy().digest }), now),
  } as grpc.UntypedServiceImplementation;
}

export type RouterServer = Readonly<{ port: number; close(graceMs: number): Promise<void> }>;

/**
 * Serves one router on a loopback or public address: inference, worker attachment, transparency, payments, standard
 * health and reflection. Administration has a listener of its own. With identities, clients are served as accounts; workers
 * say who they are by evidence.
 * @throws CodedError PORT_IN_USE, CONFIG_INVALID
 */
export async function serveRouter(
  router: RouterService,
  paymentHandlers: (router: RouterService, unary: UnaryFactory) => grpc.UntypedServiceImplementation,
  options: Readonly<{ host: string; port: number; now: Clock; tls?: ServerTls; identities?: Identities }>,
): Promise<RouterServer> {
  const server = new grpc.Server(CHANNEL_OPTIONS);
  const make: UnaryFactory = (answer) => unary(answer, options.now);
  const known = (handlers: grpc.UntypedServiceImplementation) => identified(handlers, options.identities ?? null);
  server.addService(v1.Inference.service, known(inferenceHandlers(router, options.now)));
  server.addService(v1.WorkerAttachment.service, attachmentHandlers(router, make));
  server.addService(v1.Transparency.service, known(transparencyHandlers(router, options.now)));
  server.addService(v1.Payments.service, known(paymentHandlers(router, make)));
  const health = new HealthImplementation({ '': 'SERVING', 'chrysalis.v1.Inference': 'SERVING' });
  health.addToServer(server);
  new ReflectionService(packageDefinition).addToServer(server);
  const port = await bind(server, options, serverCredentials(options.tls));
  return {
    port,
    close: (graceMs) => {
      health.setStatus('', 'NOT_SERVING');
      return shutDown(server, graceMs);
    },
  };
}

/**
 * Serves an operator of the router on loopback alone: whoever reaches this port may drain workers.
 * @throws CodedError PORT_IN_USE
 */
export async function serveAdministration(
  router: RouterService,
  options: Readonly<{ port: number; now: Clock }>,
): Promise<RouterServer> {
  const server = new grpc.Server(CHANNEL_OPTIONS);
  server.addService(v1.Administration.service, administrationHandlers(router, options.now));
  const credentials = grpc.ServerCredentials.createInsecure();
  const port = await bind(server, { host: '127.0.0.1', port: options.port }, credentials);
  return { port, close: (graceMs) => shutDown(server, graceMs) };
}

export function bind(
  server: grpc.Server,
  { host, port }: Readonly<{ host: string; port: number }>,
  credentials: grpc.ServerCredentials,
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, credentials, (error, bound) => {
      if (error === null) resolve(bound);
      else reject(new CodedError('PORT_IN_USE', `${host}:${port} cannot be bound`, { port }));
    });
  });
}

export function shutDown(server: grpc.Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const kill = setTimeout(() => server.forceShutdown(), graceMs);
    server.tryShutdown(() => {
      clearTimeout(kill);
      resolve();
    });
  });
}

export type UnaryFactory = <Ask, Answer>(
  answer: (ask: Ask, deadline: UnixMs) => Answer | Promise<Answer>,
) => grpc.handleUnaryCall<Ask, Answer>;
