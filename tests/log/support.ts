import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { CodedError } from '../../src/core/index.ts';
import type { LeafDraft } from '../../src/log/index.ts';
import type { LogOptions } from '../../src/log/writer/index.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A fresh folder, removed after the test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'chrysalis-log-'));
  folders.push(path);
  return path;
}

export const ORIGIN = 'test.chrysalis/log';

export function options(directory: string, more: Partial<LogOptions> = {}): LogOptions {
  return {
    directory,
    origin: ORIGIN,
    randomness: (length) => new Uint8Array(length).fill(7),
    clock: () => 1_795_250_000_123,
    lingerMs: 0,
    ...more,
  };
}

export function heartbeat(queueDepth = 0, subject = 'log'): LeafDraft<'heartbeat'> {
  return { type: 'heartbeat', src: 'test', subject, body: { queueDepth } };
}

/** The code of what was thrown; `no error` where nothing was. Anything uncoded is thrown on. */
export async function codeOf(run: (() => unknown) | Promise<unknown>): Promise<string> {
  try {
    await (typeof run === 'function' ? run() : run);
  } catch (error) {
    if (error instanceof CodedError) return error.code;
    throw error;
  }
  return 'no error';
}
