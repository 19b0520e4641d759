import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { HEADS_KEPT, headFolder } from '../../src/cli/compose/heads.ts';
import { SeenHeads } from '../../src/client/log-proofs.ts';
import { utf8 } from '../../src/core/index.ts';

const head = (size: number, root = 1) => ({
  size,
  root: new Uint8Array(32).fill(root),
  note: utf8(`origin\n${size}\nroot ${root}\n`),
});

test('every head is told once, and one that contradicts another is told too', () => {
  const told: string[] = [];
  const heads = new SeenHeads(({ size, root }) => told.push(`${size} ${root[0]}`));
  const agrees = ({ size, root, note }: ReturnType<typeof head>) => heads.agrees(size, root, note);
  expect([head(5), head(5), head(6), head(5, 2)].map(agrees)).toEqual([true, true, true, false]);
  expect(told).toEqual(['5 1', '6 1', '5 2']);
});

test('heads are kept as files, both of a fork, the newest of many, and a folder that cannot be written stops nobody', () => {
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-heads-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const keep = headFolder(join(folder, 'heads'));
  for (let size = 1; size <= HEADS_KEPT + 20; size++) keep(head(size));
  const newest = HEADS_KEPT + 20;
  keep(head(newest, 2));
  const names = readdirSync(join(folder, 'heads'));
  expect(names).toHaveLength(HEADS_KEPT);
  expect(names.filter((name) => name.startsWith(`${newest}-`))).toHaveLength(2);
  expect(names.some((name) => name.startsWith('21-'))).toBe(false);
  expect(readFileSync(join(folder, 'heads', `${newest}-${'02'.repeat(8)}.txt`), 'utf8')).toBe(
    `origin\n${newest}\nroot 2\n`,
  );
  writeFileSync(join(folder, 'file'), '');
  expect(() => headFolder(join(folder, 'file'))(head(1))).not.toThrow();
});
