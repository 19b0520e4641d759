import { asCodedError, type Bytes, type Clock, CodedError, concat, equalBytes, utf8 } from '../../core/index.ts';
import {
  type Checkpoint,
  formatLogProof,
  formatSignatureLine,
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
import type { CosignedStore } from './cosigned-store.ts';
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
  covering(index: number): Promise<Bytes | null>;
  close(): Promise<void>;
}>;

type Named = Readonly<{ name: string; key: VerifierKey; client: WitnessClient }>;
export type WitnessingDeps = Readonly<{
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
  const note = await kept.newest();
  if (note === null) return null;
  const verified = await verifyCheckpoint(note, keysOfPolicy(policy), origin);
  return policyHolds(policy, verified) ? { note, checkpoint: verified.checkpoint, at: 0 } : null;
}

/** Asks every witness once for the newest head. @throws CodedError LOG_NOT_WITNESSED where the quorum is not met */
function createRound(log: Log, policy: LogPolicy, { fetch: fetcher, report }: WitnessingDeps) {
  const witnesses = witnessesOf(policy, fetcher);
  const sizes = new Map<string, number>();

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
      const { verified } = await verifyNote(concat(utf8(`${text}\n`), utf8(answer.lines)), [witness.key]);
      sizes.set(witness.name, size);
      // Its own line and no other: what else it sent could spoil the note for everybody.
      return verified.map(({ signature }) => formatSignatureLine(witness.key, signature)).join('');
    }
    throw new CodedError('WITNESS_REFUSED', 'the witness keeps naming other sizes');
  };

  return async (): Promise<Readonly<{ note: Bytes; checkpoint: Checkpoint }>> => {
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
    return { note, checkpoint: verified.checkpoint };
  };
}

/** Those who wait for the next cosigned head. */
class Waiters {
  readonly #waiting = new Set<() => void>();

  /** Until the next head, or for so long. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(limit);
        this.#waiting.delete(wake);
        resolve();
      };
      const limit = setTimeout(wake, Math.max(1, ms));
      this.#waiting.add(wake);
    });
  }

  get full(): boolean {
    return this.#waiting.size >= WAITERS_MAX;
  }

  wake(): void {
    for (const wake of this.#waiting) wake();
  }
}

/** Has each new head of a log cosigned. @throws CodedError LOG_SIGNATURE_* where what was kept is not this log's */
export async function createWitnessing(log: Log, policy: LogPolicy, deps: WitnessingDeps): Promise<Witnessing> {
  const { clock, waitMs = WAIT_MS } = deps;
  const kept = log.cosigned;
  const round = createRound(log, policy, deps);
  const waiters = new Waiters();
  let newest = await reopen(kept, policy, log.origin);
  let keptAt = Number.NEGATIVE_INFINITY;
  let closed = false;
  let running: Promise<void> | null = null;
  let timer: NodeJS.Timeout | undefined;

  const isDue = () =>
    newest === null || !equalBytes(newest.checkpoint.root, log.head().root) || clock() - newest.at >= RENEW_MS;

  const publish = async (): Promise<void> => {
    const from = newest?.checkpoint.size ?? 0;
    newest = { ...(await round()), at: clock() };
    const { note, checkpoint } = newest;
    if (clock() - keptAt >= KEEP_EVERY_MS || (await turns(log, from, checkpoint.size))) {
      await kept.keep(checkpoint.size, note);
      keptAt = clock();
    }
    waiters.wake();
  };
  const loop = async (): Promise<number> => {
    try {
      while (!closed && isDue()) await publish();
      return RENEW_MS;
    } catch {
      return RETRY_MS; // each witness's reason was reported
    }
  };
  const start = (): void => {
    if (closed) return;
    running ??= loop().then((delay) => {
      running = null;
      clearTimeout(timer);
      // A head may have come while the loop was ending, and found it still running.
      timer = setTimeout(start, delay === RENEW_MS && isDue() ? 0 : delay);
      timer.unref();
    });
  };
  const stopWatching = log.onPublished(start);
  start();

  const covering = async (index: number): Promise<Newest> => {
    const until = clock() + waitMs;
    for (;;) {
      if (newest !== null && newest.checkpoint.size > index) return newest;
      if (closed || clock() >= until || waiters.full) break;
      await waiters.wait(until - clock());
    }
    throw new CodedError('LOG_NOT_WITNESSED', 'the witnesses have not cosigned a head with this entry yet', { index });
  };

  return {
    checkpoint() {
      if (newest === null) throw new CodedError('LOG_NOT_WITNESSED', 'no head of this log is cosigned yet');
      return newest.note;
    },
    async proof(index) {
      if (index >= log.head().size) return log.proof(index); // says that it is out of range
      const { note, checkpoint } = await covering(index);
      const path = await log.inclusion(index, checkpoint.size);
      return formatLogProof({ index, path, extra: null, checkpoint: note });
    },
    covering: (index) => kept.covering(index),
    async close() {
      closed = true;
      stopWatching();
      clearTimeout(timer);
      waiters.wake();
      await running;
      clearTimeout(timer);
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
