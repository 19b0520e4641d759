/** Two routers and two log processes over PostgreSQL, under load: what is killed or cut off loses nothing acknowledged. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeApprovals, loadPolicy, policyDigest, signApproval } from '../../src/attestation/index.ts';
import { DEVELOPMENT_POLICY } from '../../src/cli/paths.ts';
import type { AnswerReceipt, Client } from '../../src/client/index.ts';
import { type CodedError, toHex } from '../../src/core/index.ts';
import { type Leaf, parseCheckpoint, parseLeaf, parseNote } from '../../src/log/index.ts';
import { createLogClient } from '../../src/log/writer/index.ts';
import { connectToAdministration } from '../../src/rpc/index.ts';
import { openPostgres, openPostgresLedger } from '../../src/store/index.ts';
import { postgresAbsent } from '../store/postgres.ts';
import type { Part } from './processes.ts';
import { PEOPLE, startReplicas } from './replica-network.ts';

const absent = postgresAbsent();
const CLIENTS = 2;
/** Far more than it takes; the times themselves are printed. */
const RECOVERY_MS = 120_000;

/** This log has no witnesses, and says so. */
const UNWITNESSED = ['witnessed notRun'];

type Load = Readonly<{
  receipts: AnswerReceipt[];
  /** Best voucher that each client was told is accepted. */
  paid: Map<string, bigint>;
  failures: string[];
  /** Until every client has been answered, and paid, anew. */
  recovered(): Promise<number>;
  stop(): Promise<void>;
}>;

/** Clients that ask, read to the end and pay, one request after another, whatever happens. */
function startLoad(clients: readonly Client[]): Load {
  const receipts: AnswerReceipt[] = [];
  const paid = new Map<string, bigint>();
  const failures: string[] = [];
  const rounds = clients.map(() => 0);
  let stopped = false;
  const run = async (client: Client, who: number): Promise<void> => {
    while (!stopped) {
      const request = { messages: [{ role: 'user', content: 'Once upon a time' }], maxTokens: 8 } as const;
      try {
        for await (const event of client.chat(request, { deadlineMs: 30_000 })) {
          if (event.kind === 'done') receipts.push(event.receipt, ...event.earlier);
          if (event.kind !== 'paid') continue;
          paid.set(event.payment.channel, event.payment.vouchered);
          rounds[who] = (rounds[who] as number) + 1;
        }
      } catch (error) {
        failures.push((error as CodedError).code ?? String(error));
        await new Promise((done) => setTimeout(done, 100));
      }
    }
  };
  const running = clients.map(run);
  return {
    receipts,
    paid,
    failures,
    async recovered() {
      const [from, before] = [performance.now(), [...rounds]];
      // A request that was under way when it happened may end as if nothing had: the second one counts.
      const isOver = () => rounds.every((count, i) => count >= (before[i] as number) + 2);
      while (!isOver() && performance.now() - from < RECOVERY_MS) await new Promise((done) => setTimeout(done, 20));
      expect(isOver(), `not answered again: ${failures.slice(-20)}`).toBe(true);
      return performance.now() - from;
    },
    async stop() {
      stopped = true;
      await Promise.all(running);
    },
  };
}

/** Every entry of the log of this kind, with its index. */
async function entriesOf(logUrls: string): Promise<readonly Leaf[]> {
  const log = createLogClient({ url: logUrls });
  const { size } = parseCheckpoint(parseNote(new TextEncoder().encode(await log.checkpoint())).text);
  const leaves: Leaf[] = [];
  for (let index = 0; index < size; index++) leaves.push(parseLeaf(await log.entry(index)).leaf as Leaf);
  return leaves;
}

