import { csvRow } from '../../src/audit/index.ts';
import { download, h, table } from './dom.ts';

export type Series = Readonly<{ name: string; points: readonly (readonly [number, number])[] }>;

const WIDTH = 640;
const HEIGHT = 140;
const MARGIN = 28;
const STROKES = ['1 0', '5 3', '2 2', '8 3 2 3', '1 4'];

/** Lines over time, with the same numbers as a table and as CSV. Series differ by dash as well as by shade. */
export function chart(title: string, unit: string, series: readonly Series[], empty: string): HTMLElement {
  const points = series.flatMap(({ points: of }) => of);
  if (points.length === 0) return h('figure', {}, h('figcaption', {}, title), h('p', { class: 'empty' }, empty));
  const times = points.map(([at]) => at);
  const [from, to] = [Math.min(...times), Math.max(...times)];
  const most = Math.max(1, ...points.map(([, value]) => value));
  const x = (at: number) => MARGIN + ((WIDTH - 2 * MARGIN) * (at - from)) / Math.max(1, to - from);
  const y = (value: number) => HEIGHT - MARGIN - ((HEIGHT - 2 * MARGIN) * value) / most;
  const marks = series.flatMap(({ points: of }, i) =>
    of.map(([at, value]) =>
      h('rect', { x: x(at) - 2.5, y: y(value) - 2.5, width: 5, height: 5, class: `mark s${i % STROKES.length}` }),
    ),
  );
  const lines = series.map(({ name, points: of }, i) =>
    h(
      'polyline',
      {
        points: of.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(' '),
        class: `series s${i % STROKES.length}`,
        'stroke-dasharray': STROKES[i % STROKES.length] as string,
      },
      h('title', {}, name),
    ),
  );
  const label = (text: string, at: number, from_: number, anchor: string) =>
    h('text', { x: at, y: from_, 'text-anchor': anchor, class: 'axis' }, text);
  const iso = (at: number) => new Date(at).toISOString().slice(0, 16).replace('T', ' ');
  const rows = series.flatMap(({ name, points: of }) =>
    of.map(([at, value]) => [iso(at), name, String(value)] as const),
  );
  return h(
    'figure',
    {},
    h('figcaption', {}, title),
    h(
      'svg',
      {
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        role: 'img',
        'aria-label': `${title}: ${series.map(({ name }) => name).join(', ')}`,
      },
      h('line', { x1: MARGIN, x2: WIDTH - MARGIN, y1: HEIGHT - MARGIN, y2: HEIGHT - MARGIN, class: 'axis' }),
      ...lines,
      ...marks,
      label(`${most} ${unit}`, 4, 14, 'start'),
      label(iso(from), MARGIN, HEIGHT - 8, 'start'),
      label(iso(to), WIDTH - MARGIN, HEIGHT - 8, 'end'),
    ),
    h(
      'p',
      { class: 'legend' },
      ...series.map(({ name }, i) => h('span', { class: `key s${i % STROKES.length}` }, name)),
    ),
    h(
      'details',
      {},
      h('summary', {}, 'As a table'),
      table(title, ['time (UTC)', 'series', unit], rows, empty),
      h(
        'button',
        {
          type: 'button',
          onclick: () =>
            download(`${title}.csv`, 'text/csv', [csvRow(['time', 'series', unit]), ...rows.map(csvRow)].join('')),
        },
        'CSV',
      ),
    ),
  );
}

/** Counts that rise at each instant and stay. */
export function cumulative(times: readonly number[]): (readonly [number, number])[] {
  return [...times].sort((a, b) => a - b).map((at, i) => [at, i + 1] as const);
}
