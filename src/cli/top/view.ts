import type { StatusReport } from '../../rpc/index.ts';
import type { Paint } from '../output.ts';
import { countOf, errorsOf, type History, requestsOf } from './history.ts';
import type { Choices } from './keys.ts';
import { chosen, type WorkerLine, workerLines } from './rows.ts';
import { clock, columnsOf, count, duration, fit, number, oneLine, sparkline } from './words.ts';

export type Screen = Readonly<{
  width: number;
  /** Lines that there are; null for as many as it takes. */
  height: number | null;
  paint: Paint;
}>;

export type Shown = Readonly<{
  address: string;
  /** `production #7`; empty where it is not known. */
  policy: string;
  history: History;
  choices: Choices;
  /** Why the router does not answer, and since when in milliseconds; null while it does. */
  lost: Readonly<{ why: string; sinceMs: number }> | null;
}>;

type Colour = keyof Paint;
type Column = Readonly<{
  title: string;
  /** Widest and narrowest; those that stay at one width have one. */
  most: number;
  least: number;
  right?: true;
  /** Columns of a higher one go first where there is no room. */
  giveWay: number;
  text: (line: WorkerLine) => string;
  colour?: (line: WorkerLine) => Colour | null;
}>;

const STATE_COLOUR: Readonly<Record<string, Colour>> = {
  admitted: 'good',
  draining: 'warn',
  joining: 'dim',
  quarantined: 'bad',
  refused: 'bad',
};
const BREAKER_COLOUR: Readonly<Record<string, Colour>> = { open: 'bad', 'half-open': 'warn' };

const COLUMNS: readonly Column[] = [
  { title: 'worker', most: 24, least: 8, giveWay: 0, text: ({ name }) => name },
  {
    title: 'state',
    most: 11,
    least: 11,
    giveWay: 1,
    text: ({ state, resumed }) => (state === 'admitted' && resumed ? 'resumed' : state),
    colour: ({ state }) => STATE_COLOUR[state] ?? null,
  },
  {
    title: 'TEE',
    most: 17,
    least: 17,
    giveWay: 7,
    text: ({ tee, simulated }) => (tee === '' ? '–' : `${tee}${simulated ? ' simulated' : ''}`),
    colour: ({ simulated }) => (simulated ? 'warn' : null),
  },
  { title: 'model', most: 28, least: 8, giveWay: 8, text: ({ model }) => model },
  {
    title: 'lease',
    most: 7,
    least: 7,
    right: true,
    giveWay: 6,
    text: ({ leaseLeftMs }) => duration(leaseLeftMs),
    colour: ({ leaseLeftMs }) => (leaseLeftMs !== null && leaseLeftMs < 60_000 ? 'bad' : null),
  },
  {
    title: 'slots',
    most: 9,
    least: 9,
    right: true,
    giveWay: 2,
    text: ({ running, slots, slotsDeclared }) => `${running}/${slots === 0 ? slotsDeclared : slots}`,
    colour: ({ running, slots }) => (slots > 0 && running >= slots ? 'warn' : null),
  },
  {
    title: 'tok/s',
    most: 7,
    least: 7,
    right: true,
    giveWay: 3,
    text: ({ tokensPerSecond }) => number(tokensPerSecond),
  },
  {
    title: 'first p50',
    most: 9,
    least: 9,
    right: true,
    giveWay: 4,
    text: ({ firstFrameMs }) => duration(firstFrameMs?.p50 ?? null),
  },
  {
    title: 'p99',
    most: 7,
    least: 7,
    right: true,
    giveWay: 4,
    text: ({ firstFrameMs }) => duration(firstFrameMs?.p99 ?? null),
  },
  {
    title: 'breaker',
    most: 9,
    least: 9,
    giveWay: 5,
    text: ({ breaker }) => breaker ?? '–',
    colour: ({ breaker }) => BREAKER_COLOUR[breaker ?? ''] ?? null,
  },
  {
    title: 'failed',
    most: 7,
    least: 6,
    right: true,
    giveWay: 9,
    text: ({ failed }) => count(failed),
    colour: ({ failed }) => (failed > 0 ? 'warn' : null),
  },
];
const GAP = 2;
const SPARK_COLUMNS = 40;
const ERRORS_SHOWN = 6;
const QUEUES_SHOWN = 8;
const KEYS = 'q quit · s sort · r reverse · / filter · space pause · ↑↓ scroll';

