/**
 * `node bench/fleet/main.ts [--workers 1000] [--requests 1000000] [--seed 1] [--pattern NAME] [--policy NAME]`: runs the
 * router's own routing and queueing code, and three other rules, through patterns of arrivals in virtual time, and writes
 * the report with its plots. A pattern or a policy that is run alone takes its place in the report of those that were run
 * before. `--trace FILE [--speed 1]` runs a recorded trace instead: see trace.ts for what the file is like.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { BenchLine } from '../report.ts';
import { benchGrowth } from './growth.ts';
import { makePattern, type Pattern, SHAPES } from './patterns.ts';
import { plotOf, type Run, reportOf, type Summary, summaryOf } from './plot.ts';
import { type MakePolicy, POLICIES } from './policies.ts';
import { quantileOfOffered, simulate } from './simulate.ts';
import { patternOfTrace } from './trace.ts';

type Size = Readonly<{ workers: number; requests: number; seed: number }>;
const FOLDER = resolve(import.meta.dirname, '../../artifacts/fleet');
const SMALL: Size = { workers: 100, requests: 30_000, seed: 1 };

function compare(
  pattern: Pattern,
  seed: number,
  progress: (line: string) => void,
  policies: readonly string[] = Object.keys(POLICIES),
): Run {
  const outcomes = new Map(
    policies.map((name) => {
      const make = POLICIES[name] as MakePolicy;
      const started = performance.now();
      const outcome = simulate(pattern, make, seed);
      progress(`${pattern.name}: ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
      return [name, outcome] as const;
    }),
  );
  return { pattern: pattern.name, title: pattern.title, requests: pattern.requests, outcomes };
}

function write(summaries: readonly Summary[], folder: string): string {
  mkdirSync(folder, { recursive: true });
  for (const summary of summaries) {
    writeFileSync(join(folder, `${summary.pattern}.svg`), plotOf(summary));
    writeFileSync(join(folder, `${summary.pattern}.json`), `${JSON.stringify(summary, null, 2)}\n`);
  }
  const there = [...SHAPES.map(({ name }) => name), 'trace']
    .map((name) => join(folder, `${name}.json`))
    .filter((path) => existsSync(path));
  const report = join(folder, 'report.html');
  writeFileSync(report, reportOf(there.map((path) => JSON.parse(readFileSync(path, 'utf8')) as Summary)));
  return report;
}

/** The rows of policies that were run before, under the same size. */
function withEarlier(summary: Summary, folder: string): Summary {
  const path = join(folder, `${summary.pattern}.json`);
  const earlier = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Summary) : summary;
  const known = new Map((earlier.size === summary.size ? earlier.rows : []).map((row) => [row.policy, row]));
  for (const row of summary.rows) known.set(row.policy, row);
  return { ...summary, rows: Object.keys(POLICIES).flatMap((policy) => known.get(policy) ?? []) };
}

const sizeText = ({ workers, seed }: Size, { requests }: Run) =>
  `${workers.toLocaleString('en-US')} workers, ${requests.toLocaleString('en-US')} requests, seed ${seed}`;

/** A small fleet, and what routing costs in a large one, as part of all benchmarks. */
export async function benchFleet(): Promise<BenchLine[]> {
  const runs = SHAPES.map((shape) => {
    return compare(makePattern(shape, SMALL.workers, SMALL.requests, SMALL.seed), SMALL.seed, () => undefined);
  });
  write(
    runs.map((run) => summaryOf(run, sizeText(SMALL, run))),
    join(FOLDER, 'small'),
  );
  const lines = runs.map(({ pattern, outcomes }) => {
    const p99 = (name: string) =>
      quantileOfOffered(outcomes.get(name) as NonNullable<ReturnType<typeof outcomes.get>>, 0.99);
    const value = p99('Chrysalis, prefix tags');
    const floor = { name: 'least loaded', value: p99('least loaded') };
    return { name: `${pattern}: first token, p99, simulated`, value, unit: 'ms', floor, ratio: value / floor.value };
  });
  return [...lines, ...benchGrowth()];
}

function print({ title, size, rows }: Summary): void {
  console.log(`\n${title}\n${size}`);
  for (const { policy, p50Ms, p99Ms, within, served, fairness, worstAccount, read } of rows) {
    const ms = (value: number) => `${value.toFixed(0).padStart(6)} ms`;
    const words = [
      `p50 ${ms(p50Ms)}`,
      `p99 ${ms(p99Ms)}`,
      within === null
        ? 'nobody within their share'
        : `within their share: p99 ${ms(within.p99Ms)}, worst slowdown ${within.slowdownOfWorst.toFixed(2)}, evenness ${within.evenness.toFixed(3)}`,
      `served ${served.toFixed(3)}`,
      `fairness ${fairness.toFixed(3)}`,
      `worst share ${worstAccount.toFixed(2)}`,
      `read ${read.toFixed(2)}`,
    ];
    console.log(`  ${policy.padEnd(24)} ${words.join('  ')}`);
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      workers: { type: 'string', default: '1000' },
      requests: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: '1' },
      pattern: { type: 'string' },
      policy: { type: 'string' },
      trace: { type: 'string' },
      speed: { type: 'string', default: '1' },
    },
  });
  const size = { workers: Number(values.workers), requests: Number(values.requests), seed: Number(values.seed) };
  const { workers, seed } = size;
  const { trace } = values;
  const recorded = (path: string): Pattern => {
    const name = basename(path).replace(/[^\w .-]/g, '_');
    return patternOfTrace(readFileSync(path, 'utf8'), { name, workers, seed, speed: Number(values.speed) });
  };
  const shapes = SHAPES.filter(({ name }) => values.pattern === undefined || name === values.pattern);
  if (shapes.length === 0) throw new Error(`patterns are ${SHAPES.map(({ name }) => name).join(', ')}`);
  const policies = Object.keys(POLICIES).filter((name) => values.policy === undefined || name === values.policy);
  const patterns = shapes.map((shape) => () => makePattern(shape, workers, size.requests, seed));
  for (const pattern of trace === undefined ? patterns : [() => recorded(trace)]) {
    const run = compare(pattern(), seed, (line) => console.error(line), policies);
    const summary = withEarlier(summaryOf(run, sizeText(size, run)), FOLDER);
    print(summary);
    console.log(write([summary], FOLDER));
  }
}
