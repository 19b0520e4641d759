import { z } from 'zod';
import { type Bytes, CodedError, fromHex, parseStrictJson, toHex } from '../../core/index.ts';
import type { ModelPrice } from '../../router/index.ts';
import { encodePriceSheet, modelAlias, type PriceSheet, parsePriceSheet } from '../../session/index.ts';
import type { Ledger } from '../../store/index.ts';

/** nanoTON per million tokens, and the units that receipts round to. */
type Prices = Pick<PriceSheet, 'perMillionIn' | 'perMillionCached' | 'perMillionOut' | 'unitIn' | 'unitOut'>;
const UNITS = { unitIn: 128, unitOut: 64 };
const PRICES: Prices = {
  perMillionIn: 50_000_000n,
  perMillionCached: 10_000_000n,
  perMillionOut: 200_000_000n,
  ...UNITS,
};
const PRICE_SHEET = 'price-sheet';
const PRICE_LIFETIME_MS = 30 * 24 * 3_600_000;
const PRICE_MARGIN_MS = 7 * 24 * 3_600_000;
const MODELS_MAX = 1_024;

/** Prices of a router. @property names what headers may name a model by: its digest, and the alias of its name */
export type PriceList = Readonly<{
  all: Prices;
  models: readonly Readonly<{ names: readonly [Bytes, Bytes]; prices: Prices }>[];
}>;

const nanoTon = z
  .string()
  .regex(/^\d{1,18}$/, 'nanoTON per million tokens, a whole number in quotes')
  .transform((text) => BigInt(text));
const prices = { perMillionIn: nanoTon, perMillionCached: nanoTon, perMillionOut: nanoTon };
const schema = z.strictObject({
  all: z.strictObject(prices).optional(),
  models: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(256),
        digest: z.string().regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits'),
        ...prices,
      }),
    )
    .max(MODELS_MAX)
    .default([]),
});

/** @throws CodedError CONFIG_INVALID, also for a model that is named twice */
export function parsePriceFile(text: string): PriceList {
  const parsed = schema.safeParse(parseStrictJson(text));
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'file'}: ${message}`);
    throw new CodedError('CONFIG_INVALID', `prices: ${problems.join('; ')}`);
  }
  const models = parsed.data.models.map(({ name, digest, ...own }) => ({
    names: [fromHex(digest, 'digest'), modelAlias(name)] as const,
    prices: { ...own, ...UNITS },
  }));
  const names = models.flatMap((model) => model.names.map(toHex));
  if (new Set(names).size < names.length) {
    throw new CodedError('CONFIG_INVALID', 'prices: a model is named twice');
  }
  return { all: { ...PRICES, ...parsed.data.all }, models };
}

/** Without a file. */
export const DEFAULT_PRICES: PriceList = { all: PRICES, models: [] };

/** The sheets in force, the same at all replicas; new ones in time before the old ones end, or where a price changed. */
export async function priceSheetsIn(
  ledger: Ledger,
  currency: string,
  { all, models }: PriceList,
): Promise<Readonly<{ priceSheet: Bytes; modelPrices: readonly ModelPrice[] }>> {
  const sheet = async (name: string, wanted: Prices): Promise<Bytes> => {
    const kept = await ledger.setting(name);
    if (kept !== null && isInForce(parsePriceSheet(kept), currency, wanted)) return kept;
    const next = encodePriceSheet({ currency, ...wanted, notAfter: Date.now() + PRICE_LIFETIME_MS });
    return ledger.putSetting(name, kept, next);
  };
  const modelPrices: ModelPrice[] = [];
  for (const { names, prices: own } of models) {
    const priceSheet = await sheet(`${PRICE_SHEET}:${toHex(names[0])}`, own);
    modelPrices.push(...names.map((model) => ({ model, priceSheet })));
  }
  return { priceSheet: await sheet(PRICE_SHEET, all), modelPrices };
}

function isInForce(sheet: PriceSheet, currency: string, wanted: Prices): boolean {
  const same = (Object.keys(wanted) as (keyof Prices)[]).every((field) => sheet[field] === wanted[field]);
  return same && sheet.currency === currency && sheet.notAfter > Date.now() + PRICE_MARGIN_MS;
}
