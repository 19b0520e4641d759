/** A real network, and all that an auditor does with its log: export, offline verification, mirror, monitor, console. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { afterAll, expect, test } from 'vitest';
import { MAIN } from '../../src/cli/paths.ts';
import { CHROMIUM, WHY_NO_BROWSER, WITHOUT_BROWSER } from '../browser/chromium.ts';
import { startUp } from './run-up.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-audited-'));
const POLICY = ['--policy', join(folder, 'log-policy.txt')];
const SIMULATED = ['--dangerously-allow-simulated-vendor', join(folder, 'trust-anchors.json')];
const bundle = join(folder, 'up.audit.tar.gz');
let network: ReturnType<typeof startUp>;
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
  expect(run('audit', 'export', '--log', log, ...POLICY, '--out', bundle)).toMatchObject({ status: 0, err: '' });
  const verified = run('audit', 'verify', bundle, ...POLICY, ...SIMULATED, ...chain, '--json');
  expect([
    verified.status,
    JSON.parse(verified.out).checks.filter(({ outcome }: { outcome: string }) => /failed|notChecked/.test(outcome)),
  ]).toEqual([0, []]);
  // Without the chain that the anchors are on, they are not checked, and that is said.
  expect(run('audit', 'verify', bundle, ...POLICY, ...SIMULATED).status).toBe(3);
  const { verdict, counts, findings, checks } = JSON.parse(verified.out);
  expect([verdict, findings]).toEqual(['verified', []]);
  expect(counts).toMatchObject({ 'log-opened': 1, 'policy-published': 1, 'worker-admitted': 2, 'receipt-batch': 1 });
  expect(checks.find(({ id }: { id: string }) => id === 'V11').looked).toBe(2);
  const mirror = run('log', 'mirror', '--from', log, ...POLICY, '--data', join(folder, 'mirror'), '--once');
  expect(JSON.parse(mirror.out)).toMatchObject({ event: 'synced', missingBlobs: 0 });
  const where = ['--log', log, ...POLICY, '--data', join(folder, 'monitor')];
  const today = ['--collateral', join(folder, 'collateral.json')];
  const monitor = run('log', 'monitor', ...where, ...SIMULATED, ...today, ...chain, '--once', '--json');
  // What today's file does not hold (a key service of AMD's) is a warning and no finding of an error.
  expect([monitor.status, monitor.out.includes('"severity":"error"')]).toEqual([0, false]);
}, 90_000);

test.skipIf(WITHOUT_BROWSER)(
  `the console that the log serves verifies it in the browser${WITHOUT_BROWSER ? `: ${WHY_NO_BROWSER}` : ''}`,
  async () => {
    const browser = await chromium.launch({
      executablePath: CHROMIUM as string,
      args: ['--no-sandbox', '--disable-dev-shm-usage'],
    });
    try {
      const page = await browser.newPage();
      const asked: string[] = [];
      page.on('request', (request) => void asked.push(request.url()));
      await page.goto(`${log}/`, { timeout: 60_000 });
      await page.waitForSelector('.verdict', { timeout: 60_000 });
      await page.setInputFiles('#simulated', join(folder, 'trust-anchors.json'));
      await page.waitForSelector('.verdict.warn');
      // A page asks no chain: that the chain holds the anchors is the one thing it leaves open.
      expect(await page.textContent('.verdict')).toMatch(/Incomplete.*V15: that the chain holds/s);
      expect(await page.locator('.verdict li').count()).toBe(1);
      const shots = join(process.cwd(), 'artifacts', 'console');
      mkdirSync(shots, { recursive: true });
      for (const name of [
        'overview',
        'timeline',
        'workers',
        'policies',
        'state',
        'checkpoints',
        'findings',
        'export',
        'how',
        'entry/3',
      ]) {
        await page.evaluate((hash) => {
          location.hash = hash;
        }, `#/${name}`);
        await page.waitForFunction(
          () => document.querySelector('main .busy') === null && document.querySelector('main h2') !== null,
        );
        await page.screenshot({ path: join(shots, `up-${name.replace('/', '-')}.png`), fullPage: true });
      }
      await page.getByText('same verdict as logged').waitFor();
      expect(asked.filter((url) => !url.startsWith(log) && !url.startsWith('blob:'))).toEqual([]);
    } finally {
      await browser.close();
    }
  },
  120_000,
);
