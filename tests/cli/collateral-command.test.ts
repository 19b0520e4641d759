import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { SnpReportRequest } from '../../src/attestation/simulate/index.ts';
import { fromBase64, toHex } from '../../src/core/index.ts';
import { crlIn, FMSPC, PATH, serveSet, stranger, vendor } from '../attestation/collateral/intel-vendor.ts';
import { collected, NONCE, nvidia, serveNvidia } from '../attestation/collateral/nvidia-vendor.ts';
import { answerWith, pem, startVendorServer, type VendorServer } from '../attestation/collateral/vendor-server.ts';
import { sharedAmd } from '../attestation/simulate/shared-amd.ts';
import { readVectorJson, vectorsFolder } from '../vectors.ts';
import { type Ran, runHere } from './in-process.ts';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const now = Math.floor(Date.now() / 1000);
const set = vendor.collateral(now);
const anchor = ['--trust-anchor', toHex(vendor.rootSpkiSha256)];

let server: VendorServer;
let folder: string;
let bundle: string;
let quote: string;
beforeAll(async () => {
  server = await startVendorServer();
});
afterAll(() => server.close());
beforeEach(() => {
  server.clear();
  folder = mkdtempSync(join(tmpdir(), 'chrysalis-collateral-command-'));
  bundle = join(folder, 'bundle.json');
  quote = join(folder, 'quote.bin');
  writeFileSync(quote, vendor.machine({ name: 'alder' }).quote({ reportData: new Uint8Array(64) }));
  return () => rmSync(folder, { recursive: true });
});

const run = runHere;
const collateral = (what: string, ...args: readonly string[]) => run('collateral', what, ...args, ...anchor);
const fetchQuote = (...args: readonly string[]) =>
  collateral('fetch', '--kind', 'tdx-quote', quote, '--bundle', bundle, '--collateral-url', server.url, ...args);
const verifyQuote = (...args: readonly string[]) =>
  run('verify', '--kind', 'tdx-quote', quote, '--json', ...args, ...anchor);
const online = () => ['--fetch', '--collateral-url', server.url, '--bundle', bundle];
const answerOf = ({ out }: Ran) => JSON.parse(out) as { verdict: string; error: { code: string; facts: object } };

const IDS = [
  'pck-crl/platform',
  'root-crl',
  'td-qe-identity/early',
  'td-qe-identity/standard',
  `tdx-tcb-info/${FMSPC}/early`,
  `tdx-tcb-info/${FMSPC}/standard`,
];

