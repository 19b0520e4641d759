import { hmacSha256 } from '#crypto';
import {
  type Bytes,
  CodedError,
  concat,
  encodeObject,
  equalBytes,
  type Randomness,
  toHex,
  type UnixMs,
  u64,
  utf8,
} from '../../core/index.ts';

/** A challenge is answered within this or not at all. */
export const CHALLENGE_LIFETIME_MS = 30_000;
const NONCE_BYTES = 32;
const BODY_BYTES = 16;

/**
 * Challenges that cost nothing to hand out: `u64 end in ms ‖ 8 random bytes ‖ 16 bytes of an HMAC` over both and the
 * secret's name, under a key of this process. Only those that were answered are remembered, until they end.
 * @param spentMax how many; where it is full nothing is judged
 */
export function createChallenges(deps: Readonly<{ now: () => UnixMs; randomness: Randomness }>, spentMax: number) {
  const key = deps.randomness(32);
  const spent = new Map<string, UnixMs>();
  const made = (secret: string, body: Uint8Array): Bytes =>
    concat(body, hmacSha256(key, encodeObject([utf8(secret), body])).subarray(0, NONCE_BYTES - BODY_BYTES));

  /** Never goes back: what was forgotten as over must not become open again. */
  let latest = 0;
  const clock = (): UnixMs => {
    latest = Math.max(latest, deps.now());
    return latest;
  };
  const forget = (now: UnixMs): void => {
    for (const [nonce, end] of spent) if (end < now) spent.delete(nonce);
  };

  const endOf = (nonce: Uint8Array) => Number(new DataView(nonce.buffer, nonce.byteOffset, 8).getBigUint64(0, false));
  /** One of ours for this secret, not over and not answered. */
  const isOpen = (secret: string, nonce: Uint8Array): boolean =>
    nonce.length === NONCE_BYTES &&
    equalBytes(made(secret, nonce.subarray(0, BODY_BYTES)), nonce) &&
    endOf(nonce) >= clock() &&
    !spent.has(toHex(nonce));

  return {
    make: (secret: string): Bytes => made(secret, concat(u64(clock() + CHALLENGE_LIFETIME_MS), deps.randomness(8))),
    isOpen,
    /** True once for each challenge of ours for this secret, while it is open. @throws CodedError CHALLENGES_EXHAUSTED */
    take(secret: string, nonce: Uint8Array): boolean {
      if (!isOpen(secret, nonce)) return false;
      if (spent.size >= spentMax) forget(clock());
      if (spent.size >= spentMax) throw new CodedError('CHALLENGES_EXHAUSTED', 'too many answers at this time');
      spent.set(toHex(nonce), endOf(nonce));
      return true;
    },
  };
}
