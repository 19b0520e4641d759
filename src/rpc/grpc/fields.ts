import { type Bytes, CodedError } from '../../core/index.ts';

/**
 * The part of protobuf that the data path reads itself: fields of `bytes` or of messages, numbers 1 to 15, so that a tag
 * is one byte. Stricter than protobuf asks for: whatever else stands in a message is refused, not skipped, since such
 * messages are passed on as they came.
 */
export type Field = Readonly<{ number: number /** A view. */; bytes: Bytes }>;

const LENGTH_DELIMITED = 2;
const VARINT_BYTES_MAX = 5;
const NOTHING: Bytes = new Uint8Array(0);

/** @throws CodedError REQUEST_MALFORMED */
export function readFields(message: Uint8Array, fieldsMax: number): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at < message.length; ) {
    if (fields.length >= fieldsMax) throw malformed();
    const field = readField(message, at);
    fields.push(field);
    at = field.bytes.byteOffset - message.byteOffset + field.bytes.length;
  }
  return fields;
}

/** The one field of a message that has exactly one. @param from where it begins @throws CodedError REQUEST_MALFORMED */
export function readOneField(message: Uint8Array, from = 0): Field {
  const field = readField(message, from);
  if (field.bytes.byteOffset + field.bytes.length !== message.byteOffset + message.length) throw malformed();
  return field;
}

/**
 * Where the bytes of a message's only field begin, if it has this number and ends with the message; -1 for any other
 * message. What {@link readOneField} says, for the most frequent message of all, at the price of a few comparisons.
 */
export function startOfOnly(number: number, message: Uint8Array, from: number): number {
  if (message[from] !== ((number << 3) | LENGTH_DELIMITED)) return -1;
  const at = varintEnd(message, from + 1);
  return at > 0 && varint(message, from + 1, at) === message.length - at ? at : -1;
}

function readField(message: Uint8Array, from: number): Field {
  const tag = message[from] as number;
  if (from >= message.length || (tag & 7) !== LENGTH_DELIMITED || tag < 8 || tag > 0x7f) throw malformed();
  const at = varintEnd(message, from + 1);
  if (at < 0) throw malformed();
  const length = varint(message, from + 1, at);
  if (length > message.length - at) throw malformed();
  const bytes = new Uint8Array(message.buffer as ArrayBuffer, message.byteOffset + at, length);
  return { number: tag >> 3, bytes };
}

/** -1 where none that is taken ends within the message. */
function varintEnd(message: Uint8Array, from: number): number {
  const last = Math.min(message.length, from + VARINT_BYTES_MAX);
  for (let at = from; at < last; at++) if ((message[at] as number) < 0x80) return at + 1;
  return -1;
}

function varint(message: Uint8Array, from: number, end: number): number {
  let value = 0;
  for (let at = end - 1; at >= from; at--) value = value * 128 + ((message[at] as number) & 0x7f);
  return value;
}

/** Of fields that may stand once: absent is empty. @throws CodedError REQUEST_MALFORMED */
export function onlyOne(fields: readonly Field[], number: number): Bytes {
  let found: Bytes | null = null;
  for (const field of fields) {
    if (field.number !== number) continue;
    if (found !== null) throw malformed();
    found = field.bytes;
  }
  return found ?? NOTHING;
}

const varintBytes = (value: number): number => {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 128)) bytes += 1;
  return bytes;
};

/** What is written one after the other into one buffer of a size known beforehand. */
export class FieldWriter {
  readonly #into: Buffer;
  #at: number;

  constructor(into: Buffer, at: number) {
    this.#into = into;
    this.#at = at;
  }

  /** Bytes that {@link bytes} will take; nothing for an empty field, as proto3 has it. */
  static sizeOf(length: number): number {
    return length === 0 ? 0 : 1 + varintBytes(length) + length;
  }

  head(number: number, length: number): this {
    this.#into[this.#at++] = (number << 3) | LENGTH_DELIMITED;
    return this.#varint(length);
  }

  bytes(number: number, value: Uint8Array): this {
    if (value.length === 0) return this;
    this.head(number, value.length);
    this.#into.set(value, this.#at);
    this.#at += value.length;
    return this;
  }

  static sizeOfUint(value: number): number {
    return value === 0 ? 0 : 1 + varintBytes(value);
  }

  uint(number: number, value: number): this {
    if (value === 0) return this;
    this.#into[this.#at++] = number << 3;
    return this.#varint(value);
  }

  #varint(value: number): this {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) this.#into[this.#at++] = (rest % 128) | 0x80;
    this.#into[this.#at++] = rest;
    return this;
  }
}

function malformed(): CodedError {
  return new CodedError('REQUEST_MALFORMED', 'a message that is not as the protocol has it');
}
