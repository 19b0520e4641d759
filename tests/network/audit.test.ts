/** A real network, and all that an auditor does with its log: export, offline verification, mirror, monitor, console. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MAIN } from '../../src/cli/paths.ts';
import { repack } from '../audit/scene.ts';
import { CHROMIUM, WHY_NO_BROWSER, WITHOUT_BROWSER } from '../browser/chromium.ts';
import { accessibilityProblems } from '../web/axe.ts';
import { dropBundle, PAGES, shot, show } from '../web/console.ts';
import { startUp } from './run-up.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-audited-'));
const POLICY = ['--policy', join(folder, 'log-policy.txt')];
const SIMULATED = ['--dangerously-allow-simulated-vendor', join(folder, 'trust-anchors.json')];
const bundle = join(folder, 'up.audit.tar.gz');
let network: ReturnType<typeof startUp>;
/** The log's first entries, and so a tile that every bundle of this network has. */
let TILE = '';
let lines: string[] = [];
let log = '';
let chain: string[] = [];
const run = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
  return { status, out: stdout, err: stderr };
};

afterAll(async () => {
  network.child.kill('SIGTERM');
  await network.exit;
  rmSync(folder, { recursive: true, force: true });
});

test('a network starts', async () => {
  network = startUp(folder, []);
  const { urls } = (await network.document()) as unknown as { urls: { log: string; chain: string } };
  log = urls.log;
  chain = ['--chain', urls.chain, '--anchor', join(folder, 'log-anchor.json')];
}, 120_000);

test('what the network logged is exported, verified offline, mirrored and monitored without a finding', () => {
  const sign = ['--sign-as', 'auditor.test/e', '--key', join(folder, 'exporter.secret')];
  const { admin } = JSON.parse(readFileSync(join(folder, 'network.json'), 'utf8')) as { admin: string };
  const tell = ['--admin', admin];
  const exported = run('audit', 'export', '--log', log, ...POLICY, '--out', bundle, ...sign, ...tell, '--json');
  expect(exported).toMatchObject({ status: 0, err: '' });
  expect(JSON.parse(exported.out).recorded).toMatch(/^entry \d+ says so$/);
  const exporter = ['--exporter', (JSON.parse(exported.out) as { exporter: string }).exporter];
  const jsonl = join(folder, 'entries.jsonl');
  const verified = run(
    'audit',
    'verify',
    bundle,
    ...POLICY,
    ...SIMULATED,
    ...chain,
    ...exporter,
    ...tell,
    '--json',
    '--jsonl',
    jsonl,
  );
  lines = readFileSync(jsonl, 'utf8').trim().split('\n');
  TILE = `log/tile/entries/000.p/${lines.length}`;
  expect([
    verified.status,
    JSON.parse(verified.out).checks.filter(({ outcome }: { outcome: string }) => /failed|notChecked/.test(outcome)),
  ]).toEqual([0, []]);
  // Without the chain that the anchors are on, they are not checked, and that is said.
  expect(run('audit', 'verify', bundle, ...POLICY, ...SIMULATED).status).toBe(3);
  const { verdict, counts, findings, checks } = JSON.parse(verified.out);
  expect([verdict, findings]).toEqual(['verified', []]);
  expect(counts).toMatchObject({ 'log-opened': 1, 'policy-published': 1, 'image-registered': 2, 'worker-admitted': 2 });
  expect(counts['receipt-batch']).toBeGreaterThan(0);
  expect(checks.find(({ id }: { id: string }) => id === 'V11').looked).toBe(2);
  const mirror = run('log', 'mirror', '--from', log, ...POLICY, '--data', join(folder, 'mirror'), '--once');
  expect(JSON.parse(mirror.out)).toMatchObject({ event: 'synced', missingBlobs: 0 });
  const where = ['--log', log, ...POLICY, '--data', join(folder, 'monitor')];
  const today = ['--collateral', join(folder, 'collateral.json')];
  // What the gateway was shown of this log is compared with what the log shows everybody.
  const heads = join(folder, 'gateway', 'heads');
  expect(readdirSync(heads).length).toBeGreaterThan(0);
  const monitor = run(
    'log',
    'monitor',
    '--gossip',
    heads,
    ...where,
    ...SIMULATED,
    ...today,
    ...chain,
    '--once',
    '--json',
  );
  // Who took the log away and who looked through it stands in the next bundle.
  const next = join(folder, 'next.audit.tar.gz');
  expect(run('audit', 'export', '--log', log, ...POLICY, '--out', next, '--json').status).toBe(0);
  const again = JSON.parse(run('audit', 'verify', next, ...POLICY, ...SIMULATED, ...chain, '--json').out);
  expect([again.verdict, again.counts.export, again.counts.review]).toEqual(['verified', 1, 1]);
  // What today's file does not hold (a key service of AMD's) is a warning and no finding of an error.
  expect([monitor.status, monitor.out.includes('"severity":"error"')]).toEqual([0, false]);
}, 90_000);

