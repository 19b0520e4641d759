import * as system from 'node:fs/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KIND_OF_CODE } from '../../src/core/index.ts';
import { parseLeaf, parseVkey, verifyCheckpoint, verifyConsistency } from '../../src/log/index.ts';
import type { FileSystem } from '../../src/log/writer/durable-files.ts';
import { type Log, openLog } from '../../src/log/writer/index.ts';
import { codeOf, folder, heartbeat, ORIGIN, options } from './support.ts';

/** How a disk can fail: nothing is written, half of it is, the write stays in a cache that is then lost, or the name fails. */
const FAULTS = ['ENOSPC', 'short', 'fsync', 'rename', 'mkdir'] as const;
type Fault = (typeof FAULTS)[number];

const failing = (code: string) => Object.assign(new Error(code), { code });

/** A disk whose `nth` operation of a kind fails once armed. */
function faulty(fault: Fault, nth: number): { disk: FileSystem; arm(): void; struck(): boolean } {
  let left = Number.POSITIVE_INFINITY;
  let struck = false;
  const strike = () => {
    left -= 1;
    if (left !== 0) return false;
    struck = true;
    return true;
  };
  const open: FileSystem['open'] = async (path, flags, mode) => {
    const handle = await system.open(path, flags, mode);
    const { writeFile, sync } = handle;
    handle.writeFile = (async (data: Uint8Array) => {
      if (fault === 'ENOSPC' && strike()) throw failing('ENOSPC');
      if (fault === 'short' && strike()) {
        await writeFile.call(handle, data.subarray(0, data.length >> 1));
        throw failing('EIO');
      }
      return writeFile.call(handle, data);
    }) as typeof writeFile;
    handle.sync = async () => {
      if (fault === 'fsync' && strike()) throw failing('EIO');
      return sync.call(handle);
    };
    return handle;
  };
  const disk = {
    ...system,
    open,
    rename: async (from, to) => {
      if (fault === 'rename' && strike()) throw failing('EIO');
      return system.rename(from, to);
    },
    mkdir: (async (path: string, how: object) => {
      if (fault === 'mkdir' && strike()) throw failing('ENOSPC');
      return system.mkdir(path, how);
    }) as FileSystem['mkdir'],
  } as FileSystem;
  return {
    disk,
    arm: () => {
      left = nth;
    },
    struck: () => struck,
  };
}

/** Appends until the disk fails or there is nothing left to append. @returns ids that were acknowledged, by index */
async function append(log: Log, from: number, many: number): Promise<Map<number, number>> {
  const acknowledged = new Map<number, number>();
  await Promise.all(
    Array.from({ length: many }, async (_, i) => {
      const id = from + i;
      const draft = heartbeat(id);
      try {
        acknowledged.set((await log.append(draft, { idempotencyKey: `id-${id}` })).index, id);
      } catch (error) {
        const { code } = error as { code: keyof typeof KIND_OF_CODE };
        expect(KIND_OF_CODE[code]).toBe('unavailable'); // never a bug, never a refusal of the entry
      }
    }),
  );
  return acknowledged;
}

async function requireKept(log: Log, acknowledged: ReadonlyMap<number, number>, seen: readonly Uint8Array[]) {
  const { size, root } = log.head();
  const held = new Map<number, number>();
  for (const { index, entry } of await log.entries(0, size)) {
    held.set(index, (parseLeaf(entry).leaf.body as { queueDepth?: number }).queueDepth ?? -1);
  }
  for (const [index, id] of acknowledged) expect(held.get(index)).toBe(id);
  for (const note of seen) {
    const { checkpoint } = await verifyCheckpoint(note, [parseVkey(log.vkey)], ORIGIN);
    const proof = await log.consistency(checkpoint.size);
    expect(verifyConsistency(checkpoint.size, size, checkpoint.root, root, proof)).toBe(true);
  }
}

test('whatever a disk does at whatever moment: nothing acknowledged is lost, no published head is contradicted', {
  timeout: 120_000,
}, async () => {
  const struck = new Set<Fault>();
  // What the seed draws may never strike; the first operation of each kind does.
  const examples: [Fault, number, number][] = FAULTS.map((fault) => [fault, 1, 1]);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...FAULTS),
      fc.integer({ min: 1, max: 24 }),
      fc.integer({ min: 0, max: 3 }),
      async (fault, nth, before) => {
        const directory = folder();
        const { disk, arm, struck: hasStruck } = faulty(fault, nth);
        const log = await openLog(options(directory, { fileSystem: disk }));
        const acknowledged = await append(log, 1, 1 + 80 * before);
        const seen = [log.checkpoint()];
        arm();
        for (let round = 0; round < 3; round++) {
          for (const [index, id] of await append(log, 1000 * (round + 1), 90)) acknowledged.set(index, id);
          seen.push(log.checkpoint());
        }
        await log.close();
        if (hasStruck()) struck.add(fault);
        const again = await openLog(options(directory));
        await requireKept(again, acknowledged, seen);
        // What was told to fail may be asked again, and is there once.
        for (const [index, id] of await append(again, 1000, 90)) acknowledged.set(index, id);
        expect(acknowledged.size).toBe(new Set(acknowledged.values()).size);
        await requireKept(again, acknowledged, seen);
        await again.close();
      },
    ),
    { numRuns: examples.length + Number(process.env.CHRYSALIS_FAULT_RUNS ?? 20), examples },
  );
  expect(struck).toEqual(new Set(FAULTS));
});

test('after a failed fsync a log writes nothing more until it is started again', async () => {
  const directory = folder();
  const { disk, arm } = faulty('fsync', 3);
  const log = await openLog(options(directory, { fileSystem: disk }));
  arm();
  expect(await codeOf(log.append(heartbeat(1)))).toBe('LOG_WRITE_FAILED');
  expect(await codeOf(log.append(heartbeat(2)))).toBe('LOG_WRITE_FAILED');
  expect((await log.failed).code).toBe('LOG_WRITE_FAILED');
  await log.close();
});
