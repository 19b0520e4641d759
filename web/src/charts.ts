import { csvRow } from '../../src/audit/index.ts';
import { download, h, table } from './dom.ts';

/** @property points [milliseconds, value], ascending in time */
export type Series = Readonly<{ name: string; points: readonly (readonly [number, number])[] }>;
/** `steps`: a value holds until the next; `stack`: such values on top of each other; `bars`: each by itself. */
export type ChartKind = 'steps' | 'stack' | 'bars';
export type ChartOptions = Readonly<{
  title: string;
  unit: string;
  kind: ChartKind;
  series: readonly Series[];
  /** The time that the chart is over, in milliseconds. */
  from: number;
  to: number;
  /** What is said where there is nothing to show. */
  empty: string;
}>;

const WIDTH = 560;
const HEIGHT = 200;
const LEFT = 40;
const RIGHT = 16;
const TOP = 12;
const BOTTOM = 28;
const SHADES = 5;
const TICKS = 4;
/** Series differ by dash and by hatching as well as by colour. */
const DASHES = ['none', '6 3', '2 3', '9 3 2 3', '1 4'];
const HATCHES = ['M0 8L8 0', 'M0 0L8 8', 'M4 0V8', 'M0 4H8', 'M0 8L8 0M0 0L8 8'];

type Scale = Readonly<{ x(at: number): number; y(value: number): number; most: number; step: number }>;

/** Ticks at 1, 2 or 5 times a power of ten, or whole numbers where all values are. */
function scaleOf({ from, to }: ChartOptions, largest: number): Scale {
  const rough = Math.max(largest, 1) / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].map((times) => times * power).find((one) => one >= rough) ?? rough);
  const most = Math.ceil(Math.max(largest, 1) / step) * step;
  return {
    most,
    step,
    x: (at) => LEFT + ((WIDTH - LEFT - RIGHT) * (at - from)) / Math.max(1, to - from),
    y: (value) => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * value) / most,
  };
}

const place = (value: number) => value.toFixed(1);
const tone = (i: number) => `s${i % SHADES}`;

/** From each point on at its height, to the next. */
function stepPath(points: Series['points'], { x, y }: Scale, to: number): string {
  const parts = points.map(
    ([at, value], i) =>
      `${i === 0 ? 'M' : 'H'}${i === 0 ? `${place(x(at))} ` : place(x(at))}${i === 0 ? '' : 'V'}${place(y(value))}`,
  );
  return `${parts.join('')}H${place(x(to))}`;
}

function steps({ series, to }: ChartOptions, scale: Scale): HTMLElement[] {
  return series.flatMap(({ name, points }, i) => [
    h(
      'path',
      { class: `series ${tone(i)}`, d: stepPath(points, scale, to), 'stroke-dasharray': DASHES[i % SHADES] as string },
      h('title', {}, name),
    ),
    ...points.map(([at, value]) =>
      h('circle', { class: `mark ${tone(i)}`, cx: place(scale.x(at)), cy: place(scale.y(value)), r: 2.5 }),
    ),
  ]);
}

/** All times at which one of the series changes, with every series' value then. */
function stacked(series: readonly Series[]): readonly (readonly [number, readonly number[]])[] {
  const times = [...new Set(series.flatMap(({ points }) => points.map(([at]) => at)))].sort((a, b) => a - b);
  return times.map(
    (at) => [at, series.map(({ points }) => points.findLast(([then]) => then <= at)?.[1] ?? 0)] as const,
  );
}

function stack({ series, to }: ChartOptions, scale: Scale): HTMLElement[] {
  const rows = stacked(series);
  const { x, y } = scale;
  return series.map(({ name }, i) => {
    const sum = (values: readonly number[], many: number) => values.slice(0, many).reduce((a, b) => a + b, 0);
    const edge = (many: number) => rows.map(([at, values]) => [at, sum(values, many)] as const);
    const lower = edge(i);
    const back = lower.toReversed().map(([at, value], j) => {
      const until = j === 0 ? to : (lower[lower.length - j]?.[0] ?? to);
      return `L${place(x(until))} ${place(y(value))}L${place(x(at))} ${place(y(value))}`;
    });
    const d = `${stepPath(edge(i + 1), scale, to)}${back.join('')}Z`;
    return h(
      'g',
      { class: tone(i) },
      h('path', { class: `area ${tone(i)}`, d }, h('title', {}, name)),
      h('path', { d, fill: `url(#hatch-${i % SHADES})` }),
    );
  });
}

