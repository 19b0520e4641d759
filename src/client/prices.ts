import { type Bytes, CodedError, toHex, type UnixMs } from '../core/index.ts';
import { NO_MODEL, type PriceSheet, parsePriceSheet, verifyPriceOffer } from '../session/index.ts';
import type { CallOptions, RouterTerms, RouterTransport } from './transport.ts';

/** A price sheet that ends sooner is asked for again. */
const PRICE_MARGIN_MS = 60_000;

/** A router's price sheets, asked for when they are needed and kept until they are about to end. */
export function createPrices(transport: Pick<RouterTransport, 'getTerms'>, now: () => UnixMs) {
  let terms: Promise<(model: Bytes) => PriceSheet> | null = null;

  return {
    /** The sheet in force for a model. @throws CodedError PRICE_UNSIGNED, OBJECT_MALFORMED, and of the router */
    async of(model: Bytes, call: CallOptions): Promise<PriceSheet> {
      for (;;) {
        // Shared by all requests: one that is cancelled must not cancel it.
        const asked = terms ?? transport.getTerms({ deadline: call.deadline }).then(checkedPrices);
        const fresh = terms === null;
        terms = asked;
        const priceFor = await asked.catch((error: unknown) => {
          if (terms === asked) terms = null;
          throw error;
        });
        const price = priceFor(model);
        if (fresh || price.notAfter > now() + PRICE_MARGIN_MS) return price;
        if (terms === asked) terms = null;
      }
    },
    /** Another one may be in force by now. */
    forget(): void {
      terms = null;
    },
  };
}

/**
 * The router's prices by model. Each was signed for its model by the key that the router signs dispatches with.
 * @throws CodedError PRICE_UNSIGNED, OBJECT_MALFORMED
 */
async function checkedPrices(terms: RouterTerms): Promise<(model: Bytes) => PriceSheet> {
  const { dispatchKey, priceSheet, priceSignature: signature } = terms;
  const all = [{ model: NO_MODEL, priceSheet, signature }, ...terms.modelPrices];
  const sheets = await Promise.all(
    all.map(async ({ model, priceSheet: object, signature: by }): Promise<[string, PriceSheet]> => {
      if (!(await verifyPriceOffer(dispatchKey, model, object, by))) {
        throw new CodedError('PRICE_UNSIGNED', 'a price sheet is not signed by the router for its model');
      }
      return [toHex(model), parsePriceSheet(object)];
    }),
  );
  const byModel = new Map(sheets);
  return (model) => byModel.get(toHex(model)) ?? (byModel.get(toHex(NO_MODEL)) as PriceSheet);
}