/** The whole view as lines, none wider than the screen and no more than it has. */
export function drawn(shown: Shown, screen: Screen): string[] {
  const report = shown.history.newest;
  if (report === null) return [fit(`Chrysalis top · asking ${shown.address}`, screen.width).trimEnd()];
  const { width, height, paint } = screen;
  const above = [...heading(shown, report, screen), ...rates(shown.history, report, screen), ''];
  const below = ['', ...queues(report, screen), ...endings(shown.history, report, screen)];
  const lines = chosen(workerLines(report, shown.history.workerRates()), shown.choices);
  const live = height !== null;
  const room = live ? Math.max(1, height - above.length - below.length - 3) : lines.length;
  const from = Math.min(shown.choices.from, Math.max(0, lines.length - room));
  const columns = columnsIn(width, lines);
  const all = [
    ...above,
    paint.strong(fit(titleOf(lines.length, report.workers.length, from, room, shown.choices), width).trimEnd()),
    ...table(columns, lines.slice(from, from + room), paint),
    ...below,
    ...(live ? [footer(shown.choices, screen)] : []),
  ];
  return live ? all.slice(0, height) : all;
}

function heading({ address, policy, lost }: Shown, report: StatusReport, { width, paint }: Screen): string[] {
  const facts = [`router ${report.router}`, address, `up ${duration(report.now - report.startedAt)}`];
  if (policy !== '') facts.push(`policy ${policy}`);
  facts.push(clock(report.now));
  const lines = [paint.strong(fit(oneLine(`Chrysalis top · ${facts.join(' · ')}`), width).trimEnd())];
  if (lost !== null) {
    const text = `The router does not answer since ${duration(lost.sinceMs)} (${lost.why}): what is below is old`;
    lines.push(paint.bad(fit(oneLine(text), width).trimEnd()));
  }
  if (report.workers.some(({ simulated }) => simulated)) {
    lines.push(paint.warn(fit('simulated enclaves: fine for development, they prove nothing', width).trimEnd()));
  }
  return lines;
}

function rates(history: History, report: StatusReport, { width, paint }: Screen): string[] {
  const running = report.workers.reduce((sum, worker) => sum + worker.running, 0);
  const waiting = report.queues.reduce((sum, queue) => sum + queue.waiting, 0);
  const first =
    report.firstTokenP99Ms === 0
      ? 'first token –'
      : `first token p50 ${duration(report.firstTokenP50Ms)}, p99 ${duration(report.firstTokenP99Ms)}`;
  const asked = `${count(requestsOf(report))} ended · ${first}`;
  const widest = columnsOf(asked);
  const row = (label: string, perSecond: number | null, values: readonly number[], rest: string) => {
    const head = `${fit(label, 10)}${fit(`${number(perSecond)}/s`, 11, true)}  `;
    // What happened lately gives way to what is to be read, down to a quarter of its width.
    const room = width - columnsOf(head) - GAP;
    const bars = Math.max(SPARK_COLUMNS / 4, Math.min(SPARK_COLUMNS, room - widest));
    return fit(`${head}${fit(sparkline(values, bars), bars)}${' '.repeat(GAP)}${rest}`, width).trimEnd();
  };
  const { points } = history;
  const errors = errorsOf(report);
  const lines = [
    row(
      'requests',
      history.rate(requestsOf),
      points.map((point) => point.requests),
      asked,
    ),
    row(
      'tokens',
      history.rate((of) => of.tokensOut),
      points.map((point) => point.tokensOut),
      `${count(report.tokensOut)} out`,
    ),
    row(
      'errors',
      history.rate(errorsOf),
      points.map((point) => point.errors),
      `${count(errors)} in all`,
    ),
  ];
  const now = `running ${running} · waiting ${waiting}${waiting === 0 ? '' : ` of ${report.accountsWaiting} accounts`}`;
  const last = fit(now, width).trimEnd();
  return [...lines, waiting === 0 ? last : paint.warn(last)];
}

