import { sha256 } from '#crypto';
import { type Bytes, type Clock, CodedError, concat, equalBytes, toHex, utf8 } from '../../core/index.ts';
import {
  type Cosigner,
  cosignatureTimestamp,
  decideAddCheckpoint,
  encodeEquivocation,
  formatVkey,
  parseAddCheckpoint,
  parseCheckpoint,
  parseNote,
  verifyCheckpoint,
  type WitnessDecision,
  type WitnessedLog,
} from '../index.ts';
import type { SeenHead, WitnessStore } from './store.ts';

/** What add-checkpoint answers (C2SP tlog-witness): lines to add to the note with 200, the held size with 409. */
export type AddCheckpointAnswer = Readonly<{ status: WitnessDecision['status']; body: string }>;
export type WitnessEvent = Readonly<{
  event: 'cosigned' | 'refused' | 'equivocation';
  origin: string;
  size: number;
  why: string;
}>;

export type WitnessDeps = Readonly<{
  logs: readonly WitnessedLog[];
  store: WitnessStore;
  /** At least one; each adds a line. */
  cosigners: readonly Cosigner[];
  clock: Clock;
  report: (event: WitnessEvent) => void;
}>;

export type Witness = Readonly<{
  vkeys: readonly string[];
  addCheckpoint(request: Uint8Array): Promise<AddCheckpointAnswer>;
  /** The newest cosigned checkpoint of a log, by SHA-256 of its origin in hex; null where none was seen. */
  checkpoint(originHash: string): Bytes | null;
  /** Evidence that the log with this origin signed two trees; null where none was seen. */
  equivocation(originHash: string): string | null;
}>;

/** The path under which a witness shows what it knows of a log. */
export function originHash(origin: string): string {
  return toHex(sha256(utf8(origin)));
}

/**
 * A witness of C2SP tlog-witness: cosigns only what extends all that it ever cosigned. One request at a time looks at,
 * and durably replaces, what it remembers; only then does it sign.
 */
export function createWitness(deps: WitnessDeps): Witness {
  const { logs, store, cosigners, clock, report } = deps;
  if (cosigners.length === 0) throw new CodedError('CONFIG_INVALID', 'a witness needs a key');
  const logOf = (hash: string) => logs.find(({ origin }) => originHash(origin) === hash) ?? null;
  let last: Promise<unknown> = Promise.resolve();

  const decide = async (request: Uint8Array): Promise<AddCheckpointAnswer> => {
    const log = logs.find(({ origin }) => origin === claimedOrigin(request)) ?? NO_LOG;
    const held = store.head(log.origin);
    const decision = await decideAddCheckpoint(request, log, held);
    if (decision.status !== 200) {
      if (decision.status === 422) await keepEvidence(deps, log, held, parseAddCheckpoint(request).note);
      report({ event: 'refused', origin: log.origin, size: held?.size ?? 0, why: decision.why });
      return { status: decision.status, body: decision.status === 409 ? `${held?.size ?? 0}\n` : `${decision.why}\n` };
    }
    const { note } = parseAddCheckpoint(request);
    const { text } = parseNote(note);
    const at = Math.max(Math.floor(clock() / 1000), held === null ? 0 : newestTime(held.note, cosigners));
    const { size, root } = decision.checkpoint;
    const lines = (await Promise.all(cosigners.map((cosigner) => cosigner.cosign(text, at)))).join('');
    // Nothing that was signed leaves this process before it is remembered.
    if (!store.replace(log.origin, held, { size, root, note: concat(note, utf8(lines)) })) {
      throw new CodedError('INVARIANT_BROKEN', 'the memory of the witness changed under it');
    }
    report({ event: 'cosigned', origin: log.origin, size, why: '' });
    return { status: 200, body: lines };
  };

  return {
    vkeys: cosigners.map(({ key }) => formatVkey(key)),
    addCheckpoint(request) {
      const answer = last.then(() => decide(request));
      last = answer.catch(() => undefined);
      return answer;
    },
    checkpoint(hash) {
      const log = logOf(hash);
      return log === null ? null : (store.head(log.origin)?.note ?? null);
    },
    equivocation(hash) {
      const log = logOf(hash);
      return log === null ? null : store.equivocation(log.origin);
    },
  };
}

/** Matches no checkpoint: an origin is never empty. */
const NO_LOG: WitnessedLog = { origin: '', keys: [] };

function claimedOrigin(request: Uint8Array): string {
  try {
    return parseCheckpoint(parseNote(parseAddCheckpoint(request).note).text).origin;
  } catch {
    return ''; // the decision says what is wrong with it
  }
}

/** Cosignature times do not go back, whatever the clock does. */
function newestTime(note: Uint8Array, cosigners: readonly Cosigner[]): number {
  const ours = parseNote(note).signatures.filter(({ name, keyId }) =>
    cosigners.some(({ key }) => key.name === name && key.keyId === keyId),
  );
  return Math.max(0, ...ours.map(({ signature }) => cosignatureTimestamp(signature)));
}

/** Two trees of one size, both signed by the log: that is proof, and it is kept. */
async function keepEvidence(
  { store, report }: WitnessDeps,
  log: WitnessedLog,
  held: SeenHead | null,
  note: Uint8Array,
): Promise<void> {
  if (held === null) return;
  const { checkpoint } = await verifyCheckpoint(note, log.keys, log.origin);
  if (checkpoint.size !== held.size || equalBytes(checkpoint.root, held.root)) return;
  store.keepEquivocation(
    log.origin,
    encodeEquivocation({ smaller: held.note, larger: Uint8Array.from(note), prefix: null }),
  );
  report({ event: 'equivocation', origin: log.origin, size: held.size, why: 'two trees of one size' });
}
