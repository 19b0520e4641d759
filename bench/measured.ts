import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { MAIN } from '../src/cli/paths.ts';

/** @property cores processor time over wall time @property output what it wrote on stderr, at most 64 KiB */
export type Measured = Readonly<{
  seconds: number;
  megabytes: number;
  cores: number;
  status: number | null;
  output: string;
}>;

const TICKS_PER_SECOND = 100;
const OUTPUT_MAX = 64 * 1024;

/** Runs `chrysalis ARGS` to its end: seconds, the most memory it held, and how many cores it kept busy. */
export async function measured(args: readonly string[]): Promise<Measured> {
  const start = performance.now();
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.on('data', (piece) => {
    output = (output + piece).slice(-OUTPUT_MAX);
  });
  let kilobytes = 0;
  let ticks = 0;
  const look = setInterval(() => {
    try {
      const [, most] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? [];
      kilobytes = Math.max(kilobytes, Number(most ?? 0));
      const [, rest = ''] = /\) (.*)$/.exec(readFileSync(`/proc/${child.pid}/stat`, 'utf8').trim()) ?? [];
      const fields = rest.split(' ');
      ticks = Math.max(ticks, Number(fields[11] ?? 0) + Number(fields[12] ?? 0));
    } catch {
      // it has ended
    }
  }, 50);
  const [status] = (await once(child, 'close')) as [number | null];
  clearInterval(look);
  const seconds = (performance.now() - start) / 1000;
  return { seconds, megabytes: kilobytes / 1024, cores: ticks / TICKS_PER_SECOND / seconds, status, output };
}
