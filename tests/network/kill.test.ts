/** SIGKILL of one part in the middle of a request: never a hang, and the next start finds what was acknowledged. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createClientFromOptions } from '../../src/cli/compose/client.ts';
import { layoutOf } from '../../src/cli/up/state.ts';
import { ask } from './in-process.ts';
import { partsOf, startUp, type UpDocument } from './run-up.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-kill-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Starts a streamed answer, calls `strike` at its first bytes, and reads to the end. */
async function askAndStrike(up: UpDocument, strike: () => void): Promise<'finished' | 'failed'> {
  const response = await fetch(`${up.urls.gateway}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      messages: [{ role: 'user', content: 'Tell me of a ship.' }],
      max_tokens: 200,
      stream: true,
    }),
    signal: AbortSignal.timeout(30_000),
  });
  let text = '';
  let struck = false;
  const decoder = new TextDecoder();
  if (response.body === null) throw new Error('no body');
  try {
    for await (const piece of response.body) {
      if (!struck) strike();
      struck = true;
      text += decoder.decode(piece, { stream: true });
    }
  } catch (thrown) {
    if ((thrown as Error).name === 'TimeoutError') throw thrown; // that is the hang
    return 'failed'; // the gateway went with the network
  }
  expect(struck).toBe(true);
  // Either the receipt and the end, or an error that says so; never an answer that merely stops.
  const finished = text.includes('[DONE]') && text.includes('"receipt"');
  expect(finished || text.includes('"error"')).toBe(true);
  return finished ? 'finished' : 'failed';
}

test.each([
  ['router', ['router'], 3],
  ['chain', ['chain', 'dev'], 3],
  ['log', ['log', 'serve'], 3],
] as const)(
  'kill -9 of the %s ends the network with one clear line; the next start has all of it',
  async (name, words, code) => {
    const first = startUp(folder, []);
    const before = await first.document();
    await askAndStrike(before, () => {
      for (const pid of partsOf(folder, ...words)) process.kill(pid, 'SIGKILL');
    });
    expect(await first.exit).toBe(code);
    expect(first.err()).toContain(
      `${name === 'router' ? 'router' : name === 'log' ? 'transparency log' : 'development chain'} was killed`,
    );
    expect(partsOf(folder, 'run')).toEqual([]);
    const next = startUp(folder, ['--once']);
    const after = await next.document();
    expect(await next.exit).toBe(0);
    expect(after.payment.channel).toBe(before.payment.channel);
    expect(BigInt(after.payment.claimed)).toBeGreaterThan(BigInt(before.payment.claimed));
    expect(after.logProof.receipt.size).toBeGreaterThan(before.logProof.receipt.size);
  },
  120_000,
);

/** The SNP worker that a new client verifies now; undefined where there is none. */
async function snpWorkerNow(): Promise<string | undefined> {
  const { router, logPolicy, policy, simulatedVendor } = JSON.parse(readFileSync(layoutOf(folder).network, 'utf8'));
  const vendor = { dangerouslyAllowSimulatedVendor: simulatedVendor };
  const client = await createClientFromOptions({ router, logPolicy, policy, ...vendor, data: join(folder, 'watch') });
  try {
    // It pays nobody, so nobody answers; which workers there are it has verified before.
    await ask(client, 'anyone there?', { deadlineMs: 5_000 }).catch(() => undefined);
    return client.verified().find(({ tee }) => tee === 'sev-snp')?.workerId;
  } finally {
    await client.close();
  }
}

test('kill -9 of the SNP worker alone: the other one serves, and it comes back under a new identity', async () => {
  const run = startUp(folder, []);
  const up = await run.document();
  const before = up.workers.find(({ tee }) => tee === 'sev-snp')?.worker;
  expect(before).toBe(await snpWorkerNow());
  await askAndStrike(up, () => {
    for (const pid of partsOf(folder, 'worker', 'run', '--name', 'birch')) process.kill(pid, 'SIGKILL');
  });
  // Whichever of the two the first one went to.
  const askAgain = () => askAndStrike(up, () => {}).catch(() => 'failed');
  await expect.poll(askAgain, { timeout: 20_000, interval: 500 }).toBe('finished');
  await expect.poll(snpWorkerNow, { timeout: 40_000, interval: 500 }).not.toBeOneOf([undefined, before]);
  expect(run.err()).toContain('worker birch was killed');
  expect(run.err()).not.toContain('worker alder was killed');
  run.child.kill('SIGTERM');
  expect(await run.exit).toBe(0);
}, 120_000);

test('kill -9 of the workers ends the answer or finishes it; they come back and the network goes on', async () => {
  const run = startUp(folder, []);
  const up = await run.document();
  await askAndStrike(up, () => {
    for (const pid of partsOf(folder, 'worker', 'run')) process.kill(pid, 'SIGKILL');
  });
  const ask = () => askAndStrike(up, () => {}).catch(() => 'failed');
  await expect.poll(ask, { timeout: 40_000, interval: 500 }).toBe('finished');
  expect(run.err()).toContain('starting it again');
  run.child.kill('SIGTERM');
  expect(await run.exit).toBe(0);
}, 120_000);
