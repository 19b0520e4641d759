import type { Where } from '#crypto';
import {
  type Bytes,
  concat,
  decodeMs,
  encodeObject,
  equalBytes,
  fieldPlaces,
  labelledDigest,
  objectDigest,
  type UnixMs,
  u8,
  u16,
  u32,
  u64,
} from '../core/index.ts';
import { exactly, malformed, readU64, verifyDigest } from './objects.ts';

/** What a request asks for, in clear to the router (AIS/1 section 6). */
export type Header = Readonly<{
  version: number;
  sessionId: Bytes;
  requestId: Bytes;
  /** 16 bytes, the same for each try of one piece of work; or null. */
  idempotency: Bytes | null;
  /** 1 to 3, no worker twice. */
  candidates: readonly Candidate[];
  /** CSK. */
  sessionKey: Bytes;
  /** Opaque, given by the router. */
  paymentRef: Bytes;
  priceId: Bytes;
  priceCap: bigint;
  /** M. */
  model: Bytes;
  outputTokensMax: number;
  /** Sum of the lengths of the request frames. */
  sealedBytes: number;
  dispatchesMax: number;
  deadline: UnixMs;
  priority: number;
  /** Of the response. */
  padding: Padding;
  /** Prefix tags of section 11: 48 bytes, or null. */
  tags: Bytes | null;
}>;

export type Candidate = Readonly<{
  /** ec_digest of its epoch certificate. */
  certificateDigest: Bytes;
  /** `H("enc", enc)`. */
  encDigest: Bytes;
}>;

export type Padding = 'off' | 'bucket' | 'tick';
const PADDINGS: readonly Padding[] = ['off', 'bucket', 'tick'];

export const CANDIDATES_MAX = 3;
export const HEADER_BYTES_MAX = 4096;
const CANDIDATE_BYTES = 64;

const RULES = [
  { name: 'version', length: 2 },
  { name: 'sessionId', length: 16 },
  { name: 'requestId', length: 16 },
  { name: 'idempotency', length: [0, 16] },
  { name: 'candidates', length: [64, 128, 192] },
  { name: 'sessionKey', length: 32 },
  { name: 'paymentRef', length: 16 },
  { name: 'priceId', length: 32 },
  { name: 'priceCap', length: 8 },
  { name: 'model', length: 32 },
  { name: 'outputTokensMax', length: 4 },
  { name: 'sealedBytes', length: 4 },
  { name: 'dispatchesMax', length: 1 },
  { name: 'deadline', length: 8 },
  { name: 'priority', length: 1 },
  { name: 'padding', length: 1 },
  { name: 'tags', length: [0, 48] },
] as const;

type RuleName = (typeof RULES)[number]['name'];
const AT = Object.fromEntries(RULES.map(({ name }, place) => [name, place])) as Readonly<Record<RuleName, number>>;
const NOTHING: Bytes = new Uint8Array(0);

export function encodeHeader(header: Header): Bytes {
  return encodeObject([
    u16(header.version),
    exactly(16, 'sessionId', header.sessionId),
    exactly(16, 'requestId', header.requestId),
    header.idempotency === null ? NOTHING : exactly(16, 'idempotency', header.idempotency),
    concat(...header.candidates.flatMap((c) => [c.certificateDigest, c.encDigest])),
    exactly(32, 'sessionKey', header.sessionKey),
    exactly(16, 'paymentRef', header.paymentRef),
    exactly(32, 'priceId', header.priceId),
    u64(header.priceCap),
    exactly(32, 'model', header.model),
    u32(header.outputTokensMax),
    u32(header.sealedBytes),
    u8(header.dispatchesMax),
    u64(header.deadline),
    u8(header.priority),
    u8(PADDINGS.indexOf(header.padding)),
    header.tags === null ? NOTHING : exactly(48, 'tags', header.tags),
  ]);
}

/**
 * Reads a header: structure, 1 to 3 different candidates, a known padding, at least one dispatch.
 * @throws CodedError OBJECT_MALFORMED
 */
export function parseHeader(object: Uint8Array): Header {
  if (object.length > HEADER_BYTES_MAX) throw malformed('header', 'length', 'too long');
  return headerIn(new Uint8Array(object));
}

/** As {@link parseHeader}, of bytes that nobody changes as long as the header is in use: its fields are views of them. */
export function headerIn(own: Bytes): Header {
  if (own.length > HEADER_BYTES_MAX) throw malformed('header', 'length', 'too long');
  const places = fieldPlaces(own, 'header', RULES);
  const startOf = (name: RuleName) => places[2 * AT[name]] as number;
  const lengthOf = (name: RuleName) => places[2 * AT[name] + 1] as number;
  const field = (name: RuleName): Bytes => new Uint8Array(own.buffer, own.byteOffset + startOf(name), lengthOf(name));
  const uint = (name: RuleName): number => {
    let value = 0;
    for (let at = startOf(name), end = at + lengthOf(name); at < end; at++) value = value * 256 + (own[at] as number);
    return value;
  };
  const padding = PADDINGS[uint('padding')];
  if (padding === undefined) throw malformed('header', 'padding', 'unknown');
  const dispatchesMax = uint('dispatchesMax');
  if (dispatchesMax === 0) throw malformed('header', 'dispatchesMax', 'no dispatch allowed');
  return {
    version: uint('version'),
    sessionId: field('sessionId'),
    requestId: field('requestId'),
    idempotency: lengthOf('idempotency') === 0 ? null : field('idempotency'),
    candidates: readCandidates(field('candidates')),
    sessionKey: field('sessionKey'),
    paymentRef: field('paymentRef'),
    priceId: field('priceId'),
    priceCap: readU64(field('priceCap')),
    model: field('model'),
    outputTokensMax: uint('outputTokensMax'),
    sealedBytes: uint('sealedBytes'),
    dispatchesMax,
    deadline: decodeMs(field('deadline'), 'header.deadline'),
    priority: uint('priority'),
    padding,
    tags: lengthOf('tags') === 0 ? null : field('tags'),
  };
}

function readCandidates(field: Bytes): Candidate[] {
  const candidates: Candidate[] = [];
  for (let at = 0; at < field.length; at += CANDIDATE_BYTES) {
    const candidate = { certificateDigest: field.subarray(at, at + 32), encDigest: field.subarray(at + 32, at + 64) };
    if (candidates.some((c) => equalBytes(c.certificateDigest, candidate.certificateDigest))) {
      throw malformed('header', 'candidates', 'one worker twice');
    }
    candidates.push(candidate);
  }
  return candidates;
}

/** `header_hash = H("header", fields)`. @param object as it travels */
export function headerHash(object: Uint8Array): Bytes {
  return objectDigest('header', object);
}

/** `H("enc", enc)`. */
export function encDigest(enc: Uint8Array): Bytes {
  return labelledDigest('enc', enc);
}

/** `Sign(CSK, "authorize", header_hash)`: this is its digest. It authorises spending, not content. */
export function authorizationDigest(hash: Uint8Array): Bytes {
  return labelledDigest('authorize', hash);
}

/** True where the session key that the header names signed this header. */
export function verifyAuthorization(
  sessionKey: Uint8Array,
  hash: Uint8Array,
  signature: Uint8Array,
  where?: Where,
): Promise<boolean> {
  return verifyDigest(sessionKey, authorizationDigest(hash), signature, where);
}
