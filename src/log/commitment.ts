import { sha256 } from '#crypto';
import { CodedError, concat, toHex, utf8 } from '../core/index.ts';

/** `c1:` and SHA-256(salt ‖ value), in hex: with 32 random bytes of salt it tells nothing of the value. */
export function commitment(salt: Uint8Array, value: string): `c1:${string}` {
  if (salt.length !== 32) throw new CodedError('USAGE_INVALID', 'a salt has 32 bytes');
  return `c1:${toHex(sha256(concat(salt, utf8(value))))}`;
}
