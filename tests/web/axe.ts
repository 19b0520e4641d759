import axe from 'axe-core';
import type { Page } from 'playwright-core';

/** WCAG 2.2 A and AA, and what axe calls best practice. */
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** What axe-core finds wrong with the page as it stands, a line each; and whether it needs to be scrolled sideways. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  await page.evaluate(axe.source); // by the debugger: the page's own rules allow no script but its own
  const found = await page.evaluate(async (tags) => {
    const { axe: loaded } = globalThis as never as { axe: typeof axe };
    const { violations } = await loaded.run(document, { runOnly: { type: 'tag', values: tags } });
    const lines = violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)} ${failureSummary ?? ''}`),
    );
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth > clientWidth + 1 ? [...lines, `reflow: ${scrollWidth} > ${clientWidth}`] : lines;
  }, TAGS);
  return found;
}
