import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BenchLine, quantile } from '../report.ts';

type Stage = readonly [part: string, mark: string, name: string];
/** In the order of their way: the process, what it did, and what led there. */
const WAYS: Readonly<Record<'bare' | 'gateway', readonly Stage[]>> = {
  bare: [
    ['bare', 'asked', 'caller to bare server'],
    ['bare', 'graph asked', 'bare server: reads, prepares the prompt'],
    ['bare', 'graph answers', 'engine: the prompt'],
    ['bare', 'answers', 'bare server: takes a token, writes it'],
  ],
  gateway: [
    ['gateway', 'asked', 'caller to gateway'],
    ['gateway', 'Infer says', 'gateway: reads, checks, seals'],
    ['router', 'Infer hears', 'way to the router'],
    ['router', 'Serve says', 'router: checks, reserves, signs, passes on'],
    ['worker', 'Serve hears', 'way to the worker'],
    ['worker', 'graph asked', 'worker: checks, opens, prepares the prompt'],
    ['worker', 'graph answers', 'engine: the prompt'],
    ['worker', 'Serve says', 'worker: takes a token, seals it'],
    ['router', 'Infer says', 'way to the router, which passes it on'],
    ['gateway', 'Infer hears', 'way to the gateway'],
    ['gateway', 'answers', 'gateway: opens, writes'],
  ],
};

type Round = Readonly<{ began: number; firstMs: number }>;
type Mark = Readonly<{ part: string; name: string; at: number }>;

/** Median length of each stage. @param folder where the processes left their marks when they ended */
export function stageLines(folder: string, all: Readonly<Record<keyof typeof WAYS, readonly Round[]>>): BenchLine[] {
  const marks = readdirSync(folder)
    .filter((name) => name.startsWith('marks-'))
    .flatMap((name) => {
      const all = JSON.parse(readFileSync(join(folder, name), 'utf8')) as [string, number][];
      return all.map(([what, at]): Mark => ({ part: name.split('-')[1] as string, name: what, at }));
    })
    .sort((a, b) => a.at - b.at);
  return (['bare', 'gateway'] as const).flatMap((side) => {
    const way = WAYS[side];
    const stages = all[side].map((round) => stagesOf(way, round, marksOf(round, marks)));
    return [...way.map(([, , name]) => name), 'back to the caller'].map((name, i) => {
      const times = stages.flatMap((one) => (one === null ? [] : [one[i] as number]));
      return {
        name: `  ${name}`,
        value: times.length === 0 ? Number.NaN : quantile(times, 0.5),
        unit: 'ms',
      };
    });
  });
}

function marksOf({ began, firstMs }: Round, marks: readonly Mark[]): Mark[] {
  let [from, to] = [0, marks.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((marks[middle] as Mark).at < began) from = middle + 1;
    else to = middle;
  }
  const out: Mark[] = [];
  for (let i = from; i < marks.length && (marks[i] as Mark).at <= began + firstMs; i++) out.push(marks[i] as Mark);
  return out;
}

/** Null where a mark is missing. */
function stagesOf(way: readonly Stage[], { began, firstMs }: Round, marks: readonly Mark[]): number[] | null {
  const times = [began];
  for (const [part, name] of way) {
    const since = times.at(-1) as number;
    const found = marks.find((one) => one.part === part && one.name === name && one.at >= since);
    if (found === undefined) return null;
    times.push(found.at);
  }
  times.push(began + firstMs);
  return times.slice(1).map((time, i) => time - (times[i] as number));
}
