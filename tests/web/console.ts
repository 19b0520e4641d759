import { mkdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';

/** Screenshots stay after the tests, for people to look at. */
export const SHOTS = join(process.cwd(), 'artifacts', 'console');
mkdirSync(SHOTS, { recursive: true });

export const PAGES = [
  ...['overview', 'timeline', 'workers', 'policies', 'state', 'checkpoints', 'findings', 'export', 'how'],
] as const;

/** @property html the console's file @property anchors of a simulated vendor, as a file */
export type Brought = Readonly<{ html: string; policyText: string; anchors: string }>;

/** The console from disk, given what an auditor brings; then a bundle is dropped onto it, as with a mouse. */
export async function dropBundle(
  browser: Browser,
  { html, policyText, anchors }: Brought,
  bundle: string,
  options: Parameters<Browser['newPage']>[0] = {},
  watch: (page: Page) => Page = (page) => page,
): Promise<Page> {
  const page = watch(await browser.newPage(options));
  await page.goto(pathToFileURL(html).href);
  await page.setInputFiles('#simulated', anchors);
  await page.fill('#policy', policyText);
  const dropped = await page.evaluateHandle(
    ([base64, name]) => {
      const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], name));
      return transfer;
    },
    [readFileSync(bundle).toString('base64'), basename(bundle)] as const,
  );
  await page.dispatchEvent('.drop', 'drop', { dataTransfer: dropped });
  await page.waitForSelector('.verdict', { timeout: 60_000 });
  return page;
}

/** Goes to a page of the console and waits until it is whole. */
export async function show(page: Page, name: string): Promise<void> {
  await page.evaluate((hash) => {
    location.hash = hash;
  }, `#/${name}`);
  await page.waitForFunction(
    () => document.querySelector('main .busy') === null && document.querySelector('main h2') !== null,
  );
}

export async function shot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(SHOTS, `${name.replaceAll('/', '-')}.png`), fullPage: true });
}
