import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crlDer } from '../../../src/attestation/collateral/crl-encoding.ts';
import { parseEvaluationNumbers } from '../../../src/attestation/collateral/evaluation-numbers.ts';
import { issuerChain } from '../../../src/attestation/collateral/issuer-chain.ts';
import { CodedError, concat, fromHex, utf8 } from '../../../src/core/index.ts';
import { type CrlForm, crlIn, NOW, vendor } from './intel-vendor.ts';

const NAMES = ['TCB-Info-Issuer-Chain', 'SGX-TCB-Info-Issuer-Chain'] as const;
const chain = vendor.collateral(NOW).tcb_info_issuer_chain;
const encoded = encodeURIComponent(chain);

function read(headers: Readonly<Record<string, string>>): string {
  return issuerChain({ body: new Uint8Array(0), header: (name) => headers[name] ?? null }, NAMES);
}

describe('an issuer chain in a header', () => {
  test('is percent-decoded, under either name, with either case of digits', () => {
    for (const name of NAMES) expect(read({ [name]: encoded })).toBe(chain);
    expect(read({ [NAMES[0]]: encoded.replace(/%[0-9A-F]{2}/g, (digits) => digits.toLowerCase()) })).toBe(chain);
  });

  test.each([
    ['absent', {}],
    ['empty', { [NAMES[0]]: '' }],
    ['under both names', { [NAMES[0]]: encoded, [NAMES[1]]: encoded }],
    ['sent twice', { [NAMES[0]]: `${encoded}, ${encoded}` }],
    ['as plain PEM', { [NAMES[0]]: chain }],
    ['with plus for space', { [NAMES[0]]: encoded.replaceAll('%20', '+') }],
    ['with half an escape', { [NAMES[0]]: `${encoded}%2` }],
    ['with an escape that is none', { [NAMES[0]]: encoded.replace('%20', '%2G') }],
    ['encoded twice', { [NAMES[0]]: encodeURIComponent(encoded) }],
    ['with NUL', { [NAMES[0]]: `${encoded}%00` }],
    ['with a byte that is not ASCII', { [NAMES[0]]: `${encoded}%C3%A9` }],
    ['with a header in it', { [NAMES[0]]: `${encoded}%0D%0ASet-Cookie%3A%20a%3Db` }],
    ['with text before', { [NAMES[0]]: encodeURIComponent(`hello\n${chain}`) }],
    ['with a key in it', { [NAMES[0]]: encodeURIComponent(chain.replaceAll('CERTIFICATE', 'PRIVATE KEY')) }],
    ['with a tab', { [NAMES[0]]: encoded.replace('%20', '%09') }],
  ])('%s: refused', (_, headers) => {
    expect(() => read(headers)).toThrow(expect.objectContaining({ code: 'ENCODING_INVALID' }));
  });

  test('of nine certificates: refused', () => {
    const one = chain.slice(0, chain.indexOf('-----END') + 26);
    expect(() => read({ [NAMES[0]]: encodeURIComponent(one.repeat(9)) })).toThrow(CodedError);
  });

  test('whatever stands there: PEM, or a coded refusal', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string().map(encodeURIComponent)), (value) => {
        try {
          expect(read({ [NAMES[0]]: value })).toContain('-----BEGIN CERTIFICATE-----');
        } catch (error) {
          expect(error).toBeInstanceOf(CodedError);
        }
      }),
    );
  });
});

describe('a CRL', () => {
  const hex = vendor.collateral(NOW).pck_crl;
  const bytes = (of: string | Uint8Array) => (typeof of === 'string' ? utf8(of) : of);

  test.each<CrlForm>(['der', 'hex', 'pem', 'base64'])('in %s is the same', (form) => {
    expect(crlDer(bytes(crlIn(form, hex)), 'crl')).toEqual(fromHex(hex));
  });

  test('in hexadecimal may end with a line end, one', () => {
    expect(crlDer(utf8(`${hex}\n`), 'crl')).toEqual(fromHex(hex));
    expect(() => crlDer(utf8(`${hex}\n\n`), 'crl')).toThrow(CodedError);
  });

  test.each([
    ['nothing', new Uint8Array(0)],
    ['half a byte', utf8(hex.slice(0, -1))],
    ['a quoted text', utf8(JSON.stringify(hex))],
    ['two PEM blocks', utf8((crlIn('pem', hex) as string).repeat(2))],
    ['a certificate', utf8(chain)],
    ['bytes that are not text', concat(Uint8Array.of(0x33, 0x30), Uint8Array.of(0xff))],
  ])('%s: refused', (_, answer) => {
    expect(() => crlDer(answer, 'crl')).toThrow(CodedError);
  });
});

describe('evaluation data numbers', () => {
  const row = (tcbEvaluationDataNumber: unknown) => ({
    tcbEvaluationDataNumber,
    tcbRecoveryEventDate: '2025-05-13T00:00:00Z',
    tcbDate: '2025-05-14T00:00:00Z',
  });
  const document = (change: object = {}) => ({
    id: 'TDX',
    version: 1,
    issueDate: '2025-05-27T18:50:21Z',
    nextUpdate: '2025-06-26T18:50:21Z',
    tcbEvalNumbers: [row(17), row(19)],
    ...change,
  });

  test('newest first', () => {
    const { evaluationNumber, sets } = parseEvaluationNumbers(document() as never);
    expect([evaluationNumber, sets.map(({ number }) => number)]).toEqual([19, [19, 17]]);
  });

  test.each([
    [{ id: 'SGX' }],
    [{ version: 2 }],
    [{ issueDate: '2025-02-30T00:00:00Z' }],
    [{ nextUpdate: '2025-06-26' }],
    [{ tcbEvalNumbers: [] }],
    [{ tcbEvalNumbers: [row(0)] }],
    [{ tcbEvalNumbers: [row('19')] }],
    [{ tcbEvalNumbers: [row(19), row(19)] }],
    [{ tcbEvalNumbers: Array.from({ length: 129 }, (_, i) => row(i + 1)) }],
  ])('%j: refused', (change) => {
    expect(() => parseEvaluationNumbers(document(change) as never)).toThrow(
      expect.objectContaining({ code: 'ENDORSEMENT_MALFORMED' }),
    );
  });
});
