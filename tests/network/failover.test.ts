import { expect, test } from 'vitest';
import type { RouterTransport } from '../../src/client/index.ts';
import { ask, echoEngine, startInProcess } from './in-process.ts';

test('a worker that is gone after its preface and before its first frame is passed over: same bytes, one call of the client', async () => {
  let calls = 0;
  let broken = 0;
  const counting = (transport: RouterTransport): RouterTransport => ({
    ...transport,
    infer: (...of) => {
      calls += 1;
      return transport.infer(...of);
    },
  });
  const network = await startInProcess({
    tees: ['tdx', 'tdx'],
    engine: echoEngine(),
    tamper: counting,
    // Whichever is asked first: so it is no matter which one the router likes better.
    misbehave: (serve) =>
      async function* (request, signal) {
        for await (const part of serve(request, signal)) {
          yield part;
          if (part.kind === 'preface' && broken++ === 0) throw new Error('gone');
        }
      },
  });
  try {
    const { answer, done } = await ask(network.client, 'these words come whole', { candidates: 2 });
    expect(answer.trim()).toBe('these words come whole');
    expect(done?.kind === 'done' && done.earlier).toEqual([]);
    expect([calls, broken]).toEqual([1, 2]);
    const { workers } = network.router.status();
    expect(workers.map(({ failed }) => failed).sort()).toEqual([0, 1]);
    // Only the one that answered has given a first frame.
    expect(workers.filter(({ firstFrame }) => firstFrame.p99Ms > 0).length).toBeLessThanOrEqual(1);
  } finally {
    await network.close();
  }
}, 60_000);

test('the time to a first frame is that of the engine, not of the preface that came before it', async () => {
  const network = await startInProcess({ engine: echoEngine({ delayMs: 300 }) });
  try {
    await ask(network.client, 'slow');
    const [worker] = network.router.status().workers;
    expect(worker?.firstFrame.p50Ms).toBeGreaterThanOrEqual(250);
  } finally {
    await network.close();
  }
}, 60_000);
