import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { MAIN } from '../../src/cli/paths.ts';
import { keepSharedAmd } from './shared-vendor.ts';

/** What the tests read of the document of `chrysalis up --json`. */
export type UpDocument = {
  answer: string;
  simulated: boolean;
  model: string;
  worker: { name: string; simulated: boolean; tee: string };
  checks: Record<string, { name: string; outcome: string }[]>;
  workers: { worker: string; name: string; simulated: boolean; tee: string; checks: UpDocument['checks'] }[];
  receipt: { id: string; amount: string; checks: { outcome: string }[] };
  logProof: { admission: { index: number }; receipt: { index: number; size: number; checks: { outcome: string }[] } };
  payment: { onChain: boolean; claimed: string; vouchered: string; channel: string };
  payout: { paid: string; pool: string };
  anchor: { address: string; size: number };
  urls: { gateway: string };
  totalMs: number;
};

/** The product as people start it: every part a process of its own, the real model, the real verifier. */
export function startUp(folder: string, args: readonly string[]) {
  keepSharedAmd(folder);
  const child = spawn(process.execPath, [MAIN, 'up', '--data', folder, '--json', '--ports', 'auto', ...args], {
    env: { ...process.env, NO_COLOR: '1' },
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (piece) => {
    out += piece;
  });
  child.stderr.on('data', (piece) => {
    err += piece;
  });
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    child,
    exit,
    out: () => out,
    err: () => err,
    /** Its document; with --once it ends by itself afterwards. */
    async document(): Promise<UpDocument> {
      await expect
        .poll(() => out + (child.exitCode === null ? '' : '\n'), { timeout: 90_000, interval: 100 })
        .toContain('\n');
      if (out === '') throw new Error(err);
      return JSON.parse(out) as UpDocument;
    },
  };
}

/** Ids of the running parts of this folder's network whose command line has `words` in a row. */
export function partsOf(folder: string, ...words: readonly string[]): number[] {
  return readdirSync('/proc')
    .filter((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return /^\d+$/.test(pid) && line.includes(folder) && line.includes(`\0${words.join('\0')}\0`);
      } catch {
        return false; // gone meanwhile
      }
    })
    .map(Number);
}
