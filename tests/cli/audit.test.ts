import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

import { sha256 } from '#crypto';
import { csvCell, csvRow } from '../../src/audit/index.ts';
import { MAIN } from '../../src/cli/paths.ts';
import { toHex } from '../../src/core/index.ts';
import { commitment } from '../../src/log/index.ts';
import { CHANNEL, developmentText, honest, intel, policyText, repack, SESSION_SECRET, SIZES } from '../audit/scene.ts';

// Each asks the command itself, a process each time, some thirty in all.
vi.setConfig({ testTimeout: 300_000 });

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-audit-cli-'));
const file = (name: string) => join(folder, name);
const run = (...args: string[]) =>
  spawnSync(process.execPath, [MAIN, 'audit', ...args], { encoding: 'utf8', cwd: folder });
const POLICY = ['--policy', file('policy.txt')];
const SIMULATED = ['--dangerously-allow-simulated-vendor', file('anchors.json')];
const salt = new Uint8Array(32).fill(4);

beforeAll(async () => {
  const scene = await honest();
  const stricter = developmentText
    .replace('"number": 1', '"number": 2')
    .replace('"candidatesMax": 3', '"candidatesMax": 2');
  const { policyDigest } = JSON.parse(new TextDecoder().decode(scene.entries[1])).body as { policyDigest: string };
  await scene.publish(stricter, {
    replaces: policyDigest,
    reason: '=HYPERLINK("evil")',
    note: commitment(salt, 'tenant 7'),
  });
  await scene.checkpoint();
  const bundle = await scene.bundle();
  writeFileSync(file('good.tar.gz'), bundle);
  writeFileSync(file('later.tar.gz'), await scene.bundle(SIZES.judged));
  writeFileSync(file('cut.tar.gz'), bundle.subarray(0, 500));
  const forged = await repack(bundle, (files) => files.delete(`checkpoints/${SIZES.begun}`));
  writeFileSync(file('forged.tar.gz'), forged);
  writeFileSync(file('policy.txt'), policyText);
  const { name, kind } = intel.trustAnchor;
  writeFileSync(file('anchors.json'), JSON.stringify([{ spkiSha256: toHex(intel.rootSpkiSha256), kind, name }]));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('verify: 0 for a good bundle with reports that are the same each time, 1, 2, 3 for others', () => {
  const reports = [
    '--report',
    'r.html',
    '--oscal',
    'o.json',
    '--csv',
    'e.csv',
    '--jsonl',
    'e.jsonl',
    '--pack',
    'soc2',
    'gdpr',
  ];
  const good = run('verify', 'good.tar.gz', ...POLICY, ...SIMULATED, ...reports, '--json');
  expect([good.status, good.stderr]).toEqual([0, '']);
  expect(JSON.parse(good.stdout)).toMatchObject({ verdict: 'verified', from: 0, to: 14 });
  const kept = ['r.html', 'o.json', 'e.csv', 'e.jsonl'].map((name) => toHex(sha256(readFileSync(file(name)))));
  run('verify', 'good.tar.gz', ...POLICY, ...SIMULATED, ...reports);
  expect(['r.html', 'o.json', 'e.csv', 'e.jsonl'].map((name) => toHex(sha256(readFileSync(file(name)))))).toEqual(kept);
  const html = readFileSync(file('r.html'), 'utf8');
  expect(html).toContain('VERIFIED');
  expect(html).toContain('SOC 2');
  expect(html).not.toMatch(/src=|href=|http:\/\//);
  expect(readFileSync(file('e.jsonl'), 'utf8').trim().split('\n')).toHaveLength(14);
  expect(JSON.parse(readFileSync(file('o.json'), 'utf8'))['assessment-results'].results[0].observations).toHaveLength(
    18,
  );
  expect(run('verify', 'forged.tar.gz', ...POLICY, ...SIMULATED).status).toBe(1);
  expect(run('verify', 'good.tar.gz', ...POLICY).status).toBe(1); // a simulated vendor is not believed by itself
  expect(run('verify', 'later.tar.gz', ...POLICY, ...SIMULATED).status).toBe(3);
  const cut = run('verify', 'cut.tar.gz', ...POLICY, ...SIMULATED);
  expect([cut.status, cut.stdout]).toEqual([1, '']);
  expect(cut.stderr).toContain('BUNDLE_MALFORMED');
  for (const args of [
    ['verify', 'none.tar.gz', ...POLICY],
    ['verify', 'good.tar.gz'],
    ['verify', 'good.tar.gz', ...POLICY, '--pack', 'x'],
  ]) {
    expect(run(...args).status, args.join(' ')).toBe(2);
  }
});

test('report: the same check, and every report of the bundle in one folder', () => {
  const good = run('report', 'good.tar.gz', ...POLICY, ...SIMULATED, '--out', 'papers', '--pack', 'soc2');
  expect([good.status, good.stderr]).toEqual([0, '']);
  const names = ['entries.csv', 'entries.jsonl', 'oscal.json', 'report.html', 'verdict.json'];
  expect(readdirSync(file('papers')).sort()).toEqual(names);
  expect(JSON.parse(readFileSync(file('papers/verdict.json'), 'utf8'))).toMatchObject({ verdict: 'verified' });
  const forged = run('report', 'forged.tar.gz', ...POLICY, ...SIMULATED, '--out', 'forged');
  expect(forged.status).toBe(1);
  expect(readFileSync(file('forged/report.html'), 'utf8')).toContain('REFUSED');
  expect(run('report', 'good.tar.gz', ...POLICY).status).toBe(2);
});

test('show, prove, state, diff-policy and open answer from a bundle, behind its cosigned head', () => {
  const from = ['--bundle', 'good.tar.gz', ...POLICY];
  expect(run('show', '4', ...from).stdout).toContain('worker-admitted');
  expect(run('show', '14', ...from).status).toBe(1);
  expect(run('prove', '3', ...from).stdout).toContain('c2sp.org/tlog-proof@v1\nindex 3\n');
  const { workers, policies, images } = JSON.parse(
    run('state', '--at', '2026-11-24T12:00:05Z', ...from, '--json').stdout,
  );
  expect([workers.length, policies[0].number, images.length]).toEqual([1, 1, 2]);
  expect(JSON.parse(run('state', '--at', '2026-11-25T12:00:05Z', ...from, '--json').stdout).workers).toEqual([]);
  const diff = run('diff-policy', '1', '11', ...from).stdout;
  expect(diff).toContain('stronger  session.candidatesMax  3 → 2');
  const opening = { index: 11, field: 'note', salt: toHex(salt), value: 'tenant 7' };
  writeFileSync(file('openings.jsonl'), `${JSON.stringify(opening)}\n`);
  expect(run('open', 'openings.jsonl', ...from).status).toBe(0);
  writeFileSync(file('openings.jsonl'), `${JSON.stringify({ ...opening, value: 'tenant 8' })}\n`);
  expect(run('open', 'openings.jsonl', ...from).status).toBe(1);
  expect(run('show', '3', ...POLICY).status).toBe(2);
  // The router's operator shows whose sessions some records are, and nothing of the others.
  writeFileSync(file('sessions.secret'), toHex(SESSION_SECRET));
  const disclose = (...of: string[]) => run('disclose', ...of, '--secret', 'sessions.secret', ...from).stdout;
  expect(disclose('0:dd')).toBe('');
  writeFileSync(file('openings.jsonl'), disclose(CHANNEL));
  expect(run('open', 'openings.jsonl', ...from).stdout).toBe('✓ holds  entry 5 record 0 tenant\n');
  writeFileSync(file('openings.jsonl'), disclose(CHANNEL).replace(CHANNEL, '0:dd'));
  expect(run('open', 'openings.jsonl', ...from).status).toBe(1);
});

test('no cell of a table is taken for a formula', () => {
  for (const text of ['=1+1', '+1', '-1', '@x', '\t=1', '\r=1']) expect(csvCell(text)).toMatch(/^"?'/);
  expect(csvRow(['a,b', 'c"d', -5, null, 'x\ny'])).toBe('"a,b","c""d",-5,,"x\ny"\r\n');
});
