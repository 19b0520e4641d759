import { CodedError, fromHex, type Json, parseStrictJson, toHex } from '../core/index.ts';
import { commitment, isSize, type SessionRecord, sessionSalt } from '../log/index.ts';

/**
 * What a commitment in an entry hides, shown to an auditor. @property record which one, for a batch of sessions
 * @property salt 32 bytes in hex @property field path in the body, or in the record
 */
export type Opening = Readonly<{ index: number; record?: number; field: string; salt: string; value: string }>;

const OPENINGS_MAX = 1_000_000;

/** Reads openings, one JSON object a line. @throws CodedError USAGE_INVALID, ENCODING_INVALID */
export function parseOpenings(text: string): Opening[] {
  const lines = text.split('\n').filter((line) => line !== '');
  if (lines.length > OPENINGS_MAX) throw new CodedError('USAGE_INVALID', 'too many openings');
  return lines.map((line) => {
    const value = parseStrictJson(line, 'opening') as Partial<Opening> | null;
    const { index, record, field, salt, value: hidden } = value ?? {};
    if (typeof index !== 'number' || typeof field !== 'string' || typeof hidden !== 'string')
      throw new CodedError('USAGE_INVALID', 'an opening has index, field, salt and value');
    if (typeof salt !== 'string' || salt.length !== 64) throw new CodedError('USAGE_INVALID', 'a salt has 32 bytes');
    if (record !== undefined && !isSize(record)) throw new CodedError('USAGE_INVALID', 'a record is a number from 0');
    return { index, ...(record === undefined ? {} : { record }), field, salt, value: hidden };
  });
}

/** The openings of the records that are of one channel, with the router's secret. */
export function openingsOf(
  channel: string,
  secret: Uint8Array,
  index: number,
  records: readonly SessionRecord[],
): readonly Opening[] {
  return records.flatMap(({ tenant, ...of }, record) => {
    const salt = sessionSalt(secret, of, channel);
    if (commitment(salt, channel) !== tenant) return [];
    return [{ index, record, field: 'tenant', salt: toHex(salt), value: channel }];
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
