import { expect, test } from 'vitest';
import { sha256 } from '#crypto';
import { CodedError, toHex, utf8 } from '../../src/core/index.ts';
import { archivedOnce } from '../../src/router/archived-once.ts';
import type { LogPort } from '../../src/router/ports.ts';

const digest = (blob: Uint8Array) => `sha256:${toHex(sha256(blob))}` as const;
const [collateral, one, two] = ['collateral', 'one', 'two'].map(utf8) as [Uint8Array, Uint8Array, Uint8Array];

/** A log that keeps files as the real one does, and can lose them. */
function logOf() {
  const files = new Set<string>();
  const given: number[] = [];
  const append: LogPort['append'] = async (draft, { blobs = [] } = {}) => {
    given.push(blobs.length);
    for (const blob of blobs) files.add(digest(blob));
    if (draft.blobs?.some((name) => !files.has(name))) throw new CodedError('LOG_BLOB_MISSING', 'not stored');
    return { index: given.length - 1 };
  };
  const enter = (log: LogPort, ...blobs: readonly Uint8Array[]) =>
    log.append(
      { type: 'incident', src: 'test', subject: 'test', body: {} as never, blobs: blobs.map(digest) },
      { blobs },
    );
  return { files, given, enter, log: archivedOnce({ append } as LogPort) };
}

test('a file is sent once, whatever names it', async () => {
  const { given, enter, log, files } = logOf();
  await enter(log, collateral, one);
  await enter(log, collateral, two);
  await enter(log, collateral, two);
  expect(given).toEqual([2, 1, 0]);
  expect(files.size).toBe(3);
});

test('a log that has lost a file is given all of them again', async () => {
  const { given, enter, log, files } = logOf();
  await enter(log, collateral, one);
  files.clear();
  await enter(log, collateral, one);
  expect(given).toEqual([2, 0, 2]);
  expect(files.size).toBe(2);
});

test('what failed otherwise is told, and nothing counts as sent', async () => {
  const given: number[] = [];
  let isAway = true;
  const append: LogPort['append'] = async (_, { blobs = [] } = {}) => {
    given.push(blobs.length);
    if (isAway) throw new CodedError('LOG_UNREACHABLE', 'away');
    return { index: 0 };
  };
  const log = archivedOnce({ append } as LogPort);
  const { enter } = logOf();
  await expect(enter(log, collateral)).rejects.toThrow('away');
  isAway = false;
  await enter(log, collateral);
  expect(given).toEqual([1, 1]);
});
