/** From one router and one log with files of their own to PostgreSQL: what was owed stays owed, and the log stays one log. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createClientFromOptions } from '../../src/cli/compose/client.ts';
import { DEVELOPMENT_POLICY } from '../../src/cli/paths.ts';
import { layoutOf } from '../../src/cli/up/state.ts';
import type { Client } from '../../src/client/index.ts';
import { parseLeaf } from '../../src/log/index.ts';
import { createLogClient } from '../../src/log/writer/index.ts';
import { runCommand } from '../cli/run-process.ts';
import { type Cluster, postgresAbsent, startCluster } from '../store/postgres.ts';
import { type Network, type Part, startNetwork, startPart } from './processes.ts';

const absent = postgresAbsent();
const folder = mkdtempSync(join(tmpdir(), 'chrysalis-import-'));
let cluster: Cluster;
let network: Network;
const more: Part[] = [];

beforeAll(async () => {
  if (absent !== null) return;
  cluster = await startCluster();
  network = await startNetwork(folder);
}, 120_000);
afterAll(async () => {
  for (const part of more.reverse()) await part.stop();
  await network?.stop();
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** @returns receipts that the channel has paid for so far */
async function asked(client: Client): Promise<number> {
  for await (const event of client.chat({ messages: [{ role: 'user', content: 'Once' }], maxTokens: 4 })) {
    if (event.kind === 'paid') return event.payment.receipts;
  }
  throw new Error('nothing was paid');
}

describe.skipIf(absent !== null)(absent ?? 'a network that grows', () => {
  test('router and log move into a database; clients go on paying from the same channel', async () => {
    const layout = layoutOf(folder);
    const url = await cluster.database();
    const first = await network.newClient();
    expect(await asked(first)).toBe(1);
    expect(await asked(first)).toBe(2);
    const receipt = first.receipts().at(-1);
    await first.receiptInLog(receipt as NonNullable<typeof receipt>);
    const token = join(layout.part('log'), 'write-token');
    const data = ['--data', layout.part('router'), '--log-token-file', token];
    const ledger = ['import', 'ledger', '--database', url, ...data, '--log'];
    const early = await runCommand(...ledger, String(network.log.ready.url), '--json');
    expect([early.code, JSON.parse(early.out).error.code]).toEqual([2, 'STATE_LOCKED']);
    network.router.kill('SIGKILL'); // it had no time to say who is gone
    await network.router.exited;
    await network.worker.stop();
    const moved = await runCommand(...ledger, String(network.log.ready.url), '--json');
    expect([moved.code, moved.err]).toEqual([0, '']);
    expect(JSON.parse(moved.out).imported).toMatchObject({ channels: 1, vouchers: 1, voucher_leaves: 2 });
    expect(existsSync(join(layout.part('router'), 'ledger.sqlite'))).toBe(false);
    expect((await runCommand(...ledger, String(network.log.ready.url))).code).toBe(2);
    const before = String(network.log.ready.vkey);
    await network.log.stop();
    const log = await runCommand('import', 'log', '--database', url, '--data', layout.part('log'));
    expect([log.code, log.err]).toEqual([0, '']);
    expect(log.out).toMatch(/log_head +1\n/);

    const start = async (name: string, args: readonly string[]) => {
      const part = await startPart(name, args, layout.logFile(`${name}-moved`));
      more.push(part);
      return part;
    };
    const place = ['--port', '0', '--data', layout.part('log'), '--token-file', token];
    const served = await start('log', ['log', 'serve', ...place, '--database', url]);
    expect(served.ready.vkey).toBe(before);
    const vendor = ['--dangerously-allow-simulated-vendor', layout.trustAnchors];
    const router = await start('router', [
      ...['router', '--port', '0', '--data', layout.part('router'), '--chain', String(network.chain.ready.url)],
      ...['--log', String(served.ready.url), '--log-token-file', token, '--policy', DEVELOPMENT_POLICY],
      ...['--collateral', layout.collateral, ...vendor, '--database', url],
    ]);
    const worker = await start('worker', [
      ...['worker', 'run', '--name', 'alder', '--router', `127.0.0.1:${router.ready.port}`],
      ...['--simulated-machine', layout.machine('alder'), '--simulated-devices', layout.devices('alder')],
    ]);
    await worker.waitFor('admitted'); // with a new identity, on the device of the one that was left in
    const client = await createClientFromOptions({
      policy: DEVELOPMENT_POLICY,
      dangerouslyAllowSimulatedVendor: layout.trustAnchors,
      router: `127.0.0.1:${router.ready.port}`,
      chain: String(network.chain.ready.url),
      dangerouslyAllowUnwitnessedLog: before,
      data: layout.part('gateway'),
    });
    try {
      expect(await asked(client)).toBe(3);
      // An old receipt is proven by the log where it is now.
      await client.receiptInLog(receipt as NonNullable<typeof receipt>);
    } finally {
      await client.close();
    }
    const reader = createLogClient({ url: String(served.ready.url) });
    const causes = async () => {
      const found: unknown[] = [];
      for (let index = 0; ; index++) {
        const entry = await reader.entry(index).catch(() => null);
        if (entry === null) return found;
        const { leaf } = parseLeaf(entry) as { leaf: { type: string; body: { cause?: unknown } } };
        if (leaf.type === 'evicted') found.push(leaf.body.cause);
      }
    };
    expect(await causes()).toEqual(['router restarted']);
  }, 180_000);
});
