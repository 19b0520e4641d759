import { constants, generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rsaPkcs1Verify, sha256, sha384 } from '#crypto';
import {
  AMD_ROOTS,
  AZURE_CHECKS,
  type AzureVerifyOptions,
  amdCollateralOf,
  encodeHclReport,
  encodeTpmQuote,
  isHclReport,
  loadAmdEndorsements,
  type ParsedHclReport,
  type ParsedTpmQuote,
  parseHclReport,
  parseTpmQuote,
  verifyAzureGuest,
} from '../../../src/attestation/index.ts';
import { CodedError, concat, type Json, rsaPublicKeyInfo, toHex, utf8 } from '../../../src/core/index.ts';
import { readVector, readVectorJson, vectorsFolder, WHY_SKIPPED } from '../../vectors.ts';
import { sharedAmd as amd } from '../simulate/shared-amd.ts';

const NOW = Date.UTC(2026, 10, 24) / 1000;
const HOST = { name: 'azure', line: 'Genoa' } as const;
const NONCE = utf8('a nonce of the relying party');
const from = loadAmdEndorsements(amdCollateralOf(amd.collateral(HOST, NOW) as unknown as Json));
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = (key: typeof publicKey, kid: string) => ({ kid, key_ops: ['sign'], ...key.export({ format: 'jwk' }) });
const pcrs = new Map([0, 4, 7, 11].map((pcr) => [pcr, sha256(Uint8Array.of(pcr))]));

type Parts = Omit<ParsedHclReport, 'attestationKey' | 'report'>;

/** The blob of an Azure guest: a report that a paravisor made at boot over its runtime data. */
function blobOf(changes: Partial<Parts> = {}, reportData?: Uint8Array) {
  const runtimeData = utf8(JSON.stringify({ keys: [jwk(publicKey, 'HCLAkPub'), jwk(stranger.publicKey, 'HCLEkPub')] }));
  const parts: Parts = { hash: 'sha256', runtimeData, padding: 40, ...changes };
  const bound = reportData ?? concat(sha256(parts.runtimeData), new Uint8Array(32));
  return encodeHclReport({ ...parts, report: amd.machine(HOST).report({ reportData: bound }) });
}

function quoteOf(changes: Partial<ParsedTpmQuote> = {}, key = privateKey) {
  const bytes = encodeTpmQuote({
    qualifiedSigner: concat(Uint8Array.of(0, 0x0b), sha256(utf8('name'))),
    nonce: NONCE,
    clock: { clock: 123n, resetCount: 1, restartCount: 0, safe: true },
    firmwareVersion: 0x2020_0312_0012_0003n,
    pcrs: [...pcrs.keys()],
    pcrDigest: sha256(concat(...pcrs.values())),
    ...changes,
  });
  const signature = Uint8Array.from(sign('sha256', bytes, { key, padding: constants.RSA_PKCS1_PADDING }));
  return { quote: parseTpmQuote(bytes), signature, pcrs: pcrs as ReadonlyMap<number, Uint8Array> };
}

const judge = (blob: Uint8Array, vtpm: ReturnType<typeof quoteOf> | null, options: AzureVerifyOptions = {}) =>
  verifyAzureGuest(parseHclReport(blob), vtpm, from, amd.trustAnchors, NOW, options);

test('a whole guest is genuine: report, runtime data, quote, nonce and PCRs', async () => {
  const { verdict, checks, pcrs: proven } = await judge(blobOf(), quoteOf(), { expectNonce: NONCE });
  expect(verdict).toBe('verified');
  for (const name of AZURE_CHECKS) expect([name, checks[name].outcome]).toEqual([name, 'passed']);
  expect(proven).toEqual(pcrs);
});

test('without a quote the boot is genuine and nothing is fresh; where a nonce is expected, that is not enough', async () => {
  const boot = await judge(blobOf(), null);
  expect([boot.verdict, boot.pcrs, boot.checks.vtpmPcrs.outcome]).toEqual(['verified', null, 'notRun']);
  expect((await judge(blobOf(), null, { expectNonce: NONCE })).verdict).toBe('unavailable');
});

