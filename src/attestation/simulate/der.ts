import { type Bytes, concat, fromHex, utf8 } from '../../core/index.ts';

/**
 * Writes DER (X.690) for the certificates and CRLs of the simulated vendor: definite minimal lengths, one way to write
 * each value. It never reads: reading is the verifier's, so that the two cannot share a mistake.
 */
export function tagged(tag: number, content: Uint8Array): Bytes {
  return concat(Uint8Array.of(tag), derLength(content.length), content);
}

function derLength(length: number): Bytes {
  if (length < 0x80) return Uint8Array.of(length);
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return Uint8Array.of(0x80 | octets.length, ...octets);
}

export function sequence(...items: readonly Uint8Array[]): Bytes {
  return tagged(0x30, concat(...items));
}

export function setOf(item: Uint8Array): Bytes {
  return tagged(0x31, item);
}

/** Context-specific constructed `[number]`. */
export function explicit(number: number, content: Uint8Array): Bytes {
  return tagged(0xa0 | number, content);
}

/** Context-specific primitive `[number]`. */
export function implicit(number: number, content: Uint8Array): Bytes {
  return tagged(0x80 | number, content);
}

/** @param dotted such as `1.2.840.10045.2.1`; arcs below 2^31 */
export function oid(dotted: string): Bytes {
  const [first, second, ...arcs] = dotted.split('.').map(Number) as [number, number, ...number[]];
  const out: number[] = [];
  for (const arc of [first * 40 + second, ...arcs]) {
    const septets = [arc & 0x7f];
    for (let rest = arc >>> 7; rest > 0; rest >>>= 7) septets.unshift((rest & 0x7f) | 0x80);
    out.push(...septets);
  }
  return tagged(0x06, Uint8Array.from(out));
}

/** Non-negative INTEGER from its big-endian magnitude: no spare leading zero, one before a set top bit. */
export function unsignedInteger(magnitude: Uint8Array): Bytes {
  let at = 0;
  while (at < magnitude.length - 1 && magnitude[at] === 0) at++;
  const body = magnitude.subarray(at);
  return tagged(0x02, (body[0] as number) >= 0x80 ? concat(Uint8Array.of(0), body) : body);
}

export function integer(value: number): Bytes {
  const hex = value.toString(16);
  return unsignedInteger(fromHex(hex.length % 2 === 0 ? hex : `0${hex}`));
}

export function enumerated(value: number): Bytes {
  return tagged(0x0a, Uint8Array.of(value));
}

export function boolean(value: boolean): Bytes {
  return tagged(0x01, Uint8Array.of(value ? 0xff : 0));
}

export function octetString(content: Uint8Array): Bytes {
  return tagged(0x04, content);
}

export function bitString(content: Uint8Array, unusedBits = 0): Bytes {
  return tagged(0x03, concat(Uint8Array.of(unusedBits), content));
}

export function utf8String(text: string): Bytes {
  return tagged(0x0c, utf8(text));
}

export function printableString(text: string): Bytes {
  return tagged(0x13, utf8(text));
}

export function ia5String(text: string): Bytes {
  return tagged(0x16, utf8(text));
}

export function nothing(): Bytes {
  return tagged(0x05, new Uint8Array(0));
}

/** UTCTime to 2049, GeneralizedTime from 2050 (RFC 5280 section 4.1.2.5). @param at seconds since 1970 */
export function time(at: number): Bytes {
  const digits = new Date(at * 1000).toISOString().replace(/[-:T]|\.\d{3}/g, '');
  return digits < '2050' ? tagged(0x17, utf8(digits.slice(2))) : tagged(0x18, utf8(digits));
}
