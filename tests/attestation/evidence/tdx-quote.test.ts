import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isZeroFill,
  parseTdxQuote,
  QUOTE_BYTES_MAX,
  readTdAttributes,
  TD_ATTRIBUTE_BITS,
  ZERO_FILL_BYTES_MAX,
} from '../../../src/attestation/index.ts';
import { createSimulatedIntel, openSimulatedIntel } from '../../../src/attestation/simulate/index.ts';
import { CodedError, concat, toBase64, toHex, utf8 } from '../../../src/core/index.ts';

const intel = openSimulatedIntel(createSimulatedIntel((length) => new Uint8Array(length).fill(3)));
const machine = intel.machine({ name: 'alder' });
const quotes = {
  4: machine.quote({ reportData: new Uint8Array(64).fill(9) }),
  5: machine.quote({ reportData: new Uint8Array(64), version: 5 }),
};

const codeOf = (bytes: Uint8Array): string => {
  try {
    parseTdxQuote(bytes);
  } catch (error) {
    if (error instanceof CodedError) return error.code;
    throw error;
  }
  return 'none';
};
const changed = (quote: Uint8Array, at: number, ...bytes: number[]) => {
  const copy = Uint8Array.from(quote);
  copy.set(bytes, at);
  return copy;
};

describe.each([4, 5] as const)('a quote of version %i', (version) => {
  const quote = quotes[version];

  test('every proper prefix is refused as truncated', () => {
    for (let length = 0; length < quote.length; length++)
      expect(codeOf(quote.subarray(0, length))).toBe('EVIDENCE_TRUNCATED');
  });

  test('zero fill is cut off and counted, other bytes after the end are refused', () => {
    const filled = parseTdxQuote(concat(quote, new Uint8Array(70)));
    expect(filled.trailingBytes).toBe(70);
    expect(toHex(filled.quoteSha256)).toBe(toHex(parseTdxQuote(quote).quoteSha256));
    expect(codeOf(concat(quote, new Uint8Array(70), Uint8Array.of(1)))).toBe('EVIDENCE_TRAILING_BYTES');
    expect(codeOf(concat(quote, new Uint8Array(ZERO_FILL_BYTES_MAX + 1)))).toBe('EVIDENCE_TRAILING_BYTES');
    expect(codeOf(new Uint8Array(QUOTE_BYTES_MAX + 1))).toBe('EVIDENCE_TOO_LARGE');
  });

  test('bytes after the end are reported to a caller who asks for that', () => {
    for (const [trailing, trailingAllZero] of [
      [new Uint8Array(0), true],
      [new Uint8Array(70), true],
      [Uint8Array.of(0, 0, 1), false],
      [new Uint8Array(ZERO_FILL_BYTES_MAX + 1), true],
    ] as const) {
      const parsed = parseTdxQuote(concat(quote, trailing), { trailingBytes: 'report' });
      expect(parsed).toMatchObject({ trailingBytes: trailing.length, trailingAllZero });
      expect(isZeroFill(parsed)).toBe(trailingAllZero && trailing.length <= ZERO_FILL_BYTES_MAX);
      expect(parsed.quoteSha256).toEqual(parseTdxQuote(quote).quoteSha256);
    }
  });

  test('slack and shortage inside the signature section are refused', () => {
    const section = version === 4 ? 632 : 702;
    for (const [at, name] of [
      [section, 'section'],
      [section + 4 + 130, 'outer'],
      [section + 4 + 130 + 4 + 384 + 64, 'auth'],
    ] as const) {
      for (const delta of [-1, 1]) {
        const byte = (quote[at] as number) + delta;
        const code = codeOf(changed(quote, at, byte & 0xff));
        expect(code, `${name} ${delta}`).toMatch(/^EVIDENCE_(TRUNCATED|TRAILING_BYTES|MALFORMED|UNSUPPORTED)$/);
      }
    }
  });

  test('a wrong outer certification type is refused', () => {
    expect(codeOf(changed(quote, (version === 4 ? 632 : 702) + 4 + 128, 5))).toBe('EVIDENCE_MALFORMED');
  });

  test('other vendors, key types and TEEs are refused by name', () => {
    expect(codeOf(changed(quote, 12, 0))).toBe('EVIDENCE_UNSUPPORTED');
    expect(codeOf(changed(quote, 2, 3))).toBe('EVIDENCE_UNSUPPORTED');
    expect(codeOf(changed(quote, 4, 0))).toBe('EVIDENCE_UNSUPPORTED');
    expect(codeOf(changed(quote, 0, 3))).toBe('EVIDENCE_MALFORMED');
    expect(codeOf(changed(quote, 0, 3, 0, 2, 0, 0, 0, 0, 0))).toBe('EVIDENCE_UNSUPPORTED');
  });

  test('a quote in hexadecimal or base64 is told to be text', () => {
    for (const text of [toHex(quote), toBase64(quote)]) {
      expect(() => parseTdxQuote(utf8(text))).toThrow(
        expect.objectContaining({ message: expect.stringMatching(/text/) }),
      );
    }
  });

  test('hostile changes are refused with a code or parse', () => {
    fc.assert(
      fc.property(fc.nat(quote.length - 1), fc.uint8Array({ minLength: 1, maxLength: 4 }), (at, bytes) => {
        const end = Math.min(bytes.length, quote.length - at);
        expect(codeOf(changed(quote, at, ...bytes.subarray(0, end)))).toMatch(/^(none|EVIDENCE_\w+)$/);
      }),
    );
  });
});

test('body type and size of version 5 must agree', () => {
  expect(codeOf(changed(quotes[5], 48, 2))).toBe('EVIDENCE_MALFORMED');
  expect(codeOf(changed(quotes[5], 48, 4))).toBe('EVIDENCE_MALFORMED');
  expect(codeOf(changed(quotes[5], 48, 1))).toBe('EVIDENCE_UNSUPPORTED');
  expect(codeOf(changed(quotes[5], 50, 0))).toBe('EVIDENCE_MALFORMED');
});

test('body type 4 (TDX 1.5ex) is read to its end', () => {
  const extension = Uint8Array.from({ length: 885 - 648 }, (_, index) => index);
  const quote = concat(quotes[5].subarray(0, 48 + 6 + 648), extension, quotes[5].subarray(48 + 6 + 648));
  const view = new DataView(quote.buffer);
  view.setUint16(48, 4, true);
  view.setUint32(50, 885, true);
  const { report } = parseTdxQuote(quote);
  expect(toHex(report.extension?.vmId ?? new Uint8Array())).toBe('00');
  expect(toHex(report.extension?.currentServiceTdAttributes ?? new Uint8Array())).toBe(toHex(extension.subarray(-8)));
});

test('every TDATTRIBUTES bit is named or reported as reserved', () => {
  for (let bit = 0; bit < 64; bit++) {
    const bytes = new Uint8Array(8);
    bytes[bit >> 3] = 1 << (bit & 7);
    const read = readTdAttributes(bytes);
    const known = TD_ATTRIBUTE_BITS.find((entry) => entry.bit === bit);
    expect(read.names, `bit ${bit}`).toEqual(known === undefined ? [] : [known.name]);
    expect(read.reservedBits).toEqual(known === undefined ? [bit] : []);
    expect(read.debug).toBe(bit === 0);
    expect(read.septVeDisable).toBe(bit === 28);
    expect(read.migratable).toBe(bit === 29);
  }
});