function bars({ series }: ChartOptions, { x, y }: Scale): HTMLElement[] {
  return series.flatMap(({ points }, i) =>
    points.map(([at, value]) =>
      h(
        'rect',
        {
          class: `mark ${tone(i)}`,
          x: place(x(at) - 2),
          y: place(y(value) - 1),
          width: 4,
          height: place(y(0) - y(value) + 1),
        },
        h('title', {}, String(value)),
      ),
    ),
  );
}

const DRAW = { steps, stack, bars } as const;

function hatches(): HTMLElement {
  return h(
    'defs',
    {},
    ...HATCHES.map((d, i) =>
      h(
        'pattern',
        { id: `hatch-${i}`, width: 8, height: 8, patternUnits: 'userSpaceOnUse' },
        h('path', { d, class: `hatch ${tone(i)}`, 'stroke-opacity': 0.5 }),
      ),
    ),
  );
}

function axes({ from, to }: ChartOptions, { x, y, most, step }: Scale): HTMLElement[] {
  const lines = Array.from({ length: Math.round(most / step) + 1 }, (_, i) => i * step).flatMap((value) => [
    h('line', { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), class: value === 0 ? 'base' : 'gridline' }),
    h('text', { x: LEFT - 8, y: y(value) + 4, 'text-anchor': 'end' }, String(value)),
  ]);
  const day = to - from >= 86_400_000;
  const label = (at: number) => {
    const iso = new Date(at).toISOString();
    return day ? iso.slice(0, 10) : iso.slice(11, 19);
  };
  const times = to > from ? [from, (from + to) / 2, to] : [from];
  const marks = times.map((at, i) =>
    h(
      'text',
      { x: x(at), y: HEIGHT - 8, 'text-anchor': i === 0 ? 'start' : i === times.length - 1 ? 'end' : 'middle' },
      label(at),
    ),
  );
  return [...lines, ...marks];
}

/** A picture over time, with the same numbers as a table and as CSV. */
export function chart(options: ChartOptions): HTMLElement {
  const { title, unit, kind, series, empty } = options;
  const points = series.flatMap(({ points: of }) => of);
  if (points.length === 0) return h('figure', {}, h('figcaption', {}, title), h('p', { class: 'empty' }, empty));
  const sums = kind === 'stack' ? stacked(series).map(([, values]) => values.reduce((a, b) => a + b, 0)) : [];
  const scale = scaleOf(options, Math.max(...sums, ...points.map(([, value]) => value)));
  const iso = (at: number) => new Date(at).toISOString().slice(0, 19).replace('T', ' ');
  const rows = series.flatMap(({ name, points: of }) =>
    of.map(([at, value]) => [iso(at), name, String(value)] as const),
  );
  const csv = () =>
    download(`${title}.csv`, 'text/csv', [csvRow(['time', 'series', unit]), ...rows.map(csvRow)].join(''));
  return h(
    'figure',
    {},
    h('figcaption', {}, `${title} `, h('span', { class: 'dim' }, `${unit}, UTC ${iso(options.from).slice(0, 10)}`)),
    h(
      'svg',
      {
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        role: 'img',
        'aria-label': `${title}, ${unit}: ${series.map(({ name }) => name).join(', ')}`,
      },
      kind === 'stack' && hatches(),
      ...axes(options, scale),
      ...DRAW[kind](options, scale),
    ),
    series.length > 0 &&
      h('p', { class: 'legend' }, ...series.map(({ name }, i) => h('span', { class: `key ${tone(i)}` }, name))),
    h(
      'details',
      {},
      h('summary', {}, `${title}: as a table`),
      table(title, ['time (UTC)', 'series', unit], rows, empty),
      h('button', { type: 'button', onclick: csv }, 'Download CSV'),
    ),
  );
}

/** Counts that rise at each instant and stay; from zero on. */
export function cumulative(times: readonly number[], from: number): (readonly [number, number])[] {
  const risen = [...times].sort((a, b) => a - b).map((at, i) => [at, i + 1] as const);
  return risen.length === 0 || (risen[0]?.[0] ?? 0) <= from ? risen : [[from, 0], ...risen];
}
