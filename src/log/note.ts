import { ed25519Verify, ML_DSA_44, mlDsa44Verify, sha256 } from '#crypto';
import { type Bytes, CodedError, concat, fromBase64, fromUtf8, toBase64, toHex, u8, u64, utf8 } from '../core/index.ts';
import { parseSize } from './size.ts';

/** C2SP signed-note: a text, an empty line, signature lines. Bounds: ML-DSA lines take some 3.3 kB each. */
export const NOTE_BYTES_MAX = 512 * 1024;
export const NOTE_SIGNATURES_MAX = 100;

/** Signature types of signed-note and tlog-cosignature that a key of ours may have. */
export const KEY_TYPE = { ed25519: 0x01, cosignature: 0x04, mlDsaCosignature: 0x06 } as const;
const KEY_BYTES: Readonly<Record<number, number>> = { 1: 32, 4: 32, 6: 1312 };
const VKEY_CHARACTERS_MAX = 4096;

/** @property keyId 8 lower-case hex digits */
export type VerifierKey = Readonly<{ name: string; keyId: string; type: number; publicKey: Bytes }>;
export type NoteSignature = Readonly<{ name: string; keyId: string; signature: Bytes }>;
/** @property text with its final newline. Structure only: nothing was verified. */
export type ParsedNote = Readonly<{ text: string; signatures: readonly NoteSignature[] }>;
/** Lines of known keys, each key once, and of unknown ones; both in the note's order. */
export type VerifiedNote = Readonly<{
  text: string;
  verified: readonly NoteSignature[];
  unverified: readonly NoteSignature[];
}>;

const NAME = /^[^\p{White_Space}\p{Cc}+]+$/u;

function isKeyName(name: string): boolean {
  return NAME.test(name) && name.isWellFormed();
}

/** First 4 bytes of SHA-256(name ‖ 0x0A ‖ type ‖ key), in hex. */
export function keyIdOf(name: string, type: number, publicKey: Uint8Array): string {
  return toHex(sha256(concat(utf8(`${name}\n`), Uint8Array.of(type), publicKey)).subarray(0, 4));
}

/** @throws CodedError LOG_KEY_INVALID for a name, type or length that no verifier key can have */
export function verifierKey(name: string, type: number, publicKey: Uint8Array): VerifierKey {
  if (!isKeyName(name))
    throw new CodedError('LOG_KEY_INVALID', 'the name of a verifier key is empty, or has a space or +');
  if (KEY_BYTES[type] !== publicKey.length) {
    throw new CodedError('LOG_KEY_INVALID', `no verifier key has type ${type} and ${publicKey.length} bytes`, { type });
  }
  return { name, keyId: keyIdOf(name, type, publicKey), type, publicKey: Uint8Array.from(publicKey) };
}

/** `name+keyId+base64(type ‖ key)` */
export function formatVkey(key: VerifierKey): string {
  return `${key.name}+${key.keyId}+${toBase64(concat(Uint8Array.of(key.type), key.publicKey))}`;
}

/** The key id must be the one of name, type and key. @throws CodedError LOG_KEY_INVALID */
export function parseVkey(vkey: string): VerifierKey {
  const match = vkey.length <= VKEY_CHARACTERS_MAX ? /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(vkey) : null;
  if (match === null) throw new CodedError('LOG_KEY_INVALID', 'not a verifier key (name+id+key)');
  const [, name = '', keyId = '', encoded = ''] = match;
  const bytes = fromBase64(encoded, 'verifier key');
  const key = verifierKey(name, bytes[0] ?? 0, bytes.subarray(1));
  if (key.keyId !== keyId) {
    throw new CodedError('LOG_KEY_INVALID', `the key's id is ${key.keyId}, the verifier key says ${keyId}`);
  }
  return key;
}

const malformed = (why: string, facts: CodedError['facts'] = {}) => new CodedError('LOG_NOTE_MALFORMED', why, facts);

/** @param text ends in a newline; nothing below U+0020 but newlines. @throws CodedError LOG_NOTE_MALFORMED */
export function parseNote(note: Uint8Array): ParsedNote {
  if (note.length > NOTE_BYTES_MAX) throw malformed('the note is too large', { length: note.length });
  const whole = fromUtf8(note, 'signed note');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what signed-note forbids
  if (/[\u0000-\u0009\u000b-\u001f]/.test(whole)) throw malformed('a control character in the note');
  const split = whole.lastIndexOf('\n\n');
  if (split < 0 || !whole.endsWith('\n')) throw malformed('no empty line before the signatures');
  const text = whole.slice(0, split + 1);
  const lines = whole.slice(split + 2, -1).split('\n');
  if (split + 2 >= whole.length) throw malformed('no signature');
  if (lines.length > NOTE_SIGNATURES_MAX) throw malformed('too many signatures', { lines: lines.length });
  return { text, signatures: lines.map(parseSignatureLine) };
}

