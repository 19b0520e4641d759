import { PATIENCE_MS } from './fairness.ts';
import { type Outcome, quantileOfOffered } from './simulate.ts';

export type Run = Readonly<{
  pattern: string;
  title: string;
  requests: number;
  outcomes: ReadonlyMap<string, Outcome>;
}>;

const WIDTH = 720;
const HEIGHT = 300;
const MARGIN = { left: 48, right: 16, top: 12, bottom: 40 };
const LEAST_MS = 5;
const STEPS = 240;
/** Okabe and Ito's colours: told apart by people who see few. */
const COLOURS = ['#999999', '#E69F00', '#CC79A7', '#56B4E9', '#0072B2'];

const x = (ms: number) =>
  MARGIN.left +
  ((WIDTH - MARGIN.left - MARGIN.right) * Math.log(Math.max(ms, LEAST_MS) / LEAST_MS)) /
    Math.log(PATIENCE_MS / LEAST_MS);
const y = (share: number) => HEIGHT - MARGIN.bottom - (HEIGHT - MARGIN.top - MARGIN.bottom) * share;

/** Share of the requests offered that have their first token after each step of time, on a logarithmic scale. */
function curveOf({ firstTokenMs, offered }: Outcome): number[] {
  let at = 0;
  return Array.from({ length: STEPS + 1 }, (_, step) => {
    const ms = LEAST_MS * (PATIENCE_MS / LEAST_MS) ** (step / STEPS);
    while (at < firstTokenMs.length && (firstTokenMs[at] as number) <= ms) at += 1;
    return at / offered;
  });
}

export function plotOf({ title, rows }: Summary): string {
  const lines = rows.map(({ curve }, i) => {
    const points = curve.map((share, step) => {
      return `${x(LEAST_MS * (PATIENCE_MS / LEAST_MS) ** (step / STEPS)).toFixed(1)},${y(share).toFixed(1)}`;
    });
    return `<polyline fill="none" stroke="${COLOURS[i]}" stroke-width="2" points="${points.join(' ')}"/>`;
  });
  const ticks = [10, 100, 1_000, 10_000].map(
    (ms) =>
      `<line x1="${x(ms)}" x2="${x(ms)}" y1="${y(1)}" y2="${y(0)}" stroke="#8884"/><text x="${x(ms)}" y="${HEIGHT - 20}" text-anchor="middle">${ms < 1000 ? `${ms} ms` : `${ms / 1000} s`}</text>`,
  );
  const shares = [0, 0.5, 0.9, 1].map(
    (share) =>
      `<line x1="${x(LEAST_MS)}" x2="${x(PATIENCE_MS)}" y1="${y(share)}" y2="${y(share)}" stroke="#8884"/><text x="${MARGIN.left - 6}" y="${y(share) + 4}" text-anchor="end">${share * 100} %</text>`,
  );
  const legend = rows.map(
    ({ policy }, i) =>
      `<text x="${WIDTH - MARGIN.right - 6}" y="${y(0) - 10 - 16 * (rows.length - 1 - i)}" text-anchor="end" fill="${COLOURS[i]}" font-weight="600">${policy}</text>`,
  );
  const caption = `<text x="${WIDTH / 2}" y="${HEIGHT - 4}" text-anchor="middle">time to the first token</text>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12" fill="currentColor" role="img" aria-label="${title}">${ticks.join('')}${shares.join('')}${lines.join('')}${legend.join('')}${caption}</svg>`;
}

/** What is kept of a pattern's run: enough for the report, of which each pattern may be run on its own. */
export type Summary = Readonly<{
  pattern: string;
  title: string;
  /** Workers, requests, seed. */
  size: string;
  rows: readonly Readonly<{
    policy: string;
    p50Ms: number;
    p99Ms: number;
    served: number;
    fairness: number;
    worstAccount: number;
    within: Outcome['within'];
    read: number;
    curve: readonly number[];
  }>[];
}>;

export function summaryOf(run: Run, size: string): Summary {
  const rows = [...run.outcomes].map(([policy, outcome]) => ({
    policy,
    p50Ms: quantileOfOffered(outcome, 0.5),
    p99Ms: quantileOfOffered(outcome, 0.99),
    served: outcome.servedShare,
    fairness: outcome.fairness,
    worstAccount: outcome.worstAccount,
    within: outcome.within,
    read: outcome.readShare,
    curve: curveOf(outcome),
  }));
  return { pattern: run.pattern, title: run.title, size, rows };
}

const COLUMNS: readonly (readonly [head: string, cell: (row: Summary['rows'][number]) => string])[] = [
  ['p50', ({ p50Ms }) => ms(p50Ms)],
  ['p99', ({ p99Ms }) => ms(p99Ms)],
  ['p99 of accounts within their share', ({ within }) => (within === null ? '' : ms(within.p99Ms))],
  ['slowdown of the worst of those', ({ within }) => within?.slowdownOfWorst.toFixed(1) ?? ''],
  ['evenness among those (Jain)', ({ within }) => within?.evenness.toFixed(3) ?? ''],
  [`served in ${PATIENCE_MS / 1000} s`, ({ served }) => percent(served)],
  ['fairness of what was served (Jain)', ({ fairness }) => fairness.toFixed(3)],
  ["worst account's part of its fair share", ({ worstAccount }) => percent(worstAccount)],
  ['prompt tokens read', ({ read }) => percent(read)],
];

/** The whole report as one page without anything from outside. */
export function reportOf(summaries: readonly Summary[]): string {
  const sections = summaries.map((summary) => {
    const { title, size, rows } = summary;
    const lines = rows.map((row) => {
      const cells = COLUMNS.map(([, cell]) => `<td>${cell(row)}</td>`);
      return `<tr><th scope="row">${row.policy}</th>${cells.join('')}</tr>`;
    });
    const heads = COLUMNS.map(([head]) => `<th>${head}</th>`);
    return `<section><h2>${title}</h2><p>${size}</p>${plotOf(summary)}<table><thead><tr><th></th>${heads.join('')}</tr></thead><tbody>${lines.join('')}</tbody></table></section>`;
  });
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>Routing policies compared</title><style>body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}td,th{padding:.25rem .5rem;text-align:right;border-bottom:1px solid #8884}th[scope=row],th:first-child{text-align:left}svg{width:100%}</style><h1>Routing policies compared</h1><p>Synthetic patterns in virtual time; requests without a first token in time count with the time they waited.</p>${sections.join('')}</html>\n`;
}

function ms(value: number): string {
  if (value >= PATIENCE_MS) return 'none';
  return value >= 1000 ? `${(value / 1000).toFixed(1)} s` : `${value.toFixed(0)} ms`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
