import { afterEach, describe, expect, test } from 'vitest';
import { SIMULATED_H100 } from '../../src/attestation/simulate/index.ts';
import { CodedError } from '../../src/core/index.ts';
import { vendor as nvidia } from '../attestation/nvidia/scene.ts';
import { ask, echoEngine, type InProcess, startInProcess } from './in-process.ts';

/** Until the last of them has been judged: all have to be, and a machine that runs other tests beside takes its time. */
const ALL_JUDGED_MS = 60_000;
/** From the change on, nothing new goes to whom it refuses for longer than this; what is measured is below it by far. */
const NO_DISPATCH_AFTER_MS = 2_000;
const WORKERS = 200;
const ASKERS = 8;
const HOSTS = 24;

let network: InProcess;
afterEach(() => network.close());

const states = () => network.router.listWorkers().map(({ name, state }) => `${name} ${state}`);
const inState = (state: string) => network.router.listWorkers().filter((worker) => worker.state === state).length;

async function until(holds: () => boolean, withinMs: number): Promise<void> {
  const started = performance.now();
  while (!holds() && performance.now() - started < withinMs) await new Promise((done) => setTimeout(done, 20));
}

/** Clients that ask again and again until they are told to stop, at the workers that they know; the slowest answer took so long. */
function askers(count: number) {
  const seen = { asked: 0, slowestMs: 0, isStopped: false };
  const all = Array.from({ length: count }, async () => {
    const client = network.newClient();
    while (!seen.isStopped) {
      const askedAt = performance.now();
      await ask(client, 'short', {}, 1);
      seen.asked += 1;
      seen.slowestMs = Math.max(seen.slowestMs, performance.now() - askedAt);
    }
  });
  return { seen, ended: () => Promise.all(all) };
}

test('a policy that half of 200 workers do not meet ends their dispatches at once; running answers end whole, and nobody who asks is refused', async () => {
  const tees = Array.from({ length: WORKERS }, (_, i) => (i % 2 === 0 ? ('tdx' as const) : ('sev-snp' as const)));
  const dispatches: { worker: number; at: number }[] = [];
  const onDispatch = (worker: number) => dispatches.push({ worker, at: performance.now() });
  let judgingMs = 0;
  const beforeAppraisal = () => new Promise<void>((done) => setTimeout(done, judgingMs));
  const engine = echoEngine({ delayMs: 100, tokens: 40 });
  network = await startInProcess({ tees, engine, onDispatch, beforeAppraisal });
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
  await until(() => begun === running.length, 30_000);
  const { seen, ended } = askers(ASKERS);
  await until(() => seen.asked >= 2 * ASKERS, ALL_JUDGED_MS);

  // Four are judged at a time: it takes seconds until the last one is.
  judgingMs = 100;
  network.changePolicy({ tees: ['sev-snp'] });
  const inForceAt = performance.now(); // the operator has been answered, and the router has it
  const askedBefore = seen.asked;
  await until(() => inState('quarantined') === WORKERS / 2, ALL_JUDGED_MS);
  const outMs = performance.now() - inForceAt;
  expect(states().filter((line) => line.endsWith('quarantined'))).toHaveLength(WORKERS / 2);
  expect(inState('admitted')).toBe(WORKERS / 2);
  await until(() => seen.asked >= askedBefore + 2 * ASKERS, ALL_JUDGED_MS);
  seen.isStopped = true;
  await ended();
  const after = dispatches.filter(({ at }) => at > inForceAt);
  const late = after.filter(({ worker }) => tees[worker] === 'tdx').map(({ at }) => at - inForceAt);
  const lastMs = Math.max(0, ...late);
  process.stdout.write(
    `${late.length} dispatches to ${WORKERS / 2} of ${WORKERS} workers after the policy that refuses them came into force, the last ${Math.round(lastMs)} ms after; all are out after ${Math.round(outMs)} ms; of ${seen.asked} requests meanwhile the slowest took ${Math.round(seen.slowestMs)} ms\n`,
  );
  expect(lastMs).toBeLessThan(NO_DISPATCH_AFTER_MS);
  // Not even one, however slow the machine is: whoever is not judged yet gets nothing.
  expect(late).toEqual([]);
  expect(after.length).toBeGreaterThan(0);
  expect(await Promise.all(running)).toEqual(running.map(() => 40));

  const told = () => network.events.filter((event) => event.event === 'refused');
  await until(() => told().length >= WORKERS / 2, ALL_JUDGED_MS);
  const evicted = (await network.entries()).filter(({ type }) => type === 'evicted');
  expect(evicted).toHaveLength(WORKERS / 2);
  for (const { body } of evicted) expect(JSON.stringify(body)).toContain('tee');
  expect(told().length).toBeGreaterThanOrEqual(WORKERS / 2);
  expect(told().every((event) => event.event === 'refused' && event.failedChecks.includes('policy.tee'))).toBe(true);
}, 180_000);

