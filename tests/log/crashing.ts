import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { fromBase64 } from '../../src/core/index.ts';
import { parseLeaf, parseVkey, verifyCheckpoint, verifyConsistency } from '../../src/log/index.ts';
import type { Log } from '../../src/log/writer/index.ts';
import { ORIGIN } from './support.ts';

export const APPENDER = fileURLToPath(new URL('./appender.ts', import.meta.url));
export type Said = { id?: string; index?: number; checkpoint: string };

/** Runs a child until it dies: by itself at `step`, or killed after `lines` acknowledgements. Whole lines only. */
export async function runAndKill(directory: string, step: string, lines: number, database = ''): Promise<Said[]> {
  const child = spawn(process.execPath, [APPENDER, directory, ORIGIN, step, database], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    errors += part;
  });
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
    if (text.split('\n').length > lines) child.kill('SIGKILL');
  });
  const signal = await new Promise((resolve) => child.on('close', (_, by) => resolve(by)));
  expect(errors).toBe('');
  expect(signal).toBe('SIGKILL');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Said);
}

/** Every acknowledged entry is where its acknowledgement said. Reads only as much of the log as those span. */
async function requireEntries(log: Log, said: readonly Said[]): Promise<void> {
  const expected = new Map(said.flatMap(({ id, index }) => (index === undefined ? [] : [[index, id] as const])));
  const indexes = [...expected.keys()];
  const end = Math.max(-1, ...indexes) + 1;
  for (let from = Math.min(end, ...indexes); from < end; from += 4096) {
    for (const { index, entry } of await log.entries(from, Math.min(end, from + 4096))) {
      if (!expected.has(index)) continue;
      expect((parseLeaf(entry).leaf.body as Record<string, unknown>).id).toBe(expected.get(index));
      expected.delete(index);
    }
  }
  expect(expected.size).toBe(0);
}

export async function requireKept(log: Log, said: readonly Said[], seen: readonly Said[]): Promise<void> {
  const { size, root } = log.head();
  await requireEntries(log, said);
  for (const note of new Set(seen.map(({ checkpoint }) => checkpoint))) {
    const { checkpoint } = await verifyCheckpoint(fromBase64(note), [parseVkey(log.vkey)], ORIGIN);
    if (checkpoint.size === 0) continue;
    const proof = await log.consistency(checkpoint.size);
    expect(verifyConsistency(checkpoint.size, size, checkpoint.root, root, proof)).toBe(true);
  }
}
