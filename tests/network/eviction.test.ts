import { afterEach, describe, expect, test } from 'vitest';
import { CodedError } from '../../src/core/index.ts';
import type { Engine } from '../../src/worker/index.ts';
import { ask, echoEngine, type InProcess, startInProcess } from './in-process.ts';

/** The router looks each second; the rest is room for a machine that runs other tests beside. */
const KNOWN_TO_ACTED_MS = 60_000;
/** However long it takes to judge all of them again. */
const NO_DISPATCH_AFTER_MS = 2_000;
const ROOM_MS = 4_000;
const WORKERS = 200;

let network: InProcess;
afterEach(() => network.close());

const states = () => network.router.listWorkers().map(({ name, state }) => `${name} ${state}`);
const inState = (state: string) => network.router.listWorkers().filter((worker) => worker.state === state).length;

async function until(holds: () => boolean, withinMs: number): Promise<void> {
  const started = performance.now();
  while (!holds() && performance.now() - started < withinMs) await new Promise((done) => setTimeout(done, 20));
}

/** Engines that say when they were last given a request. */
function watchedEngines(): readonly (Engine & { startedAt: number })[] {
  return Array.from({ length: WORKERS }, () => {
    const inner = echoEngine({ delayMs: 100, tokens: 40 });
    const engine: Engine & { startedAt: number } = {
      ...inner,
      startedAt: 0,
      generate: (...asked) => {
        engine.startedAt = performance.now();
        return inner.generate(...asked);
      },
    };
    return engine;
  });
}

test('a policy that half of 200 workers do not meet ends their dispatches in two seconds; running answers end whole', async () => {
  const tees = Array.from({ length: WORKERS }, (_, i) => (i % 2 === 0 ? ('tdx' as const) : ('sev-snp' as const)));
  const engines = watchedEngines();
  network = await startInProcess({ tees, engine: engines });
  expect(inState('admitted')).toBe(WORKERS);
  let begun = 0;
  const running = Array.from({ length: 8 }, async () => {
    const words: string[] = [];
    const messages = [{ role: 'user', content: 'long' }] as const;
    for await (const event of network.newClient().chat({ messages, maxTokens: 64 })) {
      if (event.kind !== 'text') continue;
      if (words.length === 0) begun += 1;
      words.push(event.text);
    }
    return words.length;
  });
  await until(() => begun === running.length, 10_000);
  let asking = true;
  const asked = Array.from({ length: 4 }, async () => {
    // Whoever is put out in between is replaced by the client.
    for (let count = 0; ; count++) {
      if (!asking) return count;
      await ask(network.newClient(), 'short', {}, 1);
    }
  });

  const changedAt = performance.now();
  network.changePolicy({ tees: ['sev-snp'] });
  await until(() => inState('quarantined') === WORKERS / 2, KNOWN_TO_ACTED_MS);
  const outAt = performance.now();
  expect(states().filter((line) => line.endsWith('quarantined'))).toHaveLength(WORKERS / 2);
  expect(inState('admitted')).toBe(WORKERS / 2);
  await new Promise((done) => setTimeout(done, 1_000));
  asking = false;
  expect((await Promise.all(asked)).reduce((sum, count) => sum + count)).toBeGreaterThan(0);
  const last = Math.max(...engines.filter((_, i) => tees[i] === 'tdx').map(({ startedAt }) => startedAt));
  const lastText = last < changedAt ? 'before' : `${Math.round(last - changedAt)} ms after`;
  process.stdout.write(
    `${WORKERS / 2} of ${WORKERS} workers out ${Math.round(outAt - changedAt)} ms after the policy changed; the last request reached one of them ${lastText} the change\n`,
  );
  expect(last - changedAt).toBeLessThan(NO_DISPATCH_AFTER_MS + ROOM_MS);
  for (let i = 0; i < 6; i++) {
    const { events } = await ask(network.newClient(), 'after', {}, 1);
    expect(events.find((event) => event.kind === 'worker')?.worker.tee).toBe('sev-snp');
  }
  expect(await Promise.all(running)).toEqual(running.map(() => 40));

  const told = () => network.events.filter((event) => event.event === 'refused');
  await until(() => told().length >= WORKERS / 2, KNOWN_TO_ACTED_MS);
  const evicted = (await network.entries()).filter(({ type }) => type === 'evicted');
  expect(evicted).toHaveLength(WORKERS / 2);
  for (const { body } of evicted) expect(JSON.stringify(body)).toContain('tee');
  expect(told().length).toBeGreaterThanOrEqual(WORKERS / 2);
  expect(told().every((event) => event.event === 'refused' && event.failedChecks.includes('policy.tee'))).toBe(true);
}, 180_000);

describe('collateral that the router comes to know', () => {
  const now = () => Math.floor(Date.now() / 1000);

  test('a revocation takes the worker out in seconds, and the client hears that nobody serves', async () => {
    network = await startInProcess({ engine: echoEngine() });
    const { answer } = await ask(network.client, 'before');
    expect(answer).toBe('before ');
    const collateral = JSON.stringify(network.vendor.collateral(now(), { revokedMachines: ['host-0'] }));
    network.changeCollateral(() => collateral);
    await until(() => inState('quarantined') === 1, KNOWN_TO_ACTED_MS);
    expect(states()).toEqual(['worker-0 quarantined']);
    const error = await ask(network.newClient(), 'after').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CodedError);
    expect((error as CodedError).code).toBe('NO_WORKER');
  });

  test('what cannot be judged for now evicts nobody: an outage is no refusal', async () => {
    network = await startInProcess({ engine: echoEngine() });
    network.changeCollateral(() => '{}');
    await new Promise((done) => setTimeout(done, 4_000));
    expect(states()).toEqual(['worker-0 admitted']);
  });
});
