/**
 * `node bench/fleet/main.ts [--workers 1000] [--requests 1000000] [--seed 1]`: runs the router's own routing and queueing
 * code, and three other rules, through patterns of arrivals in virtual time, and writes the report with its plots.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { BenchLine } from '../report.ts';
import { makePattern, SHAPES } from './patterns.ts';
import { plotOf, type Run, reportOf } from './plot.ts';
import { POLICIES } from './policies.ts';
import { quantileOfOffered, simulate } from './simulate.ts';

type Size = Readonly<{ workers: number; requests: number; seed: number }>;
const FOLDER = resolve(import.meta.dirname, '../../artifacts/fleet');
const SMALL: Size = { workers: 100, requests: 30_000, seed: 1 };

export function compare(size: Size, progress: (line: string) => void): Run[] {
  return SHAPES.map((shape) => {
    const pattern = makePattern(shape, size.workers, size.requests, size.seed);
    const outcomes = new Map(
      Object.entries(POLICIES).map(([name, make]) => {
        progress(`${shape.name}: ${name}`);
        return [name, simulate(pattern, make, size.seed)] as const;
      }),
    );
    return { pattern: shape.name, title: shape.title, requests: pattern.requests, outcomes };
  });
}

function write(runs: readonly Run[], size: Size): string {
  mkdirSync(FOLDER, { recursive: true });
  const [count] = runs;
  const about = `${size.workers} workers, ${count?.requests.toLocaleString('en-US')} requests a pattern, seed ${size.seed}. Synthetic patterns in virtual time; requests without a first token in time count with the time they waited.`;
  for (const run of runs) writeFileSync(join(FOLDER, `${run.pattern}.svg`), plotOf(run));
  const report = join(FOLDER, 'report.html');
  writeFileSync(report, reportOf(runs, about));
  return report;
}

/** A small fleet, as part of all benchmarks. */
export async function benchFleet(): Promise<BenchLine[]> {
  const runs = compare(SMALL, () => undefined);
  write(runs, SMALL);
  return runs.map(({ pattern, outcomes }) => {
    const p99 = (name: string) =>
      quantileOfOffered(outcomes.get(name) as NonNullable<ReturnType<typeof outcomes.get>>, 0.99);
    const value = p99('Chrysalis, prefix tags');
    const floor = { name: 'least loaded', value: p99('least loaded') };
    return { name: `${pattern}: first token, p99, simulated`, value, unit: 'ms', floor, ratio: value / floor.value };
  });
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      workers: { type: 'string', default: '1000' },
      requests: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: '1' },
    },
  });
  const size = { workers: Number(values.workers), requests: Number(values.requests), seed: Number(values.seed) };
  const runs = compare(size, (line) => console.error(line));
  for (const { title, outcomes } of runs) {
    console.log(`\n${title}`);
    for (const [name, outcome] of outcomes) {
      const [p50, p99] = [0.5, 0.99].map((share) => quantileOfOffered(outcome, share).toFixed(0).padStart(6));
      const { servedShare, fairness, worstAccount } = outcome;
      console.log(
        `  ${name.padEnd(24)} p50 ${p50} ms  p99 ${p99} ms  served ${servedShare.toFixed(3)}  fairness ${fairness.toFixed(3)}  worst ${worstAccount.toFixed(2)}`,
      );
    }
  }
  console.log(`\n${write(runs, size)}`);
}