describe('fetched, kept, used offline', () => {
  test('by evidence: a bundle that verifies it without a network', async () => {
    serveSet(server, set, 'hex');
    const first = await fetchQuote('--json');
    expect([first.code, first.err]).toEqual([0, '']);
    const { documents, until } = JSON.parse(first.out);
    expect(documents.map(({ id }: { id: string }) => id)).toEqual(IDS);
    expect(documents.every(({ current }: { current: boolean }) => current)).toBe(true);
    expect(Date.parse(until)).toBeGreaterThan(now * 1000);
    server.clear();
    const offline = await verifyQuote('--collateral', bundle);
    expect([offline.code, answerOf(offline).verdict]).toEqual([0, 'verified']);
    expect(server.requests()).toBe(0);
  });

  test('by platform; a second time nobody is asked', async () => {
    serveSet(server, set);
    const ask = ['--fmspc', FMSPC, '--bundle', bundle, '--collateral-url', server.url];
    expect((await collateral('fetch', ...ask)).code).toBe(0);
    expect((await collateral('fetch', ...ask)).code).toBe(0);
    expect(server.requests()).toBe(6);
  });

  test('shown with the day on which each ends; exit 3 once one has', async () => {
    serveSet(server, set);
    await fetchQuote();
    const shown = await collateral('show', bundle);
    expect(shown.code).toBe(0);
    expect(shown.out).toContain('6 documents, all current until');
    expect(shown.out).toMatch(/root-crl +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ +\d+ days left/);
    const later = await collateral('show', bundle, '--at', '2030-01-01T00:00:00Z');
    expect([later.code, later.out.includes('ENDED')]).toEqual([3, true]);
    const archived = await verifyQuote('--collateral', bundle, '--at', '2030-01-01T00:00:00Z');
    expect([archived.code, answerOf(archived).verdict]).toEqual([3, 'unavailable']);
  });

  test('put together from several, each verified', async () => {
    serveSet(server, set);
    await fetchQuote();
    const out = join(folder, 'all.json');
    const both = await collateral('bundle', bundle, bundle, '--out', out, '--json');
    expect(both.code).toBe(0);
    expect(readFileSync(out, 'utf8')).toBe(readFileSync(bundle, 'utf8'));
    const foreign = await run('collateral', 'bundle', bundle, '--out', `${out}.2`); // under the vendors' own roots
    expect([foreign.code, foreign.err.includes('ENDORSEMENT_CHAIN_INVALID')]).toEqual([1, true]);
    expect(existsSync(`${out}.2`)).toBe(false);
  });

  test('verify --fetch asks the vendor once, and not again while it is fresh', async () => {
    serveSet(server, set, 'pem');
    for (let i = 0; i < 2; i++) {
      const ran = await verifyQuote(...online());
      expect([ran.code, answerOf(ran).verdict]).toEqual([0, 'verified']);
    }
    expect(server.requests()).toBe(6);
  });

  test('the next set of TCB levels is shown beside the one that is judged by, and decides nothing', async () => {
    const ahead = vendor.collateral(now, { tcbRecovery: true });
    serveSet(server, set);
    const body = `{"tcbInfo":${ahead.tcb_info},"signature":"${ahead.tcb_info_signature}"}`;
    const chain = { 'TCB-Info-Issuer-Chain': encodeURIComponent(ahead.tcb_info_issuer_chain) };
    server.route(`${PATH.tcb}?fmspc=${FMSPC.toUpperCase()}&update=early`, answerWith(body, chain));
    const json = await verifyQuote(...online());
    expect([json.code, json.err]).toEqual([0, '']);
    expect(JSON.parse(json.out).tcb).toMatchObject({
      status: 'UpToDate',
      next: { verdict: 'verified', failed: [], tcb: { status: 'OutOfDate', tcbInfoEvaluationNumber: 21 } },
    });
    const text = await run('verify', '--kind', 'tdx-quote', quote, ...online(), ...anchor);
    expect(text.out.replace(/\s+/g, ' ')).toContain(
      'next set evaluation number 21 (today 20): then OutOfDate; behind: platform, SGX component 1 (BIOS, Early Microcode Update): 10, newest 11',
    );
  });
});

describe('a set from elsewhere', () => {
  test('becomes part of a bundle; one that is not whole or not genuine does not', async () => {
    const file = join(folder, 'set.json');
    const write = (change: object) => writeFileSync(file, JSON.stringify({ ...set, ...change }));
    write({ pck_crl: crlIn('pem', set.pck_crl), root_ca_crl: crlIn('base64', set.root_ca_crl) });
    const ran = await collateral('bundle', file, '--out', bundle, '--json');
    expect(JSON.parse(ran.out).documents).toHaveLength(4);
    expect(answerOf(await verifyQuote('--collateral', bundle)).verdict).toBe('verified');
    write({ pck_crl: undefined });
    expect((await collateral('show', file)).code).toBe(3);
    write({ qe_identity: set.qe_identity.replace('"isvprodid":2', '"isvprodid":3') });
    expect((await collateral('show', file)).err).toContain('ENDORSEMENT_SIGNATURE_INVALID');
  });

  test.skipIf(vectorsFolder('tdx') === null)('Intel’s own, captured, is shown as of its time', async () => {
    const at = vectorsFolder('tdx') as string;
    const { collateral: sets } = readVectorJson<{ collateral: { file: string; id: string; time: string }[] }>(
      at,
      'vectors.json',
    );
    const { file = '', time = '' } = sets.find(({ id }) => id === 'tdx-90c06f-2026-03') ?? {};
    const shown = await run('collateral', 'show', join(at, file), '--at', time);
    expect([shown.code, shown.err]).toEqual([0, '']);
    expect(shown.out).toContain('tdx-tcb-info/90c06f000000/standard');
    expect((await run('collateral', 'show', join(at, file))).code).toBe(3); // it ended in spring
  });
});

