import { hkdfExpand, hmacSha256 } from '#crypto';
import { type Bytes, encodeObject, type Randomness, type UnixMs, u32, utf8 } from '../core/index.ts';
import { exactly } from './objects.ts';

/** Prefix tags for cache-aware routing (AIS/1 section 11). */
const SLOTS = 8;
const TAG_BYTES = 6;
const FIRST_PREFIX_TOKENS = 1024;
const DAY_MS = 86_400_000;

/**
 * 48 bytes: slot i holds the tag of the first 1024·2^i tokens, or random bytes where the prompt is shorter, so that one
 * request tells nothing about its length. Equal prefixes within one cache secret, day and model give equal tags: behind
 * a relay, or with blind vouchers, send none.
 * @param cacheSecret 32 bytes, per user
 * @param tokens u32 each
 */
export function prefixTags(
  cacheSecret: Uint8Array,
  model: Uint8Array,
  tokens: Uint32Array,
  now: UnixMs,
  randomness: Randomness,
): Bytes {
  const secret = exactly(32, 'cacheSecret', cacheSecret);
  const info = encodeObject([utf8('ais/1 tag'), u32(Math.floor(now / DAY_MS)), model]);
  const key = hkdfExpand(secret, info, 32);
  const tags = randomness(SLOTS * TAG_BYTES);
  for (let i = 0; i < SLOTS; i++) {
    const length = FIRST_PREFIX_TOKENS * 2 ** i;
    if (length > tokens.length) break;
    const prefix = new Uint8Array(4 * length);
    const view = new DataView(prefix.buffer);
    for (let t = 0; t < length; t++) view.setUint32(4 * t, tokens[t] as number, false);
    tags.set(hmacSha256(key, prefix).subarray(0, TAG_BYTES), TAG_BYTES * i);
  }
  key.fill(0);
  return tags;
}

/** The engine's cache salt, which travels inside the sealed request: cache sharing has the tags' scope. 32 bytes. */
export function cacheSalt(cacheSecret: Uint8Array, model: Uint8Array): Bytes {
  return hkdfExpand(exactly(32, 'cacheSecret', cacheSecret), encodeObject([utf8('ais/1 cache salt'), model]), 32);
}
