import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, connect as dial, type Server } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { createClientFromOptions } from '../../src/cli/compose/client.ts';
import { DEVELOPMENT_POLICY, MAIN } from '../../src/cli/paths.ts';
import { layoutOf, makeFolders } from '../../src/cli/up/state.ts';
import { prepareVendors, type SimulatedWorker } from '../../src/cli/up/vendors.ts';
import type { Client } from '../../src/client/index.ts';
import { keepSharedAmd } from './shared-vendor.ts';

/** The parts of a network as the processes they are in production, each started, and killed, on its own. */
export type Part = Readonly<{
  name: string;
  process: ChildProcess;
  ready: Readonly<Record<string, unknown>>;
  /** What it has said so far. */
  said: readonly Readonly<Record<string, unknown>>[];
  /** Resolves with the first event of this name. */
  waitFor(event: string): Promise<Readonly<Record<string, unknown>>>;
  kill(signal: NodeJS.Signals): void;
  /** Asks it to stop and waits; kills it after five seconds. */
  stop(): Promise<void>;
  exited: Promise<void>;
}>;

const randomness = (length: number) => Uint8Array.from(randomBytes(length));

/** @param main the file that is run; the command line's own where absent */
export async function startPart(name: string, args: readonly string[], logFile: string, main = MAIN): Promise<Part> {
  const child = spawn(process.execPath, [main, ...args, '--json', '--supervised'], { stdio: ['pipe', 'pipe', 'pipe'] });
  const logs = createWriteStream(logFile, { flags: 'a' });
  child.stderr.pipe(logs);
  const seen: Record<string, unknown>[] = [];
  const waiting: {
    event: string;
    resolve: (event: Record<string, unknown>) => void;
    reject: (error: Error) => void;
  }[] = [];
  createInterface(child.stdout).on('line', (line) => {
    logs.write(`${line}\n`);
    const event = JSON.parse(line) as Record<string, unknown>;
    seen.push(event);
    for (const waiter of waiting) {
      if (waiter.event === event.event) waiter.resolve(event);
      if (event.event === 'failed') waiter.reject(new Error(`${name}: ${JSON.stringify(event.error)}`));
    }
  });
  const exited = new Promise<void>((done) => child.once('exit', () => done()));
  void exited.then(() => {
    for (const waiter of waiting) waiter.reject(new Error(`${name} ended before it said ${waiter.event}`));
  });
  const waitFor: Part['waitFor'] = (event) => {
    const known = seen.find((one) => one.event === event);
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve, reject) => waiting.push({ event, resolve, reject }));
  };
  const ready = await waitFor('ready');
  return {
    name,
    process: child,
    ready,
    said: seen,
    waitFor,
    kill: (signal) => void child.kill(signal),
    stop: async () => {
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await exited;
      clearTimeout(timer);
    },
    exited,
  };
}

