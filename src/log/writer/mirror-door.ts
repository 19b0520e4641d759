import { asCodedError, type Bytes, type Clock, CodedError, leafHash, merkleRoot } from '../../core/index.ts';
import {
  type Checkpoint,
  decideAddCheckpoint,
  type EntryPackage,
  formatMirrorInfo,
  parseAddCheckpoint,
  parseAddEntries,
  verifySubtreeConsistency,
  type WitnessedLog,
} from '../index.ts';
import type { WitnessStore } from '../witness/store.ts';
import type { Mirror } from './mirror.ts';

/** Pending checkpoints that an upload may still name, the newest included. */
const PENDING_KEPT = 8;
/** How far below its next entry a mirror takes entries again. */
const AGAIN_MAX = 8_192;
const NO_TICKET = new Uint8Array(0);

export type DoorAnswer = Readonly<{ status: number; body: string }>;
/** @property info whether the body says what the mirror holds (202 and 409 of add-entries) */
export type EntriesAnswer = DoorAnswer & Readonly<{ info: boolean }>;

type Pending = Readonly<{ checkpoint: Pick<Checkpoint, 'size' | 'root'>; note: Bytes }>;

/**
 * The way in which others give a log to a mirror (C2SP tlog-mirror): first a checkpoint that extends all before it, as to
 * a witness, then the entries it holds, each package proven to be of that checkpoint before it is kept. The mirror cosigns
 * once it holds all of them.
 * @param deps.pending a witness's memory, of the pending checkpoint
 */
export function createMirrorDoor(
  deps: Readonly<{ mirror: Mirror; log: WitnessedLog; pending: WitnessStore; clock: Clock }>,
) {
  const { mirror, log, pending } = deps;
  const known = new Map<number, Pending>();
  const remember = (one: Pending): void => {
    known.set(one.checkpoint.size, one);
    if (known.size > PENDING_KEPT) known.delete(known.keys().next().value as number);
  };
  const before = pending.head(log.origin);
  if (before !== null) remember({ checkpoint: before, note: before.note });
  let last: Promise<unknown> = Promise.resolve();

  const addCheckpoint = async (request: Uint8Array): Promise<DoorAnswer> => {
    const held = pending.head(log.origin);
    const decision = await decideAddCheckpoint(request, log, held);
    if (decision.status !== 200) {
      return { status: decision.status, body: decision.status === 409 ? `${held?.size ?? 0}\n` : `${decision.why}\n` };
    }
    const note = Uint8Array.from(parseAddCheckpoint(request).note);
    const { size, root } = decision.checkpoint;
    if (!pending.replace(log.origin, held, { size, root, note })) {
      throw new CodedError('INVARIANT_BROKEN', 'the memory of the mirror changed under it');
    }
    remember({ checkpoint: { size, root }, note });
    return { status: 200, body: '' }; // it cosigns when it holds the entries, not before
  };

  /** Keeps what is new of a package. @returns false where the package is not of the checkpoint */
  const keep = async (one: EntryPackage, to: Pending['checkpoint']): Promise<boolean> => {
    const { start, end, subtree, entries, proof } = one;
    const earlier = start > subtree.start ? await mirror.held(subtree.start, start) : [];
    const root = merkleRoot([...earlier, ...entries].map(leafHash));
    if (!verifySubtreeConsistency(subtree, to.size, root, to.root, proof)) return false;
    const next = mirror.next();
    if (next < end) await mirror.append(entries.slice(next - start));
    return true;
  };

  const addEntries = async (request: Uint8Array): Promise<EntriesAnswer> => {
    const plain = (status: number, body: string): EntriesAnswer => ({ status, body: `${body}\n`, info: false });
    let asked: ReturnType<typeof parseAddEntries>;
    try {
      asked = parseAddEntries(request);
    } catch (thrown) {
      return plain(400, asCodedError(thrown).message);
    }
    const { origin, start, end } = asked.head;
    if (origin !== log.origin) return plain(404, 'unknown origin');
    const to = known.get(end);
    const next = mirror.next();
    const newest = pending.head(log.origin)?.size ?? 0;
    const info = (status: number): EntriesAnswer => {
      const size = to === undefined ? newest : end;
      return { status, body: formatMirrorInfo({ size, next: mirror.next(), ticket: NO_TICKET }), info: true };
    };
    if (to === undefined || start > next || start < next - AGAIN_MAX) return info(409);
    let kept = 0;
    try {
      for (const one of asked.packages()) {
        if (!(await keep(one, to.checkpoint))) return plain(422, 'a package is not of the checkpoint');
        kept++;
      }
    } catch (thrown) {
      const error = asCodedError(thrown);
      if (error.code !== 'LOG_NOTE_MALFORMED' || kept > 0) throw error;
      return plain(400, error.message);
    }
    if (mirror.next() < end) return kept > 0 ? info(202) : plain(400, 'no whole package');
    const at = Math.floor(deps.clock() / 1000);
    const line = await mirror.commit(to.note, { ...to.checkpoint, origin, extensions: [] }, at);
    return line === null ? info(409) : { status: 200, body: line, info: false };
  };

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const answer = last.then(work);
    last = answer.catch(() => undefined);
    return answer;
  };
  return {
    addCheckpoint: (request: Uint8Array) => inTurn(() => addCheckpoint(request)),
    addEntries: (request: Uint8Array) => inTurn(() => addEntries(request)),
  };
}
