import { type Bytes, CodedError, fromBase64 } from '../../core/index.ts';
import { parseSize, parseVkey, type VerifierKey } from '../../log/index.ts';

const LIST_MAX = 100_000;

/** Reads the inputs of one question; what is missing or mistyped is refused by name. @throws CodedError USAGE_INVALID */
export class Inputs {
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(fields: Readonly<Record<string, unknown>>) {
    this.#fields = fields;
  }

  has(field: string): boolean {
    return Object.hasOwn(this.#fields, field) && this.#fields[field] !== undefined;
  }

  isNull(field: string): boolean {
    return this.#fields[field] === null;
  }

  text(field: string): string {
    const value = this.#fields[field];
    if (typeof value !== 'string') throw new CodedError('USAGE_INVALID', `${field}: text is needed`, { field });
    return value;
  }

  size(field: string): number {
    return parseSize(this.text(field), field);
  }

  bytes(field: string): Bytes {
    return fromBase64(this.text(field), field);
  }

  bytesList(field: string): Bytes[] {
    return this.#texts(field).map((item) => fromBase64(item, field));
  }

  vkeys(field = 'vkeys'): VerifierKey[] {
    return this.#texts(field).map(parseVkey);
  }

  record(field: string): Inputs {
    const value = this.#fields[field];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new CodedError('USAGE_INVALID', `${field}: an object is needed`, { field });
    }
    return new Inputs(value as Readonly<Record<string, unknown>>);
  }

  #texts(field: string): string[] {
    const value = this.#fields[field];
    if (!Array.isArray(value) || value.length > LIST_MAX || !value.every((item) => typeof item === 'string')) {
      throw new CodedError('USAGE_INVALID', `${field}: a list of texts is needed`, { field });
    }
    return value;
  }
}
