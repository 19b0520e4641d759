import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Address } from '@ton/core';
import { afterAll, expect, test } from 'vitest';
import { ChainEndpoint, type MasterchainBlock } from '../../src/chain/index.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const data = mkdtempSync(join(tmpdir(), 'chrysalis-chain-crash-'));
const running = new Set<ChildProcess>();

afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(data, { recursive: true, force: true });
});

async function startProcess() {
  const args = [MAIN, 'chain', 'dev', '--port', '0', '--data', data, '--json', '--supervised'];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  running.add(child);
  const exited = once(child, 'exit').then(([code, signal]) => {
    running.delete(child);
    return { code: code as number | null, signal: signal as string | null };
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = (await once(lines, 'line')) as [string];
  const ready = JSON.parse(line) as { event: string; url: string };
  expect(ready.event).toBe('ready');
  return { child, exited, endpoint: new ChainEndpoint({ endpoint: ready.url }) };
}

const account = (number: number) => new Address(0, Buffer.alloc(32, number));
const ACCOUNTS = 5;
const ACKNOWLEDGED_BEFORE_KILL = [17, 31];

test('killed in the middle of its work, it has lost nothing that it acknowledged, and no block changes', async () => {
  const acknowledged = Array.from({ length: ACCOUNTS }, () => 0n);
  let attempted = acknowledged.map(() => 0n);
  const shown: MasterchainBlock[] = [];
  const hold = async (endpoint: ChainEndpoint) => {
    for (const block of shown) expect(await endpoint.block(block.seqno)).toEqual(block);
    for (let i = 0; i < ACCOUNTS; i++) {
      const { balance } = await endpoint.account(account(i));
      expect(balance).toBeGreaterThanOrEqual(acknowledged[i]!);
      expect(balance).toBeLessThanOrEqual(attempted[i]!);
      acknowledged[i] = balance; // what was under way has come to pass, or not, for good
    }
    attempted = [...acknowledged];
  };
  for (let round = 0; round < ACKNOWLEDGED_BEFORE_KILL.length; round++) {
    const { child, exited, endpoint } = await startProcess();
    const first = await endpoint.head();
    expect(first.seqno).toBeGreaterThanOrEqual(shown.at(-1)?.seqno ?? 0);
    await hold(endpoint);
    shown.push(first);
    // A few streams of work at once, so that the kill meets some of it at every stage.
    let killed = false;
    let done = 0;
    const work = Array.from({ length: ACCOUNTS }, async (_, i) => {
      for (let n = 0; !killed; n++) {
        const amount = 1_000_000_000n + BigInt(n);
        attempted[i]! += amount;
        try {
          await endpoint.faucet(account(i), amount);
        } catch {
          return;
        }
        acknowledged[i]! += amount;
        done++;
        if (i === 0)
          await endpoint.head().then(
            (head) => shown.push(head),
            () => undefined,
          );
      }
    });
    while (done < ACKNOWLEDGED_BEFORE_KILL[round]!) await new Promise((resolve) => setTimeout(resolve, 3));
    child.kill('SIGKILL');
    expect(await exited).toEqual({ code: null, signal: 'SIGKILL' });
    killed = true;
    await Promise.all(work);
  }
  const last = await startProcess();
  await hold(last.endpoint);
  expect(acknowledged.every((sum) => sum > 0n)).toBe(true);
  expect(shown.length).toBeGreaterThanOrEqual(ACKNOWLEDGED_BEFORE_KILL.length);
  // Its supervisor goes away: it stops by itself, cleanly.
  last.child.stdin.end();
  expect(await last.exited).toEqual({ code: 0, signal: null });
});
