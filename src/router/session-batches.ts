import { sha256 } from '#crypto';
import { type Bytes, toHex, type UnixMs } from '../core/index.ts';
import {
  encodeSessionRecords,
  SESSION_RECORDS_MAX,
  type SessionRecord,
  sessionRoot,
  sessionTenant,
} from '../log/index.ts';
import type { Worker } from './fleet.ts';
import type { LogPort } from './ports.ts';

const INTERVAL_MS = 15_000;
/** Batches that wait for a log that is away: ten minutes of a busy router. */
const WAITING_MAX = 40;

/** One dispatch to which a worker began to answer. @property channel who pays: raw address @property sessionId 32 bytes */
export type Served = Readonly<{
  worker: Worker;
  sessionId: Bytes;
  channel: string;
  sealedBytes: number;
  startedAt: UnixMs;
  endedAt: UnixMs;
}>;
type Open = Omit<SessionRecord, 'tenant'> & Readonly<{ channel: string }>;
type Batch = Readonly<{ from: number; to: number; records: readonly SessionRecord[] }>;

/**
 * Enters into the log who was served by which worker in an interval: a record for each session and worker, of whom only
 * the root stands in the entry. Sessions that a crash of the router takes with it are missing; their receipts are not.
 * @param deps.secret 32 bytes: commits to channels, so that without it nobody can tell whose a record is
 */
export function createSessionBatches(
  deps: Readonly<{
    log: LogPort;
    source: string;
    secret: Bytes;
    failed: (what: string, error: unknown) => void;
  }>,
) {
  const { log, source, secret } = deps;
  let open = new Map<string, Open>();
  const waiting: Batch[] = [];
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<void> | null = null;
  let closed = false;

  const cut = (): void => {
    if (open.size === 0) return;
    const records = [...open.values()].map(({ channel, ...record }): SessionRecord => {
      return { ...record, tenant: sessionTenant(secret, record, channel) };
    });
    open = new Map();
    const from = Math.min(...records.map(({ openedAt }) => openedAt));
    const to = Math.max(...records.map(({ closedAt }) => closedAt));
    waiting.push({ from, to, records });
    if (waiting.length <= WAITING_MAX) return;
    waiting.shift();
    deps.failed('session records', new Error('the log was away for so long that some were dropped'));
  };

  const write = async (): Promise<void> => {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      const { from, to, records } = next;
      const bytes = encodeSessionRecords(records);
      const root = sessionRoot(records);
      const body = { from, to, count: records.length, root };
      const blobs = [`sha256:${toHex(sha256(bytes))}` as const];
      await log.append(
        { type: 'session-batch', src: source, subject: `sessions:${source}`, body, blobs },
        { idempotencyKey: `session-batch:${source}:${from}:${root}`, blobs: [bytes] },
      );
      waiting.shift();
    }
  };
  const flush = (): Promise<void> => {
    cut();
    running ??= write().finally(() => {
      running = null;
    });
    return running;
  };
  const schedule = (): void => {
    if (timer !== null || closed) return;
    timer = setTimeout(() => {
      timer = null;
      flush().catch((error: unknown) => {
        deps.failed('session records', error);
        schedule();
      });
    }, INTERVAL_MS);
    timer.unref();
  };

  return {
    served({ worker, sessionId, channel, sealedBytes, startedAt, endedAt }: Served): void {
      const { admission, join } = worker;
      if (admission === null || join === null) return;
      const key = `${toHex(sessionId)}:${toHex(admission.workerId)}:${channel}`;
      const before = open.get(key);
      if (before === undefined && open.size >= SESSION_RECORDS_MAX) cut();
      open.set(key, {
        channel,
        worker: `sha256:${toHex(admission.workerId)}`,
        image: admission.image,
        model: `sha256:${toHex(join.modelDigest)}`,
        policyNumber: admission.policyNumber,
        openedAt: Math.min(before?.openedAt ?? startedAt, startedAt),
        closedAt: Math.max(before?.closedAt ?? endedAt, endedAt, startedAt),
        requests: (before?.requests ?? 0) + 1,
        sealedBytes: roundedUp(Math.max(before?.sealedBytes ?? 0, sealedBytes)),
      });
      schedule();
    },
    async close(): Promise<void> {
      closed = true;
      if (timer !== null) clearTimeout(timer);
      await running?.catch(() => undefined);
      await flush().catch((error: unknown) => deps.failed('session records', error));
    },
  };
}

/** To a power of two: sizes of prompts are nobody's business. */
function roundedUp(bytes: number): number {
  return bytes === 0 ? 0 : 2 ** Math.ceil(Math.log2(bytes));
}
