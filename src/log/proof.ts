import {
  asCodedError,
  type Bytes,
  CodedError,
  fromBase64,
  fromUtf8,
  leafHash,
  toBase64,
  utf8,
  verifyInclusion,
} from '../core/index.ts';
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts';
import { NOTE_BYTES_MAX, parseNote, parseVkey, type VerifierKey, verifyNote } from './note.ts';
import { isSize, parseSize } from './size.ts';
import { PROOF_HASHES_MAX } from './tree.ts';

/**
 * C2SP tlog-proof: all that an offline reader needs beside the entry and the log's key.
 * @property checkpoint the signed note, all its signatures @property extra not authenticated by anything
 */
export type LogProof = Readonly<{ index: number; path: readonly Bytes[]; extra: Bytes | null; checkpoint: Bytes }>;

export const PROOF_BYTES_MAX = NOTE_BYTES_MAX + 128 * 1024;
const LINE_CHARACTERS_MAX = 64 * 1024;
const HEADER = 'c2sp.org/tlog-proof@v1';

/** The file's text. @throws CodedError LOG_PROOF_MALFORMED for an index or path that no log has */
export function formatLogProof({ index, path, extra, checkpoint }: LogProof): string {
  if (!isSize(index) || path.length > PROOF_HASHES_MAX || path.some((hash) => hash.length !== 32)) {
    throw new CodedError('LOG_PROOF_MALFORMED', 'not an index and at most 63 hashes', { hashes: path.length });
  }
  const lines = [HEADER, ...(extra === null ? [] : [`extra ${toBase64(extra)}`]), `index ${index}`];
  return `${[...lines, ...path.map(toBase64)].join('\n')}\n\n${fromUtf8(checkpoint, 'checkpoint')}`;
}

/**
 * Strict syntax; the checkpoint's own syntax is {@link parseNote}'s matter.
 * @throws CodedError LOG_PROOF_MALFORMED, LOG_SIZE_INVALID, ENCODING_INVALID
 */
export function parseLogProof(proof: string): LogProof {
  const malformed = (why: string) => new CodedError('LOG_PROOF_MALFORMED', `tlog-proof: ${why}`);
  if (proof.length > PROOF_BYTES_MAX) throw malformed('too large');
  const split = proof.indexOf('\n\n');
  const lines = split < 0 ? [] : proof.slice(0, split).split('\n');
  const checkpoint = proof.slice(split + 2);
  if (lines.shift() !== HEADER) throw malformed('does not start with its header, or has no empty line');
  if (checkpoint === '' || !checkpoint.endsWith('\n')) throw malformed('the checkpoint is missing or cut off');
  if (lines.length > PROOF_HASHES_MAX + 2) throw malformed('too many lines');
  if (lines.some((line) => line.length > LINE_CHARACTERS_MAX)) throw malformed('a line is too long');
  const extra = lines[0]?.startsWith('extra ') ? fromBase64((lines.shift() as string).slice(6), 'extra') : null;
  const indexLine = lines.shift();
  if (!indexLine?.startsWith('index ')) throw malformed('no index line');
  const index = parseSize(indexLine.slice(6), 'index');
  const path = lines.map((line) => fromBase64(line, 'hash'));
  if (path.length > PROOF_HASHES_MAX || path.some((hash) => hash.length !== 32))
    throw malformed('a hash is not 32 bytes');
  return { index, path, extra, checkpoint: utf8(checkpoint) };
}

export type LogCheckName = 'checkpointWellFormed' | 'checkpointSignature' | 'originMatches' | 'inclusion';
export type LogCheck = Readonly<{ outcome: 'passed' } | { outcome: 'failed' | 'notRun'; reason: string }>;
export type LogChecks = Readonly<Record<LogCheckName, LogCheck>>;
/** @property signatures `name+keyId` of the given keys that signed the checkpoint */
export type LogProofVerdict = Readonly<{ checks: LogChecks }> &
  (
    | Readonly<{ verdict: 'verified'; index: number; checkpoint: Checkpoint; signatures: readonly string[] }>
    | Readonly<{ verdict: 'refused' }>
  );

const PASSED: LogCheck = { outcome: 'passed' };
const failed = (reason: string): LogCheck => ({ outcome: 'failed', reason });
const notRun = (reason: string): LogCheck => ({ outcome: 'notRun', reason });

/**
 * Is this entry in the log that this key stands for? Offline: needs the entry's bytes, the proof and the key alone.
 * It says nothing about which entry is newest, nor that the log shows everybody the same tree: that is what cosigners
 * and anchors are for.
 * @param logKey the log's verifier key (one, or those of a log that changed keys), as text or parsed
 * @param origin what the checkpoint must say; the key's name where not given (they are equal for logs of ours)
 * @throws CodedError LOG_PROOF_MALFORMED, LOG_SIZE_INVALID, ENCODING_INVALID for a proof that cannot be read;
 * LOG_KEY_INVALID for a key that is none
 */
export async function verifyLogProof(
  entry: Uint8Array,
  proof: string,
  logKey: string | VerifierKey | readonly VerifierKey[],
  origin?: string,
): Promise<LogProofVerdict> {
  const keys = logKeys(logKey);
  const { index, path, checkpoint: note } = parseLogProof(proof);
  let checkpoint: Checkpoint | null = null;
  let signatures: string[] = [];
  let wellFormed: LogCheck;
  let signature: LogCheck = notRun('the checkpoint is malformed');
  try {
    checkpoint = parseCheckpoint(parseNote(note).text);
    wellFormed = PASSED;
  } catch (error) {
    wellFormed = failed(asCodedError(error).message);
  }
  if (checkpoint !== null) {
    try {
      signatures = (await verifyNote(note, keys)).verified.map(({ name, keyId }) => `${name}+${keyId}`);
      signature = PASSED;
    } catch (error) {
      signature = failed(asCodedError(error).message);
    }
  }
  const checks: LogChecks = {
    checkpointWellFormed: wellFormed,
    checkpointSignature: signature,
    originMatches: originCheck(checkpoint, keys, origin),
    inclusion: inclusionCheck(checkpoint, index, entry, path),
  };
  if (checkpoint === null || Object.values(checks).some(({ outcome }) => outcome !== 'passed')) {
    return { verdict: 'refused', checks };
  }
  return { verdict: 'verified', checks, index, checkpoint, signatures };
}

function logKeys(logKey: string | VerifierKey | readonly VerifierKey[]): readonly VerifierKey[] {
  if (typeof logKey === 'string') return [parseVkey(logKey)];
  return 'keyId' in logKey ? [logKey] : logKey;
}

function originCheck(checkpoint: Checkpoint | null, keys: readonly VerifierKey[], origin?: string): LogCheck {
  if (checkpoint === null) return notRun('the checkpoint is malformed');
  const wanted = origin === undefined ? keys.map(({ name }) => name) : [origin];
  return wanted.includes(checkpoint.origin) ? PASSED : failed('the checkpoint is of another log');
}

function inclusionCheck(
  checkpoint: Checkpoint | null,
  index: number,
  entry: Uint8Array,
  path: readonly Bytes[],
): LogCheck {
  if (checkpoint === null) return notRun('the checkpoint is malformed');
  const { size, root } = checkpoint;
  if (index >= size) return failed(`index ${index} in a tree of ${size}`);
  if (verifyInclusion(index, size, leafHash(entry), path, root)) return PASSED;
  return failed(`the entry is not at index ${index} of the tree of ${size}`);
}
