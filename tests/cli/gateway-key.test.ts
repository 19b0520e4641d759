import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { createProgram } from '../../src/cli/main.ts';
import { keyDigest, parseKeyFile } from '../../src/client/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-keys-'));
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

async function run(...args: string[]): Promise<string> {
  const said: string[] = [];
  vi.spyOn(console, 'log').mockImplementation((text: string) => void said.push(text));
  await createProgram().parseAsync(['node', 'chrysalis', 'gateway', 'key', ...args]);
  return said.join('\n');
}

test('a key is shown once, and its file holds the digest alone; the same id replaces it', async () => {
  const file = join(folder, 'keys.json');
  const text = await run('alice', '--budget', '0.25', '--per-minute', '60', '--file', file);
  const [first] = text.split('\n');
  const { key } = JSON.parse(await run('bob', '--admin', '--json', '--file', file)) as { key: string };
  const stored = readFileSync(file, 'utf8');
  expect(stored).not.toContain(first);
  expect(stored).not.toContain(key);
  expect(parseKeyFile(stored)).toMatchObject([
    { id: 'alice', sha256: keyDigest(first as string), budget: 250_000_000n, requestsPerMinute: 60, admin: false },
    { id: 'bob', sha256: keyDigest(key), budget: null, admin: true },
  ]);
  await run('alice', '--file', file);
  expect(parseKeyFile(readFileSync(file, 'utf8')).map(({ id, budget }) => [id, budget])).toEqual([
    ['bob', null],
    ['alice', null],
  ]);
  await expect(run('a b', '--file', file)).rejects.toMatchObject({ code: 'USAGE_INVALID' });
});