function titleOf(found: number, all: number, from: number, room: number, choices: Choices): string {
  const shown = found > room ? `, ${from + 1} to ${Math.min(found, from + room)} shown` : '';
  const only = choices.filter === '' ? '' : ` with "${choices.filter}"`;
  const count = found === all ? `${all}` : `${found} of ${all}`;
  return `Workers ${count}${only}${shown} · by ${choices.sort}${choices.reversed ? ', reversed' : ''}`;
}

/** The columns that there is room for, each as wide as what stands in it where that can be. */
function columnsIn(width: number, lines: readonly WorkerLine[]): readonly (readonly [Column, number])[] {
  let columns = [...COLUMNS];
  const needed = () => columns.reduce((sum, column) => sum + column.least + GAP, -GAP);
  while (needed() > width) {
    const first = Math.max(...columns.map(({ giveWay }) => giveWay));
    if (first === 0) return [[COLUMNS[0] as Column, width]];
    columns = columns.filter(({ giveWay }) => giveWay !== first);
  }
  let spare = Math.max(0, width - needed());
  return columns.map((column) => {
    const wanted = lines.reduce((most, line) => Math.max(most, columnsOf(oneLine(column.text(line)))), column.least);
    const more = Math.min(spare, Math.min(wanted, column.most) - column.least);
    spare -= more;
    return [column, column.least + more] as const;
  });
}

function table(columns: readonly (readonly [Column, number])[], lines: readonly WorkerLine[], paint: Paint): string[] {
  const gap = ' '.repeat(GAP);
  const head = columns.map(([column, width]) => fit(column.title, width, column.right)).join(gap);
  const rows = lines.map((line) =>
    columns
      .map(([column, width]) => {
        const cell = fit(oneLine(column.text(line)), width, column.right);
        const colour = column.colour?.(line) ?? null;
        return colour === null ? cell : paint[colour](cell);
      })
      .join(gap)
      .trimEnd(),
  );
  return [paint.dim(head.trimEnd()), ...(rows.length === 0 ? [fit('none', columns[0]?.[1] ?? 0).trimEnd()] : rows)];
}

function queues({ queues: all }: StatusReport, { width, paint }: Screen): string[] {
  if (all.length === 0) return [paint.dim(fit('Nothing waits for a slot', width).trimEnd())];
  const rows = all.slice(0, QUEUES_SHOWN).map(({ modelName, priority, waiting, oldestMs }) => {
    const rest = `priority ${String(priority).padStart(3)}  ${waiting} waiting, the oldest ${duration(oldestMs)}`;
    return fit(`${fit(oneLine(modelName), 28)}  ${rest}`, width).trimEnd();
  });
  const more = all.length > QUEUES_SHOWN ? [fit(`and ${all.length - QUEUES_SHOWN} more`, width).trimEnd()] : [];
  return [paint.strong(fit('Waiting', width).trimEnd()), ...rows, ...more];
}

function endings(history: History, report: StatusReport, { width, paint }: Screen): string[] {
  const failed = report.ended.filter(({ code }) => code !== '').sort((a, b) => b.count - a.count);
  if (failed.length === 0) return [];
  const rows = failed.slice(0, ERRORS_SHOWN).map(({ code, count }) => {
    const perSecond = number(history.rate((of) => countOf(of, code)));
    return fit(`${fit(oneLine(code), 28)}  ${fit(`${perSecond}/s`, 9, true)}  ${count} in all`, width).trimEnd();
  });
  return [paint.strong(fit('Ended with an error', width).trimEnd()), ...rows];
}

function footer({ typing, filter, paused }: Choices, { width, paint }: Screen): string {
  if (typing) return fit(`filter: ${filter}█  (enter keeps it, escape drops it)`, width).trimEnd();
  return paint.dim(fit(paused ? `PAUSED · ${KEYS}` : KEYS, width).trimEnd());
}
