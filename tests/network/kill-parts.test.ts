import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CodedError, KIND_OF_CODE } from '../../src/core/index.ts';
import { ask } from './in-process.ts';
import { type Network, startNetwork } from './processes.ts';

/**
 * `kill -9` of one part in the middle of a request: the client gets its answer or a clear error by its deadline, never a
 * hang; the next start works, and no receipt, voucher or log entry that was acknowledged is lost.
 */
const DEADLINE_MS = 8_000;

async function midRequest(network: Network, kill: () => void) {
  const client = await network.newClient();
  const started = performance.now();
  let pieces = 0;
  let error: unknown = null;
  try {
    const request = { messages: [{ role: 'user' as const, content: 'Tell me about the sea.' }], maxTokens: 120 };
    for await (const event of client.chat(request, { deadlineMs: DEADLINE_MS })) {
      if (event.kind === 'text' && pieces++ === 0) kill();
    }
  } catch (thrown) {
    error = thrown;
  }
  return { pieces, error, tookMs: performance.now() - started };
}

const CASES = [
  ['worker', 'tdx'],
  ['worker', 'sev-snp'],
  ['router', 'sev-snp'],
  ['chain', 'tdx'],
] as const;

for (const [victim, tee] of CASES) {
  test(`kill -9 of the ${victim} in the middle of a request to a worker on ${tee}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), `chrysalis-kill-${victim}-`));
    const first = await startNetwork(folder, tee);
    const client = await first.newClient();
    const { done } = await ask(client, 'Write one sentence about the sea.', {}, 40);
    const receipt = done!.receipt;
    const before = await client.receiptInLog(receipt);
    expect((await client.payment())?.vouchered).toBe(receipt.amount);

    const { error, pieces, tookMs } = await midRequest(first, () => first[victim].kill('SIGKILL'));
    expect(pieces).toBeGreaterThan(0);
    expect(tookMs, String(error)).toBeLessThan(DEADLINE_MS + 2_000);
    if (error !== null) {
      expect(error).toBeInstanceOf(CodedError);
      expect(KIND_OF_CODE[(error as CodedError).code], String(error)).toBe('unavailable');
    }
    // The chain is not on the path of a request.
    if (victim === 'chain') expect(error).toBeNull();
    await first.stop();

    const second = await startNetwork(folder, tee);
    try {
      const again = await second.newClient();
      const { answer } = await ask(again, 'Write one sentence about the sea.', {}, 40);
      expect(answer.length).toBeGreaterThan(0);
      const after = await again.receiptInLog(receipt);
      expect(after.index).toBe(before.index);
      expect(after.size).toBeGreaterThanOrEqual(before.size);
      // `witnessed` is not run: this log policy asks for none.
      expect(after.checks.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
      expect(after.checks.find(({ name }) => name === 'inclusion')?.outcome).toBe('passed');
      const settled = await again.settle();
      expect(settled.vouchered).toBeGreaterThanOrEqual(2n * receipt.amount);
      expect(settled.claimed).toBe(settled.vouchered);
    } finally {
      await second.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  }, 90_000);
}
