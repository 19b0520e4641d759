import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { createSimulatedIntel, openSimulatedIntel } from '../../src/attestation/simulate/index.ts';
import { createVerifier } from '../../src/cli/verify/answer.ts';
import { answerBatch, LINE_BYTES_MAX } from '../../src/cli/verify/batch.ts';
import { EVIDENCE_BYTES_MAX, KINDS, type Kind } from '../../src/cli/verify/request.ts';
import type { VerifyResponse } from '../../src/cli/verify/response.ts';
import { toBase64, toHex, utf8 } from '../../src/core/index.ts';
import { inTime } from '../attestation/hostile.ts';
import { sharedAmd } from '../attestation/simulate/shared-amd.ts';
import { pieces, runVerify } from './run-command.ts';

// Whatever is passed off as whatever: a code, soon; never a pass, never a stack trace.
const NOW = 1_780_000_000;
const AT = new Date(NOW * 1000).toISOString();
const seed = (length: number) => new Uint8Array(length).fill(17);
const intel = openSimulatedIntel(createSimulatedIntel(seed));
const reportData = new Uint8Array(64).fill(2);
const quote = intel.machine({ name: 'alder' }).quote({ reportData });
const report = sharedAmd.machine({ name: 'oak', line: 'Genoa' }).report({ reportData });
const verifier = createVerifier();

/** A line of eleven million bytes takes a while to read at all: more attempts than for small things. */
const answerOf = (ask: () => Promise<VerifyResponse>) => inTime(ask, 20);

const request = (kind: Kind, evidence: Uint8Array, more: object = {}) =>
  JSON.stringify({ id: 1, kind, evidence: toBase64(evidence), at: AT, ...more });
const CODE = /^[A-Z][A-Z_]+$/;

/** Evidence of each kind, as far as its own parser goes; what is `null` for a kind is nobody's. */
const SAMPLES: [name: string, kind: Kind | null, bytes: Uint8Array][] = [
  ['nothing', null, new Uint8Array(0)],
  ['one byte', null, Uint8Array.of(0)],
  ['zeros', null, new Uint8Array(4096)],
  ['ones', null, new Uint8Array(4096).fill(0xff)],
  ['a TDX quote', 'tdx-quote', quote],
  ['half a TDX quote', null, quote.subarray(0, quote.length >> 1)],
  ['an SNP report', 'snp-report', report],
  ['half an SNP report', null, report.subarray(0, report.length >> 1)],
  ['a TDX quote in hexadecimal', null, utf8(Buffer.from(quote).toString('hex'))],
  ['a TDX quote in base64', null, utf8(toBase64(quote))],
  ['a TDX quote in UTF-16', null, Uint8Array.from(Buffer.from(toBase64(quote), 'utf16le'))],
  ['PEM', null, utf8('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')],
  ['an empty JSON object', null, utf8('{}')],
  ['an empty JSON list', 'ccel', utf8('[]')],
  ['JSON that never ends', null, utf8('['.repeat(5000))],
  ['a list of numbers', null, utf8(`[${'1,'.repeat(10_000)}1]`)],
  ['a collector document without devices', null, utf8('{"evidences":[]}')],
  ['XML', null, utf8('<?xml version="1.0"?><SoftwareIdentity/>')],
  ['XML with entities', null, utf8('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')],
  ['a token that signs nothing', null, utf8('eyJhbGciOiJub25lIn0.e30.')],
  ['bytes that are no UTF-8', null, Uint8Array.of(0xc3, 0x28, 0xa0, 0xa1)],
];

