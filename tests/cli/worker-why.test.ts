/** `chrysalis worker why`, asked of a real router about workers with real (simulated) evidence, and of evidence in a file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { sha384 } from '#crypto';
import { DEVELOPMENT_IMAGE, SIMULATED_H100 } from '../../src/attestation/simulate/index.ts';
import type { Explanation } from '../../src/cli/worker/why.ts';
import { toHex, utf8 } from '../../src/core/index.ts';
import { serveAdministration } from '../../src/rpc/index.ts';
import { vendor as nvidia } from '../attestation/nvidia/scene.ts';
import { type InProcess, type InProcessOptions, startInProcess } from '../network/in-process.ts';
import { runHere } from './in-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-why-'));
let network: InProcess;
afterEach(() => network?.close());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function why(...args: readonly string[]): Promise<{ code: number; said: Explanation; text: string }> {
  const { code, out } = await runHere('worker', 'why', ...args, '--json');
  const { out: text } = await runHere('worker', 'why', ...args);
  return { code, said: JSON.parse(out), text };
}

/** What the router says of the first worker that it refused. */
async function askedAbout(options: InProcessOptions) {
  network = await startInProcess(options);
  const refused = network.events.find((event) => event.event === 'refused');
  if (refused?.event !== 'refused') throw new Error('nobody was refused');
  return why(refused.workerId, '--router', network.address);
}

/** The evidence of the last entry about a worker, as its owner would have kept it. */
async function recorded(): Promise<string> {
  const entries = await network.entries();
  const last = entries.findLast(({ type }) => type === 'worker-rejected' || type === 'worker-admitted');
  if (last === undefined) throw new Error('no evidence came to the router');
  const file = join(folder, 'evidence.bin');
  writeFileSync(file, await network.blob(String(Object(last.body).evidenceBlob)));
  return file;
}

async function judgedHere(evidence: string, collateral: string | null) {
  const anchors = join(folder, 'anchors.json');
  const rows = network.anchors.map(({ spkiSha256, kind, name, purpose }) => ({
    spkiSha256: toHex(spkiSha256),
    kind,
    name,
    purpose,
  }));
  writeFileSync(anchors, JSON.stringify(rows));
  const file = join(folder, 'collateral.json');
  if (collateral !== null) writeFileSync(file, collateral);
  const given = collateral === null ? [] : ['--collateral', file];
  return why('--evidence', evidence, ...given, '--dangerously-allow-simulated-vendor', anchors);
}

const failing: readonly [what: string, options: InProcessOptions, check: string, reason: RegExp, todo: RegExp][] = [
  [
    'a wrong image',
    { machine: { image: { ...DEVELOPMENT_IMAGE, mrTd: toHex(sha384(utf8('another image'))) } } },
    'policy.image',
    /none of those that the router’s policy names/,
    /image explain/,
  ],
  ['the debug flag', { machine: { debug: true } }, 'policy.debugOff', /host can read/, /without `debug=on`/],
  ['a stale TCB', { machine: { platformStatus: 'OutOfDate' } }, 'policy.tcbStatus', /TCB is behind/, /Update the BIOS/],
];

describe.each(failing)('%s', (_, options, check, reason, todo) => {
  test('the router’s word and the evidence in a file give the same reason and the same next step', async () => {
    const { code, said, text } = await askedAbout(options);
    expect([code, said.state, said.retryAfterMs]).toEqual([1, 'refused', 0]);
    expect(said.reasons[0]).toMatchObject({ check, code: 'EVIDENCE_REFUSED_BY_POLICY' });
    expect(said.reasons[0]?.why).toMatch(reason);
    expect(said.todo).toMatch(todo);
    expect(text.replace(/\s+/g, ' ')).toMatch(reason);
    expect(text.replace(/\s+/g, ' ')).toMatch(todo);

    const here = await judgedHere(
      await recorded(),
      JSON.stringify(network.vendor.collateral(Math.floor(Date.now() / 1000))),
    );
    expect([here.code, here.said.state, here.said.workerId]).toEqual([1, 'refused', said.workerId]);
    expect(here.said.reasons).toEqual(said.reasons);
  });
});

