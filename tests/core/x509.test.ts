import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSimulatedIntel, openSimulatedIntel } from '../../src/attestation/simulate/index.ts';
import {
  CodedError,
  DerReader,
  fromBase64,
  fromHex,
  parseCertificate,
  parseCrl,
  parsePem,
  signedBy,
  utf8,
  whyNotCrlOf,
  whyNotIssuedBy,
} from '../../src/core/index.ts';

const state = createSimulatedIntel((length) => Uint8Array.from({ length }, (_, index) => (index * 7 + 1) & 0xff));
const intel = openSimulatedIntel(state);
const rootDer = fromBase64(state.rootCertificate);
const caDer = fromBase64(state.platformCaCertificate);
const collateral = intel.collateral(1_780_000_000, { revokedMachines: ['alder'] });
const crlDer = fromHex(collateral.pck_crl);

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof CodedError) return error.code;
    throw error;
  }
  return 'none';
};
const der = (hex: string) => new DerReader(fromHex(hex), 'test');

describe('DER', () => {
  test.each([
    ['an indefinite length', '3080020101 0000', (r: DerReader) => r.sequence('s')],
    ['a length that is not minimal', '30810302 0101', (r: DerReader) => r.sequence('s')],
    ['a length with a leading zero', '3082000302 0101', (r: DerReader) => r.sequence('s')],
    ['a length beyond the input', '3004020101', (r: DerReader) => r.sequence('s')],
    ['a multi-byte tag', '1f0101', (r: DerReader) => r.any('a')],
    ['a string in pieces', '2c030c0141', (r: DerReader) => r.any('a')],
    ['a SEQUENCE without elements', '1000', (r: DerReader) => r.any('a')],
    ['an INTEGER with a leading zero', '02020001', (r: DerReader) => r.integer('i')],
    ['an INTEGER with leading ones', '0202ff80', (r: DerReader) => r.integer('i')],
    ['an empty INTEGER', '0200', (r: DerReader) => r.integer('i')],
    ['a negative magnitude', '0201ff', (r: DerReader) => r.magnitude('i', 20)],
    ['a BOOLEAN that is neither', '010101', (r: DerReader) => r.boolean('b')],
    ['a BIT STRING with unused bits', '03020700', (r: DerReader) => r.bitString('b')],
    ['a named-bit list with trailing zeros', '03020180'.replace('80', '00'), (r: DerReader) => r.namedBits('b')],
    ['an OBJECT IDENTIFIER with padding', '06032a8001', (r: DerReader) => r.oid('o')],
    ['an OBJECT IDENTIFIER that ends early', '06022a86', (r: DerReader) => r.oid('o')],
    ['a UTCTime without Z', '170b3230303130313030303030', (r: DerReader) => r.time('t')],
    ['bytes after the value', '02010100', (r: DerReader) => [r.integer('i'), r.end()]],
  ])('%s is refused', (_, hex, read) => {
    expect(codeOf(() => read(der(hex.replace(/ /g, ''))))).toBe('ENCODING_INVALID');
  });

  test('an INTEGER with its sign byte is the number it means', () => {
    expect(der('02020080').smallInteger('i', 255)).toBe(128);
    expect(der('020200ff').smallInteger('i', 255)).toBe(255);
  });

  test('a day that is not of the calendar is refused', () => {
    const utcTime = (text: string) => new DerReader(Uint8Array.of(0x17, text.length, ...utf8(text)), 'test');
    expect(utcTime('240229000000Z').time('t')).toBe(Date.UTC(2024, 1, 29) / 1000);
    for (const text of ['230229000000Z', '240001000000Z', '240101240000Z', '240101006000Z']) {
      expect(
        codeOf(() => utcTime(text).time('t')),
        text,
      ).toBe('ENCODING_INVALID');
    }
  });

  test('nesting is bounded', () => {
    let hex = '0500';
    for (let i = 0; i < 40; i++) hex = `30${(hex.length / 2).toString(16).padStart(2, '0')}${hex}`;
    const descend = (reader: DerReader): void => descend(reader.sequence('s'));
    expect(codeOf(() => descend(der(hex)))).toBe('ENCODING_INVALID');
  });
});

