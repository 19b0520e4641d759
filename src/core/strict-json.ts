import type { Json } from './canonical-json.ts';
import { CodedError } from './errors.ts';

export const JSON_DEPTH_MAX = 64;
/** Values of one document, nested ones too, unless its reader allows more: each takes much more time than its bytes. */
export const JSON_VALUES_MAX = 65_536;

/** One member of a JSON object: its value, and where the value's text stands in the document. */
export type JsonMember = Readonly<{ value: Json; start: number; end: number }>;

/**
 * JSON (RFC 8259) without the readings on which parsers differ: duplicate names, the name `__proto__`, lone surrogates,
 * integers beyond 2^53 and anything after the value are refused. Objects have no prototype.
 * @throws CodedError ENCODING_INVALID with `facts.offset` in UTF-16 units
 */
export function parseStrictJson(text: string, field = 'json', valuesMax: number = JSON_VALUES_MAX): Json {
  const scanner = new JsonScanner(text, field, valuesMax);
  const value = scanner.value(0);
  scanner.end();
  return value;
}

/**
 * The members of a document whose top level is an object, each with the exact position of its value: signatures are made
 * over the text as delivered, and parsing and writing it again would lose that text.
 * @throws CodedError ENCODING_INVALID
 */
export function strictJsonMembers(text: string, field = 'json'): ReadonlyMap<string, JsonMember> {
  const scanner = new JsonScanner(text, field, JSON_VALUES_MAX);
  const members = scanner.members(0);
  scanner.end();
  return members;
}

/** The object that these members make, without a prototype. */
export function jsonOfMembers(members: ReadonlyMap<string, JsonMember>): Json {
  const record = Object.create(null) as Record<string, Json>;
  for (const [name, { value }] of members) record[name] = value;
  return record;
}

