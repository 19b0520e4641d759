import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ed25519Key, ed25519Sign, ed25519Verify } from '../src/core/crypto/node.ts';
import { verifyLogProof } from '../src/log/index.ts';
import { type Log, openLog } from '../src/log/writer/index.ts';
import { type BenchLine, median } from './report.ts';

const ROUNDS = 5;
const BATCH = 256;
const PROOFS = 300;

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
};

/** The least a durable append of one batch costs: its bytes written once and synced. */
async function syncOnce(path: string): Promise<void> {
  const handle = await open(path, 'a');
  await handle.write(Buffer.alloc(BATCH * 200));
  await handle.datasync();
  await handle.close();
}

async function appendRound(log: Log): Promise<void> {
  const body = { queueDepth: 0 };
  await Promise.all(
    Array.from({ length: BATCH }, () => log.append({ type: 'heartbeat', src: 'bench', subject: 'bench', body })),
  );
}

/** Durable appends a second (batch of 256, one waiter each) and proofs verified a second, each beside its floor. */
export async function benchLog(): Promise<BenchLine[]> {
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-bench-log-'));
  const log = await openLog({
    directory: join(folder, 'log'),
    origin: 'bench.chrysalis/log',
    randomness: (length) => Uint8Array.from(randomBytes(length)),
    clock: Date.now,
    lingerMs: 0,
  });
  try {
    const key = ed25519Key(new Uint8Array(32).fill(1));
    const message = log.checkpoint();
    const signature = await ed25519Sign(key, message);
    const { index } = await log.append({ type: 'heartbeat', src: 'bench', subject: 'bench', body: { queueDepth: 0 } });
    const times = { append: [] as number[], sync: [] as number[], proof: [] as number[], signature: [] as number[] };
    for (let round = 0; round < ROUNDS; round++) {
      times.append.push(await seconds(() => appendRound(log)));
      times.sync.push(await seconds(() => syncOnce(join(folder, 'floor'))));
      const entry = (await log.entries(index, index + 1))[0]?.entry ?? new Uint8Array(0);
      const proof = await log.proof(index);
      times.proof.push(
        await seconds(async () => {
          for (let i = 0; i < PROOFS; i++) {
            const { verdict } = await verifyLogProof(entry, proof, log.vkey);
            if (verdict !== 'verified') throw new Error('the proof does not verify');
          }
        }),
      );
      times.signature.push(
        await seconds(async () => {
          for (let i = 0; i < PROOFS; i++) await ed25519Verify(key.publicKey, message, signature);
        }),
      );
    }
    const line = (name: string, count: number, ours: number[], floorName: string, floor: number[]): BenchLine => {
      const [value, least] = [count / median(ours), count / median(floor)];
      return { name, value, unit: '/s', floor: { name: floorName, value: least }, ratio: value / least };
    };
    return [
      line('durable log appends', BATCH, times.append, 'the batch written and synced once', times.sync),
      line('log proofs verified', PROOFS, times.proof, 'the Ed25519 signature alone', times.signature),
    ];
  } finally {
    await log.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