describe('collateral that the router comes to know', () => {
  const now = () => Math.floor(Date.now() / 1000);

  test('a revocation takes the worker out before it gets anything new, and the client hears that nobody serves', async () => {
    network = await startInProcess({ engine: echoEngine() });
    const { answer } = await ask(network.client, 'before');
    expect(answer).toBe('before ');
    const collateral = JSON.stringify(network.vendor.collateral(now(), { revokedMachines: ['host-0'] }));
    network.changeCollateral(() => collateral);
    // Asked for at once, before anybody could look: it is judged first.
    const error = await ask(network.newClient(), 'after').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CodedError);
    expect((error as CodedError).code).toBe('NO_WORKER');
    await until(() => inState('quarantined') === 1, ALL_JUDGED_MS);
    expect(states()).toEqual(['worker-0 quarantined']);
  });

  test('a revocation of half of the hosts: not one request begins at any of them after it is known, and nobody who asks is refused', async () => {
    const dispatches: { worker: number; at: number }[] = [];
    let judgingMs = 0;
    network = await startInProcess({
      tees: Array.from({ length: HOSTS }, () => 'tdx' as const),
      engine: echoEngine(),
      onDispatch: (worker) => dispatches.push({ worker, at: performance.now() }),
      beforeAppraisal: () => new Promise<void>((done) => setTimeout(done, judgingMs)),
    });
    const { seen, ended } = askers(ASKERS);
    await until(() => seen.asked >= 2 * ASKERS, ALL_JUDGED_MS);
    const revoked = Array.from({ length: HOSTS / 2 }, (_, i) => 2 * i);
    const revokedMachines = revoked.map((i) => `host-${i}`);
    const collateral = JSON.stringify(network.vendor.collateral(now(), { revokedMachines }));
    judgingMs = 200;
    network.changeCollateral(() => collateral);
    const knownAt = performance.now();
    const askedBefore = seen.asked;
    await until(() => inState('quarantined') === revoked.length, ALL_JUDGED_MS);
    await until(() => seen.asked >= askedBefore + 2 * ASKERS, ALL_JUDGED_MS);
    seen.isStopped = true;
    await ended();
    const after = dispatches.filter(({ at }) => at > knownAt);
    expect(after.length).toBeGreaterThan(0);
    expect(after.filter(({ worker }) => revoked.includes(worker))).toEqual([]);
    expect(inState('quarantined')).toBe(revoked.length);
    expect(inState('admitted')).toBe(HOSTS - revoked.length);
  }, 120_000);

  test('what cannot be judged for now evicts nobody: an outage is no refusal', async () => {
    network = await startInProcess({ engine: echoEngine() });
    network.changeCollateral(() => '{}');
    await new Promise((done) => setTimeout(done, 4_000));
    expect(states()).toEqual(['worker-0 admitted']);
  });
});

test('a twin of its device that comes later puts a worker out while it is being asked: nothing more begins at it', async () => {
  const gpu = nvidia.device('lent-late', SIMULATED_H100);
  const stateAtDispatch: (string | undefined)[] = [];
  network = await startInProcess({
    tees: ['tdx', 'tdx'],
    gpus: [gpu, gpu],
    late: [1],
    engine: echoEngine(),
    onDispatch: (number) => {
      const row = network.router.listWorkers().find(({ name }) => name === `worker-${number}`);
      stateAtDispatch.push(row?.state);
    },
  });
  let refused = 0;
  let isStopped = false;
  const asked = Array.from({ length: 4 }, async () => {
    const client = network.newClient();
    while (!isStopped) {
      await ask(client, 'short', {}, 1).catch(() => {
        refused += 1;
        return new Promise((done) => setTimeout(done, 20));
      });
    }
  });
  await until(() => stateAtDispatch.length >= 8, ALL_JUDGED_MS);
  network.start(1);
  await until(() => refused >= 8, ALL_JUDGED_MS);
  isStopped = true;
  await Promise.all(asked);
  expect(inState('quarantined')).toBe(1);
  expect(inState('admitted')).toBe(0);
  expect(stateAtDispatch.length).toBeGreaterThanOrEqual(8);
  expect(new Set(stateAtDispatch)).toEqual(new Set(['admitted']));
}, 120_000);
