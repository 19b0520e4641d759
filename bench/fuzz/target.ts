/**
 * The router that is fuzzed, in a process of its own: an honest worker and honest clients beside a worker whose streams
 * somebody else holds. Tells its parent each second how they fare.
 */

import type { RouterTransport } from '../../src/client/index.ts';
import { CodedError, KIND_OF_CODE } from '../../src/core/index.ts';
import { framed, v1 } from '../../src/rpc/index.ts';
import { ask, echoEngine, startInProcess } from '../../tests/network/in-process.ts';

export type Ready = Readonly<{ port: number; lease: string; requests: readonly Uint8Array[] }>;
export type Report = Readonly<{
  answered: number;
  /** Honest requests that ended with a code, by the code. */
  refused: Readonly<Record<string, number>>;
  /** What must never be: an answer to another question, an error that nobody foresaw. */
  wrong: readonly string[];
  running: number;
  waiting: number;
  heapBytes: number;
}>;

const HELD = 1;
const REQUESTS = 48;
const PAUSE_MS = 20;
const DEADLINE_MS = 8_000;
const send = (message: unknown) => process.send?.(message);

let lease: Uint8Array | null = null;
const unlimited = { perSecond: 1e9, burst: 1e9 };
const network = await startInProcess({
  tees: ['tdx', 'tdx'],
  engine: echoEngine(),
  slots: 256,
  accountLimits: { requests: unlimited, tokens: unlimited },
  park: (worker) =>
    worker !== HELD
      ? null
      : (granted) => {
          lease = granted;
        },
});
while (lease === null) await new Promise((resolve) => setTimeout(resolve, 10));

/** Requests as a client seals and signs them, that nobody has sent yet. */
async function recorded(): Promise<Uint8Array[]> {
  const { requestSerialize } = v1.Inference.service.Infer;
  const requests: Uint8Array[] = [];
  const recording = (transport: RouterTransport): RouterTransport => ({
    ...transport,
    infer: async function* (open, frames) {
      const messages = [{ open: { ...open, candidates: [...open.candidates] } }, ...frames.map((frame) => ({ frame }))];
      requests.push(Buffer.concat(messages.map((message) => framed(requestSerialize(message as never)))));
      throw new CodedError('REQUEST_REFUSED', 'recorded');
    },
  });
  while (requests.length < REQUESTS) {
    const client = network.newClient(recording);
    for (let i = 0; i < 8; i++) {
      await ask(client, 'a'.repeat(1 + 300 * i), { deadlineMs: 3_600_000 }).catch(() => undefined);
    }
  }
  return requests;
}

const refused: Record<string, number> = {};
const wrong: string[] = [];
let answered = 0;
/** The process would end: it tells why, and does. */
const fatal = (error: unknown) => {
  wrong.push(String((error as Error | undefined)?.stack));
  tell();
  process.exit(1);
};
process.on('unhandledRejection', fatal);
process.on('uncaughtException', fatal);

async function askForEver(lane: number): Promise<never> {
  const client = network.newClient();
  for (let i = 0; ; i++) {
    const question = `these are the words of lane ${lane} and request ${i}`;
    try {
      const { answer } = await ask(client, question, { deadlineMs: DEADLINE_MS });
      if (answer.trim() === question) answered += 1;
      else wrong.push(`"${question}" was answered "${answer}"`);
    } catch (error) {
      const code = error instanceof CodedError ? error.code : 'INVARIANT_BROKEN';
      refused[code] = (refused[code] ?? 0) + 1;
      if (KIND_OF_CODE[code] === 'bug') wrong.push(String((error as Error).stack));
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

const requests = await recorded();
send({
  port: Number(network.address.split(':')[1]),
  lease: Buffer.from(lease).toString('hex'),
  requests,
} satisfies Ready);
for (let lane = 0; lane < 3; lane++) void askForEver(lane);
function tell(): void {
  const { running, waiting } = network.router.snapshot();
  const heapBytes = process.memoryUsage().heapUsed;
  send({ answered, refused, wrong: wrong.slice(0, 20), running, waiting, heapBytes } satisfies Report);
}
setInterval(tell, 1_000);
process.on('disconnect', () => process.exit());
