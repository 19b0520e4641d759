import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

export type Answer = {
  id: string;
  verdict: string;
  error: { code: string; message: string; facts: Record<string, unknown> } | null;
  checks: Record<string, { outcome: string; reason: string }>;
  tcb: { status: string; advisoryIds: string[] } | null;
  claims: Record<string, unknown>;
};

/** One run of the command as a person runs it: requests on stdin, one answer a line on stdout. */
export async function batch(requests: readonly object[]): Promise<Answer[]> {
  const child = spawn(process.execPath, [main, 'verify', '--batch'], { stdio: ['pipe', 'pipe', 'pipe'] });
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.err += text;
  });
  child.stdin.end(requests.map((request) => `${JSON.stringify(request)}\n`).join(''));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject).on('close', resolve);
  });
  expect({ code, err: said.err }).toEqual({ code: 0, err: '' });
  return said.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Answer);
}
