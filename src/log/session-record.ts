import { hmacSha256 } from '#crypto';
import {
  type Bytes,
  CodedError,
  canonicalJson,
  canonicalJsonBytes,
  concat,
  fromUtf8,
  type Json,
  leafHash,
  merkleRoot,
  parseStrictJson,
  toHex,
  utf8,
} from '../core/index.ts';
import { commitment } from './commitment.ts';
import type { Digest } from './leaf.ts';
import { isDigest } from './leaf.ts';
import { isSize } from './size.ts';

/** Of one `session-batch`; the file of them is a blob. */
export const SESSION_RECORDS_MAX = 8_192;
const TENANT = /^c1:[0-9a-f]{64}$/;
const TEXT_MAX = 300;

/**
 * What one client did with one worker in an interval: no prompt, no address, and who it was only as a commitment.
 * @property tenant `c1:` and SHA-256(salt ‖ channel) @property model digest @property image `NAME@VERSION`, or null
 * @property openedAt milliseconds @property sealedBytes the requests' sealed bytes, rounded up to a power of two
 */
export type SessionRecord = Readonly<{
  tenant: string;
  worker: Digest;
  image: string | null;
  model: Digest;
  policyNumber: number;
  openedAt: number;
  closedAt: number;
  requests: number;
  sealedBytes: number;
}>;

const FIELDS: Readonly<Record<keyof SessionRecord, (value: unknown) => boolean>> = {
  tenant: (value) => typeof value === 'string' && TENANT.test(value),
  worker: isDigest,
  image: (value) => value === null || (typeof value === 'string' && value.length <= TEXT_MAX),
  model: isDigest,
  policyNumber: isSize,
  openedAt: isSize,
  closedAt: isSize,
  requests: (value) => isSize(value) && value > 0,
  sealedBytes: (value) => isSize(value) && (value === 0 || Number.isInteger(Math.log2(value))),
};

/** Canonical JSON, one record a line. */
export function encodeSessionRecords(records: readonly SessionRecord[]): Bytes {
  return utf8(records.map((record) => `${canonicalJson(record as unknown as Json)}\n`).join(''));
}

/** @throws CodedError LOG_LEAF_INVALID, ENCODING_INVALID for what {@link encodeSessionRecords} does not write */
export function parseSessionRecords(bytes: Uint8Array): SessionRecord[] {
  const lines = fromUtf8(bytes, 'session records').split('\n');
  const wrong = (why: string) => new CodedError('LOG_LEAF_INVALID', `session records: ${why}`);
  if (lines.pop() !== '') throw wrong('cut off');
  if (lines.length > SESSION_RECORDS_MAX) throw wrong(`more than ${SESSION_RECORDS_MAX}`);
  return lines.map((line) => {
    const value = parseStrictJson(line, 'session record');
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('no object');
    const record = value as Readonly<Record<string, Json | undefined>>;
    if (Object.keys(record).length !== Object.keys(FIELDS).length || canonicalJson(value) !== line) {
      throw wrong('unknown fields, or not canonical');
    }
    for (const [field, rule] of Object.entries(FIELDS)) if (!rule(record[field])) throw wrong(field);
    return record as unknown as SessionRecord;
  });
}

/** The salt of a record's tenant: it follows from the router's secret, so that nothing needs to be kept for each. */
export function sessionSalt(secret: Uint8Array, record: Omit<SessionRecord, 'tenant'>, channel: string): Bytes {
  return hmacSha256(secret, concat(canonicalJsonBytes(record as unknown as Json), utf8(`\n${channel}`)));
}

export function sessionTenant(secret: Uint8Array, record: Omit<SessionRecord, 'tenant'>, channel: string): string {
  return commitment(sessionSalt(secret, record, channel), channel);
}

/** RFC 9162 root over the records, each as its canonical JSON. */
export function sessionRoot(records: readonly SessionRecord[]): Digest {
  return `sha256:${toHex(merkleRoot(records.map((record) => leafHash(canonicalJsonBytes(record as unknown as Json)))))}`;
}
