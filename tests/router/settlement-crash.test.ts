import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Address } from '@ton/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configOfTerms, type DevelopmentChain, startDevelopmentChain } from '../../src/chain/index.ts';
import { toHex } from '../../src/core/index.ts';
import { AMOUNT, FEE_BPS, openSettling, PAYEES, payeeOf } from './settling.ts';

/** 200 before a release. */
const KILLS = Number(process.env.CHRYSALIS_KILLS ?? (process.env.CI ? 20 : 5));
const folder = mkdtempSync(join(tmpdir(), 'chrysalis-settling-'));
let chain: DevelopmentChain;
beforeAll(async () => {
  const randomness = (length: number) => crypto.getRandomValues(new Uint8Array(length)) as Uint8Array<ArrayBuffer>;
  chain = await startDevelopmentChain({ dataDirectory: join(folder, 'chain'), clock: Date.now, randomness });
  const settling = await openSettling(folder, chain.url);
  await settling.prepare(1_000_000_000_000n);
  await settling.ledger.close();
}, 60_000);
afterAll(async () => {
  await chain.close();
  rmSync(folder, { recursive: true });
});

type Run = {
  child: ChildProcess;
  acknowledged: bigint;
  found: Promise<bigint>;
  served: Promise<unknown>;
  err: () => string;
};
function serve(): Run {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'settling-child.ts'), folder, chain.url]);
  const found = Promise.withResolvers<bigint>();
  const served = Promise.withResolvers<void>();
  let err = '';
  child.stderr?.on('data', (piece) => {
    err += piece;
  });
  const run: Run = { child, acknowledged: 0n, found: found.promise, served: served.promise, err: () => err };
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    const [kind, amount = '0'] = line.split(' ');
    if (kind === 'start') found.resolve(BigInt(amount));
    else {
      run.acknowledged = BigInt(amount);
      served.resolve();
    }
  });
  child.once('exit', () => {
    const ended = new Error(`ended before it served: ${err}`);
    found.reject(ended);
    served.reject(ended);
  });
  found.promise.catch(() => undefined);
  served.promise.catch(() => undefined);
  return run;
}

test(
  `killed ${KILLS} times at any point, it forgets no voucher and pays nobody twice`,
  async () => {
    let acknowledged = 0n;
    for (let kill = 0; kill < KILLS; kill++) {
      const run = serve();
      expect(await run.found, 'what was acknowledged is there').toBeGreaterThanOrEqual(acknowledged);
      // However slow the machine is, one of the runs gets as far as a request.
      if (kill === 0) await run.served;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 1_200));
      run.child.kill('SIGKILL');
      await once(run.child, 'close');
      expect(run.err()).toBe('');
      if (run.acknowledged > acknowledged) acknowledged = run.acknowledged;
    }
    expect(acknowledged, 'it served at all').toBeGreaterThan(0n);
    await expectSettled(acknowledged);
  },
  60_000 + KILLS * 15_000,
);

/** Everything that was signed ends on chain exactly once, and with the workers exactly their part of it. */
async function expectSettled(acknowledged: bigint): Promise<void> {
  const settling = await openSettling(folder, chain.url);
  const { ledger, accounts, payouts, pool, channel, terms, client } = settling;
  const best = (await ledger.voucher(channel))!;
  expect(best.cumulative).toBeGreaterThanOrEqual(acknowledged);
  expect(best.cumulative).toBe(AMOUNT * BigInt(best.leaves));
  await accounts.claim(channel);
  const onChain = await client.channels.channelState(configOfTerms(terms));
  expect(onChain?.claimed).toBe(best.cumulative);
  const due = new Map(PAYEES.map((payee) => [toHex(payee), 0n]));
  for (let n = 0; n < best.leaves; n++) {
    const id = toHex(payeeOf(n));
    due.set(id, (due.get(id) ?? 0n) + (AMOUNT * BigInt(10_000 - FEE_BPS)) / 10_000n);
  }
  expect(new Map((await ledger.earned()).map(({ payee, amount }) => [toHex(payee), amount]))).toEqual(due);
  const paid = async () => new Map([...(await pool.view()).payees].map(([id, { claimed }]) => [id, claimed]));
  for (let round = 0; round < 40 && [...(await paid()).values()].reduce((a, b) => a + b, 0n) < sum(due); round++) {
    await payouts.round();
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  expect(await paid()).toEqual(due);
  for (const payee of PAYEES) {
    const { balance } = await client.endpoint.account(new Address(0, Buffer.from(payee)));
    // The account itself has exactly that, but for what its storage costs.
    expect(balance).toBeLessThanOrEqual(due.get(toHex(payee))!);
    expect(balance).toBeGreaterThan(due.get(toHex(payee))! - 1_000_000n);
  }
  await ledger.close();
}

const sum = (amounts: ReadonlyMap<string, bigint>) => [...amounts.values()].reduce((a, b) => a + b, 0n);

test('the watchtower answers a close with the best voucher; a client cannot close away from what it signed', async () => {
  const settling = await openSettling(folder, chain.url);
  const { accounts, client, channel, terms, ledger } = settling;
  const signed = await settling.request();
  const config = configOfTerms(terms);
  expect(await accounts.watch()).toEqual([]);
  expect((await client.channels.channelState(config))?.claimed).toBeLessThan(signed);
  await client.channels.startClose(client.wallet, config);
  expect(await accounts.watch()).toEqual([]);
  expect(await client.channels.channelState(config)).toMatchObject({ state: 'closing', claimed: signed });
  expect(await ledger.channel(channel)).toMatchObject({ state: 'closing', claimed: signed });
  await ledger.close();
}, 30_000);
