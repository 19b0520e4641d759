import * as grpc from '@grpc/grpc-js';
import type { Clock } from '../core/index.ts';
import type { RouterService, RouterStatus } from '../router/index.ts';
import { bytesOf } from './bytes.ts';
import { CHANNEL_OPTIONS, v1 } from './package.ts';
import { bind, type RouterServer, shutDown, unary } from './router-server.ts';
import type { GetStatusResponse } from './wire/chrysalis/v1/GetStatusResponse.ts';

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
    getStatus: unary(() => statusToWire(router.status()), now),
  } as grpc.UntypedServiceImplementation;
}

function statusToWire({ firstToken, workers, queues, ended, ...status }: RouterStatus): GetStatusResponse {
  return {
    ...status,
    firstTokenP50Ms: firstToken.p50Ms,
    firstTokenP99Ms: firstToken.p99Ms,
    workers: workers.map(({ firstPart, workerId, ...row }) => ({
      ...row,
      workerId: Buffer.from(workerId),
      tee: row.tee ?? '',
      breaker: row.breaker ?? '',
      firstPartP50Ms: firstPart.p50Ms,
      firstPartP99Ms: firstPart.p99Ms,
    })),
    queues: [...queues],
    ended: [...ended].map(([code, count]) => ({ code, count })),
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
