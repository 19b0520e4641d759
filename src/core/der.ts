import type { Bytes } from './bytes.ts';
import { CodedError } from './errors.ts';
import type { UnixSeconds } from './time.ts';

/** Nesting beyond this is refused: no certificate, CRL or OCSP answer comes near it. */
export const DER_DEPTH_MAX = 24;

export const DER_TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One element: `whole` is tag, length and content; `content` the content alone. Both share memory with the input. */
export type DerElement = Readonly<{ tag: number; whole: Bytes; content: Bytes }>;

/** The same few dozen come in every certificate; decoded once, their text is also the same object. */
const OIDS_HELD_MAX = 512;
const OID_BYTES_HELD_MAX = 16;
const oidsHeld = new Map<number, Readonly<{ bytes: Bytes; text: string }>>();

const DAYS_OF_MONTH: readonly number[] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const FIRST_GENERALIZED_TIME = Date.UTC(2050, 0, 1) / 1000;

/**
 * Reads DER (X.690) strictly: single-byte tags, definite minimal lengths, minimal integers, no leftovers. The reader
 * shares memory with its input, which must not change meanwhile.
 * Every method throws CodedError ENCODING_INVALID, with the structure and the offset in that structure.
 */
export class DerReader {
  readonly #input: Bytes;
  readonly #structure: string;
  readonly #depth: number;
  readonly #start: number;
  readonly #end: number;
  #at: number;
  /** Where the content of the element read last begins; it ends at `#at`. */
  #contentAt = 0;

  /** Over `input` from `start` to `end`, which are the whole of it by default. */
  constructor(input: Uint8Array, structure: string, depth = 0, start = 0, end = input.length) {
    this.#input = input as Bytes; // nothing here is shared between threads
    this.#structure = structure;
    this.#depth = depth;
    this.#start = start;
    this.#at = start;
    this.#end = end;
    if (depth > DER_DEPTH_MAX) throw this.#error('depth', `nested deeper than ${DER_DEPTH_MAX}`);
  }

  get done(): boolean {
    return this.#at === this.#end;
  }

  /** The next element's tag, or null at the end. */
  peekTag(): number | null {
    return this.#at < this.#end ? (this.#input[this.#at] as number) : null;
  }

