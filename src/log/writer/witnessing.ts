import { asCodedError, type Bytes, type Clock, CodedError, concat, equalBytes, utf8 } from '../../core/index.ts';
import {
  type Checkpoint,
  formatLogProof,
  keysOfPolicy,
  type LeafType,
  type LogPolicy,
  metBy,
  parseLeaf,
  parseNote,
  policyHolds,
  type VerifierKey,
  verifyCheckpoint,
  verifyNote,
} from '../index.ts';
import { createWitnessClient, type WitnessClient } from '../witness/client.ts';
import { type CosignedStore, openCosignedStore } from './cosigned-store.ts';
import type { Log } from './log.ts';
import type { KnownHead } from './recovery.ts';

/** A witnessed checkpoint that is no longer renewed tells clients nothing of today: renewed at least this often. */
const RENEW_MS = 60_000;
const RETRY_MS = 1_000;
/** Of the cosigned checkpoints one is kept for auditors each minute, and each that first covers a entry that takes effect by being cosigned (P2). */
const KEEP_EVERY_MS = 60_000;
const TURNING_POINTS: ReadonlySet<string> = new Set<LeafType>(['policy-published', 'key-rotation', 'image-registered']);
const ENTRIES_READ_MAX = 4096;
/** How long a proof waits for the quorum. */
const WAIT_MS = 5_000;
const WAITERS_MAX = 1_024;
/** A witness that holds another size says which; more than two such answers in a row is no conversation. */
const ATTEMPTS_MAX = 3;

export type WitnessingEvent = Readonly<{ witness: string; code: string; why: string }>;

/** The cosigned side of a log: what the quorum of its policy has seen. */
export type Witnessing = Readonly<{
  /** The newest checkpoint with the quorum's cosignatures. @throws CodedError LOG_NOT_WITNESSED where there is none yet */
  checkpoint(): Bytes;
  /** `.tlog-proof` under a cosigned checkpoint, waited for. @throws CodedError LOG_NOT_WITNESSED, INDEX_OUT_OF_RANGE */
  proof(index: number): Promise<string>;
  /** The oldest kept checkpoint with the quorum's cosignatures that covers an entry, or null. */
  covering(index: number): Bytes | null;
  close(): Promise<void>;
}>;

type Named = Readonly<{ name: string; key: VerifierKey; client: WitnessClient }>;
export type WitnessingDeps = Readonly<{
  /** File in which cosigned checkpoints are kept. */
  path: string;
  fetch: typeof fetch;
  clock: Clock;
  report: (event: WitnessingEvent) => void;
  waitMs?: number;
}>;

function witnessesOf(policy: LogPolicy, fetcher: typeof fetch): Named[] {
  return [...policy.witnesses].flatMap(([name, { key, url }]) =>
    url === null ? [] : [{ name, key, client: createWitnessClient(url, fetcher) }],
  );
}

/**
 * What the witnesses hold of this log, asked before its key signs anything: a disk restored from a backup must not fork
 * the log. Witnesses that don't answer are tolerated only while they can't make a quorum among themselves: then one
 * that took part in every quorum was asked.
 * @throws CodedError WITNESS_UNREACHABLE
 */
export async function askKnownHeads(
  policy: LogPolicy,
  key: VerifierKey,
  fetcher: typeof fetch,
): Promise<readonly KnownHead[]> {
  const heads: KnownHead[] = [];
  const silent = new Set<string>([...policy.witnesses].filter(([, { url }]) => url === null).map(([name]) => name));
  await Promise.all(
    witnessesOf(policy, fetcher).map(async ({ name, client }) => {
      try {
        const note = await client.checkpoint(key.name);
        if (note === null) return;
        const { checkpoint } = await verifyCheckpoint(note, [key], key.name);
        heads.push({ size: checkpoint.size, root: checkpoint.root });
      } catch {
        silent.add(name); // no answer, or one that is not this log's
      }
    }),
  );
  if (policy.quorum !== null && metBy(policy, (name) => silent.has(name))) {
    throw new CodedError('WITNESS_UNREACHABLE', 'the witnesses could not be asked what they hold of this log', {
      silent: [...silent].join(' '),
      todo: 'start the witnesses first; the log signs nothing before it has asked them',
    });
  }
  return heads;
}

type Newest = Readonly<{ note: Bytes; checkpoint: Checkpoint; at: number }>;

/** The newest checkpoint that was kept, as good as any: it is verified again. */
async function reopen(kept: CosignedStore, policy: LogPolicy, origin: string): Promise<Newest | null> {
  const note = kept.newest();
  if (note === null) return null;
  const verified = await verifyCheckpoint(note, keysOfPolicy(policy), origin);
  return policyHolds(policy, verified) ? { note, checkpoint: verified.checkpoint, at: 0 } : null;
}

