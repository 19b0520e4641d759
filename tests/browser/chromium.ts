import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Page as BrowserPage, chromium } from 'playwright-core';
import { build } from 'vite';
import type { ASKED } from './asked.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

function findChromium(): string | null {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const found = folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find((path) => existsSync(path));
  return process.env.CHRYSALIS_CHROMIUM ?? found ?? null;
}

const executablePath = findChromium();
/** Where the browser is, or null. */
export const CHROMIUM = executablePath;
/** Whether tests in a browser are left out; never where CHRYSALIS_REQUIRE_BROWSER says that they must run. */
export const WITHOUT_BROWSER = executablePath === null && process.env.CHRYSALIS_REQUIRE_BROWSER !== '1';
export const WHY_NO_BROWSER = 'no Chromium found: install one, or name it in CHRYSALIS_CHROMIUM';

/** Any page that is a secure context has WebCrypto; nothing listens there, the request is answered here. */
const URL = 'http://localhost/';
export const EMPTY_PAGE = '<!doctype html><title>test</title>';

export type Page = Readonly<{
  /** Asks the page's own copy of `asked.ts`. */
  ask<Name extends keyof typeof ASKED>(
    name: Name,
    of: Parameters<(typeof ASKED)[Name]>[0],
  ): Promise<Awaited<ReturnType<(typeof ASKED)[Name]>>>;
  /** What the page said on its console or threw. */
  problems: readonly string[];
  close(): Promise<void>;
}>;

/** The modules under test as one script, with the `browser` condition of package.json. */
async function bundle(entry: string): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      minify: false,
      target: 'es2023',
      lib: { entry: fileURLToPath(new globalThis.URL(entry, import.meta.url)), formats: ['iife'], name: 'page' },
    },
  });
  const [first] = Array.isArray(built) ? built : [built];
  if (first === undefined || !('output' in first)) throw new Error('nothing was built');
  return first.output[0].code;
}

/** A script in a real browser. */
export type Script = Readonly<{ page: BrowserPage; problems: readonly string[]; close(): Promise<void> }>;

/**
 * A page with this script in it. @param at where the page is really served from, and its requests really go; without it
 * nothing leaves the browser
 * @throws where there is no browser
 */
export async function openScript(entry: string, at?: string): Promise<Script> {
  if (executablePath === null) throw new Error(WHY_NO_BROWSER);
  const [script, browser] = await Promise.all([
    bundle(entry),
    chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] }),
  ]);
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on('console', (message) => void problems.push(message.text()));
  page.on('pageerror', (error) => void problems.push(String(error)));
  if (at === undefined) {
    await page.route('**/*', (route) => route.fulfill({ contentType: 'text/html', body: EMPTY_PAGE }));
  }
  await page.goto(at ?? URL);
  await page.addScriptTag({ content: script });
  return { page, problems, close: () => browser.close() };
}

/** A real browser with the modules under test in it. @throws where there is none */
export async function openPage(): Promise<Page> {
  const { page, problems, close } = await openScript('page.ts');
  return {
    ask: (name, of) =>
      page.evaluate(
        ([asked, what]) =>
          (globalThis as never as { asked: Record<string, (of: unknown) => never> }).asked[asked]?.(what) as never,
        [name as string, of as unknown] as const,
      ),
    problems,
    close,
  };
}