  /** The next element, whatever its tag. */
  any(field: string): DerElement {
    const start = this.#at;
    const tag = this.#read(field);
    return { tag, whole: this.#input.subarray(start, this.#at), content: this.#content() };
  }

  element(field: string, tag: number): DerElement {
    this.#expect(field, tag);
    return this.any(field);
  }

  /** The element's content as bytes, with the given tag. */
  content(field: string, tag: number): Bytes {
    this.#expect(field, tag);
    this.#read(field);
    return this.#content();
  }

  /** A reader over a constructed element; the caller calls its `end()`. */
  nested(field: string, tag: number): DerReader {
    this.#expect(field, tag);
    this.#read(field);
    return new DerReader(this.#input, field, this.#depth + 1, this.#contentAt, this.#at);
  }

  sequence(field: string): DerReader {
    return this.nested(field, DER_TAG.sequence);
  }

  /** The content of `[number]` EXPLICIT where it comes next, else null. */
  optionalExplicit(field: string, number: number): DerReader | null {
    return this.peekTag() === (0xa0 | number) ? this.nested(field, 0xa0 | number) : null;
  }

  /** A reader over bytes that hold DER of their own, such as an OCTET STRING's. */
  inside(field: string, content: Uint8Array): DerReader {
    return new DerReader(content, field, this.#depth + 1);
  }

  /** The two's complement bytes of an INTEGER, minimal. */
  integer(field: string, tag: number = DER_TAG.integer): Bytes {
    this.#readInteger(field, tag);
    return this.#content();
  }

  /** A non-negative INTEGER as its magnitude without leading zeros (zero is one zero byte), at most `bytesMax` long. */
  magnitude(field: string, bytesMax: number): Bytes {
    const content = this.integer(field);
    if ((content[0] as number) >= 0x80) throw this.#error(field, 'a negative INTEGER');
    const magnitude = content.length > 1 && content[0] === 0 ? content.subarray(1) : content;
    if (magnitude.length > bytesMax) throw this.#error(field, `an INTEGER of more than ${bytesMax} bytes`);
    return magnitude;
  }

  /** An INTEGER from 0 to `max`, which is below 2^48. */
  smallInteger(field: string, max: number, tag: number = DER_TAG.integer): number {
    this.#readInteger(field, tag);
    let value = 0;
    const isSmall = (this.#input[this.#contentAt] as number) < 0x80 && this.#at - this.#contentAt <= 7;
    if (isSmall) for (let i = this.#contentAt; i < this.#at; i++) value = value * 256 + (this.#input[i] as number);
    if (!isSmall || value > max) throw this.#error(field, `not between 0 and ${max}`);
    return value;
  }

  boolean(field: string): boolean {
    this.#expect(field, DER_TAG.boolean);
    this.#read(field);
    const value = this.#input[this.#contentAt];
    if (this.#at - this.#contentAt !== 1 || (value !== 0 && value !== 0xff)) throw this.#error(field, 'not a BOOLEAN');
    return value === 0xff;
  }

  null(field: string): void {
    if (this.content(field, DER_TAG.null).length !== 0) throw this.#error(field, 'a NULL with content');
  }

  octetString(field: string, length?: number): Bytes {
    const content = this.content(field, DER_TAG.octetString);
    if (length !== undefined && content.length !== length) throw this.#error(field, `not ${length} bytes`);
    return content;
  }

  /** The bytes of a BIT STRING without unused bits. */
  bitString(field: string): Bytes {
    const content = this.content(field, DER_TAG.bitString);
    if (content[0] !== 0) throw this.#error(field, 'a BIT STRING with unused bits');
    return content.subarray(1);
  }

  /**
   * The positions of the set bits of a named-bit list (bit 0 is the first), which DER writes without trailing zeros.
   * @param trailingZeros 'allowed' for an issuer known to write a whole byte; unused bits are clear in any case
   */
  namedBits(field: string, trailingZeros: 'refused' | 'allowed' = 'refused'): ReadonlySet<number> {
    const content = this.content(field, DER_TAG.bitString);
    const unused = content[0];
    const last = content[content.length - 1];
    if (unused === undefined || unused > 7 || (content.length === 1 && unused !== 0)) {
      throw this.#error(field, 'a malformed BIT STRING');
    }
    // The last bit in use must be set, and the unused ones clear.
    const mask = trailingZeros === 'refused' ? (1 << (unused + 1)) - 1 : (1 << unused) - 1;
    const wanted = trailingZeros === 'refused' ? 1 << unused : 0;
    if (content.length > 1 && ((last as number) & mask) !== wanted) {
      throw this.#error(field, 'a named-bit list that is not minimal');
    }
    const set = new Set<number>();
    for (let i = 1; i < content.length; i++) {
      for (let bit = 0; bit < 8; bit++) if (((content[i] as number) & (0x80 >> bit)) !== 0) set.add((i - 1) * 8 + bit);
    }
    return set;
  }

  /** Dotted decimal. */
  oid(field: string): string {
    this.#expect(field, DER_TAG.oid);
    this.#read(field);
    const length = this.#at - this.#contentAt;
    if (length > OID_BYTES_HELD_MAX) return this.#decodeOid(field);
    let hash = length;
    for (let i = this.#contentAt; i < this.#at; i++) hash = (Math.imul(hash, 31) + (this.#input[i] as number)) | 0;
    const held = oidsHeld.get(hash);
    if (held !== undefined && this.#contentIs(held.bytes)) return held.text;
    const text = this.#decodeOid(field);
    if (held === undefined && oidsHeld.size < OIDS_HELD_MAX)
      oidsHeld.set(hash, { bytes: this.#content().slice(), text });
    return text;
  }

  #contentIs(bytes: Uint8Array): boolean {
    if (bytes.length !== this.#at - this.#contentAt) return false;
    for (let i = 0; i < bytes.length; i++) if (bytes[i] !== this.#input[this.#contentAt + i]) return false;
    return true;
  }

  #decodeOid(field: string): string {
    let text = '';
    let arc = 0;
    let starts = true;
    for (let i = this.#contentAt; i < this.#at; i++) {
      const byte = this.#input[i] as number;
      if (starts && byte === 0x80) throw this.#error(field, 'an OBJECT IDENTIFIER that is not minimal');
      if (arc >= 2 ** 42) throw this.#error(field, 'an OBJECT IDENTIFIER arc beyond 2^49');
      arc = arc * 128 + (byte & 0x7f);
      starts = byte < 0x80;
      if (!starts) continue;
      const root = Math.min(Math.floor(arc / 40), 2);
      text = text === '' ? `${root}.${arc - 40 * root}` : `${text}.${arc}`;
      arc = 0;
    }
    if (text === '' || !starts) throw this.#error(field, 'an incomplete OBJECT IDENTIFIER');
    return text;
  }

  /**
   * RFC 5280 Time: UTCTime through 2049, GeneralizedTime from 2050; seconds, UTC, no fractions.
   * @param earlyGeneralized also takes GeneralizedTime before 2050, as some vendors write it
   */
  time(field: string, earlyGeneralized = false): UnixSeconds {
    const tag = this.#read(field);
    const isUtc = tag === DER_TAG.utcTime;
    if (!isUtc && tag !== DER_TAG.generalizedTime) throw this.#error(field, 'not a time');
    if (!isUtc) {
      const seconds = this.#calendar(field, this.#digits(field, 4));
      if (seconds < FIRST_GENERALIZED_TIME && !earlyGeneralized)
        throw this.#error(field, 'GeneralizedTime before 2050');
      return seconds;
    }
    const twoDigits = this.#digits(field, 2);
    return this.#calendar(field, twoDigits + (twoDigits < 50 ? 2000 : 1900));
  }

  /** GeneralizedTime `YYYYMMDDHHMMSSZ` of any year from 100 on, as OCSP uses it. */
  generalizedTime(field: string): UnixSeconds {
    this.#expect(field, DER_TAG.generalizedTime);
    this.#read(field);
    return this.#calendar(field, this.#digits(field, 4));
  }

  end(): void {
    if (!this.done) throw this.#error('end', `${this.#end - this.#at} bytes left`);
  }

  /** Reads that many digits at `#contentAt` and steps over them. */
  #digits(field: string, count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      const digit = this.#contentAt < this.#at ? (this.#input[this.#contentAt++] as number) - 0x30 : -1;
      if (digit < 0 || digit > 9) throw this.#error(field, 'a malformed time');
      value = value * 10 + digit;
    }
    return value;
  }

  /** The rest of a time, `MMDDHHMMSSZ`. */
  #calendar(field: string, year: number): UnixSeconds {
    const month = this.#digits(field, 2);
    const day = this.#digits(field, 2);
    const hour = this.#digits(field, 2);
    const minute = this.#digits(field, 2);
    const second = this.#digits(field, 2);
    if (this.#at - this.#contentAt !== 1 || this.#input[this.#contentAt] !== 0x5a) {
      throw this.#error(field, 'a malformed time');
    }
    const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
    const days = month === 2 && isLeap ? 29 : (DAYS_OF_MONTH[month - 1] ?? 0);
    // Date.UTC takes a year below 100 for one of the 20th century.
    const isDay = year >= 100 && day >= 1 && day <= days;
    if (!isDay || hour > 23 || minute > 59 || second > 59) throw this.#error(field, 'not a date of the calendar');
    return Date.UTC(year, month - 1, day, hour, minute, second) / 1000;
  }

  #content(): Bytes {
    return this.#input.subarray(this.#contentAt, this.#at);
  }

  #expect(field: string, tag: number): void {
    if (this.peekTag() !== tag) throw this.#error(field, `tag ${this.peekTag() ?? 'none'} where ${tag} belongs`);
  }

  /** Steps over one element; its content is then from `#contentAt` to `#at`. */
  #read(field: string): number {
    const tag = this.#byte(field, this.#at);
    if ((tag & 0x1f) === 0x1f) throw this.#error(field, 'a multi-byte tag');
    // Of the universal types, SEQUENCE and SET alone are constructed: DER has no strings made of pieces.
    const isList = tag === DER_TAG.sequence || tag === DER_TAG.set;
    if (tag < 0x40 && (tag >= 0x20 || tag === 0x10 || tag === 0x11) && !isList) {
      throw this.#error(field, 'constructed where DER is primitive, or the reverse');
    }
    let length = this.#byte(field, this.#at + 1);
    let contentAt = this.#at + 2;
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0 || count > 4) throw this.#error(field, 'an indefinite or oversized length');
      length = 0;
      for (let i = 0; i < count; i++) length = length * 256 + this.#byte(field, contentAt++);
      if (length < 0x80 || length < 256 ** (count - 1)) throw this.#error(field, 'a length that is not minimal');
    }
    if (length > this.#end - contentAt) throw this.#error(field, 'longer than what holds it');
    this.#contentAt = contentAt;
    this.#at = contentAt + length;
    return tag;
  }

  #readInteger(field: string, tag: number): void {
    this.#expect(field, tag);
    this.#read(field);
    const length = this.#at - this.#contentAt;
    if (length === 0) throw this.#error(field, 'an empty INTEGER');
    if (length === 1) return;
    const first = this.#input[this.#contentAt] as number;
    const second = this.#input[this.#contentAt + 1] as number;
    if ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)) {
      throw this.#error(field, 'an INTEGER that is not minimal');
    }
  }

  #byte(field: string, at: number): number {
    if (at >= this.#end) throw this.#error(field, 'ends early');
    return this.#input[at] as number;
  }

  #error(field: string, why: string): CodedError {
    const offset = this.#at - this.#start;
    const facts = { structure: this.#structure, field, offset };
    return new CodedError('ENCODING_INVALID', `${this.#structure}.${field} at byte ${offset}: ${why}`, facts);
  }
}