/** Has each new head of a log cosigned. @throws CodedError LOG_SIGNATURE_* where what was kept is not this log's */
export async function createWitnessing(log: Log, policy: LogPolicy, deps: WitnessingDeps): Promise<Witnessing> {
  const { clock, report } = deps;
  const kept = openCosignedStore(deps.path);
  const witnesses = witnessesOf(policy, deps.fetch);
  const sizes = new Map<string, number>();
  const waiting = new Set<() => void>();
  let newest = await reopen(kept, policy, log.origin);
  let keptAt = Number.NEGATIVE_INFINITY;
  let closed = false;
  let running: Promise<void> | null = null;
  let timer: NodeJS.Timeout | undefined;

  const cosign = async (witness: Named, note: Bytes, size: number): Promise<string> => {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const old = sizes.get(witness.name) ?? 0;
      if (old > size) throw new CodedError('LOG_INCONSISTENT', 'the witness holds a newer tree of this log');
      const proof = old === 0 || old === size ? [] : await log.consistency(old, size);
      const answer = await witness.client.addCheckpoint(old, proof, note);
      if (answer.outcome === 'refused') throw new CodedError('WITNESS_REFUSED', answer.why, { status: answer.status });
      if (answer.outcome === 'stale') {
        sizes.set(witness.name, answer.size);
        continue;
      }
      const text = parseNote(note).text;
      await verifyNote(concat(utf8(`${text}\n`), utf8(answer.lines)), [witness.key]);
      sizes.set(witness.name, size);
      return answer.lines;
    }
    throw new CodedError('WITNESS_REFUSED', 'the witness keeps naming other sizes');
  };

  const round = async (): Promise<void> => {
    const { size } = log.head();
    const own = log.checkpoint();
    const lines = await Promise.all(
      witnesses.map((witness) =>
        cosign(witness, own, size).catch((thrown: unknown) => {
          const { code, message } = asCodedError(thrown);
          report({ witness: witness.name, code, why: message });
          return '';
        }),
      ),
    );
    const note = concat(own, utf8(lines.join('')));
    const verified = await verifyCheckpoint(note, keysOfPolicy(policy), log.origin);
    if (!policyHolds(policy, verified)) throw new CodedError('LOG_NOT_WITNESSED', 'the quorum is not met');
    const from = newest?.checkpoint.size ?? 0;
    newest = { note, checkpoint: verified.checkpoint, at: clock() };
    if (clock() - keptAt >= KEEP_EVERY_MS || (await turns(log, from, newest.checkpoint.size))) {
      kept.keep(newest.checkpoint.size, note);
      keptAt = clock();
    }
    for (const wake of waiting) wake();
  };

  const isBehind = () => newest === null || !equalBytes(newest.checkpoint.root, log.head().root);

  const loop = async (): Promise<void> => {
    while (!closed && (isBehind() || clock() - (newest?.at ?? 0) >= RENEW_MS)) {
      try {
        await round();
      } catch {
        schedule(RETRY_MS); // each witness's reason was reported
        return;
      }
    }
    schedule(RENEW_MS);
  };
  const schedule = (delay: number): void => {
    if (closed) return;
    clearTimeout(timer);
    timer = setTimeout(start, delay);
    timer.unref();
  };
  const start = (): void => {
    if (closed) return;
    running ??= loop().finally(() => {
      running = null;
    });
  };
  const stopWatching = log.onPublished(start);
  start();

  const covering = async (index: number): Promise<Newest> => {
    const covers = () => newest !== null && newest.checkpoint.size > index;
    const until = clock() + (deps.waitMs ?? WAIT_MS);
    while (!covers() && !closed && clock() < until && waiting.size < WAITERS_MAX) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(limit);
          waiting.delete(wake);
          resolve();
        };
        const limit = setTimeout(wake, Math.max(1, until - clock()));
        waiting.add(wake);
      });
    }
    if (newest === null || !covers()) {
      throw new CodedError('LOG_NOT_WITNESSED', 'the witnesses have not cosigned a head with this entry yet', {
        index,
      });
    }
    return newest;
  };

  return {
    checkpoint() {
      if (newest === null) throw new CodedError('LOG_NOT_WITNESSED', 'no head of this log is cosigned yet');
      return newest.note;
    },
    async proof(index) {
      if (index >= log.head().size) return log.proof(index); // says that it is out of range
      const { note, checkpoint } = await covering(index);
      return formatLogProof({
        index,
        path: await log.inclusion(index, checkpoint.size),
        extra: null,
        checkpoint: note,
      });
    },
    covering: (index) => kept.covering(index),
    async close() {
      closed = true;
      stopWatching();
      clearTimeout(timer);
      for (const wake of waiting) wake();
      await running;
      kept.close();
    },
  };
}

/** Whether entries [from, to) hold one that takes effect by being cosigned. */
async function turns(log: Log, from: number, to: number): Promise<boolean> {
  for (let at = from; at < to; at += ENTRIES_READ_MAX) {
    for (const { entry } of await log.entries(at, Math.min(to, at + ENTRIES_READ_MAX))) {
      if (TURNING_POINTS.has(parseLeaf(entry).leaf.type)) return true;
    }
  }
  return false;
}
