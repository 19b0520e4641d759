import type * as grpc from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { type Clock, CodedError, type UnixMs } from '../core/index.ts';
import type { Identities, RouterService } from '../router/index.ts';
import { bytesOf } from './bytes.ts';
import { type GrpcLimits, GrpcServer } from './grpc/server.ts';
import { identified, identifiedPeer } from './identified.ts';
import { DEADLINE_DEFAULT_MS, inferHandler } from './infer-server.ts';
import {
  CONNECTION_MIB_MAX,
  KEEPALIVE_MS,
  MESSAGE_BYTES_MAX,
  METADATA_BYTES_MAX,
  packageDefinition,
  v1,
} from './package.ts';
import { toServiceError } from './status.ts';
import { type ServerTls, serverTlsOptions } from './tls.ts';
import { serveAttachment } from './worker-server.ts';

function deadlineOf(call: { getDeadline(): grpc.Deadline }, now: UnixMs): UnixMs {
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

function inferenceHandlers(router: RouterService, now: Clock): grpc.UntypedServiceImplementation {
  return {
    listModels: unary(() => ({ models: [...router.listModels()] }), now),
    getOffers: unary(
      async (ask: { hello: Buffer; offersMax: number }, deadline) => ({
        offers: await router.getOffers(bytesOf(ask.hello), ask.offersMax, deadline),
      }),
      now,
    ),
  } as grpc.UntypedServiceImplementation;
}

function transparencyHandlers(router: RouterService, now: Clock): grpc.UntypedServiceImplementation {
  return {
    getEvidence: unary((ask: { evidenceDigest: Buffer }) => router.getEvidence(bytesOf(ask.evidenceDigest)), now),
    getAdmission: unary((ask: { workerId: Buffer }) => router.getAdmission(bytesOf(ask.workerId)), now),
    getReceiptProof: unary((ask: { receiptDigest: Buffer }) => router.getReceiptProof(bytesOf(ask.receiptDigest)), now),
  } as grpc.UntypedServiceImplementation;
}

const LIMITS: GrpcLimits = {
  messageBytesMax: MESSAGE_BYTES_MAX,
  metadataBytesMax: METADATA_BYTES_MAX,
  keepaliveMs: KEEPALIVE_MS,
  connectionsMax: 16_384,
  // One worker may carry as many answers, and one gateway ask for them.
  streamsMax: 32_768,
  connectionMiBMax: CONNECTION_MIB_MAX,
};

export type RouterServer = Readonly<{ port: number; close(graceMs: number): Promise<void> }>;
/** @property drain takes nothing new, and says so to whoever asks for its health; what runs goes on */
export type DrainingServer = RouterServer & Readonly<{ drain(): void }>;

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
): Promise<DrainingServer> {
  const server = new GrpcServer(LIMITS, options.now);
  const make: UnaryFactory = (answer) => unary(answer, options.now);
  const identities = options.identities ?? null;
  const known = (handlers: grpc.UntypedServiceImplementation) => identified(handlers, identities);
  server.addService(v1.Inference.service, known(inferenceHandlers(router, options.now)));
  server.handle(v1.Inference.service.Infer.path, inferHandler(router, options.now, identifiedPeer(identities)));
  serveAttachment(server, router, make);
  server.addService(v1.Transparency.service, known(transparencyHandlers(router, options.now)));
  server.addService(v1.Payments.service, known(paymentHandlers(router, make)));
  const health = new HealthImplementation({ '': 'SERVING', 'chrysalis.v1.Inference': 'SERVING' });
  // Both ask for no more of a server than this.
  const services = server as unknown as grpc.Server;
  health.addToServer(services);
  new ReflectionService(packageDefinition).addToServer(services);
  const port = await server.listen({ host: options.host, port: options.port, tls: serverTlsOptions(options.tls) });
  return {
    port,
    drain: () => {
      health.setStatus('', 'NOT_SERVING');
      void server.drain();
    },
    close: (graceMs) => {
      health.setStatus('', 'NOT_SERVING');
      return server.close(graceMs);
    },
  };
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