describe.skipIf(absent !== null)(absent ?? 'two routers and one log over PostgreSQL', () => {
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-replicas-'));
  let network: Awaited<ReturnType<typeof startReplicas>>;
  let clients: Client[] = [];
  beforeAll(async () => {
    network = await startReplicas(folder);
    clients = await Promise.all(Array.from({ length: CLIENTS }, (_, i) => network.newClient(`client-${i}`)));
  }, 300_000);
  afterAll(async () => {
    for (const client of clients) await client.close();
    await network?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  test('a policy proposed at one and approved at the other is in force at both, and at one that was away', async () => {
    const [a, b] = network.replicas;
    const shipped = JSON.parse(readFileSync(DEVELOPMENT_POLICY, 'utf8')) as { id: string; number: number };
    const follow = async (from: Part, at: Part): Promise<number> => {
      const number = loadPolicy(readFileSync(b.policy, 'utf8')).number + 1;
      const text = JSON.stringify({ ...shipped, number });
      const statement = { policyDigest: policyDigest(loadPolicy(text)), number, effectiveFromIndex: null };
      const signed = async (who: number, role: 'author' | 'approver') => {
        const signature = await signApproval(PEOPLE[who]!.key, role, statement);
        return encodeApprovals({ statement, signatures: [signature] });
      };
      const [author, approver] = [from, at].map(({ ready }) => connectToAdministration(String(ready.admin), Date.now));
      try {
        await author!.propose(text, await signed(0, 'author'));
        expect((await approver!.proposal()).number).toBe(number);
        expect((await approver!.approve(await signed(1, 'approver'))).missing).toEqual([]);
      } finally {
        author!.close();
        approver!.close();
      }
      return number;
    };
    const published = async (number: number) => {
      const entries = await entriesOf(network.logUrls);
      const of = entries.filter(
        ({ type, body }) => type === 'policy-published' && (body as { number?: number }).number === number,
      );
      return of.map(({ src }) => src).sort();
    };
    const [routerA, routerB] = network.routers;
    const number = await follow(routerA, routerB);
    await expect.poll(() => published(number), { timeout: 60_000, interval: 500 }).toEqual(['router-a', 'router-b']);
    routerA.kill('SIGKILL');
    await routerA.exited;
    const next = await follow(routerB, routerB);
    network.routers[0] = await a.start();
    await expect.poll(() => published(next), { timeout: 60_000, interval: 500 }).toEqual(['router-a', 'router-b']);
    // Its workers go on under it.
    const answer = clients[0]!.chat({ messages: [{ role: 'user', content: 'Once upon a time' }], maxTokens: 8 });
    for await (const event of answer) if (event.kind === 'done') expect(event.receipt.amount).toBeGreaterThan(0n);
  }, 300_000);

  test('a killed router, one that is cut off from the database, a killed log: nothing acknowledged is lost, nothing is there twice', async () => {
    const load = startLoad(clients);
    await load.recovered();
    const [routerA] = network.routers;
    const [replicaA, replicaB] = network.replicas;
    const times: string[] = [];
    const after = async (what: string, strike: () => void): Promise<void> => {
      strike();
      times.push(`${what}: every client answered and paid again after ${Math.round(await load.recovered())} ms`);
    };
    await after('kill -9 of a router', () => routerA.kill('SIGKILL'));
    await routerA.exited;
    await replicaA.start();
    await after('a router cut off from the database', () => replicaB.cable.cut());
    replicaB.cable.mend();
    const standby = network.startLog(1);
    await new Promise((done) => setTimeout(done, 1_000));
    await after('kill -9 of the log’s process', () => network.log.kill('SIGKILL'));
    await standby;
    await load.stop();
    process.stdout.write(`${times.join('\n')}\n${load.receipts.length} receipts, failed meanwhile: ${load.failures}\n`);
    expect(load.receipts.length).toBeGreaterThan(20);

    // Every client can prove its receipts in the log.
    const kept = load.receipts.filter(({ kind }) => kind === 'final');
    for (const receipt of kept) {
      const holder = clients.find((client) => client.receipts().some(({ id }) => id === receipt.id)) as Client;
      const checks = (await holder.receiptInLog(receipt)).checks.map(({ name, outcome }) => `${name} ${outcome}`);
      expect(checks.filter((check) => !check.endsWith(' passed'))).toEqual(UNWITNESSED);
    }
    await requireLedger(load, network.database);
    const entries = await entriesOf(network.logUrls);
    const roots = entries.flatMap((leaf) => (leaf.type === 'receipt-batch' ? [JSON.stringify(leaf.body)] : []));
    expect(roots.length).toBeGreaterThan(3);
    expect(new Set(roots).size, 'no batch is logged twice').toBe(roots.length);
  }, 600_000);
});

/** Receipts are there, in one batch each; vouchers are at least what was acknowledged, and name no receipt twice. */
async function requireLedger({ receipts, paid }: Load, url: string): Promise<void> {
  const ledger = await openPostgresLedger({ url });
  for (const { digest } of receipts) {
    const row = await ledger.receipt(digest);
    expect(row === null ? null : toHex(row.digest)).toBe(toHex(digest));
    expect((await ledger.batchOf(digest))?.leaves.filter((leaf) => toHex(leaf) === toHex(digest))).toHaveLength(1);
  }
  expect(paid.size).toBe(CLIENTS);
  for (const [channel, vouchered] of paid) {
    const voucher = await ledger.voucher(channel);
    expect(voucher?.cumulative ?? 0n).toBeGreaterThanOrEqual(vouchered);
    const leaves = (await ledger.voucherLeaves(channel)).map(toHex);
    expect(new Set(leaves).size).toBe(leaves.length);
    expect(leaves.length).toBe(voucher?.leaves);
    const sum = (await ledger.amountsOf(channel, await ledger.voucherLeaves(channel)))
      .values()
      .reduce((all, amount) => all + amount, 0n);
    expect(voucher?.cumulative, 'a receipt is paid once').toBe(sum);
  }
  await ledger.close();
  const database = await openPostgres({ url });
  const [twice] = await database.ask(
    'SELECT count(*) AS rows FROM (SELECT session_key, request_id FROM receipts WHERE NOT superseded GROUP BY 1, 2 HAVING count(*) > 1) AS of',
  );
  expect(twice?.rows).toBe('0');
  await database.close();
}
