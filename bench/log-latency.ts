import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openLog } from '../src/log/writer/index.ts';
import { type BenchLine, median, quantile } from './report.ts';

/** What is offered, whatever comes back: a client that waits for answers would hide the queue. */
const OFFERED_PER_SECOND = 2_000;
const TICK_MS = 5;
const SECONDS = 10;
const ENTRY_BYTES = 220;

/** Latencies of appends at an offered rate, each from the instant it was due, beside one synced write of as many bytes. */
export async function benchLogLatency(): Promise<BenchLine[]> {
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-bench-log-'));
  const log = await openLog({
    directory: join(folder, 'log'),
    origin: 'bench.chrysalis/log',
    randomness: (length) => Uint8Array.from(randomBytes(length)),
    clock: Date.now,
  });
  try {
    const latencies: number[] = [];
    const waiting: Promise<void>[] = [];
    const perTick = (OFFERED_PER_SECOND * TICK_MS) / 1000;
    const start = performance.now();
    for (let tick = 0; tick < (SECONDS * 1000) / TICK_MS; tick++) {
      const due = start + tick * TICK_MS;
      if (performance.now() < due) await sleep(due - performance.now());
      for (let i = 0; i < perTick; i++) {
        const draft = { type: 'heartbeat', src: 'bench', subject: `bench:${i}`, body: { queueDepth: tick } } as const;
        waiting.push(log.append(draft).then(() => void latencies.push(performance.now() - due)));
      }
    }
    await Promise.all(waiting);
    const rate = latencies.length / ((performance.now() - start) / 1000);
    const floor = await syncedWrites(
      join(folder, 'floor'),
      Math.round((OFFERED_PER_SECOND * median(latencies)) / 1000),
    );
    const line = (name: string, share: number): BenchLine => {
      const [value, least] = [quantile(latencies, share), quantile(floor, share)];
      return {
        name,
        value,
        unit: 'ms',
        floor: { name: 'as many bytes written and synced', value: least },
        ratio: value / least,
      };
    };
    return [
      { name: `appends taken, ${OFFERED_PER_SECOND}/s offered`, value: rate, unit: '/s' },
      line('from due to durable and published, p50', 0.5),
      line('from due to durable and published, p99', 0.99),
    ];
  } finally {
    await log.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function syncedWrites(path: string, entries: number): Promise<number[]> {
  const handle = await open(path, 'a');
  const bytes = Buffer.alloc(Math.max(1, entries) * ENTRY_BYTES);
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const start = performance.now();
    await handle.write(bytes);
    await handle.datasync();
    times.push(performance.now() - start);
  }
  await handle.close();
  return times;
}
