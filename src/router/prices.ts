import type { SigningKey } from '#crypto';
import { type Bytes, toHex } from '../core/index.ts';
import { NO_MODEL, type PriceSheet, parsePriceSheet, priceId, signPriceOffer } from '../session/index.ts';

/** A model that has a price of its own. @property model digest M, or the alias of its name: what a header may name */
export type ModelPrice = Readonly<{ model: Bytes; priceSheet: Bytes }>;
export type SignedPrice = ModelPrice & Readonly<{ signature: Bytes }>;

/** The router's prices: a sheet for each model that has one of its own, and one for all others. */
export function createPrices(
  deps: Readonly<{ priceSheet: Bytes; modelPrices?: readonly ModelPrice[]; dispatchKey: SigningKey }>,
) {
  const parsed = (object: Bytes) => ({ object, id: priceId(object), sheet: parsePriceSheet(object) });
  const all = parsed(deps.priceSheet);
  const own = deps.modelPrices ?? [];
  const byModel = new Map(own.map(({ model, priceSheet }) => [toHex(model), parsed(priceSheet)]));
  const of = (model: Uint8Array) => byModel.get(toHex(Uint8Array.from(model))) ?? all;
  const signed = (price: ModelPrice): Promise<SignedPrice> =>
    signPriceOffer(deps.dispatchKey, price.model, price.priceSheet).then((signature) => ({ ...price, signature }));
  let offers: Promise<readonly [SignedPrice, readonly SignedPrice[]]> | null = null;
  return {
    sheetOf: (model: Uint8Array): PriceSheet => of(model).sheet,
    objectOf: (model: Uint8Array): Bytes => of(model).object,
    idOf: (model: Uint8Array): Bytes => of(model).id,
    /** What clients are told, each sheet signed for its model. */
    async offered() {
      offers ??= Promise.all([signed({ model: NO_MODEL, priceSheet: all.object }), Promise.all(own.map(signed))]);
      const [{ priceSheet, signature: priceSignature }, modelPrices] = await offers;
      return { priceSheet, priceSignature, modelPrices };
    },
  };
}