test('the other hashes bind as well', async () => {
  const runtimeData = utf8(JSON.stringify({ keys: [jwk(publicKey, 'HCLAkPub')] }));
  const reportData = concat(sha384(runtimeData), new Uint8Array(16));
  expect((await judge(blobOf({ hash: 'sha384', runtimeData }, reportData), quoteOf())).verdict).toBe('verified');
});

test.each<[string, Uint8Array, ReturnType<typeof quoteOf>, string]>([
  ['runtime data of another guest', blobOf({}, new Uint8Array(64)), quoteOf(), 'runtimeDataBound'],
  [
    'REPORT_DATA with more than the hash',
    blobOf({}, concat(sha256(parseHclReport(blobOf()).runtimeData), new Uint8Array(32).fill(1))),
    quoteOf(),
    'runtimeDataBound',
  ],
  ['a quote signed by another key', blobOf(), quoteOf({}, stranger.privateKey), 'vtpmQuoteSignature'],
  ['a signature cut short', blobOf(), { ...quoteOf(), signature: quoteOf().signature.slice(1) }, 'vtpmQuoteSignature'],
  ['a quote over another nonce', blobOf(), quoteOf({ nonce: utf8('an older nonce') }), 'vtpmNonce'],
  ['a nonce with more behind it', blobOf(), quoteOf({ nonce: concat(NONCE, Uint8Array.of(0)) }), 'vtpmNonce'],
  [
    'a PCR with another value',
    blobOf(),
    { ...quoteOf(), pcrs: new Map([...pcrs, [7, sha256(utf8('other'))]]) },
    'vtpmPcrs',
  ],
  ['a quoted PCR that is missing', blobOf(), { ...quoteOf(), pcrs: new Map([...pcrs].slice(1)) }, 'vtpmPcrs'],
  [
    'a PCR of another length',
    blobOf(),
    { ...quoteOf(), pcrs: new Map([...pcrs, [7, new Uint8Array(31)]]) },
    'vtpmPcrs',
  ],
])('refused: %s', async (_, blob, vtpm, name) => {
  const { verdict, checks, pcrs: proven } = await judge(blob, vtpm, { expectNonce: NONCE });
  expect([verdict, proven, checks[name as (typeof AZURE_CHECKS)[number]].outcome]).toEqual(['refused', null, 'failed']);
});

test('what is wrong with the report is wrong with the guest', async () => {
  const { verdict, checks } = await verifyAzureGuest(parseHclReport(blobOf()), quoteOf(), from, AMD_ROOTS, NOW);
  expect([verdict, checks.chainToPinnedArk.outcome]).toEqual(['refused', 'failed']);
});

const keys = (...list: object[]) => ({ runtimeData: utf8(JSON.stringify({ keys: list })) });
const ak = jwk(publicKey, 'HCLAkPub');
test.each<[string, Uint8Array, string]>([
  ['no attestation key', blobOf(keys(jwk(publicKey, 'other'))), 'EVIDENCE_MALFORMED'],
  ['two attestation keys', blobOf(keys(ak, ak)), 'EVIDENCE_MALFORMED'],
  ['another exponent', blobOf(keys({ ...ak, e: 'Aw' })), 'EVIDENCE_MALFORMED'],
  ['an EC key', blobOf(keys({ ...ak, kty: 'EC' })), 'EVIDENCE_MALFORMED'],
  ['a modulus in plain base64', blobOf(keys({ ...ak, n: `${ak.n}+/` })), 'EVIDENCE_MALFORMED'],
  ['a duplicate name', blobOf({ runtimeData: utf8('{"keys":[],"keys":[]}') }), 'ENCODING_INVALID'],
  ['bytes after the end', concat(blobOf({ padding: 0 }), Uint8Array.of(1)), 'EVIDENCE_TRAILING_BYTES'],
  ['an empty blob', new Uint8Array(0), 'EVIDENCE_TRUNCATED'],
  ['a blob that is too long', blobOf({ padding: 20_000 }), 'EVIDENCE_TOO_LARGE'],
])('a blob that is refused: %s', (_, blob, code) => {
  expect(() => parseHclReport(blob)).toThrow(expect.objectContaining({ code }));
});

