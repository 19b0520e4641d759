import { CodedError } from './errors.ts';

export { fromBase64, fromHex, toBase64, toHex } from './hex-base64.ts';

export type Bytes = Uint8Array<ArrayBuffer>;

/**
 * Bytes outside the JavaScript heap, for secrets that their owner overwrites: the engine keeps small arrays in its heap,
 * where collector and native calls copy them and leave the old copy unerased.
 */
export function secretBytes(length: number): Bytes {
  return new Uint8Array(new ArrayBuffer(length));
}

export function concat(...parts: readonly Uint8Array[]): Bytes {
  return concatAll(parts);
}

/** As {@link concat}, for any number of parts. */
export function concatAll(parts: readonly Uint8Array[]): Bytes {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Equal length and equal bytes, in time that depends on the length alone. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number);
  return difference === 0;
}

/** Lexicographic order of unsigned bytes, shorter first among equal prefixes. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export function isZero(bytes: Uint8Array): boolean {
  let any = 0;
  for (let i = 0; i < bytes.length; i++) any |= bytes[i] as number;
  return any === 0;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function utf8(text: string): Bytes {
  return encoder.encode(text) as Bytes;
}

/** @throws CodedError ENCODING_INVALID for bytes that are not UTF-8 */
export function fromUtf8(bytes: Uint8Array, field = 'text'): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new CodedError('ENCODING_INVALID', `${field}: not UTF-8`, { field, length: bytes.length }, { cause });
  }
}

export function u8(value: number): Bytes {
  return big(value, 1);
}
export function u16(value: number): Bytes {
  return big(value, 2);
}
export function u32(value: number): Bytes {
  return big(value, 4);
}
/** Big-endian. */
export function u64(value: bigint | number): Bytes {
  return big(value, 8);
}
export function i32(value: number): Bytes {
  const out = new Uint8Array(4);
  if (!Number.isInteger(value) || value < -(2 ** 31) || value >= 2 ** 31) throw outOfRange(value, 4);
  new DataView(out.buffer).setInt32(0, value, false);
  return out;
}

function outOfRange(value: bigint | number, width: number): CodedError {
  return new CodedError('INVARIANT_BROKEN', `${value} does not fit ${width} bytes`, { width });
}

function big(value: bigint | number, width: number): Bytes {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw outOfRange(value, width);
  let rest = BigInt(value);
  if (rest < 0n || rest >= 1n << BigInt(8 * width)) throw outOfRange(value, width);
  const out = new Uint8Array(width);
  for (let i = width - 1; i >= 0; i--) {
    out[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return out;
}
