import { type Bytes, utf8 } from './bytes.ts';
import { CodedError } from './errors.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/**
 * RFC 8785 (JCS) text of a value: keys sorted by UTF-16 code units, no white space, shortest numbers.
 * Members whose value is `undefined` are left out. @throws CodedError INVARIANT_BROKEN for numbers JSON cannot hold.
 */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new CodedError('INVARIANT_BROKEN', 'a number that JSON cannot hold');
    return JSON.stringify(value);
  }
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new CodedError('ENCODING_INVALID', 'a lone surrogate in a string');
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(',')}]`;
  const record = value as { readonly [key: string]: Json | undefined };
  const members = Object.keys(record)
    .filter((key) => record[key] !== undefined)
    .sort()
    .map((key) => `${canonicalJson(key)}:${canonicalJson(record[key] as Json)}`);
  return `{${members.join(',')}}`;
}

export function canonicalJsonBytes(value: Json): Bytes {
  return utf8(canonicalJson(value));
}
