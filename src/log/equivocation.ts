import { type Bytes, CodedError, equalBytes, fromBase64, fromUtf8, parseStrictJson, toBase64 } from '../core/index.ts';
import { type Checkpoint, verifyCheckpoint } from './checkpoint.ts';
import { NOTE_BYTES_MAX, type VerifierKey } from './note.ts';
import { PROOF_HASHES_MAX, verifyConsistency } from './tree.ts';

/**
 * Proof that a log told two stories, which anybody with its key checks without asking anyone: two checkpoints it
 * signed, and, where their sizes differ, what the larger tree had as root at the smaller size.
 */
export type Equivocation = Readonly<{
  smaller: Bytes;
  larger: Bytes;
  /** Null for equal sizes. */
  prefix: Readonly<{ root: Bytes; proof: readonly Bytes[] }> | null;
}>;

const FORMAT = 'chrysalis-equivocation@v1';
const BYTES_MAX = 4 * NOTE_BYTES_MAX;

export function encodeEquivocation({ smaller, larger, prefix }: Equivocation): string {
  return `${JSON.stringify(
    {
      format: FORMAT,
      smaller: fromUtf8(smaller, 'checkpoint'),
      larger: fromUtf8(larger, 'checkpoint'),
      prefix: prefix === null ? null : { root: toBase64(prefix.root), proof: prefix.proof.map(toBase64) },
    },
    null,
    2,
  )}\n`;
}

/** @throws CodedError LOG_PROOF_MALFORMED, ENCODING_INVALID */
export function parseEquivocation(text: string): Equivocation {
  const malformed = () => new CodedError('LOG_PROOF_MALFORMED', 'not evidence of an equivocation');
  if (text.length > BYTES_MAX) throw malformed();
  const value = parseStrictJson(text, 'equivocation') as Readonly<Record<string, unknown>> | null;
  if (
    typeof value !== 'object' ||
    value === null ||
    Object.keys(value).sort().join() !== 'format,larger,prefix,smaller'
  )
    throw malformed();
  const { format, smaller, larger, prefix } = value;
  if (format !== FORMAT || typeof smaller !== 'string' || typeof larger !== 'string') throw malformed();
  const encoder = new TextEncoder();
  const notes = { smaller: encoder.encode(smaller), larger: encoder.encode(larger) };
  if (prefix === null) return { ...notes, prefix: null };
  const { root, proof } = (prefix ?? {}) as Readonly<{ root?: unknown; proof?: unknown }>;
  if (typeof root !== 'string' || !Array.isArray(proof) || proof.length > PROOF_HASHES_MAX) throw malformed();
  if (!proof.every((hash) => typeof hash === 'string')) throw malformed();
  return {
    ...notes,
    prefix: { root: fromBase64(root, 'prefix root'), proof: proof.map((hash) => fromBase64(hash, 'hash')) },
  };
}

/**
 * Did the log with one of these keys sign two trees of which neither extends the other?
 * @throws CodedError LOG_SIGNATURE_*, LOG_CHECKPOINT_MALFORMED where a checkpoint isn't the log's; LOG_PROOF_REFUSED where
 * the two don't contradict each other
 */
export async function verifyEquivocation(
  { smaller, larger, prefix }: Equivocation,
  keys: readonly VerifierKey[],
): Promise<Readonly<{ smaller: Checkpoint; larger: Checkpoint }>> {
  const { checkpoint: first } = await verifyCheckpoint(smaller, keys);
  const { checkpoint: second } = await verifyCheckpoint(larger, keys, first.origin);
  const refused = (why: string) => new CodedError('LOG_PROOF_REFUSED', `no equivocation: ${why}`);
  if (prefix === null) {
    if (first.size !== second.size) throw refused('the sizes differ and nothing ties the trees together');
    if (equalBytes(first.root, second.root)) throw refused('both checkpoints are of the same tree');
    return { smaller: first, larger: second };
  }
  if (first.size >= second.size) throw refused('the sizes are not in order');
  if (!verifyConsistency(first.size, second.size, prefix.root, second.root, prefix.proof)) {
    throw refused('the prefix is not the one of the larger tree');
  }
  if (equalBytes(prefix.root, first.root)) throw refused('the larger tree extends the smaller one');
  return { smaller: first, larger: second };
}
