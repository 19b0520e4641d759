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
  let length = 0;
  for (const field of fields) length += 4 + field.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const field of fields) at = putField(out, at, field);
  return out;
}

/** Writes `LP(field)`. @returns where it ends */
function putField(into: Uint8Array, at: number, field: Uint8Array): number {
  const { length } = field;
  into[at] = length >>> 24;
  into[at + 1] = length >>> 16;
  into[at + 2] = length >>> 8;
  into[at + 3] = length;
  into.set(field, at + 4);
  return at + 4 + length;
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
  const view = new DataView(object.buffer, object.byteOffset, object.length);
  for (const rule of rules) {
    if (object.length - at < 4) throw malformed(structure, rule, at, 'length prefix missing');
    const length = view.getUint32(at, false);
    const left = object.length - at - 4;
    if (length > left) throw malformed(structure, rule, at, `declares ${length} bytes, ${left} left`);
    if (!lengthFits(rule.length, length)) throw malformed(structure, rule, at, `has ${length} bytes`);
    const field = new Uint8Array(length); // a Buffer's own `slice` would share memory with the caller
    if (length > 0) field.set(object.subarray(at + 4, at + 4 + length));
    fields.push(field);
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

function malformed(structure: string, { name }: FieldRule, at: number, why: string): CodedError {
  return new CodedError('OBJECT_MALFORMED', `${structure}.${name} at byte ${at}: ${why}`, {
    structure,
    field: name,
    offset: at,
  });
}

function lengthFits(rule: FieldRule['length'], length: number): boolean {
  if (rule === 'any') return true;
  if (typeof rule === 'number') return length === rule;
  if ('multipleOf' in rule) return length % rule.multipleOf === 0;
  return rule.includes(length);
}

const LABELS_MAX = 256;
const labels = new Map<string, Bytes>();

/** Labels are few, and every frame is hashed under one. */
function labelBytes(label: string): Bytes {
  const known = labels.get(label);
  if (known !== undefined) return known;
  const bytes = utf8(`ais/1 ${label}`);
  if (labels.size < LABELS_MAX) labels.set(label, bytes);
  return bytes;
}

/** `H(label, f1…fn) = SHA-256(LP("ais/1 " ‖ label) ‖ LP(f1) ‖ … ‖ LP(fn))`, AIS/1 section 0. 32 bytes. */
export function labelledDigest(label: string, ...fields: readonly Uint8Array[]): Bytes {
  return sha256(encodeObject([labelBytes(label), ...fields]));
}
