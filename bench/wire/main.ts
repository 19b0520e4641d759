import type { ChildProcess } from 'node:child_process';
import { toHex } from '../../src/core/index.ts';
import { v1 } from '../../src/rpc/index.ts';
import { parseHeader } from '../../src/session/index.ts';
import { type BenchLine, quantile } from '../report.ts';
import type { Memory } from './carriers.ts';
import type { Exchange } from './exchanges.ts';
import { addedLatency } from './latency.ts';
import { attachIdle, Backend, Frontend, headerKey, keyOf, Paced, parkWorker, serveBackend } from './load.ts';
import { type Carrier, counted, type Kind, ordered, type Rate, saturate, startCarrier } from './under-test.ts';

// A channel has credit for some five hundred answers under way.
const SHORT = { count: 600, tokens: 1, perClient: 24 };
const LONG = { count: 24, tokens: 400, perClient: 8 };
/** Many short rounds in turns: on a machine shared with others the least tenth of them says what the work costs. */
const ROUNDS = 10;
const ROUND_MS = 500;
/** Of each opening of the streams: together they last shorter than the answers do. */
const PACED_ROUNDS = 16;
const PACED_OPENINGS = 3;
// One worker's lease is what all of them have, and it keeps 256 streams.
const WORKERS = 60;
/** So many that they show in what the process has of the machine. */
const CONNECTIONS = 2_000;
const IDLE_STREAMS = 4;
const STREAMS = 200;
const FRAME_MS = 20;
const PACED_MS = 300;
/** What was sent has arrived. */
const SETTLE_MS = 20;
const MANY = 10_000;

/** Of rounds in which others had the processor, and of the one in which nobody else had: neither is what work costs. */
const leastOf = (rates: readonly Rate[], key: 'cpuUs' | 'mainUs') =>
  quantile(
    rates.map((rate) => rate[key]),
    0.1,
  );

/** Streams open side by side on one carrier, which get messages while `paced` is started; counts what came. */
async function openPaced(carrier: Carrier, backend: Backend, exchanges: readonly Exchange[]) {
  const paced = new Paced(FRAME_MS);
  backend.paced = paced;
  const asked: Promise<unknown>[] = [];
  let pieces = 0;
  for (let i = 0; i < STREAMS; i++) {
    asked.push(carrier.front.ask(exchanges[i % exchanges.length] as Exchange, () => (pieces += 1)));
  }
  while (paced.open < STREAMS) await pause(10);
  backend.paced = null;
  const send = async (): Promise<number> => {
    const before = pieces;
    paced.start();
    await pause(PACED_MS);
    paced.hold();
    await pause(SETTLE_MS);
    return pieces - before;
  };
  const end = async (): Promise<void> => {
    paced.end();
    await Promise.all(asked);
  };
  return { carrier, send, end };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

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
      const rate = await counted(carrier, () => saturate(carrier.front, short, ROUND_MS));
      if (round > 0) rates.set(carrier.kind, [...(rates.get(carrier.kind) ?? []), rate]);
    }
  }
  return compared('dispatches', rates);
}

async function pacedStreams(carriers: readonly Carrier[], backend: Backend, long: readonly Exchange[]) {
  const rates = new Map<Kind, Rate[]>(carriers.map(({ kind }) => [kind, []]));
  for (let opening = 0; opening < PACED_OPENINGS; opening++) {
    const open = [];
    for (const carrier of carriers) open.push(await openPaced(carrier, backend, long));
    for (let round = 0; round < PACED_ROUNDS; round++) {
      for (const { carrier, send } of open) rates.get(carrier.kind)?.push(await counted(carrier, send));
    }
    for (const { end } of open) await end();
  }
  return compared('frames of paced streams', rates);
}

const NAME: Readonly<Record<Kind, string>> = {
  'grpc-js': 'bare grpc-js proxy',
  http2: 'bare http2 proxy',
  'data path': 'data path',
  router: 'router',
};

/** Ten thousand answers that wait for their first word. */
async function manyStreams(carriers: readonly Carrier[], backend: Backend, exchanges: readonly Exchange[]) {
  const lines: BenchLine[] = [];
  for (const { kind, front, memory } of carriers.filter(({ kind }) => kind !== 'data path')) {
    const paced = new Paced(1_000);
    backend.paced = paced;
    const before = await memory();
    const asked: ReturnType<Frontend['ask']>[] = [];
    let early: string | null = null;
    for (let i = 0; i < MANY; i++) {
      const answer = front.ask(exchanges[i % exchanges.length] as Exchange);
      void answer.then(({ status }) => {
        early ??= status;
      });
      asked.push(answer);
      while (asked.length - paced.open > 100) {
        if (early !== null) throw new Error(`a stream ended with ${early} before it was answered`);
        await pause(1);
      }
    }
    while (paced.open < MANY) await pause(20);
    const after = await memory();
    const { open } = paced;
    backend.paced = null;
    paced.end();
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