const WHY = WITHOUT_BROWSER ? `: ${WHY_NO_BROWSER}` : '';

describe.skipIf(WITHOUT_BROWSER)(`the auditor's console on the log of that network${WHY}`, () => {
  let browser: Browser;
  const html = join(folder, 'auditor.html');
  /** Index of the first entry of a type. */
  const firstOf = (type: string) =>
    Number(/"index":(\d+)/.exec(lines.find((line) => line.includes(`"type":"${type}"`)) ?? '')?.[1]);
  const bring = () => ({
    html,
    policyText: readFileSync(join(folder, 'log-policy.txt'), 'utf8'),
    anchors: join(folder, 'trust-anchors.json'),
  });

  beforeAll(async () => {
    expect(run('audit', 'page', '--out', html).status).toBe(0);
    browser = await chromium.launch({
      executablePath: CHROMIUM as string,
      args: ['--no-sandbox', '--disable-dev-shm-usage'],
    });
  }, 90_000);
  afterAll(() => browser?.close());

  test.each(['light', 'dark'] as const)(
    'the bundle, dropped into the page, is verified and shown, in %s',
    async (colorScheme) => {
      const page = await dropBundle(browser, bring(), bundle, { colorScheme, viewport: { width: 1280, height: 900 } });
      // A page asks no chain: that the chain holds the anchors is the one thing it leaves open.
      expect(await page.textContent('.verdict')).toMatch(/Incomplete.*V15: that the chain holds/s);
      expect(await page.locator('.verdict li').count()).toBe(1);
      const entries = [`entry/${firstOf('worker-admitted')}`, `entry/${firstOf('receipt-batch')}`];
      for (const name of [...PAGES, ...entries]) {
        await show(page, name);
        await shot(page, `up-${colorScheme}-${name.replace(/\/\d+/, name === entries[0] ? '-admitted' : '-receipts')}`);
        expect([name, await accessibilityProblems(page)]).toEqual([name, []]);
      }
      await show(page, entries[0] as string);
      await page.getByText('same verdict as logged').waitFor({ timeout: 60_000 });
      await page.close();
    },
    180_000,
  );

  test('with one bit of it flipped the verdict is red and says which tile', async () => {
    const tampered = join(folder, 'tampered.audit.tar.gz');
    const flipped = await repack(readFileSync(bundle), (files) => {
      const tile = Uint8Array.from(files.get(TILE) as Uint8Array);
      tile[100] = (tile[100] as number) ^ 1;
      files.set(TILE, tile);
    });
    writeFileSync(tampered, flipped);
    const page = await dropBundle(browser, bring(), tampered);
    expect(await page.getAttribute('.verdict', 'class')).toContain('bad');
    expect(await page.textContent('.verdict')).toMatch(/Refused.*V4: tile\/entries\/000.*tile\/0\/000.*differ/s);
    await shot(page, 'up-tampered');
    await page.close();
  }, 90_000);

  test('served by the log it verifies that log, and asks nobody else', async () => {
    const page = await browser.newPage();
    const asked: string[] = [];
    page.on('request', (request) => void asked.push(request.url()));
    await page.goto(`${log}/`, { timeout: 60_000 });
    await page.waitForSelector('.verdict', { timeout: 60_000 });
    expect(await page.textContent('.verdict')).toContain('Keys not pinned');
    expect(asked.filter((url) => !url.startsWith(log) && !url.startsWith('blob:'))).toEqual([]);
    await page.close();
  }, 180_000);
});