/** The exact text of one member's value, or null where the object has no such member. */
export function cutJsonMember(text: string, name: string, field = 'json'): string | null {
  const member = strictJsonMembers(text, field).get(name);
  return member === undefined ? null : text.slice(member.start, member.end);
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
/** A string that stands for itself: no escape, no control character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids exactly these
const PLAIN_STRING = /"[^"\\\u0000-\u001f]*"/y;
const BLANKS = /[ \t\n\r]+/y;
const CODE = { space: 0x20, nine: 0x39, zero: 0x30 } as const;
/** Integers of fewer digits are exact. */
const SHORT_INTEGER_DIGITS = 9;

class JsonScanner {
  readonly #text: string;
  readonly #field: string;
  readonly #valuesMax: number;
  #at = 0;
  #values = 0;

  constructor(text: string, field: string, valuesMax: number) {
    this.#text = text;
    this.#field = field;
    this.#valuesMax = valuesMax;
  }

  value(depth: number): Json {
    if (depth > JSON_DEPTH_MAX) throw this.#error(`nested deeper than ${JSON_DEPTH_MAX}`);
    if (++this.#values > this.#valuesMax) throw this.#error(`more than ${this.#valuesMax} values`);
    this.#space();
    switch (this.#text[this.#at]) {
      case '{':
        return this.#record(depth);
      case '[':
        return this.#array(depth);
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  members(depth: number): Map<string, JsonMember> {
    const members = new Map<string, JsonMember>();
    this.#eachMember(depth, (name, value, start) => {
      if (members.has(name)) throw this.#error('a member twice');
      members.set(name, { value, start, end: this.#at });
    });
    return members;
  }

  end(): void {
    this.#space();
    if (this.#at !== this.#text.length) throw this.#error('text after the value');
  }

  #record(depth: number): Json {
    const record = Object.create(null) as Record<string, Json>;
    this.#eachMember(depth, (name, value) => {
      if (name in record) throw this.#error('a member twice');
      record[name] = value;
    });
    return record;
  }

  #eachMember(depth: number, take: (name: string, value: Json, start: number) => void): void {
    this.#space();
    this.#expect('{');
    this.#space();
    if (this.#take('}')) return;
    for (;;) {
      this.#space();
      const name = this.#string();
      if (name === '__proto__') throw this.#error('a member named __proto__');
      this.#space();
      this.#expect(':');
      this.#space();
      const start = this.#at;
      take(name, this.value(depth + 1), start);
      this.#space();
      if (this.#take('}')) return;
      this.#expect(',');
    }
  }

  #array(depth: number): Json[] {
    this.#expect('[');
    const items: Json[] = [];
    this.#space();
    if (this.#take(']')) return items;
    for (;;) {
      items.push(this.value(depth + 1));
      this.#space();
      if (this.#take(']')) return items;
      this.#expect(',');
    }
  }

  #string(): string {
    PLAIN_STRING.lastIndex = this.#at;
    if (!PLAIN_STRING.test(this.#text)) return this.#escapedString();
    const out = this.#text.slice(this.#at + 1, PLAIN_STRING.lastIndex - 1);
    if (!out.isWellFormed()) throw this.#error('a lone surrogate');
    this.#at = PLAIN_STRING.lastIndex;
    return out;
  }

  #escapedString(): string {
    const start = this.#at;
    this.#expect('"');
    let end = this.#text.indexOf('"', this.#at);
    while (end !== -1 && this.#isEscaped(end, start + 1)) end = this.#text.indexOf('"', end + 1);
    if (end === -1) throw this.#error('a string without end');
    let out: unknown;
    try {
      // One string alone leaves JSON.parse no room for other readings.
      out = JSON.parse(this.#text.slice(start, end + 1));
    } catch {
      throw this.#error('a malformed string');
    }
    if (typeof out !== 'string') throw this.#error('not a string');
    if (!out.isWellFormed()) throw this.#error('a lone surrogate');
    this.#at = end + 1;
    return out;
  }

  /** Whether an odd number of backslashes stands before the quotation mark. */
  #isEscaped(quote: number, from: number): boolean {
    let backslashes = 0;
    while (quote - backslashes > from && this.#text[quote - backslashes - 1] === '\\') backslashes++;
    return backslashes % 2 === 1;
  }

  #number(): number {
    const short = this.#shortInteger();
    if (short !== null) return short;
    NUMBER.lastIndex = this.#at;
    const text = NUMBER.exec(this.#text)?.[0];
    if (text === undefined) throw this.#error('not a value');
    const value = Number(text);
    if (!Number.isFinite(value) || (/^-?\d+$/.test(text) && !Number.isSafeInteger(value))) {
      throw this.#error('a number that is not exact');
    }
    this.#at += text.length;
    return value;
  }

  /** A whole number of few digits, which most are, or null with nothing read. */
  #shortInteger(): number | null {
    let value = 0;
    let at = this.#at;
    for (; at - this.#at <= SHORT_INTEGER_DIGITS; at++) {
      const code = this.#text.charCodeAt(at);
      if (!(code >= CODE.zero && code <= CODE.nine)) break;
      value = value * 10 + (code - CODE.zero);
    }
    const digits = at - this.#at;
    const next = this.#text[at];
    const isOther = next === '.' || next === 'e' || next === 'E';
    if (digits === 0 || digits > SHORT_INTEGER_DIGITS || isOther) return null;
    if (digits > 1 && this.#text.charCodeAt(this.#at) === CODE.zero) return null;
    this.#at = at;
    return value;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#error('not a value');
    this.#at += word.length;
    return value;
  }

  #space(): void {
    if (this.#text.charCodeAt(this.#at) > CODE.space) return; // as a rule
    BLANKS.lastIndex = this.#at;
    if (BLANKS.test(this.#text)) this.#at = BLANKS.lastIndex;
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #expect(character: string): void {
    if (!this.#take(character)) throw this.#error(`no ${character}`);
  }

  #error(why: string): CodedError {
    return new CodedError('ENCODING_INVALID', `${this.#field} at character ${this.#at}: ${why}`, {
      field: this.#field,
      offset: this.#at,
    });
  }
}
