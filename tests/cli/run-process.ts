import { execFile } from 'node:child_process';
import { MAIN } from '../../src/cli/paths.ts';

export type Ran = Readonly<{ code: number; out: string; err: string }>;

/** `chrysalis` with these arguments, as a process of its own. */
export const runCommand = (...args: string[]): Promise<Ran> =>
  new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { env: { ...process.env, NO_COLOR: '1' } }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
