/** A sealed model from its owner to an answer: every step a command, every part a process. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { DEVELOPMENT_POLICY, MAIN } from '../../src/cli/paths.ts';
import { layoutOf } from '../../src/cli/up/state.ts';
import { MODEL } from '../worker/engines/model.ts';
import { ask } from './in-process.ts';
import { type Network, type Part, startNetwork, startPart } from './processes.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-sealed-network-'));
const started: Part[] = [];
let network: Network | null = null;
afterAll(async () => {
  for (const part of started) await part.stop();
  await network?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function chrysalis(...args: readonly string[]): Promise<Record<string, unknown>> {
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, ...args, '--json'], { cwd: folder });
  return JSON.parse(stdout);
}

test('seal, register, serve: a worker opens the model with the released key and answers; once revoked, none does', async () => {
  network = await startNetwork(join(folder, 'network'));
  const layout = layoutOf(join(folder, 'network'));
  await network.worker.stop(); // its host is to run the sealed model
  const sealed = join(folder, 'sealed');
  const key = join(folder, 'model.key');
  await chrysalis('release', 'seal', MODEL, '--out', sealed, '--secret', 'tales', '--key-file', key);
  const onnx = readFileSync(join(MODEL, 'model.onnx')).subarray(4096, 4160);
  for (const file of readdirSync(sealed)) expect(readFileSync(join(sealed, file)).includes(onnx)).toBe(false);

  const policy = join(folder, 'acme.json');
  writeFileSync(policy, JSON.stringify({ ...JSON.parse(readFileSync(DEVELOPMENT_POLICY, 'utf8')), id: 'acme' }));
  const sign = (as: string, role: string) => chrysalis('policy', 'sign', policy, '--as', as, '--role', role);
  const [alice, bob] = [await sign('alice', 'author'), await sign('bob', 'approver')];
  const owners = join(folder, 'owners.json');
  writeFileSync(owners, JSON.stringify({ acme: { alice: alice?.publicKey, bob: bob?.publicKey } }));

  const service = await startPart(
    'release',
    [
      ...['release', 'serve', '--port', '0', '--admin-port', '0', '--owners', owners],
      ...['--key-file', join(folder, 'vault.key'), '--data', join(folder, 'release')],
      ...['--chain', String(network.chain.ready.url), '--log', String(network.log.ready.url)],
      ...['--log-token-file', join(layout.part('log'), 'write-token'), '--collateral', layout.collateral],
      ...['--dangerously-allow-simulated-vendor', layout.trustAnchors],
    ],
    layout.logFile('release'),
  );
  started.push(service);
  const admin = ['--admin', String(service.ready.admin)];
  const under = ['--owner', 'acme', '--policy', policy, '--key-file', key];
  expect(await chrysalis('release', 'register', 'tales', ...under, ...admin)).toMatchObject({
    name: 'tales',
    policyId: 'acme',
    state: 'active',
  });

  const worker = () =>
    startPart(
      'sealed-worker',
      [
        ...['worker', 'run', '--name', 'alder', '--router', String(network?.router.ready.url), '--model', sealed],
        ...['--release', String(service.ready.url), '--simulated-machine', layout.machine('alder')],
        ...['--simulated-devices', layout.devices('alder')],
      ],
      layout.logFile('sealed-worker'),
    );
  const first = await worker();
  started.push(first);
  await first.waitFor('admitted');
  const client = await network.newClient();
  const { answer } = await ask(client, 'Tell me of a ship.', {}, 8);
  expect(answer.length).toBeGreaterThan(0);
  expect(await chrysalis('release', 'list', ...admin)).toMatchObject({
    secrets: [{ name: 'tales', released: 1, refused: 0 }],
  });
  await first.stop();

  expect(await chrysalis('release', 'revoke', 'tales', ...admin)).toEqual({ revoked: ['tales'] });
  await expect(worker()).rejects.toThrow(/RELEASE_REFUSED.*revoked/);
}, 180_000);
