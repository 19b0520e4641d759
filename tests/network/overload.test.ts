import { expect, test } from 'vitest';
import type { CodedError } from '../../src/core/index.ts';
import { ask, echoEngine, startInProcess } from './in-process.ts';

const CROWD = 40;
const TOKENS = 5;
const TOKEN_MS = 40;

test('one channel asks for far more than there is: the others are served, and what cannot be in time is refused at once', async () => {
  const network = await startInProcess({ engine: echoEngine({ delayMs: TOKEN_MS, tokens: TOKENS }), slots: 1 });
  try {
    // The router times a few answers first, so that it can tell how long a line takes.
    for (let i = 0; i < 3; i++) await ask(network.client, 'how long');
    const greedy = network.newClient();
    const small = network.newClient();
    await Promise.all([ask(greedy, 'a session'), ask(small, 'a session')]);
    const started = performance.now();
    const crowd = Array.from({ length: CROWD }, () =>
      ask(greedy, 'one of many', { deadlineMs: 4_000 }).then(
        () => ({ code: null, ms: 0, retryAfterMs: 0 }),
        ({ code, facts }: CodedError) => ({ code, ms: performance.now() - started, retryAfterMs: facts.retryAfterMs }),
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { answer } = await ask(small, 'the only one', { deadlineMs: 6_000 });
    expect(answer.length).toBeGreaterThan(0);
    const results = await Promise.all(crowd);
    const served = results.filter(({ code }) => code === null);
    const refused = results.filter(({ code }) => code !== null);
    expect(served.length).toBeGreaterThan(3);
    expect(refused.length).toBeGreaterThan(CROWD / 4);
    for (const { code } of refused) expect(['DEADLINE_EXCEEDED', 'ROUTER_BUSY']).toContain(code);
    // Long before their deadlines: what would have waited in vain never waited, and knows when to come again.
    const early = refused.filter(({ ms }) => ms < 3_500);
    expect(early.length).toBeGreaterThan(0);
    for (const { retryAfterMs } of early) expect(retryAfterMs).toBeGreaterThan(0);
  } finally {
    await network.close();
  }
});
