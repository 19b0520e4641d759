type Child = Node | string | number | null | undefined | false | readonly Child[];
type Properties = Readonly<Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>>;

const SVG = new Set(['svg', 'path', 'rect', 'line', 'circle', 'text', 'g', 'title', 'defs', 'pattern']);

/** Makes an element. Text is always text: nothing that a log holds becomes markup. `on…` properties are listeners. */
export function h(tag: string, properties: Properties = {}, ...children: readonly Child[]): HTMLElement {
  const element = (
    SVG.has(tag) ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag)
  ) as HTMLElement;
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  append(element, children);
  return element;
}

function append(parent: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(parent, child);
    else parent.append(child instanceof Node ? child : String(child));
  }
}

/** Puts content in the place of what was there. */
export function fill(parent: Element, ...children: readonly Child[]): void {
  parent.replaceChildren();
  append(parent, children);
}

/** A hash, shortened in the middle; whole on hover, in print, and copied by a click. */
export function hash(text: string): HTMLElement {
  const short = text.length > 20 ? `${text.slice(0, 10)}…${text.slice(-6)}` : text;
  const button = h('button', { class: 'hash', type: 'button', title: text });
  button.append(
    h('span', { class: 'short' }, short),
    h('span', { class: 'whole' }, text),
    h('span', { class: 'heard' }, ', copy the whole'),
  );
  button.addEventListener('click', () => {
    void navigator.clipboard?.writeText(text).then(() => button.classList.add('copied'));
  });
  return button;
}

/** UTC, to the second. */
export function time(ms: number): HTMLElement {
  const iso = new Date(ms).toISOString();
  return h('time', { datetime: iso }, `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`);
}

const UNITS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
] as const;

/** How long ago, in the largest whole unit. */
export function since(ms: number): string {
  const [size, unit] = UNITS.find(([least]) => ms >= least) ?? ([1_000, 's'] as const);
  return `${Math.max(0, Math.floor(ms / size))} ${unit} ago`;
}

const HEX_MIN = 32;

/** What an entry is about: a worker leads to its life line, long digests are shortened. */
export function about(subject: string): HTMLElement {
  const [, kind = '', rest = ''] = /^([a-z]+):(.*)$/.exec(subject) ?? [];
  if (kind === 'worker') return h('a', { href: `#/worker/${rest}` }, `worker ${rest.slice(0, 12)}…`);
  const hex = /[0-9a-f]{32,}$/.exec(subject)?.[0] ?? '';
  if (hex.length < HEX_MIN) return h('span', {}, subject);
  return h('span', {}, subject.slice(0, -hex.length), hash(hex));
}

export type Row = readonly Child[];
export function table(caption: string, heads: readonly string[], rows: readonly Row[], empty: string): HTMLElement {
  if (rows.length === 0) return h('p', { class: 'empty' }, empty);
  return h(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption },
    h(
      'table',
      {},
      h('caption', {}, caption),
      h('thead', {}, h('tr', {}, ...heads.map((head) => h('th', { scope: 'col' }, head)))),
      h('tbody', {}, ...rows.map((row) => h('tr', {}, ...row.map((cell) => h('td', {}, cell))))),
    ),
  );
}

/** Facts as label and value. */
export function facts(rows: readonly (readonly [string, Child])[]): HTMLElement {
  return h('dl', {}, ...rows.flatMap(([label, value]) => [h('dt', {}, label), h('dd', {}, value)]));
}

/** What a claim rests on, unfolded on demand. */
export function howDoWeKnow(...content: readonly Child[]): HTMLElement {
  return h('details', { class: 'how' }, h('summary', {}, 'How do we know?'), ...content);
}

/** Offers bytes for download. */
export function download(name: string, type: string, bytes: BlobPart): void {
  const url = URL.createObjectURL(new Blob([bytes], { type }));
  const link = h('a', { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A word for every colour. */
export function badge(kind: 'good' | 'bad' | 'warn' | 'none', words: string): HTMLElement {
  const mark = { good: '✓', bad: '✗', warn: '!', none: '–' }[kind];
  return h('span', { class: `badge ${kind}` }, h('span', { 'aria-hidden': 'true' }, `${mark} `), words);
}
