/**
 * `node bench/fuzz/main.ts [--seconds 300] [--seed N]`: speaks the wire to a router as hostile clients and workers do, and
 * says whether it stayed there, went on answering the honest ones, and kept every stream apart.
 */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as grpc from '@grpc/grpc-js';
import { v1 } from '../../src/rpc/index.ts';
import { drawFrom } from './draw.ts';
import { harass } from './hostile.ts';
import type { Ready, Report } from './target.ts';

const LANES = 16;
/** On a machine with a lot else to do. */
const PROBE_MS = 20_000;
const PROBE_EVERY_MS = 500;
const QUIET_MS = 60_000;

export type FuzzResult = Readonly<{
  actions: number;
  probes: number;
  slowestProbeMs: number;
  last: Report;
  wrong: string[];
}>;

/** @param seed draws the same actions again; their timing is the machine's */
export async function fuzz(seconds: number, seed: number): Promise<FuzzResult> {
  const child = fork(join(import.meta.dirname, 'target.ts'), { serialization: 'advanced' });
  const wrong: string[] = [];
  let isOver = false;
  let last: Report | null = null;
  let progress = { answered: 0, at: Date.now() };
  const ready = await new Promise<Ready>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Ready));
    child.once('exit', (code) => reject(new Error(`the router did not start: ${code}`)));
  });
  child.on('exit', (code, signal) => {
    if (!isOver) wrong.push(`the router exited with ${code ?? signal}`);
    isOver = true;
  });
  child.on('message', (message) => {
    last = message as Report;
    if (last.answered > progress.answered) progress = { answered: last.answered, at: Date.now() };
  });
  const probing = probe(ready.port, () => isOver);
  const until = Date.now() + seconds * 1_000;
  const target = {
    port: ready.port,
    lease: Buffer.from(ready.lease, 'hex'),
    requests: ready.requests.map((request) => Buffer.from(request)),
  };
  const mixed = (what: string) => void wrong.push(what);
  const lanes = Array.from({ length: LANES }, (_, lane) =>
    harass({ draw: drawFrom(seed + lane * 0x9e37_79b9), target, mixed }, until),
  );
  const actions = (await Promise.all(lanes)).reduce((sum, count) => sum + count, 0);
  // What is under way ends by itself; only the honest ones go on.
  const calm = Date.now() + QUIET_MS;
  while (Date.now() < calm && !isOver && (last === null || (last as Report).running > 8)) await pause(500);
  const mark = progress.answered;
  while (Date.now() < calm && !isOver && progress.answered === mark) await pause(500);
  if (!isOver && progress.answered === mark) wrong.push('honest requests are not answered any more');
  const report = last as Report | null;
  if (report !== null && report.running > 8)
    wrong.push(`${report.running} requests are under way that nobody waits for`);
  isOver = true;
  const { count, slowestMs, failed } = await probing;
  child.disconnect();
  wrong.push(...failed, ...(report?.wrong ?? []));
  return { actions, probes: count, slowestProbeMs: slowestMs, last: report as Report, wrong };
}

/** Asks a plain question all the time, as a stock client. */
async function probe(port: number, isOver: () => boolean) {
  const client = new v1.Inference(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  const failed: string[] = [];
  let count = 0;
  let slowestMs = 0;
  while (!isOver()) {
    const started = performance.now();
    const error = await new Promise<grpc.ServiceError | null>((resolve) =>
      client.listModels({}, { deadline: Date.now() + PROBE_MS }, (thrown) => resolve(thrown)),
    );
    if (error !== null && !isOver()) failed.push(`a probe was not answered: ${error.message}`);
    count += 1;
    slowestMs = Math.max(slowestMs, performance.now() - started);
    await pause(PROBE_EVERY_MS);
  }
  client.close();
  return { count, slowestMs, failed: failed.slice(0, 5) };
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { seconds: { type: 'string' }, seed: { type: 'string' } } });
  const seed = Number(values.seed ?? Date.now() % 2 ** 31);
  const seconds = Number(values.seconds ?? 300);
  console.log(`seed ${seed}, ${seconds} s, ${LANES} hostile peers at a time`);
  const { wrong, last, ...rest } = await fuzz(seconds, seed);
  console.log(JSON.stringify({ ...rest, ...last, wrong }, null, 2));
  process.exit(wrong.length > 0 ? 1 : 0);
}
