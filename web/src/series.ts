import { keptCheckpoints } from '../../src/audit/index.ts';
import { cumulative, type Series } from './charts.ts';
import { bodyText, type Model, type ReadEntry } from './model.ts';

/** The time that a log's entries are over. */
export function spanOf({ entries, report }: Model): Readonly<{ from: number; to: number }> {
  const times = entries.flatMap(({ leaf }) => (leaf === null ? [] : [leaf.at]));
  const from = times[0] ?? 0;
  return { from, to: Math.max(report.witnessedAt * 1000, times.at(-1) ?? from, from) };
}

const EVENTS = [
  ['worker-admitted', 'admitted'],
  ['re-attested', 'attested again'],
  ['evicted', 'evicted'],
  ['worker-rejected', 'refused'],
] as const;

/** How many admissions, evictions and refusals there were so far. */
export function admissionSeries(model: Model): readonly Series[] {
  const { from } = spanOf(model);
  return EVENTS.map(([type, name]) => {
    const times = model.entries.filter(({ leaf }) => leaf?.type === type).map(({ leaf }) => leaf?.at ?? 0);
    return { name, points: cumulative(times, from) };
  }).filter(({ points }) => points.length > 0);
}

/** How many of the workers that were in had each TCB status; of one worker alone where `subject` is given. */
export function tcbSeries(model: Model, subject: string | null = null): readonly Series[] {
  const { from } = spanOf(model);
  const statusOf = new Map<string, string>();
  const series = new Map<string, [number, number][]>();
  const count = (status: string) => [...statusOf.values()].filter((one) => one === status).length;
  const note = (status: string, at: number) => {
    const points = series.get(status) ?? [[from, 0]];
    const last = points.at(-1) as [number, number];
    if (last[0] === at) last[1] = count(status);
    else points.push([at, count(status)]);
    series.set(status, points);
  };
  for (const { leaf } of model.entries) {
    if (leaf === null || (subject !== null && leaf.subject !== subject)) continue;
    const before = statusOf.get(leaf.subject);
    if (leaf.type === 'worker-admitted' || leaf.type === 're-attested') {
      statusOf.set(leaf.subject, bodyText(leaf, 'tcbStatus'));
    } else if (leaf.type === 'evicted') statusOf.delete(leaf.subject);
    else continue;
    const after = statusOf.get(leaf.subject);
    if (before !== undefined) note(before, leaf.at);
    if (after !== undefined) note(after, leaf.at);
  }
  return [...series].map(([name, points]) => ({ name, points }));
}

/** Seconds from the newest entry under each kept checkpoint to the witnesses' cosignature. */
export async function lagSeries({ source, policy, report, entries }: Model): Promise<Series> {
  const byIndex = new Map<number, ReadEntry>(entries.map((entry) => [entry.index, entry]));
  const kept = await keptCheckpoints(source, policy, report.from, report.to);
  const points = kept.flatMap(({ checkpoint, witnessedAt }) => {
    const newest = byIndex.get(checkpoint.size - 1)?.leaf?.at;
    return newest === undefined || witnessedAt === 0
      ? []
      : [[newest, Math.max(0, witnessedAt - Math.floor(newest / 1000))] as const];
  });
  return { name: 'lag', points };
}
