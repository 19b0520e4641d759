import { afterAll, beforeAll, expect, test } from 'vitest';
import { ed25519Key, sha256 } from '#crypto';
import { DEVELOPMENT_NETWORK } from '../../src/chain/index.ts';
import { utf8 } from '../../src/core/index.ts';
import { encodePriceSheet, parsePriceSheet, signPriceOffer } from '../../src/session/index.ts';
import { ask, type InProcess, startInProcess } from './in-process.ts';

/** The echo engine's model has a price of its own, four times as much as the others'. */
const model = sha256(utf8('echo'));
const own = encodePriceSheet({
  currency: `TON/${DEVELOPMENT_NETWORK}`,
  perMillionIn: 200_000_000n,
  perMillionCached: 40_000_000n,
  perMillionOut: 800_000_000n,
  unitIn: 128,
  unitOut: 64,
  notAfter: Date.now() + 86_400_000,
});
let network: InProcess;
beforeAll(async () => {
  network = await startInProcess({ modelPrices: [{ model, priceSheet: own }] });
}, 60_000);
afterAll(() => network.close());

test('a model with a price of its own is billed by it, from the header to the receipt', async () => {
  const { done } = await ask(network.client, 'what does it cost');
  expect(done?.receipt.amount).toBe(4n * 19_200n);
});

test('a price that the router did not sign for this model is not paid, and nothing is sent', async () => {
  const cheap = encodePriceSheet({ ...parsePriceSheet(own), perMillionIn: 1n, perMillionOut: 1n });
  const stranger = ed25519Key(new Uint8Array(32).fill(9));
  const bySheet = (priceSheet: typeof own, signature: typeof own) => [{ model, priceSheet, signature }];
  for (const change of [
    async (signature: typeof own) => bySheet(cheap, signature),
    async () => bySheet(cheap, await signPriceOffer(stranger, model, cheap)),
    // The router's own sheet and signature, for another model.
    async (signature: typeof own) => [{ model: new Uint8Array(32).fill(1), priceSheet: own, signature }],
  ]) {
    let sent = 0;
    const client = network.newClient((transport) => ({
      ...transport,
      getTerms: async (options) => {
        const terms = await transport.getTerms(options);
        return { ...terms, modelPrices: await change(terms.modelPrices[0]!.signature) };
      },
      infer: (...args) => {
        sent += 1;
        return transport.infer(...args);
      },
    }));
    await expect(ask(client, 'for less')).rejects.toMatchObject({ code: 'PRICE_UNSIGNED' });
    expect(sent).toBe(0);
    await client.close();
  }
});

test('a header that names another model’s price is refused by the router', async () => {
  const client = network.newClient((transport) => ({
    ...transport,
    getTerms: async (options) => ({ ...(await transport.getTerms(options)), modelPrices: [] }),
  }));
  await expect(ask(client, 'for the price of others')).rejects.toMatchObject({ code: 'CHANNEL_REFUSED' });
  await client.close();
});
