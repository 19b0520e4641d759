import type { TdxRevocationMode, TrustAnchor } from '../../attestation/index.ts';
import {
  type Bytes,
  CodedError,
  fromBase64,
  fromHex,
  type Json,
  parseStrictJson,
  type UnixSeconds,
} from '../../core/index.ts';

export const KINDS = [
  'tdx-quote',
  'snp-report',
  'nvidia-gpu',
  'nvidia-devices',
  'nvidia-rim',
  'nras-token',
  'ccel',
  'composite',
] as const;
export type Kind = (typeof KINDS)[number];

/** What is larger is refused before it is decoded; the parsers' own bounds may be narrower. */
export const EVIDENCE_BYTES_MAX: Readonly<Record<Kind, number>> = {
  'tdx-quote': 64 * 1024,
  'snp-report': 64 * 1024,
  'nvidia-gpu': 64 * 1024,
  'nvidia-devices': 2 * 1024 * 1024,
  'nvidia-rim': 256 * 1024,
  'nras-token': 512 * 1024,
  ccel: 4 * 1024 * 1024,
  composite: 4 * 1024 * 1024,
};

export const TRUST_ANCHORS_MAX = 16;
/** What an anchor may vouch for in composite evidence, apart from CPUs. */
const PURPOSES = ['nvidia-device', 'nvidia-manifest'] as const;
export const REVOCATION_MODES = ['require', 'prefer', 'off'] as const;

/** One question to `chrysalis verify`; its JSON form is in the README of the command. */
export type VerifyRequest = Readonly<{
  id: string | number | null;
  kind: Kind;
  evidence: Bytes;
  /** Of the kind's own shape, or null where the caller gave none. */
  collateral: Json;
  at: UnixSeconds;
  policy: Json;
  /** Null for the vendor roots that are pinned here. */
  trustAnchors: readonly TrustAnchor[] | null;
  expect: Readonly<Record<string, Json>>;
  revocation: TdxRevocationMode;
  require: readonly 'signature'[];
}>;

const FIELDS: ReadonlySet<string> = new Set([
  'id',
  'kind',
  'evidence',
  'collateral',
  'at',
  'policy',
  'trustAnchors',
  'expect',
  'revocation',
  'require',
]);

type JsonRecord = { readonly [name: string]: Json | undefined };

function malformed(field: string, why: string): CodedError {
  return new CodedError('REQUEST_MALFORMED', `request.${field}: ${why}`, { field });
}

function recordOf(value: Json | undefined, field: string): JsonRecord {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(field, 'not an object');
  return value as JsonRecord;
}

/** The id of a request that may be malformed otherwise, so that its answer can name it; null where it has none. */
export function requestIdOf(value: Json): string | number | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const { id } = value as JsonRecord;
  return typeof id === 'string' || typeof id === 'number' ? id : null;
}

/** @throws CodedError ENCODING_INVALID for what is not strict JSON */
export function parseRequestLine(line: string): Json {
  return parseStrictJson(line, 'request');
}

export function evidenceTooLarge(kind: Kind): CodedError {
  const bytesMax = EVIDENCE_BYTES_MAX[kind];
  return new CodedError('EVIDENCE_TOO_LARGE', `evidence of kind ${kind} has at most ${bytesMax} bytes`, { bytesMax });
}

/**
 * Unknown fields are refused: a misspelt expectation must not pass as none.
 * @throws CodedError REQUEST_MALFORMED, EVIDENCE_TOO_LARGE
 */
export function parseVerifyRequest(value: Json): VerifyRequest {
  const fields = recordOf(value, '');
  for (const name of Object.keys(fields)) if (!FIELDS.has(name)) throw malformed(name, 'an unknown field');
  const { evidence, at, expect, id } = fields;
  if (typeof evidence !== 'string') throw malformed('evidence', 'not base64 text');
  if (typeof at !== 'string') throw malformed('at', 'not a time');
  if (id !== undefined && id !== null && typeof id !== 'string' && typeof id !== 'number') {
    throw malformed('id', 'neither text nor a number');
  }
  const kind = oneOf(KINDS, fields.kind, 'kind');
  if (evidence.length > 4 * Math.ceil(EVIDENCE_BYTES_MAX[kind] / 3)) throw evidenceTooLarge(kind);
  return {
    id: id ?? null,
    kind,
    evidence: fromBase64(evidence, 'request.evidence'),
    collateral: fields.collateral ?? null,
    at: parseInstant(at),
    policy: fields.policy ?? null,
    trustAnchors: parseTrustAnchors(fields.trustAnchors),
    expect: expect === undefined || expect === null ? {} : (recordOf(expect, 'expect') as Record<string, Json>),
    revocation: oneOf(REVOCATION_MODES, fields.revocation ?? 'require', 'revocation'),
    require: parseRequire(fields.require),
  };
}

function oneOf<T extends string>(values: readonly T[], value: Json | undefined, field: string): T {
  const found = values.find((known) => known === value);
  if (found === undefined) throw malformed(field, `not one of ${values.join(', ')}`);
  return found;
}

function parseRequire(value: Json | undefined): readonly 'signature'[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw malformed('require', 'not a list');
  return value.map((item: Json) => oneOf(['signature'] as const, item, 'require'));
}

function parseTrustAnchors(value: Json | undefined): readonly TrustAnchor[] | null {
  if (value === undefined || value === null) return null;
  if (!Array.isArray(value) || value.length > TRUST_ANCHORS_MAX) {
    throw malformed('trustAnchors', `not a list of at most ${TRUST_ANCHORS_MAX}`);
  }
  return value.map((item: Json) => {
    const { spkiSha256, purpose } = recordOf(item, 'trustAnchors');
    if (typeof spkiSha256 !== 'string') throw malformed('trustAnchors', 'spkiSha256 is not hexadecimal');
    if (purpose === undefined) return callerAnchor(spkiSha256);
    return { ...callerAnchor(spkiSha256), purpose: oneOf(PURPOSES, purpose, 'trustAnchors.purpose') };
  });
}

/** A root that the caller names by the SHA-256 of its key. @throws CodedError REQUEST_MALFORMED */
export function callerAnchor(spkiSha256: string): TrustAnchor {
  if (!/^[0-9a-fA-F]{64}$/.test(spkiSha256)) throw malformed('trustAnchors', 'not 64 hexadecimal digits');
  return { spkiSha256: fromHex(spkiSha256), kind: 'caller', name: 'given by the caller' };
}

const INSTANT = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** RFC 3339, whole seconds (fractions are cut). @throws CodedError REQUEST_MALFORMED */
export function parseInstant(text: string): UnixSeconds {
  const [, year, month, day, hour, minute, second, zone] = INSTANT.exec(text) ?? [];
  const local = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const asUtc = Date.parse(`${local}Z`);
  // A date that is not of the calendar does not write back as itself.
  if (zone === undefined || Number.isNaN(asUtc) || new Date(asUtc).toISOString() !== `${local}.000Z`) {
    throw malformed('at', 'not a time in RFC 3339');
  }
  return Date.parse(`${local}${zone}`) / 1000;
}