test('a twin GPU: both workers hear it, and that neither is believed', async () => {
  const gpu = nvidia.device('twin', SIMULATED_H100);
  const { code, said, text } = await askedAbout({ tees: ['tdx', 'tdx'], gpus: [gpu, gpu] });
  expect(code).toBe(1);
  expect(['refused', 'quarantined']).toContain(said.state);
  expect(said.reasons[0]).toMatchObject({ check: 'uniqueDevices' });
  expect(said.todo).toMatch(/stop one, and wait until its lease is over/);
  expect(said.retryAfterMs).toBeGreaterThan(0);
  expect(text).toMatch(/asks again by itself/);
});

test('collateral that cannot be had: nothing is wrong with the worker, and it need do nothing', async () => {
  const { code, said, text } = await askedAbout({ collateralAway: true });
  expect([code, said.state]).toEqual([3, 'unavailable']);
  expect(said.reasons[0]).toMatchObject({ code: 'ENDORSEMENT_UNREACHABLE' });
  expect(said.reasons[0]?.why).toMatch(/Nothing is known to be wrong with the worker/);
  expect(said.todo).toMatch(/Nothing on this host/);
  expect(text).toMatch(/asks again by itself/);
});

test('who is admitted hears so; evidence without collateral is no refusal; nobody is known by a strange id', async () => {
  network = await startInProcess();
  const admitted = network.events.find((event) => event.event === 'admitted');
  const id = admitted?.event === 'admitted' ? admitted.workerId : '';
  const { code, said } = await why(id, '--router', network.address);
  expect([code, said.state, said.reasons]).toEqual([0, 'admitted', []]);

  const evidence = await recorded();
  const collateral = JSON.stringify(network.vendor.collateral(Math.floor(Date.now() / 1000)));
  const good = await judgedHere(evidence, collateral);
  expect([good.code, good.said.state, good.said.workerId]).toEqual([0, 'admitted', id]);
  const without = await judgedHere(evidence, null);
  expect([without.code, without.said.state]).toEqual([3, 'unavailable']);
  expect(without.said.reasons).toHaveLength(1);
  expect(without.said.todo).toMatch(/Nothing on this host/);

  expect((await runHere('worker', 'why', 'ab'.repeat(32), '--router', network.address)).code).toBe(3);
  expect((await runHere('worker', 'why')).code).toBe(2);
  expect((await runHere('worker', 'why', 'no-id')).code).toBe(2);
  expect((await runHere('worker', 'why', id, '--key', id)).code).toBe(2);
});

test('`worker drain` over the administration: the worker ends by itself, and `why` says that it is gone', async () => {
  network = await startInProcess();
  const admitted = network.events.find((event) => event.event === 'admitted');
  const id = admitted?.event === 'admitted' ? admitted.workerId : '';
  const administration = await serveAdministration(network.router, {
    host: '127.0.0.1',
    port: 0,
    now: Date.now,
    administrators: null,
    policies: null,
    called: () => undefined,
  });
  try {
    const admin = ['--admin', `127.0.0.1:${administration.port}`];
    const { code, out } = await runHere('worker', 'drain', id, ...admin, '--json');
    expect([code, JSON.parse(out)]).toEqual([0, { worker: id, draining: true }]);
    for (let waited = 0; !network.ended.has(0) && waited < 30_000; waited += 50) {
      await new Promise((done) => setTimeout(done, 50));
    }
    expect([...network.ended]).toEqual([0]);
    expect((await runHere('worker', 'drain', 'ab'.repeat(32), ...admin)).code).toBe(3);
    expect((await runHere('worker', 'drain', 'no-id', ...admin)).code).toBe(2);
  } finally {
    await administration.close(0);
  }
  const { code, said } = await why(id, '--router', network.address);
  expect([code, said.state]).toEqual([3, 'gone']);
}, 60_000);

test('one whose policy or collateral changed while it served', async () => {
  network = await startInProcess();
  const [row] = network.router.listWorkers();
  network.changePolicy({ tees: ['sev-snp'] });
  const refused = async () => (await network.router.standing(row!.workerId)).refused;
  for (let waited = 0; (await refused()) === null && waited < 20_000; waited += 50) {
    await new Promise((done) => setTimeout(done, 50));
  }
  const { code, said } = await why(toHex(row!.workerId), '--router', network.address);
  expect([code, said.state, said.policy?.number]).toEqual([1, 'quarantined', 2]);
  expect(said.reasons[0]).toMatchObject({ check: 'policy.tee' });
}, 30_000);