function parseSignatureLine(line: string): NoteSignature {
  const match = /^\u2014 ([^ ]+) ([A-Za-z0-9+/]+={0,2})$/u.exec(line);
  const name = match?.[1] ?? '';
  if (match === null || !isKeyName(name)) throw malformed('a line after the text is not a signature');
  const bytes = fromBase64(match[2] as string, 'signature');
  if (bytes.length < 5) throw malformed('a signature is empty');
  return { name, keyId: toHex(bytes.subarray(0, 4)), signature: bytes.slice(4) };
}

/** One signature line, with its newline. @param signature without the key id */
export function formatSignatureLine(key: Pick<VerifierKey, 'name' | 'keyId'>, signature: Uint8Array): string {
  const id = Uint8Array.from(key.keyId.match(/../g) as string[], (pair) => Number.parseInt(pair, 16));
  return `\u2014 ${key.name} ${toBase64(concat(id, signature))}\n`;
}

export function formatNote(text: string, signatureLines: readonly string[]): Bytes {
  return utf8(`${text}\n${signatureLines.join('')}`);
}

/** Seconds of a cosignature: uint64, big-endian, before the signature. @throws CodedError LOG_SIZE_INVALID above 2^53-1 */
export function cosignatureTimestamp(payload: Uint8Array): number {
  if (payload.length < 9) throw malformed('a cosignature is cut off', { length: payload.length });
  const seconds = new DataView(payload.buffer, payload.byteOffset, 8).getBigUint64(0, false);
  if (seconds > BigInt(Number.MAX_SAFE_INTEGER)) throw new CodedError('LOG_SIZE_INVALID', 'timestamp above 2^53-1');
  return Number(seconds);
}

/** The bytes an Ed25519 cosigner signs (C2SP tlog-cosignature, type 0x04). */
export function cosignedMessage(timestamp: number, checkpointBody: string): Bytes {
  return utf8(`cosignature/v1\ntime ${timestamp}\n${checkpointBody}`);
}

/**
 * The bytes an ML-DSA-44 cosigner signs (type 0x06): the tree alone, under the cosigner's own name. Extension lines of
 * the checkpoint aren't covered.
 * @param checkpointBody a checkpoint's three lines, more are ignored
 * @throws CodedError LOG_CHECKPOINT_MALFORMED for a text that is no checkpoint
 */
export function cosignedSubtree(cosigner: string, timestamp: number, checkpointBody: string): Bytes {
  const [origin = '', size = '', root = ''] = checkpointBody.split('\n');
  const names = [utf8(cosigner), utf8(origin)] as const;
  const hash = /^[A-Za-z0-9+/]{43}=$/.test(root) ? fromBase64(root, 'checkpoint root') : new Uint8Array(0);
  if (hash.length !== 32 || names.some(({ length }) => length < 1 || length > 255)) {
    throw new CodedError('LOG_CHECKPOINT_MALFORMED', 'an ML-DSA cosignature is over a checkpoint');
  }
  const [name, log] = names;
  return concat(
    utf8('subtree/v1\n\0'),
    u8(name.length),
    name,
    u64(timestamp),
    u8(log.length),
    log,
    u64(0),
    u64(parseSize(size, 'checkpoint size')),
    hash,
  );
}

async function signatureHolds(text: string, key: VerifierKey, payload: Bytes): Promise<boolean> {
  if (key.type === KEY_TYPE.ed25519) return ed25519Verify(key.publicKey, utf8(text), payload);
  const signature = payload.subarray(8);
  if (key.type === KEY_TYPE.cosignature) {
    if (payload.length !== 8 + 64) return false;
    return ed25519Verify(key.publicKey, cosignedMessage(cosignatureTimestamp(payload), text), signature);
  }
  if (payload.length !== 8 + ML_DSA_44.signatureBytes) return false;
  const message = cosignedSubtree(key.name, cosignatureTimestamp(payload), text);
  return mlDsa44Verify(key.publicKey, message, signature);
}

/**
 * C2SP signed-note: a line belongs to a known key by name and id. A wrong signature of a known key refuses the whole
 * note, and so does a note that no known key signed.
 * @throws CodedError LOG_NOTE_MALFORMED, LOG_SIGNATURE_INVALID, LOG_SIGNATURE_MISSING
 */
export async function verifyNote(note: Uint8Array, keys: readonly VerifierKey[]): Promise<VerifiedNote> {
  const { text, signatures } = parseNote(note);
  const verified: NoteSignature[] = [];
  const unverified: NoteSignature[] = [];
  for (const line of signatures) {
    const key = keys.find(({ name, keyId }) => name === line.name && keyId === line.keyId);
    if (key === undefined) {
      unverified.push(line);
      continue;
    }
    if (!(await signatureHolds(text, key, line.signature))) {
      throw new CodedError('LOG_SIGNATURE_INVALID', `the signature of ${key.name}+${key.keyId} does not hold`);
    }
    if (!verified.some(({ name, keyId }) => name === key.name && keyId === key.keyId)) verified.push(line);
  }
  if (verified.length === 0) throw new CodedError('LOG_SIGNATURE_MISSING', 'no known key signed the note');
  return { text, verified, unverified };
}
