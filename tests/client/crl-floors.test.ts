import { expect, test } from 'vitest';
import type { CrlFloor } from '../../src/attestation/index.ts';
import { CRL_SETTLES_MS, createSeenCrls } from '../../src/client/crl-floors.ts';

const NOW = 1_780_000_000_000;
const list = (issuer: number, thisUpdate: number, crlNumber = '01'): CrlFloor => ({
  issuerSpkiSha256: new Uint8Array(32).fill(issuer),
  thisUpdate,
  crlNumber,
});

test('a list becomes the floor of its CA an hour after it was seen, and the floor never goes down', () => {
  const seen = createSeenCrls();
  seen.saw([list(1, 100)], NOW);
  expect(seen.floors(NOW + CRL_SETTLES_MS - 1)).toEqual([]);
  expect(seen.floors(NOW + CRL_SETTLES_MS)).toEqual([list(1, 100)]);
  seen.saw([list(1, 50), list(2, 70)], NOW + CRL_SETTLES_MS);
  seen.saw([list(1, 200, '02')], NOW + 2 * CRL_SETTLES_MS - 1);
  expect(seen.floors(NOW + 2 * CRL_SETTLES_MS)).toEqual([list(1, 100), list(2, 70)]);
  expect(seen.floors(NOW + 9 * CRL_SETTLES_MS)).toEqual([list(1, 200, '02'), list(2, 70)]);
});

test('the same list seen a thousand times waits once; what waits is bounded', () => {
  const seen = createSeenCrls();
  for (let i = 0; i < 1000; i++) seen.saw([list(1, 100)], NOW + i);
  for (let i = 0; i < 1000; i++) seen.saw([list(2, i)], NOW);
  expect(seen.floors(NOW + CRL_SETTLES_MS)).toEqual([list(1, 100), list(2, 62)]);
});
