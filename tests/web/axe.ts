/**
 * Checks in the page itself what people without a mouse or without sight need; in the manner of axe: names of rules,
 * and the elements that break them. Serialised into the page, so it refers to nothing outside.
 */
export function accessibilityProblems(): string[] {
  const problems: string[] = [];
  const say = (rule: string, element: Element) => problems.push(`${rule}: ${element.outerHTML.slice(0, 120)}`);
  const nameOf = (element: Element): string => {
    const label = element.getAttribute('aria-label') ?? element.getAttribute('title') ?? '';
    const by = element.getAttribute('aria-labelledby');
    const labelled = by === null ? '' : (document.getElementById(by)?.textContent ?? '');
    const wrapped = element.closest('label')?.textContent ?? '';
    const forIt = element.id === '' ? '' : (document.querySelector(`label[for="${element.id}"]`)?.textContent ?? '');
    return `${label}${labelled}${wrapped}${forIt}${element.textContent ?? ''}`.trim();
  };
  if (document.documentElement.lang === '') say('html-has-lang', document.documentElement);
  if (document.title === '') say('document-title', document.head);
  if (document.querySelectorAll('main').length !== 1) say('one-main', document.body);
  if (document.querySelectorAll('h1').length !== 1) say('one-h1', document.body);
  for (const element of document.querySelectorAll('a[href],button,input,select,textarea,summary,[role=region]')) {
    if (nameOf(element) === '') say('has-name', element);
  }
  for (const element of document.querySelectorAll('svg')) {
    if (element.getAttribute('role') !== 'img' || !element.getAttribute('aria-label')) say('svg-img-alt', element);
  }
  for (const element of document.querySelectorAll('th')) if (!element.getAttribute('scope')) say('th-scope', element);
  for (const element of document.querySelectorAll('.scroll,pre')) {
    if (element.scrollWidth > element.clientWidth && !element.hasAttribute('tabindex'))
      say('scrollable-focusable', element);
  }
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
  if (new Set(ids).size !== ids.length) say('duplicate-id', document.body);
  let level = 0;
  for (const element of document.querySelectorAll('h1,h2,h3,h4')) {
    const next = Number(element.tagName.slice(1));
    if (next > level + 1) say('heading-order', element);
    level = next;
  }
  const luminance = (colour: string): number => {
    const [r = 0, g = 0, b = 0] = (colour.match(/[\d.]+/g) ?? []).map(Number);
    const linear = [r, g, b].map((value) => {
      const share = value / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * (linear[0] ?? 0) + 0.7152 * (linear[1] ?? 0) + 0.0722 * (linear[2] ?? 0);
  };
  const background = (element: Element | null): string => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour !== 'rgba(0, 0, 0, 0)') return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  for (const element of document.querySelectorAll(
    'p,td,th,dt,dd,a,button,li,h1,h2,h3,.badge,label,summary,figcaption',
  )) {
    if (!element.textContent?.trim() || element.closest('details:not([open])') || element.closest('[disabled]'))
      continue;
    const [a, b] = [luminance(getComputedStyle(element).color), luminance(background(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) say(`color-contrast ${contrast.toFixed(2)}`, element);
  }
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth + 1) say('reflow', document.body);
  return problems;
}
