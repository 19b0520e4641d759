import type { StatusReport } from '../../rpc/index.ts';
import type { Choices, Sort } from './keys.ts';

const TEE_NAME: Readonly<Record<string, string>> = { tdx: 'TDX', 'sev-snp': 'SEV-SNP' };

/** One worker as it is shown. */
export type WorkerLine = Readonly<{
  workerId: string;
  name: string;
  state: string;
  /** `TDX`, `SEV-SNP`; empty before it was admitted. */
  tee: string;
  simulated: boolean;
  /** It came back and was let in again on the evidence that it was in with before. */
  resumed: boolean;
  model: string;
  /** Null without a lease. */
  leaseLeftMs: number | null;
  running: number;
  slots: number;
  slotsDeclared: number;
  /** Null where nothing can be compared yet. */
  tokensPerSecond: number | null;
  /** From its slot to the first frame of the answer, of its last 128; null where there were none. */
  firstFrameMs: Readonly<{ p50: number; p99: number }> | null;
  /** Null where nothing is sent there. */
  breaker: string | null;
  requests: number;
  failed: number;
}>;

export function workerLines(report: StatusReport, rates: ReadonlyMap<string, number>): WorkerLine[] {
  return report.workers.map((worker) => ({
    workerId: worker.workerId,
    name: worker.name,
    state: worker.state,
    tee: TEE_NAME[worker.tee] ?? worker.tee,
    simulated: worker.simulated,
    resumed: worker.resumed,
    model: worker.modelName,
    leaseLeftMs: worker.leaseExpiresAt === 0 ? null : Math.max(0, worker.leaseExpiresAt - report.now),
    running: worker.running,
    slots: worker.slots,
    slotsDeclared: worker.slotsDeclared,
    tokensPerSecond: rates.get(worker.workerId) ?? null,
    firstFrameMs: worker.firstFrameP99Ms === 0 ? null : { p50: worker.firstFrameP50Ms, p99: worker.firstFrameP99Ms },
    breaker: worker.breaker === '' ? null : worker.breaker,
    requests: worker.requests,
    failed: worker.failed,
  }));
}

/** Most first for what is counted, so that what wants looking at is on top. */
const VALUE_OF: Readonly<Record<Sort, (line: WorkerLine) => string | number>> = {
  name: ({ name }) => name,
  state: ({ state }) => state,
  model: ({ model }) => model,
  lease: ({ leaseLeftMs }) => leaseLeftMs ?? Number.POSITIVE_INFINITY,
  slots: ({ running, slots }) => -(running / Math.max(1, slots)),
  tokens: ({ tokensPerSecond }) => -(tokensPerSecond ?? 0),
  'first token': ({ firstFrameMs }) => -(firstFrameMs?.p99 ?? 0),
  failed: ({ failed }) => -failed,
  breaker: ({ breaker }) => ['open', 'half-open', 'closed'].indexOf(breaker ?? '') >>> 0,
};

/** Those that the filter leaves, in the order chosen; equal ones by name, then by id. */
export function chosen(lines: readonly WorkerLine[], { filter, sort, reversed }: Choices): WorkerLine[] {
  const words = filter.toLowerCase().split(' ');
  const has = ({ name, state, tee, model, workerId }: WorkerLine) => {
    const text = `${name} ${state} ${tee} ${model} ${workerId}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const value = VALUE_OF[sort];
  const order = (a: WorkerLine, b: WorkerLine) => {
    const [one, two] = [value(a), value(b)];
    if (one !== two) return (one < two ? -1 : 1) * (reversed ? -1 : 1);
    return a.name === b.name ? (a.workerId < b.workerId ? -1 : 1) : a.name < b.name ? -1 : 1;
  };
  return lines.filter(has).sort(order);
}
