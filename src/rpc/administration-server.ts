import type * as grpc from '@grpc/grpc-js';
import { asCodedError, type Clock, CodedError, type ErrorCode } from '../core/index.ts';
import type {
  AdministrationMethod,
  Administrators,
  AuditRecord,
  PolicyDesk,
  PolicyProposal,
  ReviewVerdict,
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
import type { ListWorkersRequest__Output } from './wire/chrysalis/v1/ListWorkersRequest.ts';
import type { ProposePolicyRequest__Output } from './wire/chrysalis/v1/ProposePolicyRequest.ts';
import type { RecordExportRequest__Output } from './wire/chrysalis/v1/RecordExportRequest.ts';
import type { RecordReviewRequest__Output } from './wire/chrysalis/v1/RecordReviewRequest.ts';

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
): Record<AdministrationMethod, (ask: never, account: string | null) => unknown> {
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
    ListWorkers: ({ from, most }: ListWorkersRequest__Output) => {
      const all = router.listWorkers();
      const end = from + Math.min(most || WORKERS_AT_ONCE, WORKERS_AT_ONCE);
      const workers = all
        .slice(from, end)
        .map((row) => ({ ...row, leaseExpiresAt: String(row.leaseExpiresAt), logIndex: String(row.logIndex) }));
      return { workers, next: end < all.length ? end : 0 };
    },
    DrainWorker: (ask: { workerId: Buffer; reason: string }) => {
      router.drainWorker(bytesOf(ask.workerId), ask.reason);
      return {};
    },
    GetPolicy: () => ({ policy: router.policy().policy, policyDigest: router.policy().digest }),
    GetStatus: () => statusToWire(router.status()),
    RecordExport: async ({ manifestSha256, from, size }: RecordExportRequest__Output, account) =>
      recordToWire(
        await router.recordExport(
          { manifestSha256: bytesOf(manifestSha256), from: sizeOf(from), size: sizeOf(size) },
          account,
        ),
      ),
    RecordReview: async ({ manifestSha256, size, verdict }: RecordReviewRequest__Output, account) =>
      recordToWire(
        await router.recordReview(
          { manifestSha256: bytesOf(manifestSha256), size: sizeOf(size), verdict: verdict as ReviewVerdict },
          account,
        ),
      ),
  };
}

/** Each comes with its appraisal, which is long. */
const WORKERS_AT_ONCE = 256;

type Handler = grpc.handleUnaryCall<unknown, unknown>;

/** Asks who calls before it does anything. */
function guarded(
  method: AdministrationMethod,
  run: (ask: never, account: string | null) => unknown,
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
        const value = await run(ask as never, account);
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

/** A number that no log reaches is none. @throws CodedError AUDIT_RANGE_INVALID */
function sizeOf(text: string): number {
  const size = Number(text);
  if (Number.isSafeInteger(size)) return size;
  throw new CodedError('AUDIT_RANGE_INVALID', 'no log has as many entries');
}

function recordToWire({ index, opening }: AuditRecord) {
  return { index: String(index), account: opening?.account ?? '', salt: opening?.salt ?? new Uint8Array(0) };
}

function proposalToWire({ text, approvals, digest, missing, ...rest }: PolicyProposal) {
  return { ...rest, policy: text, approvals, policyDigest: digest, missing: [...missing] };
}

function statusToWire({ firstToken, workers, queues, ended, ...status }: RouterStatus): GetStatusResponse {
  return {
    ...status,
    firstTokenP50Ms: firstToken.p50Ms,
    firstTokenP99Ms: firstToken.p99Ms,
    workers: workers.map(({ firstFrame, workerId, ...row }) => ({
      ...row,
      workerId: Buffer.from(workerId),
      tee: row.tee ?? '',
      breaker: row.breaker ?? '',
      firstFrameP50Ms: firstFrame.p50Ms,
      firstFrameP99Ms: firstFrame.p99Ms,
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