describe('of AMD', () => {
  const host = { name: 'birch', line: 'Genoa' } as const;
  const machine = sharedAmd.machine(host);
  const issued = sharedAmd.collateral(host, now);
  const [vcek, ask, ark] = issued.certs.map((one) => fromBase64(one)) as [Uint8Array, Uint8Array, Uint8Array];
  const crl = fromBase64(issued.crls[0] as string);
  const chipPath = `/vcek/v1/Genoa/${toHex(machine.chipId)}`;
  const roots = sharedAmd.trustAnchors.flatMap(({ spkiSha256 }) => ['--trust-anchor', toHex(spkiSha256)]);
  const snp = (...args: readonly string[]) =>
    run(...args, '--kind', 'snp-report', join(folder, 'report.bin'), ...roots);
  const kds = () => ['--kds-url', server.url, '--bundle', bundle];
  const serveKds = () => {
    server.route('/vcek/v1/Genoa/cert_chain', answerWith(pem(ask, ark)));
    server.route('/vcek/v1/Genoa/crl', answerWith(crl));
    server.route(chipPath, answerWith(vcek));
  };
  const report = (request: Partial<SnpReportRequest> = {}) =>
    writeFileSync(join(folder, 'report.bin'), machine.report({ reportData: new Uint8Array(64), ...request }));

  test('by report: a bundle that verifies it without a network', async () => {
    report();
    serveKds();
    expect((await snp('collateral', 'fetch', ...kds())).code).toBe(0);
    server.clear();
    const offline = await snp('verify', '--collateral', bundle, '--json');
    expect([offline.code, answerOf(offline).verdict]).toEqual([0, 'verified']);
    expect((await snp('verify', '--fetch', ...kds(), '--json')).code).toBe(0);
    expect(server.requests()).toBe(0);
  });

  test('left alone for longer than a caller waits: exit 3, and when to come back', async () => {
    report();
    serveKds();
    server.route(chipPath, (response) => void response.writeHead(429, { 'retry-after': '120' }).end());
    const ran = await snp('verify', '--fetch', ...kds(), '--json');
    expect([ran.code, answerOf(ran).error.code]).toEqual([3, 'ENDORSEMENT_UNREACHABLE']);
    expect(answerOf(ran).error.facts).toMatchObject({ retryAfterSeconds: expect.any(Number) });
  });

  test('a report of version 2 does not say its line: named by the caller, else a mistake of usage', async () => {
    report({ version: 2 });
    serveKds();
    expect((await snp('collateral', 'fetch', ...kds())).code).toBe(2);
    expect((await snp('collateral', 'fetch', '--line', 'Genoa', ...kds())).code).toBe(0);
  });
});

test('of NVIDIA: manifests and answers for a collector’s document, used offline', async () => {
  const document = join(folder, 'devices.json');
  writeFileSync(document, collected());
  serveNvidia(server, now);
  const roots = [nvidia.deviceAnchor, nvidia.rimAnchor].flatMap((one) => ['--trust-anchor', toHex(one.spkiSha256)]);
  const devices = (...args: readonly string[]) => run(...args, '--kind', 'nvidia-devices', document, ...roots);
  const urls = ['--rim-url', `${server.url}/rim`, '--ocsp-url', `${server.url}/ocsp`, '--bundle', bundle];
  expect((await devices('collateral', 'fetch', ...urls)).code).toBe(0);
  server.clear();
  const offline = await devices('verify', '--collateral', bundle, '--nonce', toHex(NONCE), '--json');
  expect([offline.code, answerOf(offline).verdict]).toEqual([0, 'verified']);
  expect(server.requests()).toBe(0);
});

