import { type ChildProcess, fork } from 'node:child_process';

import { join } from 'node:path';
import { toHex } from '../../src/core/index.ts';
import { v1 } from '../../src/rpc/index.ts';
import { parseHeader } from '../../src/session/index.ts';
import { type BenchLine, quantile } from '../report.ts';
import type { Cost, Memory } from './carriers.ts';
import type { Exchange } from './exchanges.ts';
import { attachIdle, Backend, Frontend, headerKey, keyOf, parkWorker, serveBackend } from './load.ts';

/** `router`: all of it; `data path`: what it has in common with the proxies. */
type Kind = 'grpc-js' | 'http2' | 'data path' | 'router';
type Carrier = Readonly<{
  kind: Kind;
  front: Frontend;
  cost(): Promise<Cost>;
  memory(): Promise<Memory>;
  close(): void;
}>;

const CARRIERS = join(import.meta.dirname, 'carriers.ts');
// A channel has credit for some five hundred answers under way.
const SHORT = { count: 600, tokens: 1, perClient: 24 };
const LONG = { count: 24, tokens: 400, perClient: 8 };
const IN_FLIGHT = 64;
/** Many short rounds in turns: on a machine shared with others the least of them says what the work costs. */
const ROUNDS = 10;
const ROUND_MS = 500;
const PACED_ROUNDS = 5;
const LATENCY_ROUNDS = 10;
const LATENCY_MS = 400;
// One worker's lease is what all of them have, and it keeps 256 streams.
const WORKERS = 60;
/** So many that they show in what the process has of the machine. */
const CONNECTIONS = 2_000;
const IDLE_STREAMS = 4;
const STREAMS = 200;
const FRAME_MS = 20;
const PACED_MS = 2_500;
const MANY = 10_000;

function startCarrier(kind: Kind, backend: string): Promise<{ child: ChildProcess; port: number; lease?: string }> {
  // `BENCH_CPU_PROFILE=FOLDER` keeps a CPU profile of each process under test.
  const folder = process.env.BENCH_CPU_PROFILE;
  const profile = folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${join(folder, kind.replace(' ', '-'))}`];
  const execArgv = ['--expose-gc', ...profile];
  const child = fork(CARRIERS, [kind, backend], { serialization: 'advanced', execArgv });
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${kind} ended with ${code}`)));
    child.once('message', (message: { port: number; lease?: string }) => resolve({ child, ...message }));
  });
}

function ordered<Answer>(child: ChildProcess, order: object): Promise<Answer> {
  return new Promise((resolve) => {
    child.once('message', (message) => resolve(message as Answer));
    child.send(order);
  });
}

