import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SnpReportRequest } from '../../src/attestation/simulate/index.ts';
import type { VerifiedWorker } from '../../src/client/index.ts';
import { CodedError } from '../../src/core/index.ts';
import { ask, echoEngine, type InProcess, startInProcess } from './in-process.ts';

let network: InProcess;
beforeAll(async () => {
  network = await startInProcess({ tees: ['tdx', 'sev-snp'], engine: echoEngine({ delayMs: 1 }) });
});
afterAll(() => network.close());

test('a sealed request is verified, answered, receipted, paid and found in the log', async () => {
  const { answer, done, events } = await ask(network.client, 'one two three');
  expect(answer).toBe('one two three ');
  expect(events.map(({ kind }) => kind)).toEqual([
    ...['verifying', 'readers', 'worker', 'text', 'text', 'text', 'done', 'paid'],
  ]);
  const worker = events.find((event) => event.kind === 'worker')?.worker;
  expect(worker?.simulated).toBe(true);
  expect(worker?.candidates).toBe(2);
  expect(done?.usage).toEqual({ tokensIn: 3, tokensCached: 0, tokensOut: 3 });
  expect(done?.receipt.tokensIn).toBe(128);
  expect(done?.receipt.amount).toBe(19_200n);
  const logged = await network.client.receiptInLog(done!.receipt);
  expect(logged.checks.filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
  expect((await network.client.settle()).claimed).toBeGreaterThanOrEqual(19_200n);
});

test('workers of both kinds serve, each with every required check of its own kind passed', async () => {
  const seen = new Map<string, VerifiedWorker>();
  for (let attempt = 0; attempt < 64 && seen.size < 2; attempt++) {
    const client = network.newClient(); // a session stays with the worker it was opened to
    const { answer, events } = await ask(client, 'which');
    expect(answer).toBe('which ');
    const worker = events.find((event) => event.kind === 'worker')!.worker;
    seen.set(worker.tee, worker);
    await client.close();
  }
  expect([...seen.keys()].sort()).toEqual(['sev-snp', 'tdx']);
  const passed = (tee: string) =>
    Object.values(seen.get(tee)!.checks)
      .flat()
      .flatMap(({ name, outcome }) => (outcome === 'passed' ? [name] : []));
  expect(passed('tdx')).toEqual(expect.arrayContaining(['quoteSignature', 'rtmr3Replay', 'reportData']));
  expect(passed('sev-snp')).toEqual(
    expect.arrayContaining(['chainToPinnedArk', 'arkCrl', 'reportSignature', 'chipIdMatchesLeaf', 'reportData']),
  );
  expect(passed('sev-snp')).not.toContain('rtmr3Replay');
});

test('mode 2: the evidence is made after the nonce and covers the epoch key', async () => {
  const { answer, events } = await ask(network.client, 'fresh', { mode: 2 });
  expect(answer).toBe('fresh ');
  const worker = events.find((event) => event.kind === 'worker')?.worker;
  expect(worker?.mode).toBe(2);
  expect(worker?.checks.binding?.find(({ name }) => name === 'nonce')?.outcome).toBe('passed');
});

test('forty requests at the same time are not mixed up', async () => {
  const prompts = Array.from({ length: 40 }, (_, i) => `request number ${i} says word${i}`);
  const client = network.newClient();
  const answers = await Promise.all(prompts.map((prompt) => ask(client, prompt)));
  expect(answers.map(({ answer }) => answer)).toEqual(prompts.map((prompt) => `${prompt} `));
  const digests = new Set(answers.map(({ done }) => done?.receipt.id));
  expect(digests.size).toBe(40);
});

test('an answer that takes longer than the deadline ends at the deadline', async () => {
  const slow = await startInProcess({ engine: echoEngine({ delayMs: 20, tokens: 1000 }) });
  try {
    const started = performance.now();
    const error = await ask(slow.client, 'go on', { deadlineMs: 700 }, 1000).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(error === null || error instanceof CodedError).toBe(true);
    if (error instanceof CodedError) expect(error.code).toBe('DEADLINE_EXCEEDED');
  } finally {
    await slow.close();
  }
});

test.each<[string, Partial<SnpReportRequest>, string]>([
  ['a debug guest', { fields: { policy: 0xb0000n } }, 'policy.debugOff'],
  ['a report of a lower VMPL', { vmpl: 1 }, 'policy.vmpl'],
  ['a report that a stranger signed', { signedBy: 'stranger' }, 'cpu.reportSignature'],
])('%s is not admitted, and the router says which check it failed', async (_, report, check) => {
  const refused = await startInProcess({ tees: ['sev-snp'], report });
  try {
    const [event] = refused.events;
    expect(event).toMatchObject({ event: 'refused', code: 'ADMISSION_REFUSED' });
    expect(event?.event === 'refused' ? event.failedChecks : []).toContain(check);
  } finally {
    await refused.close();
  }
});

test('more certificates than a router takes are refused as too many', async () => {
  const refused = await startInProcess({ tees: ['sev-snp'], certificates: new Array(5).fill(new Uint8Array(8)) });
  try {
    expect(refused.events[0]).toMatchObject({ event: 'refused', code: 'EVIDENCE_TOO_LARGE' });
  } finally {
    await refused.close();
  }
});

test('a debug TD is not admitted, and the router says which check it failed', async () => {
  const refused = await startInProcess({ machine: { debug: true } });
  try {
    const [event] = refused.events;
    expect(event).toMatchObject({ event: 'refused', code: 'ADMISSION_REFUSED' });
    expect(event?.event === 'refused' ? event.failedChecks : []).toContain('policy.debugOff');
    await expect(ask(refused.client, 'hello')).rejects.toMatchObject({ code: 'NO_WORKER' });
  } finally {
    await refused.close();
  }
});