describe('certificates and CRLs', () => {
  test('a certificate is what its issuer made', async () => {
    const root = parseCertificate(rootDer);
    const ca = parseCertificate(caDer);
    expect(whyNotIssuedBy(ca, root, 1)).toBeNull();
    expect(await signedBy(ca, root.publicKey)).toBe(true);
    expect(await signedBy(root, ca.publicKey)).toBe(false);
    expect(whyNotIssuedBy(root, ca, 0)).not.toBeNull();
    expect(whyNotIssuedBy(ca, root, 200)).toBe('the path is too long');
  });

  test('a CRL belongs to one issuer', async () => {
    const crl = parseCrl(crlDer);
    const ca = parseCertificate(caDer);
    expect(crl.revoked.size).toBe(1);
    expect(whyNotCrlOf(crl, ca)).toBeNull();
    expect(await signedBy(crl, ca.publicKey)).toBe(true);
    expect(whyNotCrlOf(crl, parseCertificate(rootDer))).toBe('the CRL has another issuer');
  });

  test.each([
    ['certificate', caDer, parseCertificate, 'CERTIFICATE_MALFORMED'],
    ['CRL', crlDer, parseCrl, 'CRL_MALFORMED'],
  ] as const)('every proper prefix of a %s, and one byte more, is refused', (_, good, parse, code) => {
    for (let length = 0; length < good.length; length++)
      expect(codeOf(() => parse(good.subarray(0, length)))).toBe(code);
    expect(codeOf(() => parse(Uint8Array.of(...good, 0)))).toBe(code);
  });

  test.each([
    ['certificate', caDer, parseCertificate],
    ['CRL', crlDer, parseCrl],
  ] as const)('a changed byte of a %s never passes for the same', async (_, good, parse) => {
    const issuer = parseCertificate(parse === parseCrl ? caDer : rootDer).publicKey;
    for (let at = 0; at < good.length; at++) {
      const changed = Uint8Array.from(good);
      changed[at] = (changed[at] as number) ^ 0x01;
      let parsed: ReturnType<typeof parse>;
      try {
        parsed = parse(changed);
      } catch (error) {
        expect(error).toBeInstanceOf(CodedError);
        continue;
      }
      expect(await signedBy(parsed, issuer), `byte ${at}`).toBe(false);
    }
  });

  test('hostile bytes are refused with a code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(codeOf(() => parseCertificate(bytes))).toBe('CERTIFICATE_MALFORMED');
        expect(codeOf(() => parseCrl(bytes))).toBe('CRL_MALFORMED');
      }),
    );
  });
});

describe('PEM', () => {
  const chain = collateral.pck_crl_issuer_chain;

  test('blocks in order; NUL and line ends only after the last', () => {
    expect(parsePem(`${chain}\n\0`, 'CERTIFICATE', 2)).toHaveLength(2);
    expect(parsePem(chain.replaceAll('\n', '\r\n'), 'CERTIFICATE', 2)).toHaveLength(2);
  });

  test.each([
    ['text before', `x\n${chain}`],
    ['text after', `${chain}x`],
    ['a NUL inside', chain.replace('\n', '\0\n')],
    ['a block of another kind', chain.replaceAll('CERTIFICATE', 'X509 CRL')],
    ['a block without end', chain.slice(0, chain.indexOf('-----END'))],
    ['a line with a space', chain.replace('\nMII', '\n MII')],
    ['padding inside', chain.replace('\nMII', '\nMI=')],
    ['nothing', ''],
  ])('%s is refused', (_, text) => {
    expect(codeOf(() => parsePem(text, 'CERTIFICATE', 2))).toBe('ENCODING_INVALID');
  });

  test('the number of blocks is bounded', () => {
    expect(codeOf(() => parsePem(chain, 'CERTIFICATE', 1))).toBe('EVIDENCE_TOO_LARGE');
  });

  test('any text is refused with a code or read', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('-', 'A', '=', '\n', '\r', '\0', ' ', 'BEGIN') }), (text) => {
        expect(['none', 'ENCODING_INVALID']).toContain(codeOf(() => parsePem(text, 'CERTIFICATE', 8)));
      }),
    );
  });
});
