import { CodedError, equalBytes, fromBase64, fromUtf8, merkleRoot, utf8 } from '../core/index.ts';
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts';
import { NOTE_BYTES_MAX, type VerifierKey, verifyNote } from './note.ts';
import { parseSize } from './size.ts';
import { PROOF_HASHES_MAX, verifyConsistency } from './tree.ts';

/** What a witness knows of the one log: its origin and keys, and the tree it last cosigned. */
export type WitnessedLog = Readonly<{ origin: string; keys: readonly VerifierKey[] }>;
export type WitnessState = Readonly<{ size: number; root: Uint8Array }> | null;
export type AddCheckpoint = Readonly<{ oldSize: number; proof: readonly Uint8Array[]; note: Uint8Array }>;
/** The status a witness answers (C2SP tlog-witness); with 200, the tree to store and cosign. */
export type WitnessDecision =
  | Readonly<{ status: 200; checkpoint: Checkpoint }>
  | Readonly<{ status: 400 | 403 | 404 | 409 | 422; why: string }>;

/** Body of add-checkpoint: `old <size>`, hashes, an empty line, the signed checkpoint. @throws CodedError */
export function parseAddCheckpoint(request: Uint8Array): AddCheckpoint {
  const malformed = (why: string) => new CodedError('LOG_NOTE_MALFORMED', `add-checkpoint: ${why}`);
  if (request.length > NOTE_BYTES_MAX + 64 * 1024) throw malformed('too large');
  const text = fromUtf8(request, 'add-checkpoint');
  const split = text.indexOf('\n\n');
  if (split < 0) throw malformed('no empty line after the proof');
  const [first = '', ...hashes] = text.slice(0, split).split('\n');
  if (!first.startsWith('old ')) throw malformed('does not start with old');
  if (hashes.length > PROOF_HASHES_MAX) throw malformed('too many hashes');
  const proof = hashes.map((hash) => fromBase64(hash, 'proof hash'));
  if (proof.some((hash) => hash.length !== 32)) throw malformed('a hash is not 32 bytes');
  return { oldSize: parseSize(first.slice(4), 'old size'), proof, note: utf8(text.slice(split + 2)) };
}

/**
 * What a witness answers. The caller stores the new tree durably, in the same step in which it compares `state`,
 * before it cosigns: two requests at once must not both see the old one.
 */
export async function decideAddCheckpoint(
  request: Uint8Array,
  log: WitnessedLog,
  state: WitnessState,
): Promise<WitnessDecision> {
  let asked: AddCheckpoint;
  let claimed: Checkpoint;
  try {
    asked = parseAddCheckpoint(request);
    claimed = parseCheckpoint(noteText(asked.note));
  } catch (error) {
    return { status: 400, why: error instanceof CodedError ? error.message : 'malformed' };
  }
  if (claimed.origin !== log.origin) return { status: 404, why: 'unknown origin' };
  try {
    await verifyNote(asked.note, log.keys);
  } catch {
    return { status: 403, why: 'not signed by the log' };
  }
  const { oldSize, proof } = asked;
  if (oldSize > claimed.size) return { status: 400, why: 'the old size is above the new one' };
  if (oldSize !== (state?.size ?? 0)) return { status: 409, why: 'the old size is not the one held' };
  return extendsState(claimed, oldSize, proof, state)
    ? { status: 200, checkpoint: claimed }
    : { status: 422, why: 'the proof does not hold' };
}

/** The signed text; what is wrong with the signature lines is answered with 403, after the origin was looked at. */
function noteText(note: Uint8Array): string {
  const text = fromUtf8(note, 'signed note');
  return text.slice(0, text.lastIndexOf('\n\n') + 1);
}

function extendsState(
  claimed: Checkpoint,
  oldSize: number,
  proof: readonly Uint8Array[],
  state: WitnessState,
): boolean {
  if (claimed.size === 0 && !equalBytes(claimed.root, merkleRoot([]))) return false;
  if (oldSize === 0) {
    // Every tree extends the empty one; the proof of that is empty.
    return proof.length === 0;
  }
  return state !== null && verifyConsistency(oldSize, claimed.size, state.root, claimed.root, proof);
}
