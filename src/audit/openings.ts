import { sha256 } from '#crypto';
import { CodedError, concat, fromHex, type Json, parseStrictJson, toHex, utf8 } from '../core/index.ts';

/** What a commitment in an entry hides, shown to an auditor. @property salt 32 bytes in hex @property field path in the body */
export type Opening = Readonly<{ index: number; field: string; salt: string; value: string }>;

const OPENINGS_MAX = 1_000_000;

/** `c1:` and SHA-256(salt ‖ value), in hex: with 32 random bytes of salt it tells nothing of the value. */
export function commitment(salt: Uint8Array, value: string): string {
  if (salt.length !== 32) throw new CodedError('USAGE_INVALID', 'a salt has 32 bytes');
  return `c1:${toHex(sha256(concat(salt, utf8(value))))}`;
}

/** Reads openings, one JSON object a line. @throws CodedError USAGE_INVALID, ENCODING_INVALID */
export function parseOpenings(text: string): Opening[] {
  const lines = text.split('\n').filter((line) => line !== '');
  if (lines.length > OPENINGS_MAX) throw new CodedError('USAGE_INVALID', 'too many openings');
  return lines.map((line) => {
    const value = parseStrictJson(line, 'opening') as Partial<Opening> | null;
    const { index, field, salt, value: hidden } = value ?? {};
    if (typeof index !== 'number' || typeof field !== 'string' || typeof hidden !== 'string')
      throw new CodedError('USAGE_INVALID', 'an opening has index, field, salt and value');
    if (typeof salt !== 'string' || salt.length !== 64) throw new CodedError('USAGE_INVALID', 'a salt has 32 bytes');
    return { index, field, salt, value: hidden };
  });
}

/** Whether an entry's body holds the commitment to this value at this field. */
export function opens(body: Json, { field, salt, value }: Opening): boolean {
  const held = field.split('.').reduce<Json | undefined>((at, name) => {
    if (typeof at !== 'object' || at === null || Array.isArray(at) || !Object.hasOwn(at, name)) return undefined;
    return (at as { readonly [field: string]: Json | undefined })[name];
  }, body);
  return held === commitment(fromHex(salt, 'salt'), value);
}
