/**
 * A process for the crash test: appends until it is killed, and says what was acknowledged, one JSON line each. With a
 * step given it kills itself there, which no clean-up code can survive. With a database the log is in there.
 */
import { openLog, openPostgresStorage } from '../../src/log/writer/index.ts';

const [directory = '', origin = '', step = '', database = ''] = process.argv.slice(2);
const storage =
  database === '' ? null : await openPostgresStorage({ url: database }, new AbortController().signal, () => undefined);
let batches = 0;
const log = await openLog({
  directory,
  ...(storage === null ? {} : { storage }),
  origin,
  randomness: (length) => new Uint8Array(length).fill(7),
  clock: () => 1_795_250_000_123,
  lingerMs: 0,
  onStep: (at) => {
    if (at === 'staged') batches++;
    if (at === step && batches > 3) process.kill(process.pid, 'SIGKILL');
  },
});
process.stdout.write(`${JSON.stringify({ checkpoint: Buffer.from(log.checkpoint()).toString('base64') })}\n`);
for (let i = 0; ; i++) {
  await Promise.all(
    Array.from({ length: 20 }, async (_, j) => {
      const id = `${process.pid}-${i}-${j}`;
      const draft = { type: 'heartbeat', src: 'child', subject: 'log', body: { queueDepth: j, id } } as const;
      const { index } = await log.append(draft, { idempotencyKey: id });
      process.stdout.write(
        `${JSON.stringify({ id, index, checkpoint: Buffer.from(log.checkpoint()).toString('base64') })}\n`,
      );
    }),
  );
}
