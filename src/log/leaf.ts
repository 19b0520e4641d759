import { type Bytes, CodedError, canonicalJson, canonicalJsonBytes, fromUtf8, type Json } from '../core/index.ts';
import { BODY_RULES, type LeafBody, type LeafType } from './leaf-body.ts';
import { isSize } from './size.ts';

/** A leaf is small: evidence, policies and batches are blobs that it names (tlog-tiles' own bound is 65,535). */
export const LEAF_BYTES_MAX = 8192;
export const LEAF_BLOBS_MAX = 64;
/** A log that says nothing for longer than this was away (audit-log-design section 2, `heartbeat`). */
export const SILENCE_MS = 3 * 60_000;
const SIGNATURES_MAX = 8;
const DEPTH_MAX = 12;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const NAME = /^[a-z0-9][a-z0-9.:/_-]{0,199}$/;
const TYPE = /^[a-z][a-z0-9-]{0,63}$/;

/** `sha256:` and 64 lower-case hex digits. */
export type Digest = `sha256:${string}`;
/** A signature over the canonical leaf without `sig`. @property s base64 */
export type LeafSignature = Readonly<{ key: string; alg: 'ed25519'; s: string }>;

/**
 * What the log holds, one entry each, as RFC 8785 canonical JSON.
 * @property at milliseconds UTC @property src who wrote it @property subject what it is about, `worker:7f…`
 * @property prev index of the last entry about the same subject, or null @property blobs digests of files it names
 */
export type Leaf<Type extends LeafType = LeafType> = Readonly<{
  v: 1;
  type: Type;
  at: number;
  src: string;
  subject: string;
  prev: number | null;
  body: LeafBody[Type];
  blobs: readonly Digest[];
  sig: readonly LeafSignature[];
}>;

/** A leaf to append: the log fills in `v`, and `at` and `prev` where they are absent; a given `prev` must be right. */
export type LeafDraft<Type extends LeafType = LeafType> = Readonly<{
  type: Type;
  src: string;
  subject: string;
  body: LeafBody[Type];
  at?: number;
  prev?: number | null;
  blobs?: readonly Digest[];
  sig?: readonly LeafSignature[];
}>;

/** A well-formed leaf of a type this version does not know: "not checked", never skipped silently. */
export type UnknownLeaf = Readonly<Omit<Leaf, 'type' | 'body' | 'v'> & { v: number; type: string; body: Json }>;
export type ParsedLeaf = Readonly<{ known: true; leaf: Leaf }> | Readonly<{ known: false; leaf: UnknownLeaf }>;

const invalid = (field: string, why: string) => new CodedError('LOG_LEAF_INVALID', `leaf.${field}: ${why}`, { field });