describe('what can’t be had is neither a pass nor a refusal: exit 3, and why', () => {
  const MISBEHAVIOURS: [string, string, () => void][] = [
    ['nothing of it', 'ENDORSEMENT_MISSING', () => server.clear()],
    ['an error', 'ENDORSEMENT_UNREACHABLE', () => server.route(PATH.tcb, (r) => void r.writeHead(400).end())],
    ['another vendor’s', 'ENDORSEMENT_UNREACHABLE', () => serveSet(server, stranger.collateral(now))],
    ['a redirect', 'ENDORSEMENT_UNREACHABLE', () => server.route(PATH.qe, (r) => void r.writeHead(302).end())],
    [
      'swapped lists',
      'ENDORSEMENT_UNREACHABLE',
      () => server.route(PATH.rootCrl, answerWith(crlIn('der', set.pck_crl))),
    ],
    ['too much', 'ENDORSEMENT_UNREACHABLE', () => server.route(PATH.rootCrl, answerWith('30'.repeat(1.5e6)))],
  ];
  test.each(MISBEHAVIOURS)('a service that has %s: %s', async (_, code, misbehave) => {
    serveSet(server, set);
    misbehave();
    const asked = await fetchQuote('--json');
    const verified = await verifyQuote(
      '--fetch',
      '--collateral-url',
      server.url,
      '--bundle',
      join(folder, 'other.json'),
    );
    expect([asked.code, JSON.parse(asked.out).error.code]).toEqual([3, code]);
    expect([verified.code, answerOf(verified).verdict, answerOf(verified).error.code]).toEqual([
      3,
      'unavailable',
      code,
    ]);
  });

  test('evidence that is wrong is refused all the same', async () => {
    const bytes = readFileSync(quote);
    bytes[200] = (bytes[200] as number) ^ 1;
    writeFileSync(quote, bytes);
    const ran = await verifyQuote(...online());
    expect([ran.code, answerOf(ran).error.code]).toEqual([1, 'EVIDENCE_SIGNATURE_INVALID']);
  });

  test('an outage: what is kept and valid is used, and what is due is named', async () => {
    serveSet(server, set);
    await fetchQuote();
    const kept = JSON.parse(readFileSync(bundle, 'utf8'));
    for (const document of kept.documents) document.fetchedAt -= 2 * 86_400;
    writeFileSync(bundle, JSON.stringify(kept));
    server.clear();
    const again = await collateral('fetch', '--bundle', bundle, '--collateral-url', server.url);
    expect([again.code, again.err.includes('root-crl is kept until')]).toEqual([0, true]);
    const ran = await verifyQuote(...online());
    expect([ran.code, answerOf(ran).verdict]).toEqual([0, 'verified']);
  });
});

test('a bundle that is not genuine: refused, and never written over', async () => {
  serveSet(server, set);
  await fetchQuote();
  const text = readFileSync(bundle, 'utf8').replace('UpToDate', 'upToDate');
  writeFileSync(bundle, text);
  expect((await collateral('show', bundle)).code).toBe(1);
  expect((await verifyQuote('--collateral', bundle)).code).toBe(1);
  expect((await fetchQuote()).code).toBe(1);
  expect(readFileSync(bundle, 'utf8')).toBe(text);
});

test.each([
  [['fetch', '--bundle', '/nowhere/bundle.json'], /holds nothing to fetch anew/],
  [['fetch', 'quote.bin'], /--kind is missing/],
  [['fetch', '--fmspc', 'x'], /12 hexadecimal digits/],
  [['fetch', '--fmspc', FMSPC, '--collateral-url', 'http://pccs.example'], /is not https/],
  [['fetch', '--update', 'newest'], /evaluation data number/],
  [['show', 'absent.json'], /no such file/],
  [['bundle', 'absent.json'], /--out/],
])('collateral %j is a mistake of usage', async (args, words) => {
  const ran = await run('collateral', ...(args as string[]));
  expect([ran.code, ran.err]).toEqual([2, expect.stringMatching(words)]);
});

test.each(['fetch', 'show', 'bundle'])('collateral %s --help shows an example', async (what) => {
  expect((await run('collateral', what, '--help')).out).toContain(`$ npx chrysalis collateral ${what}`);
});

test('as processes: exit codes, and one JSON document on stdout alone', () => {
  const spawned = (...args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'collateral', ...args], { encoding: 'utf8' });
    return [status, stdout === '' ? null : Object.keys(JSON.parse(stdout)), stderr !== ''];
  };
  writeFileSync(bundle, '{"contents":{},"documents":[],"kind":"chrysalis-collateral-bundle","version":1}');
  expect(spawned('show', bundle, '--json')).toEqual([0, ['documents', 'until'], false]);
  writeFileSync(bundle, '{}');
  expect(spawned('show', bundle, '--json')[0]).not.toBe(0);
  expect(
    spawned('fetch', '--fmspc', FMSPC, '--collateral-url', 'http://127.0.0.1:9', '--bundle', `${bundle}2`, '--json'),
  ).toEqual([3, ['error'], true]);
});
