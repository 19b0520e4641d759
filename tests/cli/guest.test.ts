/** The command line's half of the Linux attester: real files, and what a machine that is no guest is told. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { guestFiles } from '../../src/cli/compose/guest-files.ts';
import { TSM_REPORTS } from '../../src/worker/index.ts';
import { runHere } from './in-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-guest-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('attributes are read to their bound and written without truncating or making a file', async () => {
  const path = join(folder, 'attribute');
  writeFileSync(path, Buffer.alloc(10_000, 7));
  expect((await guestFiles.read(path, 10_000))?.length).toBe(10_000);
  expect(await guestFiles.read(path, 9_999)).toBeNull();
  await guestFiles.write(path, Uint8Array.of(1, 2));
  guestFiles.writeNow(path, Uint8Array.of(3));
  expect([...readFileSync(path).subarray(0, 3)]).toEqual([3, 2, 7]);
  expect(statSync(path).size).toBe(10_000);
  const missing = join(folder, 'missing');
  await expect(guestFiles.write(missing, Uint8Array.of(1))).rejects.toMatchObject({ code: 'ENOENT' });
  expect(() => guestFiles.writeNow(missing, Uint8Array.of(1))).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  expect([await guestFiles.exists(path), await guestFiles.exists(missing)]).toEqual([true, false]);
  const entry = join(folder, 'entry');
  await guestFiles.makeFolder(entry);
  await expect(guestFiles.makeFolder(entry)).rejects.toMatchObject({ code: 'EEXIST' });
  await guestFiles.removeFolder(entry);
  expect(existsSync(entry)).toBe(false);
});

test.skipIf(existsSync(TSM_REPORTS))('a machine that is no guest is told so before a model is loaded', async () => {
  const { code, err } = await runHere('worker', 'run', '--model', join(folder, 'no-model'));
  expect(code).toBe(3);
  expect(err).toContain('PLATFORM_UNSUPPORTED');
  expect(err).toContain('configfs');
});

test('simulated devices never go with a real guest', async () => {
  const { code, err } = await runHere('worker', 'run', '--simulated-devices', join(folder, 'attribute'));
  expect([code, err.includes('USAGE_INVALID')]).toEqual([2, true]);
});
