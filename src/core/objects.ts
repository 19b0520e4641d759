import { sha256OfPublic } from '#crypto';
import { type Bytes, concat, secretBytes, u32, utf8 } from './bytes.ts';
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
 * @returns fields in memory of their own
 * @throws CodedError OBJECT_MALFORMED
 */
export function decodeObject(object: Uint8Array, structure: string, rules: readonly FieldRule[]): Bytes[] {
  const places = fieldPlaces(object, structure, rules);
  return rules.map((_, i) => {
    const [at, length] = [places[2 * i] as number, places[2 * i + 1] as number];
    const field = new Uint8Array(length); // a Buffer's own `slice` would share memory with the caller
    if (length > 0) field.set(object.subarray(at, at + length));
    return field;
  });
}

/**
 * As {@link decodeObject}, for objects that are read often: where the fields stand, and nothing made of them.
 * @returns offset and length of each field, in bytes
 * @throws CodedError OBJECT_MALFORMED
 */
export function fieldPlaces(object: Uint8Array, structure: string, rules: readonly FieldRule[]): number[] {
  const places: number[] = [];
  let at = 0;
  for (const rule of rules) {
    if (object.length - at < 4) throw malformed(structure, rule, at, 'length prefix missing');
    const byte = (i: number) => object[at + i] as number;
    const length = ((byte(0) << 24) | (byte(1) << 16) | (byte(2) << 8) | byte(3)) >>> 0;
    const left = object.length - at - 4;
    if (length > left) throw malformed(structure, rule, at, `declares ${length} bytes, ${left} left`);
    if (!lengthFits(rule.length, length)) throw malformed(structure, rule, at, `has ${length} bytes`);
    places.push(at + 4, length);
    at += 4 + length;
  }
  if (at !== object.length) {
    throw new CodedError('OBJECT_MALFORMED', `${structure}: ${object.length - at} bytes after the last field`, {
      structure,
      field: 'end',
      offset: at,
    });
  }
  return places;
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
const heads = new Map<string, Bytes>();

/** `LP("ais/1 " ‖ label)`. Labels are few, and every frame is hashed under one. */
function headOf(label: string): Bytes {
  const known = heads.get(label);
  if (known !== undefined) return known;
  const head = lengthPrefixed(utf8(`ais/1 ${label}`));
  if (heads.size < LABELS_MAX) heads.set(label, head);
  return head;
}

/** Room that is made once, for what is short: a hash runs to its end, and what was hashed is overwritten. */
const ROOM = secretBytes(8192);

/** `H(label, f1…fn) = SHA-256(LP("ais/1 " ‖ label) ‖ LP(f1) ‖ … ‖ LP(fn))`, AIS/1 section 0. 32 bytes. */
export function labelledDigest(label: string, ...fields: readonly Uint8Array[]): Bytes {
  const head = headOf(label);
  let length = head.length;
  for (const field of fields) length += 4 + field.length;
  if (length > ROOM.length) return sha256OfPublic(concat(head, encodeObject(fields)));
  ROOM.set(head);
  let at = head.length;
  for (const field of fields) at = putField(ROOM, at, field);
  return digestOfRoom(length);
}

/** `H(label, fields)` of an object as it travels: its bytes already are the length-prefixed fields. 32 bytes. */
export function objectDigest(label: string, object: Uint8Array): Bytes {
  const head = headOf(label);
  const length = head.length + object.length;
  if (length > ROOM.length) return sha256OfPublic(concat(head, object));
  ROOM.set(head);
  ROOM.set(object, head.length);
  return digestOfRoom(length);
}

function digestOfRoom(length: number): Bytes {
  const used = ROOM.subarray(0, length);
  const digest = sha256OfPublic(used);
  used.fill(0);
  return digest;
}
