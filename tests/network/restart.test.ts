/** A router that is killed and starts again, with processes as in production: its worker serves again on the evidence it has. */
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { DEVELOPMENT_POLICY } from '../../src/cli/paths.ts';
import { fromHex, utf8 } from '../../src/core/index.ts';
import { type Leaf, parseCheckpoint, parseLeaf, parseNote } from '../../src/log/index.ts';
import { createLogClient } from '../../src/log/writer/index.ts';
import { askStanding } from '../../src/rpc/index.ts';
import { ask } from './in-process.ts';
import { type Network, type Part, startNetwork } from './processes.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-restart-'));
const policy = join(folder, 'policy.json');
let network: Network | null = null;
afterAll(async () => {
  await network?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const WITHIN_MS = 60_000;
const said = ({ worker }: Network, event: string) => worker.said.filter((one) => one.event === event);

async function until(holds: () => boolean, what: string): Promise<void> {
  const started = performance.now();
  while (!holds()) {
    if (performance.now() - started > WITHIN_MS) throw new Error(`not within a minute: ${what}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

/** @returns milliseconds from when the router was ready to when the worker served again */
async function again(of: Network, times: number): Promise<number> {
  await of.restartRouter();
  const started = performance.now();
  await until(() => said(of, 'admitted').length === times, `admission ${times}`);
  return Math.round(performance.now() - started);
}

async function entriesOf(log: Part): Promise<Leaf[]> {
  const client = createLogClient({ url: String(log.ready.url) });
  const { size } = parseCheckpoint(parseNote(utf8(await client.checkpoint())).text);
  const entries = await Promise.all(Array.from({ length: size }, (_, index) => client.entry(index)));
  return entries.map((entry) => parseLeaf(entry).leaf as Leaf);
}

function putPolicy(changes: Readonly<Record<string, unknown>>): void {
  const shipped = JSON.parse(readFileSync(DEVELOPMENT_POLICY, 'utf8')) as { number: number };
  const number = JSON.parse(readFileSync(policy, 'utf8')).number + 1;
  writeFileSync(`${policy}.next`, JSON.stringify({ ...shipped, number, ...changes }));
  renameSync(`${policy}.next`, policy);
}

test('a router is killed, stopped, and given another policy while it is down', async () => {
  writeFileSync(policy, readFileSync(DEVELOPMENT_POLICY));
  network = await startNetwork(join(folder, 'network'), 'tdx', policy, ['--metrics-port', '0']);
  const client = await network.newClient();
  await ask(client, 'Before.', {}, 4);
  const [{ workerId, logIndex }] = said(network, 'admitted') as unknown as [{ workerId: string; logIndex: number }];
  const evidence = readFileSync(network.evidence);

  network.router.kill('SIGKILL');
  await network.router.exited;
  const afterKill = await again(network, 2);
  // Each piece of evidence answers a challenge of its own: none was made since.
  expect(readFileSync(network.evidence).equals(evidence)).toBe(true);
  const address = `127.0.0.1:${network.router.ready.port}`;
  const standing = await askStanding(address, fromHex(workerId), Date.now());
  expect(standing).toMatchObject({ state: 'admitted', resumed: true });
  await ask(client, 'After.', {}, 4); // who has a session
  await ask(await network.newClient(), 'After.', {}, 4); // and who verifies all of it for the first time
  const resumed = (await entriesOf(network.log)).find(({ body }) => 'resumes' in body);
  expect(resumed?.body).toMatchObject({ workerKey: `sha256:${workerId}`, resumes: logIndex });

  const second = network.routers.at(-1)!;
  const metrics = await (await fetch(`http://${second.ready.metrics}/metrics`)).text();
  expect(metrics).toContain('attestation_resumptions_total{outcome="resumed"} 1');
  await second.stop();
  const afterStop = await again(network, 3);
  expect(readFileSync(network.evidence).equals(evidence)).toBe(true);
  process.stdout.write(
    `serves again ${afterKill} ms after a router that was killed is ready, ${afterStop} ms after one that was stopped; evidence made: once\n`,
  );

  const third = network.routers.at(-1)!;
  third.kill('SIGKILL');
  await third.exited;
  putPolicy({ tees: ['sev-snp'] });
  const fourth = await network.restartRouter();
  await until(() => said(network!, 'refused').length > 0, 'the refusal');
  expect(String(said(network, 'attesting')[0]?.because)).toContain('would not be accepted now');
  expect(said(network, 'refused')[0]?.failedChecks).toContain('policy.tee');
  expect(readFileSync(network.evidence).equals(evidence)).toBe(false);
  await fourth.stop();
  const rejected = (await entriesOf(network.log)).filter(({ type }) => type === 'worker-rejected');
  expect(rejected.map(({ subject }) => subject)).toContain(`worker:${workerId}`);
}, 180_000);
