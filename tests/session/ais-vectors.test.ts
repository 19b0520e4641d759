import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { VECTORS_FILE } from '../../scripts/session-vectors/make.ts';
import { sessionVectors } from '../../scripts/session-vectors/vectors.ts';
import { replay, type VectorExchange } from './independent-reader.ts';

const text = readFileSync(VECTORS_FILE, 'utf8');
const document = JSON.parse(text) as { dispatchKeySeed: string; exchanges: VectorExchange[] };

test('the vectors of AIS/1 are what the script makes: a change of the protocol shows here', async () => {
  expect(await sessionVectors()).toBe(text);
});

test('an implementation of its own, written from the document, replays every exchange', () => {
  expect(document.exchanges.length).toBeGreaterThanOrEqual(3);
  const done = document.exchanges.map((exchange) => replay(exchange, document.dispatchKeySeed));
  expect(done.map(({ exporters }) => exporters)).toEqual([1, 3, 2]);
});

test('the replay notices a change of any value that it checks', () => {
  let refused = 0;
  const change = (value: unknown): unknown => {
    if (typeof value !== 'string' || !/^[0-9a-f]{32,}$/.test(value)) return value;
    return value.slice(0, -1) + (value.at(-1) === '0' ? '1' : '0');
  };
  for (const exchange of document.exchanges) {
    for (const part of ['client', 'request', 'response', 'dispatch'] as const) {
      for (const [field, value] of Object.entries(exchange[part])) {
        const changed = Array.isArray(value) ? [change(value[0]), ...value.slice(1)] : change(value);
        if (JSON.stringify(changed) === JSON.stringify(value)) continue;
        if (['policyDigest', 'policySalt', 'key', 'nonce', 'commitmentKey'].includes(field)) continue; // intermediate
        const altered = { ...exchange, [part]: { ...exchange[part], [field]: changed } } as VectorExchange;
        expect(() => replay(altered, document.dispatchKeySeed), `${exchange.name}: ${part}.${field}`).toThrow();
        refused++;
      }
    }
  }
  expect(refused).toBeGreaterThan(30);
});
