import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { toHex } from '../../src/core/index.ts';
import { buildConsole } from '../../web/build.ts';
import { developmentText, honest, intel, policyText, repack, type Scene } from '../audit/scene.ts';
import { CHROMIUM, WHY_NO_BROWSER, WITHOUT_BROWSER } from '../browser/chromium.ts';
import { accessibilityProblems } from './axe.ts';
import { dropBundle, PAGES, shot, show } from './console.ts';

vi.setConfig({ testTimeout: 60_000 });

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-console-'));
let browser: Browser;
let scene: Scene;
let html = '';
const requests: string[] = [];
const problems: string[] = [];
const file = (name: string) => join(folder, name);

beforeAll(async () => {
  if (WITHOUT_BROWSER) return;
  [browser, html, scene] = await Promise.all([
    chromium.launch({ executablePath: CHROMIUM as string, args: ['--no-sandbox', '--disable-dev-shm-usage'] }),
    buildConsole(),
    honest(),
  ]);
  const stricter = developmentText
    .replace('"number": 1', '"number": 2')
    .replace('"candidatesMax": 3', '"candidatesMax": 2');
  const { policyDigest } = JSON.parse(new TextDecoder().decode(scene.entries[1])).body as { policyDigest: string };
  await scene.publish(stricter, { replaces: policyDigest, reason: '<img src=x onerror=alert(1)>' });
  await scene.checkpoint();
  const bundle = await scene.bundle();
  writeFileSync(file('auditor.html'), html);
  writeFileSync(file('good.audit.tar.gz'), bundle);
  const tampered = await repack(bundle, (files) => {
    const [path] = [...files.keys()].filter((name) => name.startsWith('log/tile/entries/'));
    const bytes = Uint8Array.from(files.get(path as string) as Uint8Array);
    bytes[40] = (bytes[40] as number) ^ 1;
    files.set(path as string, bytes);
  });
  writeFileSync(file('tampered.audit.tar.gz'), tampered);
  const { name, kind } = intel.trustAnchor;
  writeFileSync(file('anchors.json'), JSON.stringify([{ spkiSha256: toHex(intel.rootSpkiSha256), kind, name }]));
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

function watch(page: Page): Page {
  page.on('request', (request) => void requests.push(request.url()));
  page.on('pageerror', (error) => void problems.push(String(error)));
  return page;
}

/** The page from disk, with a bundle and what the auditor brings. */
async function opened(bundle: string, options: Parameters<Browser['newPage']>[0] = {}): Promise<Page> {
  const brought = { html: file('auditor.html'), policyText, anchors: file('anchors.json') };
  return dropBundle(browser, brought, file(bundle), options, watch);
}

describe.skipIf(WITHOUT_BROWSER)(`the auditor's console${WITHOUT_BROWSER ? `: ${WHY_NO_BROWSER}` : ''}`, () => {
  test.each(['light', 'dark'] as const)(
    'every page renders from a dropped bundle, in %s, and breaks no rule of access',
    async (colorScheme) => {
      const page = await opened('good.audit.tar.gz', { colorScheme, viewport: { width: 1280, height: 900 } });
      expect(await page.textContent('.verdict')).toContain('Verified');
      for (const name of [...PAGES, 'entry/4', 'entry/5', 'entry/8', 'timeline?type=worker-rejected']) {
        await show(page, name);
        await shot(page, `${colorScheme}-${name.replace(/\W+/g, '-')}`);
        expect([name, await accessibilityProblems(page)]).toEqual([name, []]);
      }
      await page.setViewportSize({ width: 360, height: 700 });
      for (const name of ['overview', 'entry/4']) {
        await show(page, name);
        expect([name, await accessibilityProblems(page)]).toEqual([name, []]);
      }
      await shot(page, `${colorScheme}-narrow`);
      await page.close();
    },
  );

  test('an entry is proven step by step, and its appraisal made again', async () => {
    const page = await opened('good.audit.tar.gz');
    await show(page, 'entry/4');
    await page.waitForSelector('ol.ladder li:nth-child(6)');
    const rungs = await page.locator('ol.ladder li').allTextContents();
    expect(rungs.slice(0, 5).every((rung) => rung.includes('holds'))).toBe(true);
    expect(rungs[5]).toContain('not checked');
    await page.getByText('same verdict as logged').waitFor();
    await page.close();
  });

  test('a tampered tile turns the verdict red, says where, and breaks the ladder', async () => {
    const page = await opened('tampered.audit.tar.gz');
    expect(await page.getAttribute('.verdict', 'class')).toContain('bad');
    expect(await page.textContent('.verdict')).toMatch(/Refused.*V4: tile\/entries\/000.* differ/s);
    await show(page, 'entry/0');
    await page.waitForSelector('ol.ladder li.bad');
    await shot(page, 'tampered');
    await page.close();
  });

  test('what a log holds stays text; filters are in the address; the keyboard is enough', async () => {
    const page = await opened('good.audit.tar.gz');
    await show(page, 'timeline?type=policy-published');
    await page.waitForSelector('text=2 of 14 entries');
    await show(page, 'policies');
    await page.getByText('<img src=x onerror=alert(1)>').waitFor();
    expect(await page.locator('main img').count()).toBe(0);
    await page.getByText('stronger').waitFor();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
    await page.locator('.skip').focus();
    for (let i = 0; i < 3; i++) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => location.hash === '#/workers');
    await page.close();
  });

  test('served by a log it reads that log alone, and says that the keys are only claimed', async () => {
    const server = await serve();
    const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    requests.length = 0;
    const page = watch(await browser.newPage());
    await page.goto(`${url}/`);
    await page.waitForSelector('.verdict');
    expect(await page.textContent('.verdict')).toContain('Keys not pinned');
    // The vendor's roots are not in the log: simulated evidence does not stand by itself.
    expect(await page.textContent('.verdict')).toContain('V11');
    expect(requests.filter((one) => !one.startsWith(url) && !one.startsWith('blob:'))).toEqual([]);
    await page.close();
    server.close();
  });

  test('no page threw, and none from disk asked anybody for anything', () => {
    expect(problems).toEqual([]);
    expect(requests.filter((one) => !/^(file|blob|http:\/\/127\.0\.0\.1)/.test(one))).toEqual([]);
  });
});

/** The log of the scene over HTTP, with the page at its root. */
async function serve(): Promise<Server> {
  const source = scene.source();
  const server = createServer(async (request, response) => {
    const path = (request.url ?? '').slice(1);
    const hex = /^blob\/sha256\/(.*)$/.exec(path)?.[1];
    const index = /^cosigned\/(\d+)$/.exec(path)?.[1];
    const body =
      path === ''
        ? html
        : path === 'policy'
          ? policyText
          : path === 'checkpoint'
            ? scene.newest
            : index !== undefined
              ? await source.covering(Number(index))
              : hex === undefined
                ? scene.tiles.get(path)
                : scene.blobs.get(`sha256:${hex}`);
    if (body === undefined || body === null) response.writeHead(404);
    else if (path === '') response.setHeader('content-type', 'text/html');
    response.end(body ?? undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
