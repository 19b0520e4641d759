import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  createSimulatedIntel,
  type MachineOptions,
  openSimulatedIntel,
  type PlatformStatus,
} from '../../src/attestation/simulate/index.ts';
import { shippedPolicy } from '../../src/cli/compose/shipped-policy.ts';
import { createVerifier } from '../../src/cli/verify/answer.ts';
import { answerBatch, boundedLines } from '../../src/cli/verify/batch.ts';
import { parseInstant } from '../../src/cli/verify/request.ts';
import { toBase64, toHex } from '../../src/core/index.ts';
import { pieces, runVerify } from './run-command.ts';

const NOW = 1_780_000_000;
const intel = openSimulatedIntel(createSimulatedIntel((length) => new Uint8Array(length).fill(8)));
const quote = intel.machine({ name: 'alder' }).quote({ reportData: new Uint8Array(64).fill(1) });
const anchor = toHex(intel.rootSpkiSha256);
const request = {
  id: 7,
  kind: 'tdx-quote',
  evidence: toBase64(quote),
  collateral: intel.collateral(NOW),
  at: new Date(NOW * 1000).toISOString(),
  trustAnchors: [{ spkiSha256: anchor }],
};

async function collect<T>(from: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of from) all.push(item);
  return all;
}

describe('a batch', () => {
  const answers = (lines: readonly unknown[], size?: number) =>
    collect(
      answerBatch(
        createVerifier(),
        pieces(lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'), size),
      ),
    );

  test('answers one line each, in order, whatever a line holds', async () => {
    const all = await answers([
      request,
      '{"id":1',
      '',
      { ...request, id: 'b', evidence: '!!' },
      { ...request, id: 'c', kind: 'ccel' },
      { ...request, id: 'd', collateral: undefined },
      { ...request, id: 'e', trustAnchors: undefined },
      { ...request, id: 'f', policy: 'production-tdx' },
      { ...request, id: 'g', expects: {} },
      { ...request, id: 'h', expect: { reportData: '00'.repeat(64) } },
      { ...request, id: 'i', expect: { nonce: '00' } },
      '{"id":"j","id":"k"}',
      { ...request, id: 'l', evidence: '' },
      { ...request, id: 'm', at: 'yesterday' },
      { ...request, id: 'n' },
    ]);
    expect(all.map(({ id, verdict, error }) => [id, verdict, error?.code ?? null])).toEqual([
      [7, 'verified', null],
      [null, 'refused', 'ENCODING_INVALID'],
      [null, 'refused', 'ENCODING_INVALID'],
      ['b', 'refused', 'ENCODING_INVALID'],
      ['c', 'refused', 'EVIDENCE_UNSUPPORTED'],
      ['d', 'unavailable', 'ENDORSEMENT_MISSING'],
      ['e', 'refused', 'EVIDENCE_CHAIN_INVALID'],
      ['f', 'refused', 'USAGE_INVALID'],
      ['g', 'refused', 'REQUEST_MALFORMED'],
      ['h', 'refused', 'EVIDENCE_EXPECTATION_MISMATCH'],
      ['i', 'refused', 'REQUEST_MALFORMED'],
      [null, 'refused', 'ENCODING_INVALID'],
      ['l', 'refused', 'EVIDENCE_TRUNCATED'],
      ['m', 'refused', 'REQUEST_MALFORMED'],
      ['n', 'verified', null],
    ]);
    for (const response of all) {
      expect(Object.keys(response)).toEqual(['id', 'verdict', 'error', 'checks', 'tcb', 'claims', 'appraisal']);
      if (response.verdict !== 'verified') expect(response.claims).toEqual({});
    }
    expect(all[0]?.claims).toMatchObject({ trustAnchor: { kind: 'caller', spkiSha256: anchor }, debug: false });
  });

  test('without revocation data: unavailable by default, said in the result when off', async () => {
    const { root_ca_crl: _, pck_crl: __, ...collateral } = request.collateral;
    const all = await answers([
      { ...request, collateral },
      { ...request, collateral, revocation: 'prefer' },
      { ...request, collateral, revocation: 'off' },
      { ...request, collateral: null, require: ['signature'] },
    ]);
    expect(all.map(({ verdict }) => verdict)).toEqual(['unavailable', 'verified', 'verified', 'verified']);
    expect(all[2]?.checks.pckCrl).toMatchObject({ outcome: 'notRun', reason: 'the caller switched revocation off' });
    expect(all.slice(1).map(({ claims }) => claims.revocation)).toEqual(['notChecked', 'notChecked', 'notChecked']);
  });

  test('a line beyond the bound is refused, and the next one answered', async () => {
    const text = `${'x'.repeat(5000)}\n{"id":2}\n`;
    const all = await collect(answerBatch(createVerifier(), pieces(text, 7), 1000));
    expect(all.map(({ id, error }) => [id, error?.code])).toEqual([
      [null, 'REQUEST_TOO_LARGE'],
      [2, 'REQUEST_MALFORMED'],
    ]);
  });

  test('lines are cut alike whatever the chunks', async () => {
    for (const size of [1, 2, 3, 100]) {
      const lines = await collect(boundedLines(pieces('a\n\nbc\nd', size), 10));
      expect(lines.map((line) => (line === null ? null : new TextDecoder().decode(line)))).toEqual([
        'a',
        '',
        'bc',
        'd',
      ]);
    }
  });
});

describe('under a policy', () => {
  const policy = JSON.parse(shippedPolicy('development-simulated') ?? '') as { tdx: object };
  const quoteOf = (machine: MachineOptions & { platformStatus?: PlatformStatus }) =>
    toBase64(intel.machine({ name: 'alder', ...machine }).quote({ reportData: new Uint8Array(64) }));
  const CASES: [title: string, machine: Parameters<typeof quoteOf>[0], tdx: object, failed: string[]][] = [
    ['accepted', {}, {}, []],
    ['a debug TD', { debug: true }, {}, ['policy.debugOff']],
    ['a platform that is out of date', { platformStatus: 'OutOfDate' }, {}, ['policy.tcbStatus']],
    ['the same, where the policy takes it', { platformStatus: 'OutOfDate' }, { tcbStatuses: ['OutOfDate'] }, []],
    ['another image', {}, { images: [] }, ['policy.image']],
    ['old collateral', {}, { collateralAgeSecondsMax: 3600 }, ['tcbInfoCurrent', 'qeIdentityCurrent']],
    [
      'no hyper-threading',
      {},
      { host: { dynamicPlatform: 'allow', cachedKeys: 'allow', smt: 'refuse' } },
      ['policy.hostConfiguration'],
    ],
  ];
  test.each(CASES)('%s', async (_, machine, tdx, failed) => {
    const asked = { ...request, evidence: quoteOf(machine), policy: { ...policy, tdx: { ...policy.tdx, ...tdx } } };
    const answer = await createVerifier(shippedPolicy).answerLine(JSON.stringify(asked));
    expect(Object.keys(answer.checks).filter((name) => answer.checks[name]?.outcome === 'failed')).toEqual(failed);
    expect(answer.verdict).toBe(failed.length === 0 ? 'verified' : 'refused');
    const status = failed.length === 0 ? 'affirming' : 'contraindicated';
    expect(answer.appraisal).toMatchObject({ submods: { cpu: { 'ear.status': status } } });
  });
});

describe('what people see of a TDX verdict', () => {
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-verify-words-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const written = (name: string, content: Uint8Array | string) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const good = written('good.json', JSON.stringify(request.collateral));
  const ahead = { ...request.collateral, next: intel.collateral(NOW, { tcbRecovery: true }) };
  const quoteFile = (name: string, machine: MachineOptions & { platformStatus?: PlatformStatus }, flip = -1) => {
    const bytes = intel.machine({ name: 'alder', ...machine }).quote({ reportData: new Uint8Array(64), version: 5 });
    if (flip >= 0) bytes[flip] = (bytes[flip] as number) ^ 1;
    return written(name, bytes);
  };
  const see = async (...argv: readonly string[]) => {
    const { exit, text } = await runVerify(['--kind', 'tdx-quote', '--trust-anchor', anchor, ...argv], NOW);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    return { exit, text: text.replace(/\s+/g, ' ') };
  };

  const CASES: [title: string, argv: () => string[], exit: number, words: string[]][] = [
    [
      'good',
      () => [quoteFile('good', {}), '--collateral', good],
      0,
      ['VERIFIED genuine, TCB UpToDate ✓ passed', '✓ passed quote signature ✓ passed', 'platform UpToDate 2026-05-13'],
    ],
    [
      'outdated: how far behind, and what to do',
      () => [quoteFile('old', { platformStatus: 'OutOfDate', module: 'OutOfDate' }), '--collateral', good],
      0,
      [
        'VERIFIED genuine, TCB OutOfDate',
        'platform OutOfDate 2024-05-15 2026-05-13 CHRYSALIS-SIM-OutOfDate',
        'platform, SGX component 1 (BIOS, Early Microcode Update): 6, newest 10',
        'module TDX_01, ISVSVN: 5, newest 6',
        'What to do Update what is behind',
      ],
    ],
    [
      'about to be outdated',
      () => [quoteFile('next', {}), '--collateral', written('ahead.json', JSON.stringify(ahead))],
      0,
      ['TCB UpToDate', 'next set evaluation number 21 (today 20): then OutOfDate; behind: platform, SGX component 1'],
    ],
    [
      'tampered',
      () => [quoteFile('bad', {}, 300), '--collateral', good],
      1,
      [
        'REFUSED not genuine EVIDENCE_SIGNATURE_INVALID',
        '✗ failed quote signature',
        'What it means These bytes were not signed',
      ],
    ],
    [
      'an enclave of somebody else’s',
      () => [quoteFile('enclave', { qeMrSigner: new Uint8Array(32) }), '--collateral', good],
      1,
      ['EVIDENCE_QE_IDENTITY_MISMATCH', 'some enclave on a genuine machine', 'reinstall'],
    ],
    [
      'without collateral',
      () => [quoteFile('alone', {})],
      3,
      ['COULD NOT FIND OUT ENDORSEMENT_MISSING', '– not run', 'tcb_info is missing', 'Get it with --fetch'],
    ],
    [
      'a debug TD',
      () => [quoteFile('debug', { debug: true }), '--collateral', good],
      0,
      ['note a debug TD: its host can read everything in it'],
    ],
    [
      'collateral past its end',
      () => [quoteFile('late', {}), '--collateral', good, '--at', '2030-01-01T00:00:00Z'],
      1,
      ['ENDORSEMENT_NOT_CURRENT', 'not at 2030-01-01T00:00:00Z'],
    ],
  ];
  test.each(CASES)('%s', async (_, argv, exit, words) => {
    const seen = await see(...argv());
    expect(seen.exit).toBe(exit);
    for (const one of words) expect(seen.text).toContain(one);
  });
});

describe('the command', () => {
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-verify-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'quote.bin');
  const collateral = join(folder, 'collateral.json');
  writeFileSync(file, quote);
  writeFileSync(collateral, JSON.stringify(request.collateral));

  async function run(...argv: readonly string[]): Promise<{ code: number | null; text: string }> {
    const { exit, text } = await runVerify(argv, NOW, `${JSON.stringify(request)}\n`);
    return { code: exit, text };
  }

  test('exits 0 verified, 1 refused, 3 could not find out, 2 for kinds it has no verifier for', async () => {
    const trusting = ['--kind', 'tdx-quote', file, '--trust-anchor', anchor];
    expect(await run(...trusting, '--collateral', collateral)).toMatchObject({
      code: 0,
      text: expect.stringContaining('VERIFIED  genuine, TCB UpToDate'),
    });
    expect((await run(...trusting, '--collateral', collateral)).text).toContain('caller: not a pinned vendor root');
    expect(await run('--kind', 'tdx-quote', file, '--collateral', collateral)).toMatchObject({
      code: 1,
      text: expect.stringContaining('REFUSED  not genuine'),
    });
    expect(await run(...trusting)).toMatchObject({ code: 3, text: expect.stringContaining('COULD NOT FIND OUT') });
    expect(await run('--kind', 'composite', file)).toMatchObject({ code: 2 });
    expect((await run(...trusting, '--require', 'signature')).text).toContain('revocation not checked');
  });

  test('no line is wider than the terminal, and the advice is there', async () => {
    const { text } = await run('--kind', 'tdx-quote', file, '--collateral', collateral);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect(text).toMatch(/What it means {2}\S[\s\S]*What to do {5}\S/);
  });

  test('--json and --batch print one document a line', async () => {
    const { text, code } = await run(
      '--kind',
      'tdx-quote',
      file,
      '--trust-anchor',
      anchor,
      '--collateral',
      collateral,
      '--json',
    );
    expect([JSON.parse(text).verdict, code]).toEqual(['verified', 0]);
    const batch = await run('--batch');
    expect(JSON.parse(batch.text)).toMatchObject({ id: 7, verdict: 'verified' });
  });

  test.each([
    [],
    ['--kind', 'tdx-quote'],
    [file],
    ['--batch', file],
    ['--kind', 'tdx-quote', file, '--at', 'soon'],
    ['--kind', 'tdx-quote', file, '--report-data', 'zz'],
  ])('usage: %j', async (...argv) => {
    expect((await run(...argv)).code).toBe(2);
  });
});

test('RFC 3339, and nothing else', () => {
  expect(parseInstant('2026-03-01T00:00:00Z')).toBe(Date.UTC(2026, 2, 1) / 1000);
  expect(parseInstant('2026-03-01T01:30:00.25+01:30')).toBe(Date.UTC(2026, 2, 1) / 1000);
  for (const text of [
    '2026-03-01',
    '2026-02-30T00:00:00Z',
    '2026-03-01T24:00:00Z',
    '2026-03-01T00:00:00',
    '1',
    '2026-03-01T00:00:00+24:00',
  ]) {
    expect(() => parseInstant(text), text).toThrow(expect.objectContaining({ code: 'REQUEST_MALFORMED' }));
  }
});