/** A TCP relay that keeps every byte it carries, both directions. */
export async function startWiretap(port: number): Promise<{ port: number; bytes: () => Buffer; close(): void }> {
  const kept: Buffer[] = [];
  const server: Server = createServer((near) => {
    const far = dial(port, '127.0.0.1');
    near.on('data', (chunk) => kept.push(Buffer.from(chunk))).on('error', () => far.destroy());
    far.on('data', (chunk) => kept.push(Buffer.from(chunk))).on('error', () => near.destroy());
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address() as { port: number };
  return { port: address.port, bytes: () => Buffer.concat(kept), close: () => void server.close() };
}

export type Network = Readonly<{
  folder: string;
  chain: Part;
  log: Part;
  router: Part;
  worker: Part;
  taps: Readonly<{
    client: Awaited<ReturnType<typeof startWiretap>>;
    worker: Awaited<ReturnType<typeof startWiretap>>;
  }>;
  newClient(): Promise<Client>;
  /** Every router that was started, in order. */
  routers: readonly Part[];
  /** Starts the router once more, in its place, after it has ended. */
  restartRouter(): Promise<Part>;
  /** Where the worker keeps the evidence that it made last. */
  evidence: string;
  stop(): Promise<void>;
}>;

/**
 * Starts chain, log and router in a folder; a second start finds what the first one left.
 * @param policy the router's file @param more options of the router
 */
export async function startCentre(
  folder: string,
  tee: SimulatedWorker['tee'] = 'tdx',
  policy = DEVELOPMENT_POLICY,
  more: readonly string[] = [],
) {
  const layout = layoutOf(folder);
  makeFolders(layout);
  keepSharedAmd(folder);
  await prepareVendors(layout, [{ name: 'alder', tee, gpus: 1 }], { now: Math.floor(Date.now() / 1000), randomness });
  const token = join(layout.part('log'), 'write-token');
  mkdirSync(layout.part('log'), { recursive: true });
  try {
    readFileSync(token);
  } catch {
    writeFileSync(token, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  }
  const [chain, log] = await Promise.all([
    startPart('chain', ['chain', 'dev', '--port', '0', '--data', layout.part('chain')], layout.logFile('chain')),
    startPart(
      'log',
      ['log', 'serve', '--port', '0', '--data', layout.part('log'), '--token-file', token],
      layout.logFile('log'),
    ),
  ]);
  const vendor = ['--dangerously-allow-simulated-vendor', layout.trustAnchors];
  const url = (part: Part) => String(part.ready.url);
  const startRouter = (port: string) =>
    startPart(
      'router',
      [
        ...['router', '--port', port, '--data', layout.part('router'), '--chain', url(chain), '--log', url(log)],
        ...['--log-token-file', token, '--policy', policy, '--collateral', layout.collateral, ...vendor],
        ...more,
      ],
      layout.logFile('router'),
    );
  const router = await startRouter('0');
  const evidence = join(folder, 'evidence.bin');
  return {
    layout,
    chain,
    log,
    router,
    startRouter,
    evidence,
    /** Its one worker, once it is admitted. @param port where it finds the router */
    async startWorker(port: number): Promise<Part> {
      const args = ['worker', 'run', '--name', 'alder', '--router', `127.0.0.1:${port}`, '--keep-evidence', evidence];
      args.push('--simulated-machine', layout.machine('alder'), '--simulated-devices', layout.devices('alder'));
      const worker = await startPart('worker', args, layout.logFile('worker'));
      await worker.waitFor('admitted');
      return worker;
    },
    /** What a client goes by, with the shipped policy. @param port where it finds the router */
    clientOptions: (port: number) => ({
      policy: DEVELOPMENT_POLICY,
      dangerouslyAllowSimulatedVendor: layout.trustAnchors,
      router: `127.0.0.1:${port}`,
      chain: url(chain),
      dangerouslyAllowUnwitnessedLog: String(log.ready.vkey),
      data: layout.part('gateway'),
    }),
  };
}

type CentreOptions = Parameters<typeof startCentre> extends [string, ...infer Options] ? Options : never;

/** A centre and one worker, with a wiretap before the router for each side: see {@link startCentre}. */
export async function startNetwork(folder: string, ...of: CentreOptions): Promise<Network> {
  const { chain, log, router, startRouter, evidence, startWorker, clientOptions } = await startCentre(folder, ...of);
  const routers = [router];
  const taps = {
    client: await startWiretap(Number(router.ready.port)),
    worker: await startWiretap(Number(router.ready.port)),
  };
  const worker = await startWorker(taps.worker.port);
  const clients: Client[] = [];
  return {
    folder: resolve(folder),
    chain,
    log,
    router,
    worker,
    taps,
    newClient: async () => {
      const client = await createClientFromOptions(clientOptions(taps.client.port));
      clients.push(client);
      return client;
    },
    routers,
    restartRouter: async () => {
      const again = await startRouter(String(router.ready.port));
      routers.push(again);
      return again;
    },
    evidence,
    stop: async () => {
      for (const client of clients) await client.close();
      for (const part of [worker, ...routers, log, chain]) await part.stop();
      taps.client.close();
      taps.worker.close();
    },
  };
}

/** Every readable, writable page of another process. @throws where the system does not let us look */
export function* memoryOf(pid: number): Generator<Buffer> {
  const fs = process.getBuiltinModule('node:fs');
  const memory = fs.openSync(`/proc/${pid}/mem`, 'r');
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const [, from, to, access] = /^([0-9a-f]+)-([0-9a-f]+) (\S{4})/.exec(line) ?? [];
      if (from === undefined || to === undefined || !access?.startsWith('rw')) continue;
      const end = Number.parseInt(to, 16);
      const step = 16 * 1024 * 1024;
      for (let at = Number.parseInt(from, 16); at < end; at += step) {
        // An overlap, so that nothing hides on a border.
        const buffer = Buffer.alloc(Math.min(step + 4096, end - at));
        try {
          const read = fs.readSync(memory, buffer, 0, buffer.length, at);
          yield buffer.subarray(0, read);
        } catch {
          break; // a region the kernel keeps to itself
        }
      }
    }
  } finally {
    fs.closeSync(memory);
  }
}
