import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { receiptFile } from '../../src/cli/compose/receipts.ts';
import { RECEIPTS_MAX } from '../../src/client/index.ts';
import { receiptNumber } from '../gateway/scripted-client.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-receipts-'));
const path = join(folder, 'inner', 'receipts.jsonl');
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('receipts outlive the process; a line cut by a crash is left out; a foreign file is refused', async () => {
  const first = receiptFile(path);
  expect(first.load()).toEqual([]);
  for (const n of [1, 2, 3]) await first.add(receiptNumber(n));
  expect(receiptFile(path).load()).toEqual([1, 2, 3].map(receiptNumber));
  appendFileSync(path, '{"v":1,"id":"r_cut');
  expect(receiptFile(path).load()).toHaveLength(3);
  await receiptFile(path).add(receiptNumber(4));
  expect(
    receiptFile(path)
      .load()
      .map(({ id }) => id),
  ).toEqual([1, 2, 3, 4].map((n) => receiptNumber(n).id));
  writeFileSync(path, '{"not":"a receipt"}\n');
  expect(() => receiptFile(path)).toThrow('cannot be read');
});

test('the file is bounded: the oldest go', async () => {
  const store = receiptFile(path);
  const lines = Array.from({ length: 2 * RECEIPTS_MAX }, () => receiptNumber(7));
  await store.add(receiptNumber(1));
  const [line] = readFileSync(path, 'utf8').split('\n');
  writeFileSync(path, `${line}\n`.repeat(lines.length));
  const again = receiptFile(path);
  expect(again.load()).toHaveLength(RECEIPTS_MAX);
  await again.add(receiptNumber(2));
  expect(receiptFile(path).load().at(-1)).toEqual(receiptNumber(2));
  expect(readFileSync(path, 'utf8').split('\n').length).toBeLessThanOrEqual(2 * RECEIPTS_MAX + 1);
});
