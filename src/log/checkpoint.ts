import { type Bytes, CodedError, fromBase64, toBase64, utf8 } from '../core/index.ts';
import { type NoteSignature, type VerifierKey, verifyNote } from './note.ts';
import { parseSize } from './size.ts';

/** C2SP tlog-checkpoint. @property root 32 bytes @property extensions lines that nobody audits; usually none */
export type Checkpoint = Readonly<{ origin: string; size: number; root: Bytes; extensions: readonly string[] }>;

/** The body that is signed: origin, size, root, extension lines, each with a newline. */
export function formatCheckpoint({ origin, size, root, extensions }: Checkpoint): string {
  return [origin, String(size), toBase64(root), ...extensions].map((line) => `${line}\n`).join('');
}

/**
 * Strict: decimal size without leading zeros, a root of exactly 32 bytes in canonical base64, no empty line. Rendering
 * the result gives the text back.
 * @throws CodedError LOG_CHECKPOINT_MALFORMED, LOG_SIZE_INVALID, ENCODING_INVALID
 */
export function parseCheckpoint(body: string): Checkpoint {
  const malformed = (why: string) => new CodedError('LOG_CHECKPOINT_MALFORMED', `checkpoint: ${why}`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what signed-note forbids
  if (/[\u0000-\u0009\u000b-\u001f]/.test(body)) throw malformed('a control character');
  if (!body.endsWith('\n') || !body.isWellFormed()) throw malformed('does not end with a newline');
  const [origin = '', sizeText, rootText, ...extensions] = body.slice(0, -1).split('\n');
  if (sizeText === undefined || rootText === undefined) throw malformed('has fewer than three lines');
  if (origin === '' || extensions.includes('')) throw malformed('has an empty line');
  const size = parseSize(sizeText, 'checkpoint size');
  const root = fromBase64(rootText, 'checkpoint root');
  if (root.length !== 32) throw malformed(`the root has ${root.length} bytes`);
  const checkpoint = { origin, size, root, extensions };
  if (formatCheckpoint(checkpoint) !== body) throw malformed('is not in its one spelling');
  return checkpoint;
}

export type VerifiedCheckpoint = Readonly<{
  checkpoint: Checkpoint;
  body: string;
  verified: readonly NoteSignature[];
  unverified: readonly NoteSignature[];
}>;

/**
 * A signed checkpoint. @param origin what it must say; a log is known by its origin and key together
 * @throws CodedError as {@link verifyNote} and {@link parseCheckpoint}; LOG_ORIGIN_MISMATCH
 */
export async function verifyCheckpoint(
  note: Uint8Array,
  keys: readonly VerifierKey[],
  origin?: string,
): Promise<VerifiedCheckpoint> {
  const { text, verified, unverified } = await verifyNote(note, keys);
  const checkpoint = parseCheckpoint(text);
  if (origin !== undefined && checkpoint.origin !== origin) {
    throw new CodedError('LOG_ORIGIN_MISMATCH', 'the checkpoint is of another log');
  }
  return { checkpoint, body: text, verified, unverified };
}

/** Bytes the log's Ed25519 key (type 0x01) signs. */
export function checkpointMessage(checkpoint: Checkpoint): Bytes {
  return utf8(formatCheckpoint(checkpoint));
}
