import { CodedError, type ErrorCode } from './errors.ts';

/**
 * Reads a structure of fixed layout from hostile bytes: every read is bounds-checked and names its field,
 * and `end()` refuses leftovers. Integers are little-endian unless the method says `be`.
 */
export class Cursor {
  readonly #input: Uint8Array;
  readonly #structure: string;
  #at = 0;

  constructor(input: Uint8Array, structure: string) {
    this.#input = input;
    this.#structure = structure;
  }

  /** Bytes read so far, from the start of this structure. */
  get offset(): number {
    return this.#at;
  }

  get left(): number {
    return this.#input.length - this.#at;
  }

  /** Copies exactly `length` bytes: a Buffer's own `slice` would share memory with the caller. */
  bytes(field: string, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#take(field, length));
  }

  /** The next bytes, in the memory of the input. */
  #take(field: string, length: number): Uint8Array {
    if (length > this.left) {
      throw this.error('EVIDENCE_TRUNCATED', field, `needs ${length} bytes, ${this.left} left`);
    }
    const start = this.#at;
    this.#at += length;
    return this.#input.subarray(start, this.#at);
  }

  #view(field: string, length: number): DataView {
    const taken = this.#take(field, length);
    return new DataView(taken.buffer, taken.byteOffset, length);
  }

  u8(field: string): number {
    return this.#view(field, 1).getUint8(0);
  }
  u16(field: string): number {
    return this.#view(field, 2).getUint16(0, true);
  }
  u32(field: string): number {
    return this.#view(field, 4).getUint32(0, true);
  }
  u64(field: string): bigint {
    return this.#view(field, 8).getBigUint64(0, true);
  }
  u16be(field: string): number {
    return this.#view(field, 2).getUint16(0, false);
  }
  u32be(field: string): number {
    return this.#view(field, 4).getUint32(0, false);
  }
  u64be(field: string): bigint {
    return this.#view(field, 8).getBigUint64(0, false);
  }

  /** Reserved ranges must be zero: a set bit may mean something this reader does not know. */
  zeros(field: string, length: number): void {
    if (this.bytes(field, length).some((byte) => byte !== 0)) {
      throw this.error('EVIDENCE_MALFORMED', field, 'reserved bytes are not zero');
    }
  }

  /** A cursor over the next `length` bytes alone; the caller calls its `end()`. */
  sub(field: string, length: number): Cursor {
    return new Cursor(this.#take(field, length), `${this.#structure}.${field}`);
  }

  rest(field: string): Uint8Array<ArrayBuffer> {
    return this.bytes(field, this.left);
  }

  end(): void {
    if (this.left > 0) throw this.error('EVIDENCE_TRAILING_BYTES', 'end', `${this.left} bytes left`);
  }

  error(code: ErrorCode, field: string, why: string): CodedError {
    return new CodedError(code, `${this.#structure}.${field} at byte ${this.#at}: ${why}`, {
      structure: this.#structure,
      field,
      offset: this.#at,
    });
  }
}
