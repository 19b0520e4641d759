/**
 * `node bench/fleet/main.ts [--workers 1000] [--requests 1000000] [--seed 1] [--pattern NAME] [--policy NAME]`: runs the router's own
 * routing and queueing code, and three other rules, through patterns of arrivals in virtual time, and writes the report
 * with its plots. A pattern or a policy that is run alone takes its place in
 * the report of those that were run before.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { BenchLine } from '../report.ts';
import { makePattern, SHAPES, type Shape } from './patterns.ts';
import { plotOf, type Run, reportOf, type Summary, summaryOf } from './plot.ts';
import { type MakePolicy, POLICIES } from './policies.ts';
import { quantileOfOffered, simulate } from './simulate.ts';

type Size = Readonly<{ workers: number; requests: number; seed: number }>;
const FOLDER = resolve(import.meta.dirname, '../../artifacts/fleet');
const SMALL: Size = { workers: 100, requests: 30_000, seed: 1 };

export function compare(
  shape: Shape,
  size: Size,
  progress: (line: string) => void,
  policies: readonly string[] = Object.keys(POLICIES),
): Run {
  const pattern = makePattern(shape, size.workers, size.requests, size.seed);
  const outcomes = new Map(
    policies.map((name) => {
      const make = POLICIES[name] as MakePolicy;
      const started = performance.now();
      const outcome = simulate(pattern, make, size.seed);
      progress(`${shape.name}: ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
      return [name, outcome] as const;
    }),
  );
  return { pattern: shape.name, title: shape.title, requests: pattern.requests, outcomes };
}

function write(summaries: readonly Summary[], folder: string): string {
  mkdirSync(folder, { recursive: true });
  for (const summary of summaries) {
    writeFileSync(join(folder, `${summary.pattern}.svg`), plotOf(summary));
    writeFileSync(join(folder, `${summary.pattern}.json`), `${JSON.stringify(summary, null, 2)}\n`);
  }
  const there = SHAPES.map(({ name }) => join(folder, `${name}.json`)).filter((path) => existsSync(path));
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

/** A small fleet, as part of all benchmarks. */
export async function benchFleet(): Promise<BenchLine[]> {
  const runs = SHAPES.map((shape) => compare(shape, SMALL, () => undefined));
  write(
    runs.map((run) => summaryOf(run, sizeText(SMALL, run))),
    join(FOLDER, 'small'),
  );
  return runs.map(({ pattern, outcomes }) => {
    const p99 = (name: string) =>
      quantileOfOffered(outcomes.get(name) as NonNullable<ReturnType<typeof outcomes.get>>, 0.99);
    const value = p99('Chrysalis, prefix tags');
    const floor = { name: 'least loaded', value: p99('least loaded') };
    return { name: `${pattern}: first token, p99, simulated`, value, unit: 'ms', floor, ratio: value / floor.value };
  });
}

function print({ title, size, rows }: Summary): void {
  console.log(`\n${title}\n${size}`);
  for (const { policy, p50Ms, p99Ms, served, fairness, worstAccount, read } of rows) {
    const [p50, p99] = [p50Ms, p99Ms].map((ms) => ms.toFixed(0).padStart(6));
    console.log(
      `  ${policy.padEnd(24)} p50 ${p50} ms  p99 ${p99} ms  served ${served.toFixed(3)}  fairness ${fairness.toFixed(3)}  worst ${worstAccount.toFixed(2)}  read ${read.toFixed(2)}`,
    );
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
    },
  });
  const size = { workers: Number(values.workers), requests: Number(values.requests), seed: Number(values.seed) };
  const shapes = SHAPES.filter(({ name }) => values.pattern === undefined || name === values.pattern);
  if (shapes.length === 0) throw new Error(`patterns are ${SHAPES.map(({ name }) => name).join(', ')}`);
  for (const shape of shapes) {
    const policies = Object.keys(POLICIES).filter((name) => values.policy === undefined || name === values.policy);
    const run = compare(shape, size, (line) => console.error(line), policies);
    const summary = withEarlier(summaryOf(run, sizeText(size, run)), FOLDER);
    print(summary);
    console.log(write([summary], FOLDER));
  }
}
