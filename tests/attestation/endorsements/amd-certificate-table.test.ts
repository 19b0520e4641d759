import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  CERTIFICATE_TABLE_KINDS,
  encodeCertificateTable,
  loadAmdEndorsements,
  parseCertificateTable,
} from '../../../src/attestation/index.ts';
import { CodedError, concat, fromBase64, toHex } from '../../../src/core/index.ts';
import { sharedAmd as amd } from '../simulate/shared-amd.ts';

const [leaf, intermediate, root] = amd
  .collateral({ name: 'birch', line: 'Genoa' }, Date.UTC(2026, 10, 24) / 1000)
  .certs.map((text) => fromBase64(text, 'certificate'));
const GUID = Object.fromEntries(Object.entries(CERTIFICATE_TABLE_KINDS).map(([guid, kind]) => [kind, guid]));
const rows = [
  { guid: GUID.VCEK!, data: leaf! },
  { guid: GUID.ASK!, data: intermediate! },
  { guid: GUID.ARK!, data: root! },
];
const table = encodeCertificateTable(rows);

test('what is written is read, and written again is the same', () => {
  expect(parseCertificateTable(table).map(({ kind }) => kind)).toEqual(['VCEK', 'ASK', 'ARK']);
  expect(toHex(encodeCertificateTable(parseCertificateTable(table)))).toBe(toHex(table));
  expect(loadAmdEndorsements({ certTable: table }).certificates.length).toBe(3);
});

test('rows of any number, GUID and size', () => {
  const hex = fc.uint8Array({ minLength: 16, maxLength: 16 }).filter((bytes) => bytes.some((byte) => byte !== 0));
  const guid = hex.map((bytes) => toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'));
  const row = fc.record({ guid, data: fc.uint8Array({ minLength: 1, maxLength: 64 }) });
  fc.assert(
    fc.property(fc.uniqueArray(row, { maxLength: 32, selector: (one) => one.guid }), (given) => {
      const encoded = encodeCertificateTable(given.map(({ guid, data }) => ({ guid, data: Uint8Array.from(data) })));
      const read = parseCertificateTable(encoded);
      expect(read.map(({ guid, data }) => [guid, toHex(data)])).toEqual(
        given.map(({ guid, data }) => [guid, toHex(data)]),
      );
      expect(toHex(encodeCertificateTable(read))).toBe(toHex(encoded));
    }),
  );
});

const codeOf = (bytes: Uint8Array): string => {
  try {
    loadAmdEndorsements({ certTable: bytes });
    return 'taken';
  } catch (error) {
    if (error instanceof CodedError && error.code !== 'INVARIANT_BROKEN') return error.code;
    throw error;
  }
};

test('every proper prefix is refused', () => {
  for (let length = 0; length < table.length; length++) expect(codeOf(table.subarray(0, length))).not.toBe('taken');
});

test('every other length and offset of a row is refused', () => {
  const view = new DataView(table.buffer);
  for (let row = 0; row < rows.length; row++) {
    for (const at of [24 * row + 16, 24 * row + 20]) {
      const declared = view.getUint32(at, true);
      const others = new Set([0, 1, 23, 24, 95, 96, 2 ** 31, 2 ** 32 - 1, table.length, table.length + 1]);
      for (let near = -40; near <= 40; near++) others.add(declared + near);
      for (let power = 0; power < 32; power++) others.add(2 ** power);
      for (const other of others) {
        if (other === declared || other < 0 || other >= 2 ** 32) continue;
        const changed = Uint8Array.from(table);
        new DataView(changed.buffer).setUint32(at, other, true);
        expect([row, other, codeOf(changed) === 'taken']).toEqual([row, other, false]);
      }
    }
  }
});

test.each<[string, Uint8Array, string]>([
  ['one GUID twice', encodeCertificateTable([rows[0]!, rows[0]!]), 'ENDORSEMENT_MALFORMED'],
  [
    'a row without content',
    encodeCertificateTable([{ guid: GUID.VCEK!, data: new Uint8Array(0) }]),
    'ENDORSEMENT_MALFORMED',
  ],
  ['no terminator', table.slice(0, 72), 'EVIDENCE_TRUNCATED'],
  ['nothing', new Uint8Array(0), 'EVIDENCE_TRUNCATED'],
  ['too long', concat(table, new Uint8Array(65_536)), 'EVIDENCE_TOO_LARGE'],
])('refused: %s', (_, bytes, code) => expect(codeOf(bytes)).toBe(code));

test('random bytes and random changes: a coded refusal or a table', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 512 }), (bytes) => void codeOf(bytes)));
  const change = fc.tuple(fc.nat(95), fc.nat(255));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
      const changed = Uint8Array.from(table);
      for (const [at, value] of changes) changed[at] = value;
      void codeOf(changed);
    }),
    { numRuns: 300 },
  );
});
