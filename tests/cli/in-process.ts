import { vi } from 'vitest';
import { main } from '../../src/cli/main.ts';

export type Ran = { code: number; out: string; err: string };

/** A run of the command line in this very process: as `node main.ts ARGS` in all but the start-up. One at a time. */
export async function runHere(...args: readonly string[]): Promise<Ran> {
  const said = { out: '', err: '' };
  const into = (name: keyof typeof said) =>
    ((text: string, done?: (error?: Error | null) => void) => {
      said[name] += text;
      done?.();
      return true;
    }) as typeof process.stdout.write;
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation(into('out')),
    vi.spyOn(process.stderr, 'write').mockImplementation(into('err')),
    vi.spyOn(console, 'error').mockImplementation((text: string) => void into('err')(`${text}\n`)),
  ];
  try {
    await main([process.execPath, 'chrysalis', ...args]);
    return { code: Number(process.exitCode ?? 0), ...said };
  } finally {
    process.exitCode = undefined;
    for (const spy of spies) spy.mockRestore();
  }
}
