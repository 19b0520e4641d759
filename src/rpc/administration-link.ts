import { CodedError, toHex, type UnixMs } from '../core/index.ts';
import type { AuditRecord, ExportMade, ReviewMade } from '../router/index.ts';
import { ask, openChannel } from './ask.ts';
import { bytesOf } from './bytes.ts';
import { v1 } from './package.ts';
import { type ClientTls, clientDoor } from './tls.ts';
import type { AuditRecord__Output } from './wire/chrysalis/v1/AuditRecord.ts';
import type { GetStatusResponse__Output } from './wire/chrysalis/v1/GetStatusResponse.ts';
import type { PolicyProposal__Output } from './wire/chrysalis/v1/PolicyProposal.ts';

const DEADLINE_MS = 15_000;
/** A line for each worker, and there may be thousands. */
const STATUS_BYTES_MAX = 16 * 1024 * 1024;

/** What an operator's program sees of a router: `RouterStatus` as it crossed the wire. */
export type StatusReport = ReturnType<typeof statusFromWire>;

/** A connection to a router's administration. Every method throws CodedError ROUTER_UNREACHABLE, ROLE_REFUSED, NOT_FOUND. */
export type AdministrationLink = ReturnType<typeof connectToAdministration>;

/** @param address `host:port` @throws CodedError CONFIG_INVALID */
export function connectToAdministration(address: string, now: () => UnixMs, tls?: ClientTls) {
  const router = openChannel(clientDoor(address, tls), now, STATUS_BYTES_MAX);
  const { service } = v1.Administration;
  const { ApprovePolicy, DrainWorker, GetPolicy, GetProposal, GetStatus, ProposePolicy } = service;
  const until = (ms = DEADLINE_MS) => ({ deadline: now() + ms });
  return {
    async drainWorker(workerId: Uint8Array, reason: string): Promise<void> {
      await ask(router, DrainWorker, { workerId: Buffer.from(workerId), reason }, until());
    },
    policy: async () => (await ask(router, GetPolicy, {}, until())).policy,
    propose: async (policy: string, approvals: Uint8Array) =>
      proposalFromWire(await ask(router, ProposePolicy, { policy, approvals: Buffer.from(approvals) }, until())),
    approve: async (approvals: Uint8Array) =>
      proposalFromWire(await ask(router, ApprovePolicy, { approvals: Buffer.from(approvals) }, until())),
    proposal: async () => proposalFromWire(await ask(router, GetProposal, {}, until())),
    status: async (withinMs?: number) => statusFromWire(await ask(router, GetStatus, {}, until(withinMs))),
    recordExport: async ({ manifestSha256, from, size }: ExportMade) => {
      const made = { manifestSha256: Buffer.from(manifestSha256), from: String(from), size: String(size) };
      return recordFromWire(await ask(router, service.RecordExport, made, until()));
    },
    recordReview: async ({ manifestSha256, size, verdict }: ReviewMade) => {
      const made = { manifestSha256: Buffer.from(manifestSha256), size: String(size), verdict };
      return recordFromWire(await ask(router, service.RecordReview, made, until()));
    },
    close: () => router.close(),
  };
}

function recordFromWire({ index, account, salt }: AuditRecord__Output): AuditRecord {
  const opening = account === '' ? null : { account, salt: bytesOf(salt) };
  return { index: whole(index), opening };
}

function proposalFromWire({ policyDigest, approvals, ...wire }: PolicyProposal__Output) {
  return { ...wire, digest: toHex(bytesOf(policyDigest)), approvals: bytesOf(approvals) };
}

function statusFromWire(wire: GetStatusResponse__Output) {
  return {
    ...wire,
    ...{ now: whole(wire.now), startedAt: whole(wire.startedAt) },
    ...{ tokensIn: whole(wire.tokensIn), tokensCached: whole(wire.tokensCached), tokensOut: whole(wire.tokensOut) },
    workers: wire.workers.map((row) => ({
      ...row,
      workerId: toHex(bytesOf(row.workerId)),
      ...{ leaseExpiresAt: whole(row.leaseExpiresAt), requests: whole(row.requests), failed: whole(row.failed) },
      ...{ tokensIn: whole(row.tokensIn), tokensCached: whole(row.tokensCached), tokensOut: whole(row.tokensOut) },
    })),
    ended: wire.ended.map(({ code, count }) => ({ code, count: whole(count) })),
  };
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new CodedError('ROUTER_UNREACHABLE', 'the router broke the protocol');
  return value;
}
