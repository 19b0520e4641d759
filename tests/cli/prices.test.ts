import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DEFAULT_PRICES, parsePriceFile, priceSheetsIn } from '../../src/cli/compose/prices.ts';
import { toHex } from '../../src/core/index.ts';
import { modelAlias, parsePriceSheet } from '../../src/session/index.ts';
import { openSqliteLedger } from '../../src/store/index.ts';

const cheap = { perMillionIn: '1', perMillionCached: '2', perMillionOut: '3' };
const digest = 'ab'.repeat(32);
const file = (value: unknown) => parsePriceFile(JSON.stringify(value));

test('a model is priced by its digest and by the alias of its name; all others by one sheet', async () => {
  const list = file({ all: { ...cheap, perMillionOut: '9' }, models: [{ name: 'llama', digest, ...cheap }] });
  expect(list.all).toMatchObject({ perMillionIn: 1n, perMillionOut: 9n, unitIn: 128 });
  expect(list.models.map(({ names }) => names.map(toHex))).toEqual([[digest, toHex(modelAlias('llama'))]]);
  expect(file({})).toEqual(DEFAULT_PRICES);
  for (const bad of [
    [],
    { more: 1 },
    { all: { perMillionIn: 1 } },
    { all: { ...cheap, perMillionIn: '-1' } },
    { models: [{ name: 'llama', digest: 'ab', ...cheap }] },
    {
      models: [
        { name: 'a', digest, ...cheap },
        { name: 'b', digest, ...cheap },
      ],
    },
  ]) {
    expect(() => file(bad)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  }
});

test('sheets stay the same over restarts, and change with a price or the currency', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-prices-'));
  const ledger = openSqliteLedger(join(folder, 'ledger.sqlite'));
  const list = file({ models: [{ name: 'llama', digest, ...cheap }] });
  const first = await priceSheetsIn(ledger, 'TON/-1000', list);
  expect(await priceSheetsIn(ledger, 'TON/-1000', list)).toEqual(first);
  expect(parsePriceSheet(first.modelPrices[0]!.priceSheet)).toMatchObject({ perMillionOut: 3n, currency: 'TON/-1000' });
  expect(first.modelPrices[1]!.priceSheet).toEqual(first.modelPrices[0]!.priceSheet);
  const dearer = file({ models: [{ name: 'llama', digest, ...cheap, perMillionOut: '4' }] });
  const second = await priceSheetsIn(ledger, 'TON/-1000', dearer);
  expect(second.priceSheet).toEqual(first.priceSheet);
  expect(parsePriceSheet(second.modelPrices[1]!.priceSheet).perMillionOut).toBe(4n);
  expect(parsePriceSheet((await priceSheetsIn(ledger, 'TON/-239', list)).priceSheet).currency).toBe('TON/-239');
  await ledger.close();
  rmSync(folder, { recursive: true });
});