/** Whatever is changed: a coded refusal, or a value that writes back as the very bytes. */
function survives(parse: (bytes: Uint8Array) => Uint8Array, bytes: Uint8Array): void {
  try {
    expect(toHex(parse(bytes))).toBe(toHex(bytes));
  } catch (error) {
    if (!(error instanceof CodedError) || error.code === 'INVARIANT_BROKEN') throw error;
  }
}

describe('hostile bytes', () => {
  const parsers: [string, Uint8Array, (bytes: Uint8Array) => Uint8Array][] = [
    ['blob', blobOf(), (bytes) => encodeHclReport(parseHclReport(bytes))],
    ['quote', quoteOf().quote.signedBytes, (bytes) => encodeTpmQuote(parseTpmQuote(bytes))],
  ];
  test.each(parsers)('%s: parse and encode give the input back, every prefix is refused', (name, bytes, round) => {
    expect(toHex(round(bytes))).toBe(toHex(bytes));
    const end = name === 'blob' ? bytes.length - 40 : bytes.length; // what follows is padding
    for (let length = 0; length < end; length++) expect(() => round(bytes.subarray(0, length))).toThrow(CodedError);
  });

  test.each(parsers)('%s: anything may be changed anywhere', (_, bytes, round) => {
    const change = fc.tuple(fc.nat(bytes.length - 1), fc.uint8Array({ minLength: 1, maxLength: 8 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const changed = Uint8Array.from(bytes);
        for (const [at, by] of changes) changed.set(by.subarray(0, changed.length - at), at);
        survives(round, changed);
      }),
      { numRuns: 500 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 3000 }), (random) => survives(round, random)));
  });

  test('every bit of a quote matters', async () => {
    const { quote, signature } = quoteOf();
    const key = rsaPublicKeyInfo(parseHclReport(blobOf()).attestationKey);
    expect(await rsaPkcs1Verify(key, 'sha256', quote.signedBytes, signature)).toBe(true);
    const bytes = quote.signedBytes;
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const changed = Uint8Array.from(bytes);
      changed[bit >>> 3] = (changed[bit >>> 3] as number) ^ (1 << (bit & 7));
      let parsed: ParsedTpmQuote;
      try {
        parsed = parseTpmQuote(changed);
      } catch (error) {
        expect(error).toBeInstanceOf(CodedError);
        continue;
      }
      expect([bit, await rsaPkcs1Verify(key, 'sha256', parsed.signedBytes, signature)]).toEqual([bit, false]);
    }
  });
});

const found = vectorsFolder('snp');
describe.skipIf(found === null)(`a real blob (${WHY_SKIPPED} otherwise)`, () => {
  type Manifest = {
    azure_hcl: { file: string; vector: string; expected: { variable_data_sha256: string } }[];
    vectors: { id: string; verification_time: string; files: Record<'leaf' | 'intermediate' | 'root', string> }[];
  };
  test('is genuine, binds its runtime data, and writes back as it was', async () => {
    const folder = found as string;
    const { azure_hcl, vectors } = readVectorJson<Manifest>(folder, 'vectors.json');
    expect(azure_hcl.length).toBe(1);
    for (const { file, vector, expected } of azure_hcl) {
      const blob = readVector(folder, file);
      expect(isHclReport(blob)).toBe(true);
      const hcl = parseHclReport(blob);
      expect(toHex(sha256(hcl.runtimeData))).toBe(expected.variable_data_sha256);
      expect(encodeHclReport(hcl)).toEqual(blob);
      const { files, verification_time } = vectors.find(({ id }) => id === vector)!;
      const certs = [files.leaf, files.intermediate, files.root].map((one) => readVector(folder, one));
      const real = loadAmdEndorsements({ certs });
      const at = Date.parse(verification_time) / 1000;
      const options = { revocation: 'off' } as const;
      const good = await verifyAzureGuest(hcl, null, real, AMD_ROOTS, at, options);
      expect([good.verdict, good.checks.runtimeDataBound.outcome]).toEqual(['verified', 'passed']);
      const other = { ...hcl, runtimeData: utf8(`${new TextDecoder().decode(hcl.runtimeData)} `) };
      expect((await verifyAzureGuest(other, null, real, AMD_ROOTS, at, options)).verdict).toBe('refused');
    }
  });
});