export function isDigest(value: unknown): value is Digest {
  return typeof value === 'string' && DIGEST.test(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Only what canonical JSON of ours may hold: no fractions, no deep nesting. */
function requirePlain(value: unknown, field: string, depth = 0): void {
  if (depth > DEPTH_MAX) throw invalid(field, `nested deeper than ${DEPTH_MAX}`);
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw invalid(field, 'a number that is no integer');
  if (Array.isArray(value)) for (const item of value) requirePlain(item, field, depth + 1);
  else if (isRecord(value)) for (const item of Object.values(value)) requirePlain(item, field, depth + 1);
  else if (!['string', 'number', 'boolean'].includes(typeof value) && value !== null) throw invalid(field, 'not JSON');
}

const FIELDS = ['v', 'type', 'at', 'src', 'subject', 'prev', 'body', 'blobs', 'sig'] as const;

function requireEnvelope(leaf: Readonly<Record<string, unknown>>): void {
  for (const field of FIELDS) if (!Object.hasOwn(leaf, field)) throw invalid(field, 'missing');
  for (const field of Object.keys(leaf)) {
    if (!(FIELDS as readonly string[]).includes(field)) throw invalid('end', 'an unknown field');
  }
  requirePlain(leaf, 'body');
  if (!isSize(leaf.v) || leaf.v === 0) throw invalid('v', 'not a version');
  if (typeof leaf.type !== 'string' || !TYPE.test(leaf.type)) throw invalid('type', 'not a type name');
  if (!isSize(leaf.at)) throw invalid('at', 'not milliseconds since 1970');
  if (typeof leaf.src !== 'string' || !NAME.test(leaf.src)) throw invalid('src', 'not a name');
  if (typeof leaf.subject !== 'string' || !NAME.test(leaf.subject)) throw invalid('subject', 'not a name');
  if (leaf.prev !== null && !isSize(leaf.prev)) throw invalid('prev', 'neither null nor an index');
  if (!isRecord(leaf.body)) throw invalid('body', 'not an object');
  const { blobs, sig } = leaf;
  if (!Array.isArray(blobs) || blobs.length > LEAF_BLOBS_MAX || !blobs.every(isDigest)) {
    throw invalid('blobs', `not at most ${LEAF_BLOBS_MAX} digests`);
  }
  if (new Set(blobs).size !== blobs.length) throw invalid('blobs', 'names one blob twice');
  if (!Array.isArray(sig) || sig.length > SIGNATURES_MAX || !sig.every(isSignature)) {
    throw invalid('sig', `not at most ${SIGNATURES_MAX} signatures`);
  }
}

function isSignature(value: unknown): value is LeafSignature {
  if (!isRecord(value) || Object.keys(value).length !== 3) return false;
  const { key, alg, s } = value;
  return (
    typeof key === 'string' &&
    NAME.test(key) &&
    alg === 'ed25519' &&
    typeof s === 'string' &&
    /^[A-Za-z0-9+/]{86}==$/.test(s)
  );
}

function requireBody(type: LeafType, body: Readonly<Record<string, unknown>>): void {
  for (const [field, rule] of Object.entries(BODY_RULES[type])) {
    if (!rule(body[field])) throw invalid(`body.${field}`, `not what ${type} needs`);
  }
}

function isKnownType(type: string): type is LeafType {
  return Object.hasOwn(BODY_RULES, type);
}

/** Checks an object against the schema. @throws CodedError LOG_LEAF_INVALID; `facts.field` names the field */
export function requireLeaf(value: unknown): ParsedLeaf {
  if (!isRecord(value)) throw invalid('', 'not an object');
  requireEnvelope(value);
  if (value.v !== 1 || !isKnownType(value.type as string)) return { known: false, leaf: value as UnknownLeaf };
  requireBody(value.type as LeafType, value.body as Readonly<Record<string, unknown>>);
  return { known: true, leaf: value as Leaf };
}

/** The bytes the log holds: canonical, at most 8,192. @throws CodedError LOG_LEAF_INVALID */
export function encodeLeaf(leaf: Leaf): Bytes {
  if (!requireLeaf(leaf).known) throw invalid('type', 'unknown to this version');
  const bytes = canonicalJsonBytes(leaf as unknown as Json);
  if (bytes.length > LEAF_BYTES_MAX) throw invalid('end', `more than ${LEAF_BYTES_MAX} bytes`);
  return bytes;
}

/**
 * Parses an entry: canonical JSON in its one spelling (so no key twice), all envelope fields and no others.
 * @throws CodedError LOG_LEAF_INVALID, ENCODING_INVALID
 */
export function parseLeaf(entry: Uint8Array): ParsedLeaf {
  if (entry.length > LEAF_BYTES_MAX) throw invalid('end', `more than ${LEAF_BYTES_MAX} bytes`);
  const text = fromUtf8(entry, 'leaf');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CodedError('LOG_LEAF_INVALID', 'leaf: not JSON', { length: entry.length }, { cause });
  }
  const parsed = requireLeaf(value);
  if (canonicalJson(value as Json) !== text) throw invalid('end', 'not canonical JSON');
  return parsed;
}

/** What each of a leaf's signatures covers: the canonical leaf without `sig`. */
export function leafSignedBytes(leaf: Leaf | UnknownLeaf): Bytes {
  return canonicalJsonBytes({ ...leaf, sig: undefined } as unknown as Json);
}
