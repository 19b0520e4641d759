/** The whole product as people start it: every part a process of its own, the real model, the real verifier. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MAIN } from '../../src/cli/paths.ts';
import { startUp, type UpDocument } from './run-up.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-network-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let first: UpDocument;
let shown = '';
beforeAll(async () => {
  const run = startUp(folder, ['--once']);
  const code = await run.exit;
  expect(run.err()).not.toContain('✗');
  expect(code).toBe(0);
  shown = run.err(); // with --json what people see goes to stderr
  first = JSON.parse(run.out()) as UpDocument;
}, 120_000);

test('the first request: every fact of it was checked, in under a minute', () => {
  expect(first.answer.trim().length).toBeGreaterThan(10);
  expect(first.simulated && first.worker.simulated).toBe(true);
  for (const group of ['cpu', 'binding', 'policy', 'log', 'session']) {
    expect(first.checks[group]?.length).toBeGreaterThan(0);
    expect(first.checks[group]?.filter((check) => check.outcome === 'failed')).toEqual([]);
  }
  expect(first.receipt.id).toMatch(/^r_[0-9a-f]{16}$/);
  expect(first.receipt.checks.every((check) => check.outcome === 'passed')).toBe(true);
  expect(first.logProof.receipt.checks.every((check) => check.outcome === 'passed')).toBe(true);
  expect(first.logProof.receipt.index).toBeGreaterThan(first.logProof.admission.index);
  expect(first.payment).toMatchObject({ onChain: true, claimed: first.receipt.amount });
  // The worker has its nine tenths from the pool, and the receipt's entry is under a head that the chain holds.
  expect(BigInt(first.payout.paid)).toBe((BigInt(first.receipt.amount) * 9n) / 10n);
  expect(first.anchor.size).toBeGreaterThan(first.logProof.receipt.index);
  const kept = JSON.parse(readFileSync(join(folder, 'payouts', `${first.worker.name}.vouchers.json`), 'utf8'));
  expect(kept.vouchers).toMatchObject([{ pool: first.payout.pool, cumulative: first.payout.paid }]);
  expect(first.totalMs).toBeLessThan(60_000);
});

test('workers of both kinds were verified, each with its own named checks, and both are shown', () => {
  const byTee = Object.fromEntries(first.workers.map((worker) => [worker.tee, worker]));
  expect(Object.keys(byTee).sort()).toEqual(['sev-snp', 'tdx']);
  const { tdx, 'sev-snp': snp } = byTee;
  const passed = (worker: typeof tdx, group: string) =>
    (worker?.checks[group] ?? []).flatMap(({ name, outcome }) => (outcome === 'passed' ? [name] : []));
  expect(passed(tdx, 'cpu')).toEqual(expect.arrayContaining(['quoteSignature', 'pckChainNotRevoked', 'tcbLevel']));
  expect(passed(tdx, 'binding')).toContain('rtmr3Replay');
  expect(passed(snp, 'cpu')).toEqual(expect.arrayContaining(['reportSignature', 'chainNotRevoked', 'arkCrl']));
  expect(passed(snp, 'binding')).toContain('reportData');
  for (const worker of [tdx, snp]) {
    expect(worker?.simulated).toBe(true);
    expect(Object.values(worker?.checks ?? {}).flat()).not.toContainEqual(
      expect.objectContaining({ outcome: 'failed' }),
    );
  }
  expect(shown).toContain('worker alder (TDX and H100, simulated)');
  expect(shown).toContain('worker birch (SEV-SNP and H100, simulated)');
  for (const check of ['quoteSignature', 'reportSignature', 'chainToPinnedArk', 'rtmr3Replay']) {
    expect(shown).toContain(check);
  }
});

test('no question and no answer stands in any file of any part but the ones people asked for', () => {
  const canaries = ['sentence about the sea', first.answer.trim().slice(0, 40)];
  let looked = 0;
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, entry);
    if (!statSync(path).isFile()) continue;
    looked++;
    const bytes = readFileSync(path);
    for (const canary of canaries) expect([path, bytes.includes(canary)]).toEqual([path, false]);
  }
  expect(looked).toBeGreaterThan(10);
});

test('a second start finds its channel and its log again, an OpenAI client and chat can use it, and Ctrl-C ends it', async () => {
  const run = startUp(folder, []);
  const second = await run.document();
  expect(second.payment.channel).toBe(first.payment.channel);
  expect(BigInt(second.payment.claimed)).toBe(BigInt(first.payment.claimed) + BigInt(second.receipt.amount));
  expect(second.payout.pool).toBe(first.payout.pool);
  expect(second.anchor.address).toBe(first.anchor.address);
  expect(second.anchor.size).toBeGreaterThan(first.anchor.size);
  expect(second.logProof.receipt.size).toBeGreaterThan(first.logProof.receipt.size);
  expect(second.answer).toBe(first.answer); // greedy decoding repeats
  const openai = new OpenAI({ baseURL: `${second.urls.gateway}/v1`, apiKey: 'none', maxRetries: 0 });
  const messages = [{ role: 'user' as const, content: 'Tell me of a ship.' }];
  const answer = await openai.chat.completions.create({ model: second.model, messages, max_tokens: 16 });
  expect(answer.choices[0]?.message.content).not.toBe('');
  const page = await (await fetch(second.urls.gateway)).text();
  expect(page).toContain('Simulated enclaves');
  const chat = spawnSync(process.execPath, [MAIN, 'chat', '--data', folder, '--message', 'A storm came.', '--json'], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect(chat.stderr).toBe('');
  expect(JSON.parse(chat.stdout)).toMatchObject({ worker: { simulated: true }, receipt: { id: expect.any(String) } });
  run.child.kill('SIGINT');
  expect(await run.exit).toBe(0);
}, 120_000);
