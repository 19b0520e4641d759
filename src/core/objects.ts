import { sha256 } from '#crypto';
import { type Bytes, concat, u32, utf8 } from './bytes.ts';
import { CodedError } from './errors.ts';

/**
 * The encodings of AIS/1 section 0, used by sessions, evidence binding and contracts alike.
 * `LP(x) = u32(len x) ‖ x`, big-endian; an object is its fields, each length-prefixed, in the order of its table.
 */
export function lengthPrefixed(field: Uint8Array): Bytes {
  return concat(u32(field.length), field);
}

export function encodeObject(fields: readonly Uint8Array[]): Bytes {
  return concat(...fields.flatMap((field) => [u32(field.length), field]));
}

export type FieldRule = Readonly<{ name: string; length: number | readonly number[] | 'any' | { multipleOf: number } }>;

/**
 * Splits an object into its fields, exactly: a wrong field length, a missing or extra field and bytes after the last
 * field are refused.
 * @throws CodedError OBJECT_MALFORMED
 */
export function decodeObject(object: Uint8Array, structure: string, rules: readonly FieldRule[]): Bytes[] {
  const fields: Bytes[] = [];
  let at = 0;
  for (const rule of rules) {
    const malformed = (why: string) =>
      new CodedError('OBJECT_MALFORMED', `${structure}.${rule.name} at byte ${at}: ${why}`, {
        structure,
        field: rule.name,
        offset: at,
      });
    if (object.length - at < 4) throw malformed('length prefix missing');
    const length = new DataView(object.buffer, object.byteOffset + at, 4).getUint32(0, false);
    if (length > object.length - at - 4) throw malformed(`declares ${length} bytes, ${object.length - at - 4} left`);
    if (!lengthFits(rule.length, length)) throw malformed(`has ${length} bytes`);
    fields.push(Uint8Array.from(object.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  if (at !== object.length) {
    throw new CodedError('OBJECT_MALFORMED', `${structure}: ${object.length - at} bytes after the last field`, {
      structure,
      field: 'end',
      offset: at,
    });
  }
  return fields;
}

function lengthFits(rule: FieldRule['length'], length: number): boolean {
  if (rule === 'any') return true;
  if (typeof rule === 'number') return length === rule;
  if ('multipleOf' in rule) return length % rule.multipleOf === 0;
  return rule.includes(length);
}

/** `H(label, f1…fn) = SHA-256(LP("ais/1 " ‖ label) ‖ LP(f1) ‖ … ‖ LP(fn))`, AIS/1 section 0. 32 bytes. */
export function labelledDigest(label: string, ...fields: readonly Uint8Array[]): Bytes {
  return sha256(encodeObject([utf8(`ais/1 ${label}`), ...fields]));
}