describe.each(KINDS)('as %s', (kind) => {
  test.each(SAMPLES)('%s', async (_, own, evidence) => {
    const more = own === kind ? { trustAnchors: [{ spkiSha256: toHex(intel.rootSpkiSha256) }] } : {};
    const answer = await answerOf(() => verifier.answerLine(request(kind, evidence, more)));
    expect(answer.verdict).toBe(own === kind ? 'unavailable' : 'refused');
    expect(answer.error?.code).toMatch(CODE);
    expect(answer.claims.trustAnchor).toBeUndefined();
  });

  const LARGE: [name: string, bytes: (length: number) => Uint8Array][] = [
    ['letters', (length) => new Uint8Array(length).fill(0x41)],
    ['JSON', (length) => utf8('[1,'.repeat(length / 3))],
    ['numbers', (length) => utf8(`[${'1,'.repeat(length / 2 - 2)}1]`)],
    ['XML', (length) => utf8('<a>'.repeat(length / 3))],
    ['dots', (length) => utf8('a.'.repeat(length / 2))],
    ['blanks', (length) => utf8(' '.repeat(length))],
  ];
  test.each(LARGE)('as large as it may be, and larger: %s', async (_, fill) => {
    for (const length of [EVIDENCE_BYTES_MAX[kind], 11 * 1024 * 1024]) {
      const line = request(kind, fill(length));
      const answer = await answerOf(() => verifier.answerLine(line));
      expect(answer).toMatchObject({ verdict: 'refused', checks: {}, claims: {} });
      expect(answer.error?.code).toMatch(CODE);
    }
  });

  test.each<[string, object]>([
    ['garbage for collateral', { collateral: 'garbage' }],
    ['a list for collateral', { collateral: [1, 2] }],
    ['collateral of numbers', { collateral: { tcb_info: 1, rtmrs: 1, certTable: 1, certificates: 1, jwks: 1 } }],
    ['a list of a million', { collateral: { rims: Array(1_000_000).fill(0) } }],
    ['a policy of a number', { policy: 7 }],
    ['an expectation of a list', { expect: [] }],
    ['no time', { at: '' }],
    ['roots that are none', { trustAnchors: [{ spkiSha256: 'zz' }] }],
    ['a field that is not known', { collatera1: {} }],
    ['evidence that is no base64', { evidence: '!!!!' }],
    ['evidence with slack bits', { evidence: 'AB==' }],
    ['evidence of a number', { evidence: 12 }],
    ['the wrong case of a mode', { revocation: 'Off' }],
  ])('%s', async (_, more) => {
    const line = request(kind, quote, more);
    const answer = await answerOf(() => verifier.answerLine(line));
    expect(answer.verdict).toBe('refused');
    expect(answer.error?.code).toMatch(CODE);
    expect(JSON.stringify(answer)).not.toMatch(/\.ts:\d|node_modules|\bat \w+ \(/);
  });
});

test('a line that is no request, or longer than any', async () => {
  const long = 'x'.repeat(LINE_BYTES_MAX + 1);
  const lines = ['', 'null', '[]', '7', '"x"', '{', `[${'1,'.repeat(7_000_000)}1]`, '\u0000', long];
  for (const line of lines) {
    const { value: answer } = await answerBatch(verifier, pieces(`${line}\n`, 65_536)).next();
    expect(answer).toMatchObject({ id: null, verdict: 'refused' });
    if (line !== long) {
      const again = await answerOf(() => verifier.answerLine(line));
      expect(again.error?.code).toBe((answer as VerifyResponse).error?.code);
    }
  }
});

describe('the command', () => {
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-bad-input-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (name: string, content: Uint8Array | string) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const good = file('quote.bin', quote);
  const trusting = ['--kind', 'tdx-quote', '--trust-anchor', toHex(intel.rootSpkiSha256)];
  const set = intel.collateral(NOW);
  const { tcb_info: _, ...incomplete } = set;
  const whole = file('whole.json', JSON.stringify(set));

  // 1: what was given is wrong. 2: the call is. 3: what is needed is not there, and nothing is accepted.
  test.each<[string, string[], number]>([
    ['everything there', [...trusting, good, '--collateral', whole], 0],
    ['an empty file', [...trusting, file('empty', ''), '--collateral', whole], 1],
    ['a file of zeros', [...trusting, file('zeros', new Uint8Array(1000))], 1],
    ['a file that is too large', [...trusting, file('large', new Uint8Array(70_000))], 1],
    ['a device without end', [...trusting, '/dev/zero'], 1],
    ['collateral that is no JSON', [...trusting, good, '--collateral', good], 1],
    ['collateral that never ends', [...trusting, good, '--collateral', file('deep', '['.repeat(9999))], 1],
    ['collateral of another kind', [...trusting, good, '--collateral', file('list', '[]')], 1],
    ['no collateral', [...trusting, good], 3],
    ['collateral without TCB info', [...trusting, good, '--collateral', file('part', JSON.stringify(incomplete))], 3],
    ['collateral that holds nothing', [...trusting, good, '--collateral', file('none', '{}')], 3],
    ['a file that is not there', [...trusting, join(folder, 'nowhere')], 2],
    ['a folder', [...trusting, folder], 2],
    ['collateral that is not there', [...trusting, good, '--collateral', join(folder, 'nowhere')], 2],
    ['no kind', [good], 2],
  ])('%s', async (_name, argv, exit) => {
    expect((await runVerify(argv, NOW)).exit).toBe(exit);
  });
});
