import { CodedError } from './errors.ts';

type Bytes = Uint8Array<ArrayBuffer>;
type Encodings = Readonly<{
  /** Lower-case hexadecimal. */
  toHex(bytes: Uint8Array): string;
  /** Null unless an even number of hexadecimal digits, either case. */
  fromHex(text: string): Bytes | null;
  /** Standard base64 with padding (RFC 4648 section 4). */
  toBase64(bytes: Uint8Array): string;
  /** Null unless canonical: padding required, no white space, no slack bits. */
  fromBase64(text: string): Bytes | null;
}>;

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** For runtimes without the encodings of ECMAScript 2026; exported so that a test holds both to the same answers. */
export const PORTABLE_ENCODINGS: Encodings = {
  toHex(bytes) {
    let out = '';
    for (const byte of bytes) out += HEX[byte];
    return out;
  },
  fromHex(text) {
    if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return null;
    const out = new Uint8Array(text.length / 2);
    for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
    return out;
  },
  toBase64(bytes) {
    let binary = '';
    const step = 0x8000;
    for (let i = 0; i < bytes.length; i += step) binary += String.fromCharCode(...bytes.subarray(i, i + step));
    return btoa(binary);
  },
  fromBase64(text) {
    if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null;
    const binary = atob(text);
    const out = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) out[i] = binary.charCodeAt(i);
    return PORTABLE_ENCODINGS.toBase64(out) === text ? out : null;
  },
};

type NativeStatic = {
  fromHex(text: string): Bytes;
  fromBase64(text: string, options: { lastChunkHandling: 'strict' }): Bytes;
};
type NativeMethods = { toHex(): string; toBase64(): string };

/** Uint8Array's own encodings (ECMAScript 2026), several times faster; null where the runtime has none. */
export function nativeEncodings(): Encodings | null {
  if (!('fromHex' in Uint8Array && 'toHex' in Uint8Array.prototype)) return null;
  const { fromHex, fromBase64 } = Uint8Array as unknown as NativeStatic;
  const { toHex, toBase64 } = Uint8Array.prototype as unknown as NativeMethods;
  const orNull = (decode: () => Bytes): Bytes | null => {
    try {
      return decode();
    } catch {
      return null; // SyntaxError: the text is not that encoding
    }
  };
  return {
    toHex: (bytes) => toHex.call(bytes),
    toBase64: (bytes) => toBase64.call(bytes),
    fromHex: (text) => orNull(() => fromHex.call(Uint8Array, text)),
    fromBase64(text) {
      const out = orNull(() => fromBase64.call(Uint8Array, text, { lastChunkHandling: 'strict' }));
      const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
      // White space is the one thing that the strict decoder skips, and it shows in the length.
      return out !== null && out.length === (text.length / 4) * 3 - padding ? out : null;
    },
  };
}

const encodings = nativeEncodings() ?? PORTABLE_ENCODINGS;

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  return encodings.toHex(bytes);
}

/** @throws CodedError ENCODING_INVALID unless an even number of hexadecimal digits, either case. */
export function fromHex(text: string, field = 'hex'): Bytes {
  const out = encodings.fromHex(text);
  if (out === null) {
    throw new CodedError('ENCODING_INVALID', `${field}: not hexadecimal`, { field, length: text.length });
  }
  return out;
}

/** Standard base64 with padding (RFC 4648 section 4). */
export function toBase64(bytes: Uint8Array): string {
  return encodings.toBase64(bytes);
}

/** Strict and canonical: padding required, no white space, no slack bits. @throws CodedError ENCODING_INVALID */
export function fromBase64(text: string, field = 'base64'): Bytes {
  const out = encodings.fromBase64(text);
  if (out === null) {
    throw new CodedError('ENCODING_INVALID', `${field}: not canonical base64`, { field, length: text.length });
  }
  return out;
}