/** Keeps `inFlight` requests under way for so long; answers how many were answered whole. */
async function saturate(
  front: Frontend,
  exchanges: readonly Exchange[],
  inFlight: number,
  ms: number,
): Promise<number> {
  const until = performance.now() + ms;
  let next = 0;
  let done = 0;
  const lane = async () => {
    while (performance.now() < until) {
      const { status } = await front.ask(exchanges[next++ % exchanges.length] as Exchange);
      if (status !== '0') throw new Error(`a request ended with ${status}`);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return done;
}

type Rate = Readonly<{ perSecond: number; cpuUs: number; mainUs: number }>;

async function counted(carrier: Carrier, work: () => Promise<number>): Promise<Rate> {
  const before = await carrier.cost();
  const started = performance.now();
  const units = await work();
  const seconds = (performance.now() - started) / 1000;
  const after = await carrier.cost();
  return {
    perSecond: units / seconds,
    cpuUs: (1000 * (after.cpuMs - before.cpuMs)) / units,
    mainUs: (1000 * (after.mainMs - before.mainMs)) / units,
  };
}

const leastOf = (rates: readonly Rate[], key: 'cpuUs' | 'mainUs') => Math.min(...rates.map((rate) => rate[key]));

/** Streams open side by side, a message each 20 ms, as tokens come; counts messages. */
async function paced(carrier: Carrier, backend: Backend, exchanges: readonly Exchange[]): Promise<Rate> {
  backend.pace = { everyMs: FRAME_MS };
  const asked: Promise<unknown>[] = [];
  let pieces = 0;
  for (let i = 0; i < STREAMS; i++) {
    asked.push(carrier.front.ask(exchanges[i % exchanges.length] as Exchange, () => (pieces += 1)));
  }
  while (backend.open < STREAMS) await pause(10);
  backend.start();
  const rate = await counted(carrier, async () => {
    const before = pieces;
    await pause(PACED_MS);
    return pieces - before;
  });
  backend.stop();
  await Promise.all(asked);
  return rate;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Of one request, ms from asking. */
type Latency = Readonly<{ first: number; whole: number }>;

/**
 * Answers' latencies at a rate. Requests come one by one and independently of each other, as those of many clients do:
 * timers, which have a millisecond's grain, would send them in volleys that wait for each other.
 */
async function latencies(front: Frontend, exchanges: readonly Exchange[], perSecond: number, ms: number) {
  const asked: Promise<Latency>[] = [];
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
  await front.ask(exchange, () => {
    first ??= performance.now() - began;
  });
  const whole = performance.now() - began;
  return { first: first ?? whole, whole };
}

const nextRound = () => new Promise<void>((resolve) => setImmediate(resolve));

const headerOf = ({ request }: Exchange): Buffer => {
  const { requestDeserialize } = v1.Inference.service.Infer;
  return requestDeserialize(request.subarray(5, 5 + request.readUInt32BE(1))).open?.header as Buffer;
};

const PARTS = ['dispatches', 'frames', 'latency', 'streams', 'workers'] as const;
export type WirePart = (typeof PARTS)[number];

/** Our router beside the least that each stack can do, in one run, all carrying the same streams. */
export async function benchWire(parts: readonly WirePart[] = PARTS): Promise<BenchLine[]> {
  const routed = await startCarrier('router', '');
  const lease = routed.lease as string;
  const short: Exchange[] = await ordered(routed.child, { order: 'exchanges', ...SHORT });
  const long: Exchange[] = await ordered(routed.child, { order: 'exchanges', ...LONG });
  const all = [...short, ...long];
  const byHeader = new Map(all.map((one) => [headerKey(headerOf(one)), one]));
  const certificates = all.map((one) => toHex(parseHeader(headerOf(one)).candidates[0]!.certificateDigest));
  const backend = new Backend();
  const server = await serveBackend(backend, new Map(all.map((one) => [keyOf(one.request), one])));
  const address = `127.0.0.1:${(server.address() as { port: number }).port}`;
  const direct = await Frontend.connect(address);
  const carriers: Carrier[] = [];
  const workers: Awaited<ReturnType<typeof parkWorker>>[] = [];
  const idle = parts.includes('workers') ? await idleWorkers(routed, lease) : [];
  for (const kind of ['grpc-js', 'http2', 'data path', 'router'] as const) {
    const to = kind === 'data path' ? [lease, ...new Set(certificates)].join(',') : address;
    const { child, port } = kind === 'router' ? routed : await startCarrier(kind, to);
    const at = `127.0.0.1:${port}`;
    if (kind === 'router' || kind === 'data path') {
      workers.push(await parkWorker(at, Buffer.from(lease, 'hex'), backend, byHeader));
    }
    carriers.push({
      kind,
      front: await Frontend.connect(at),
      cost: () => ordered(child, { order: 'cost' }),
      memory: () => ordered(child, { order: 'memory' }),
      close: () => child.disconnect(),
    });
    child.removeAllListeners('exit');
  }
  try {
    const lines: BenchLine[] = [];
    if (parts.includes('dispatches')) lines.push(...(await dispatches(carriers, short)));
    if (parts.includes('frames')) lines.push(...(await pacedStreams(carriers, backend, long)));
    if (parts.includes('latency')) lines.push(...(await addedLatency(carriers, direct, short)));
    if (parts.includes('streams')) lines.push(...(await manyStreams(carriers, backend, short)));
    return [...lines, ...idle];
  } finally {
    for (const { front, close } of carriers) {
      front.close();
      close();
    }
    direct.close();
    for (const worker of workers) worker.destroy();
    server.close();
  }
}

/** What workers cost that are connected and asked nothing. */
async function idleWorkers(
  { child, port }: { child: ChildProcess; port: number },
  lease: string,
): Promise<BenchLine[]> {
  const costs = async (count: number, streams: number): Promise<Memory> => {
    const before = await ordered<Memory>(child, { order: 'memory' });
    const held = [];
    for (let i = 0; i < count; i++)
      held.push(await attachIdle(`127.0.0.1:${port}`, Buffer.from(lease, 'hex'), streams));
    await pause(500);
    const after = await ordered<Memory>(child, { order: 'memory' });
    for (const session of held) session.destroy();
    const kib = (bytes: number) => bytes / count / 1024;
    return { heap: kib(after.heap - before.heap), rss: kib(after.rss - before.rss) };
  };
  const whole = await costs(WORKERS, IDLE_STREAMS);
  const bare = await costs(CONNECTIONS, 0);
  const what = 'an idle worker (connection, control stream';
  return [
    { name: `heap of ${what}, ${IDLE_STREAMS} Serve streams)`, value: whole.heap, unit: 'KiB' },
    { name: `heap of ${what})`, value: bare.heap, unit: 'KiB' },
    { name: `memory of ${what})`, value: bare.rss, unit: 'KiB' },
  ];
}

function compared(what: string, rates: ReadonlyMap<Kind, readonly Rate[]>): BenchLine[] {
  const lines: BenchLine[] = [];
  for (const own of ['data path', 'router'] as const) {
    for (const [key, name] of [
      ['cpuUs', 'all threads'],
      ['mainUs', 'event loop'],
    ] as const) {
      for (const kind of ['grpc-js', 'http2'] as const) {
        const value = 1e6 / leastOf(rates.get(own) as Rate[], key);
        const floor = { name: `bare ${kind} proxy`, value: 1e6 / leastOf(rates.get(kind) as Rate[], key) };
        lines.push({ name: `${what}, ${own}, ${name}`, value, unit: '/s/core', floor, ratio: value / floor.value });
      }
    }
  }
  return lines;
}

async function dispatches(carriers: readonly Carrier[], short: readonly Exchange[]): Promise<BenchLine[]> {
  const rates = new Map<Kind, Rate[]>();
  for (let round = 0; round < ROUNDS + 1; round++) {
    for (const carrier of carriers) {
      const rate = await counted(carrier, () => saturate(carrier.front, short, IN_FLIGHT, ROUND_MS));
      if (round > 0) rates.set(carrier.kind, [...(rates.get(carrier.kind) ?? []), rate]);
    }
  }
  return compared('dispatches', rates);
}

async function pacedStreams(carriers: readonly Carrier[], backend: Backend, long: readonly Exchange[]) {
  const rates = new Map<Kind, Rate[]>();
  for (let round = 0; round < PACED_ROUNDS; round++) {
    for (const carrier of carriers) {
      rates.set(carrier.kind, [...(rates.get(carrier.kind) ?? []), await paced(carrier, backend, long)]);
    }
  }
  return compared('frames of paced streams', rates);
}

const NAME: Readonly<Record<Kind, string>> = {
  'grpc-js': 'bare grpc-js proxy',
  http2: 'bare http2 proxy',
  'data path': 'data path',
  router: 'router',
};

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
  const { perSecond } = await counted(carrier, () => saturate(carrier.front, short, IN_FLIGHT, ROUND_MS));
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

async function addedLatency(carriers: readonly Carrier[], direct: Frontend, short: readonly Exchange[]) {
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

/** Ten thousand answers that wait for their first word. */
async function manyStreams(carriers: readonly Carrier[], backend: Backend, exchanges: readonly Exchange[]) {
  const lines: BenchLine[] = [];
  for (const { kind, front, memory } of carriers.filter(({ kind }) => kind !== 'data path')) {
    backend.pace = { everyMs: 1_000 };
    const before = await memory();
    const asked: ReturnType<Frontend['ask']>[] = [];
    let early: string | null = null;
    for (let i = 0; i < MANY; i++) {
      const answer = front.ask(exchanges[i % exchanges.length] as Exchange);
      void answer.then(({ status }) => {
        early ??= status;
      });
      asked.push(answer);
      while (asked.length - backend.open > 100) {
        if (early !== null) throw new Error(`a stream ended with ${early} before it was answered`);
        await pause(1);
      }
    }
    while (backend.open < MANY) await pause(20);
    const after = await memory();
    const open = backend.open;
    backend.stop();
    const ended = await Promise.all(asked);
    const whole = ended.filter(({ status }) => status === '0').length;
    const kib = (bytes: number) => bytes / MANY / 1024;
    lines.push(
      { name: `streams open at once, ${NAME[kind]}`, value: open, unit: 'streams' },
      { name: `of them answered whole in the end, ${NAME[kind]}`, value: whole, unit: 'streams' },
      { name: `heap of an idle stream, ${NAME[kind]}`, value: kib(after.heap - before.heap), unit: 'KiB' },
      { name: `memory of an idle stream, ${NAME[kind]}`, value: kib(after.rss - before.rss), unit: 'KiB' },
    );
  }
  return lines;
}
