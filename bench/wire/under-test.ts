import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { Cost, Memory } from './carriers.ts';
import type { Exchange } from './exchanges.ts';
import type { Frontend } from './load.ts';

const CARRIERS = join(import.meta.dirname, 'carriers.ts');
const IN_FLIGHT = 64;

/** `router`: all of it; `data path`: what it has in common with the proxies. */
export type Kind = 'grpc-js' | 'http2' | 'data path' | 'router';
export type Carrier = Readonly<{
  kind: Kind;
  front: Frontend;
  cost(): Promise<Cost>;
  memory(): Promise<Memory>;
  close(): void;
}>;

export function startCarrier(
  kind: Kind,
  backend: string,
): Promise<{ child: ChildProcess; port: number; lease?: string }> {
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

export function ordered<Answer>(child: ChildProcess, order: object): Promise<Answer> {
  return new Promise((resolve) => {
    child.once('message', (message) => resolve(message as Answer));
    child.send(order);
  });
}

/** Keeps IN_FLIGHT requests under way for so long; answers how many were answered whole. */
export async function saturate(front: Frontend, exchanges: readonly Exchange[], ms: number): Promise<number> {
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
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return done;
}

export type Rate = Readonly<{ perSecond: number; cpuUs: number; mainUs: number }>;

export async function counted(carrier: Carrier, work: () => Promise<number>): Promise<Rate> {
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
