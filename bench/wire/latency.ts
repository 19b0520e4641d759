import { type BenchLine, quantile } from '../report.ts';
import { collect } from './collect.ts';
import type { Exchange } from './exchanges.ts';
import type { Frontend } from './load.ts';
import { type Carrier, counted, type Kind, saturate } from './under-test.ts';

const LATENCY_ROUNDS = 10;
const LATENCY_MS = 400;
const SATURATED_MS = 500;

/** Of one request, ms from asking. */
type Latency = Readonly<{ first: number; whole: number }>;

/**
 * Answers' latencies at a rate. Requests come one by one and independently of each other, as those of many clients do:
 * timers, which have a millisecond's grain, would send them in volleys that wait for each other. So this loop looks at the
 * clock all the time, and leaves the carrier one core where there are two.
 */
async function latencies(front: Frontend, exchanges: readonly Exchange[], perSecond: number, ms: number) {
  const asked: Promise<Latency>[] = [];
  // What a collection here delays would be put down to the carrier, or taken off it.
  collect();
  const until = performance.now() + ms;
  let due = performance.now();
  for (let i = 0; due < until; i++) {
    while (performance.now() < due) await nextRound();
    asked.push(latency(front, exchanges[i % exchanges.length] as Exchange));
    due -= (Math.log(1 - Math.random()) * 1000) / perSecond;
  }
  return Promise.all(asked);
}

async function latency(front: Frontend, exchange: Exchange): Promise<Latency> {
  const began = performance.now();
  let first: number | null = null;
  const { status } = await front.ask(exchange, () => {
    first ??= performance.now() - began;
  });
  const whole = performance.now() - began;
  if (status !== '0') throw new Error(`a request ended with ${status}`);
  return { first: first ?? whole, whole };
}

const nextRound = () => new Promise<void>((resolve) => setImmediate(resolve));

const LATENCIES = [
  { until: 'first', share: 0.5, name: 'p50 added until the first message' },
  { until: 'first', share: 0.99, name: 'p99 added until the first message' },
  { until: 'whole', share: 0.5, name: 'p50 added until the end' },
  { until: 'whole', share: 0.99, name: 'p99 added until the end' },
] as const;
/** Of rounds in which others had the processor, the median says more of them than of the carrier. */
const OF_ROUNDS = [
  { share: 0.5, name: 'median of rounds' },
  { share: 0.1, name: 'least tenth' },
] as const;

type Added = Readonly<{ rate: number; values: number[][] }>;

/** What a carrier adds to asking the backend directly, ms, at half of what it can carry: by round, then by LATENCIES. */
async function added(carrier: Carrier, direct: Frontend, short: readonly Exchange[]): Promise<Added> {
  await saturate(carrier.front, short, SATURATED_MS); // for the compiler
  const { perSecond } = await counted(carrier, () => saturate(carrier.front, short, SATURATED_MS));
  const rate = perSecond / 2;
  const values: number[][] = [];
  for (let round = 0; round < LATENCY_ROUNDS; round++) {
    const past = await latencies(direct, short, rate, LATENCY_MS);
    const through = await latencies(carrier.front, short, rate, LATENCY_MS);
    values.push(
      LATENCIES.map(({ until, share }) => {
        const of = (all: readonly Latency[]) =>
          quantile(
            all.map((one) => one[until]),
            share,
          );
        return of(through) - of(past);
      }),
    );
  }
  return { rate, values };
}

export async function addedLatency(carriers: readonly Carrier[], direct: Frontend, short: readonly Exchange[]) {
  const results = new Map<Kind, Added>();
  for (const carrier of carriers) {
    if (carrier.kind !== 'grpc-js') results.set(carrier.kind, await added(carrier, direct, short));
  }
  const bare = results.get('http2') as Added;
  const lines: BenchLine[] = [];
  for (const kind of ['data path', 'router'] as const) {
    const { rate, values } = results.get(kind) as Added;
    lines.push({
      name: `half load, ${kind}`,
      value: rate,
      unit: '/s',
      floor: { name: 'bare http2 proxy', value: bare.rate },
    });
    for (const [i, { name }] of LATENCIES.entries()) {
      for (const { share, name: which } of OF_ROUNDS) {
        const of = (all: number[][]) =>
          quantile(
            all.map((round) => round[i] as number),
            share,
          );
        const floor = { name: 'bare http2 proxy', value: of(bare.values) };
        lines.push({ name: `${name}, ${kind}, ${which}`, value: of(values), unit: 'ms', floor });
      }
    }
  }
  return lines;
}
