import {
  type Bytes,
  decodeMs,
  decodeObject,
  encodeObject,
  fromUtf8,
  objectDigest,
  type UnixMs,
  u32,
  u64,
  utf8,
} from '../core/index.ts';
import { malformed, readU64, readUint } from './objects.ts';

/** What tokens cost, in the smallest unit of `currency`, per 10^6 tokens (AIS/1 section 8). */
export type PriceSheet = Readonly<{
  /** ASCII, `TON/<network>` or `J/<network>/<master raw address>`. */
  currency: string;
  perMillionIn: bigint;
  perMillionCached: bigint;
  perMillionOut: bigint;
  /** Rounding unit of input counts. */
  unitIn: number;
  /** Rounding unit of output counts. */
  unitOut: number;
  notAfter: UnixMs;
}>;

export const CURRENCY_BYTES_MAX = 128;

const RULES = [
  { name: 'currency', length: 'any' },
  { name: 'perMillionIn', length: 8 },
  { name: 'perMillionCached', length: 8 },
  { name: 'perMillionOut', length: 8 },
  { name: 'unitIn', length: 4 },
  { name: 'unitOut', length: 4 },
  { name: 'notAfter', length: 8 },
] as const;

export function encodePriceSheet(price: PriceSheet): Bytes {
  return encodeObject([
    utf8(price.currency),
    u64(price.perMillionIn),
    u64(price.perMillionCached),
    u64(price.perMillionOut),
    u32(price.unitIn),
    u32(price.unitOut),
    u64(price.notAfter),
  ]);
}

/** @throws CodedError OBJECT_MALFORMED, also for a rounding unit of 0 and a currency that is not printable ASCII */
export function parsePriceSheet(object: Uint8Array): PriceSheet {
  const f = decodeObject(object, 'price', RULES) as [Bytes, Bytes, Bytes, Bytes, Bytes, Bytes, Bytes];
  if (f[0].length === 0 || f[0].length > CURRENCY_BYTES_MAX || f[0].some((byte) => byte < 0x21 || byte > 0x7e)) {
    throw malformed('price', 'currency', 'not 1 to 128 printable ASCII characters');
  }
  const unitIn = readUint(f[4]);
  const unitOut = readUint(f[5]);
  if (unitIn === 0 || unitOut === 0) throw malformed('price', 'unitIn, unitOut', 'a unit of 0');
  return {
    currency: fromUtf8(f[0], 'price.currency'),
    perMillionIn: readU64(f[1]),
    perMillionCached: readU64(f[2]),
    perMillionOut: readU64(f[3]),
    unitIn,
    unitOut,
    notAfter: decodeMs(f[6], 'price.notAfter'),
  };
}

/** `price_id = H("price", fields)`. @param object as it travels */
export function priceId(object: Uint8Array): Bytes {
  return objectDigest('price', object);
}

const idsKnown = new WeakMap<PriceSheet, Bytes>();

/** As {@link priceId}, worked out once of each sheet: every request and every receipt names it. */
export function priceIdOf(sheet: PriceSheet): Bytes {
  const known = idsKnown.get(sheet);
  if (known !== undefined) return known;
  const id = priceId(encodePriceSheet(sheet));
  idsKnown.set(sheet, id);
  return id;
}

/** Token counts; `tokensIn` is the input that was not in a cache, `tokensCached` the rest of it. */
export type TokenCounts = Readonly<{ tokensIn: number; tokensCached: number; tokensOut: number }>;

/** A receipt shows counts in units only: cached down, the rest of the input and the output up (section 8). */
export function roundCounts(counts: TokenCounts, price: PriceSheet): TokenCounts {
  return {
    tokensIn: Math.ceil(counts.tokensIn / price.unitIn) * price.unitIn,
    tokensCached: Math.floor(counts.tokensCached / price.unitIn) * price.unitIn,
    tokensOut: Math.ceil(counts.tokensOut / price.unitOut) * price.unitOut,
  };
}

const MILLION = 1_000_000n;

/** `min(price_cap, ceil((in·p_in + cached·p_cached + out·p_out) / 10^6))`, of rounded counts. */
export function amountOf(rounded: TokenCounts, price: PriceSheet, priceCap: bigint): bigint {
  const sum =
    BigInt(rounded.tokensIn) * price.perMillionIn +
    BigInt(rounded.tokensCached) * price.perMillionCached +
    BigInt(rounded.tokensOut) * price.perMillionOut;
  const amount = (sum + MILLION - 1n) / MILLION;
  return amount < priceCap ? amount : priceCap;
}
