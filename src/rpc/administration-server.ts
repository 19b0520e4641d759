import type * as grpc from '@grpc/grpc-js';
import { asCodedError, type Clock, CodedError, type ErrorCode } from '../core/index.ts';
import type {
  AdministrationMethod,
  Administrators,
  PolicyDesk,
  PolicyProposal,
  RouterService,
  RouterStatus,
} from '../router/index.ts';
import { bytesOf } from './bytes.ts';
import { type GrpcLimits, GrpcServer } from './grpc/server.ts';
import { KEEPALIVE_MS, MESSAGE_BYTES_MAX, METADATA_BYTES_MAX, v1 } from './package.ts';
import { type RouterServer, unary } from './router-server.ts';
import { toServiceError } from './status.ts';
import { type ServerTls, serverTlsOptions } from './tls.ts';
import type { ApprovePolicyRequest__Output } from './wire/chrysalis/v1/ApprovePolicyRequest.ts';
import type { GetStatusResponse } from './wire/chrysalis/v1/GetStatusResponse.ts';
import type { ProposePolicyRequest__Output } from './wire/chrysalis/v1/ProposePolicyRequest.ts';

/** One call of somebody with a role: who (null where nobody is asked who he is), what, and what came of it. */
export type AdministrationCall = Readonly<{
  account: string | null;
  method: AdministrationMethod;
  /** Null where it was done. */
  code: ErrorCode | null;
}>;

export type AdministrationOptions = Readonly<{
  host: string;
  port: number;
  now: Clock;
  tls?: ServerTls;
  /** Who may do what; null for whoever reaches the port, which is for loopback alone. */
  administrators: Administrators | null;
  /** Null where nobody is named who may sign policies. */
  policies: PolicyDesk | null;
  /** Told of each call that was answered or refused. */
  called: (call: AdministrationCall) => void;
}>;

/** By the method's name on the wire: one without its roles does not compile. */
function methodsOf(
  router: RouterService,
  policies: PolicyDesk | null,
): Record<AdministrationMethod, (ask: never) => unknown> {
  const desk = (): PolicyDesk => {
    if (policies !== null) return policies;
    throw new CodedError('REQUEST_UNSUPPORTED', 'this router was given no --policy-approvers: nobody can sign here');
  };
  return {
    ProposePolicy: async (ask: ProposePolicyRequest__Output) =>
      proposalToWire(await desk().propose(ask.policy, bytesOf(ask.approvals))),
    ApprovePolicy: async (ask: ApprovePolicyRequest__Output) =>
      proposalToWire(await desk().approve(bytesOf(ask.approvals))),
    GetProposal: async () => proposalToWire(await desk().proposal()),
    ListWorkers: () => ({
      workers: router
        .listWorkers()
        .map((row) => ({ ...row, leaseExpiresAt: String(row.leaseExpiresAt), logIndex: String(row.logIndex) })),
    }),
    DrainWorker: (ask: { workerId: Buffer; reason: string }) => {
      router.drainWorker(bytesOf(ask.workerId), ask.reason);
      return {};
    },
    GetPolicy: () => ({ policy: router.policy().policy, policyDigest: router.policy().digest }),
    GetStatus: () => statusToWire(router.status()),
  };
}

type Handler = grpc.handleUnaryCall<unknown, unknown>;

/** Asks who calls before it does anything. */
function guarded(
  method: AdministrationMethod,
  run: (ask: never) => unknown,
  { administrators, called, now }: AdministrationOptions,
): Handler {
  const report = (account: string | null, error: unknown) =>
    called({ account, method, code: error === null ? null : asCodedError(error).code });
  return (call, answer) => {
    let account: string | null = null;
    try {
      account = administrators?.permit(call.getAuthContext().sslPeerCertificate?.raw ?? null, method) ?? null;
    } catch (error) {
      report(null, error);
      answer(toServiceError(error));
      return;
    }
    const observed = async (ask: unknown) => {
      try {
        const value = await run(ask as never);
        report(account, null);
        return value;
      } catch (error) {
        report(account, error);
        throw error;
      }
    };
    unary(observed, now)(call, answer);
  };
}

function proposalToWire({ text, approvals, digest, missing, ...rest }: PolicyProposal) {
  return { ...rest, policy: text, approvals, policyDigest: digest, missing: [...missing] };
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

const LIMITS: GrpcLimits = {
  messageBytesMax: MESSAGE_BYTES_MAX,
  metadataBytesMax: METADATA_BYTES_MAX,
  keepaliveMs: KEEPALIVE_MS,
  connectionsMax: 256,
  streamsMax: 64,
  connectionMiBMax: 64,
};

/**
 * Serves those who administer a router: people with roles over mTLS, or whoever reaches the port on loopback.
 * @throws CodedError PORT_IN_USE, CONFIG_INVALID
 */
export async function serveAdministration(
  router: RouterService,
  options: AdministrationOptions,
): Promise<RouterServer> {
  const server = new GrpcServer(LIMITS, options.now);
  const handlers = Object.entries(methodsOf(router, options.policies)).map(([name, run]) => [
    name,
    guarded(name as AdministrationMethod, run, options),
  ]);
  server.addService(v1.Administration.service, Object.fromEntries(handlers));
  const port = await server.listen({ ...options, tls: serverTlsOptions(options.tls) });
  return { port, close: (graceMs) => server.close(graceMs) };
}
