import { type Bytes, CodedError, fromHex, type Json, type UnixSeconds } from '../../../core/index.ts';

const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

type JsonRecord = { readonly [name: string]: Json | undefined };

/**
 * Typed access to a member of one of Intel's signed JSON documents. Unknown members are tolerated: they are signed,
 * Intel adds some within a version, and an unknown version is refused.
 * Every method throws CodedError ENDORSEMENT_MALFORMED.
 */
export class DocumentFields {
  readonly #record: JsonRecord;
  readonly #path: string;

  constructor(value: Json | undefined, path: string) {
    this.#path = path;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.#wrong('', 'not an object');
    this.#record = value as JsonRecord;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#record, name);
  }

  text(name: string): string {
    const value = this.#get(name);
    if (typeof value !== 'string') throw this.#wrong(name, 'not a string');
    return value;
  }

  integer(name: string, max: number): number {
    const value = this.#get(name);
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
      throw this.#wrong(name, `not an integer from 0 to ${max}`);
    }
    return value;
  }

  hex(name: string, length: number): Bytes {
    const text = this.text(name);
    if (text.length !== 2 * length || !/^[0-9a-fA-F]*$/.test(text))
      throw this.#wrong(name, `not ${length} bytes in hex`);
    return fromHex(text, name);
  }

  /** `YYYY-MM-DDTHH:MM:SSZ`, a date of the calendar. */
  date(name: string): UnixSeconds {
    const text = this.text(name);
    const milliseconds = DATE.test(text) ? Date.parse(text) : Number.NaN;
    // Date.parse takes 30 February for 1 March; no other part of this form has more than one reading.
    const isDay = new Date(milliseconds).getUTCDate() === Number(text.slice(8, 10));
    if (Number.isNaN(milliseconds) || !isDay || text.slice(11, 13) === '24')
      throw this.#wrong(name, 'not a date in UTC');
    return milliseconds / 1000;
  }

  object(name: string): DocumentFields {
    return new DocumentFields(this.#get(name), `${this.#path}.${name}`);
  }

  list(name: string, countMax: number): readonly DocumentFields[] {
    return this.#array(name, countMax).map(
      (item, index) => new DocumentFields(item, `${this.#path}.${name}[${index}]`),
    );
  }

  /** Strings, or none where the member is absent. */
  optionalTexts(name: string, countMax: number): readonly string[] {
    if (!this.has(name)) return [];
    return this.#array(name, countMax).map((item) => {
      if (typeof item !== 'string') throw this.#wrong(name, 'not a list of strings');
      return item;
    });
  }

  oneOf<T extends string>(name: string, values: readonly T[]): T {
    const text = this.text(name);
    const found = values.find((value) => value === text);
    if (found === undefined) throw this.#wrong(name, 'an unknown value');
    return found;
  }

  #array(name: string, countMax: number): readonly Json[] {
    const value = this.#get(name);
    if (!Array.isArray(value)) throw this.#wrong(name, 'not a list');
    if (value.length > countMax) throw this.#wrong(name, `more than ${countMax} items`);
    return value as readonly Json[];
  }

  #get(name: string): Json {
    const value = Object.hasOwn(this.#record, name) ? this.#record[name] : undefined;
    if (value === undefined) throw this.#wrong(name, 'absent');
    return value;
  }

  #wrong(name: string, why: string): CodedError {
    const field = `${this.#path}.${name}`;
    return new CodedError('ENDORSEMENT_MALFORMED', `${field}: ${why}`, { field });
  }
}
