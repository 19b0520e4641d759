import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DevelopmentChain, startDevelopmentChain } from '../../src/chain/index.ts';
import { tonAmount } from '../../src/cli/commands/channel.ts';
import { type Ran, runCommand as run } from './run-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-channel-'));
const data = join(folder, 'gateway');
const payee = `0:${'bb'.repeat(32)}`;
let chain: DevelopmentChain;
beforeAll(async () => {
  const randomness = (length: number) => Uint8Array.from(randomBytes(length));
  chain = await startDevelopmentChain({ dataDirectory: join(folder, 'chain'), clock: Date.now, randomness });
});
afterAll(async () => {
  await chain.close();
  rmSync(folder, { recursive: true });
});

const channel = (name: string, ...args: string[]) =>
  run('channel', name, '--data', data, '--payee', payee, '--chain', chain.url, '--json', ...args);
const facts = ({ out }: Ran) => JSON.parse(out) as Record<string, string | number>;

test('opens, adds, shows and begins to close a channel; a second opening is refused with what to do', async () => {
  expect(facts(await channel('status'))).toMatchObject({ state: 'absent', salt: '1' });
  const opened = facts(await channel('open', '--amount', '1.5'));
  expect(opened).toMatchObject({ state: 'open', deposited: '1500000000', claimed: '0', payee });
  const again = await channel('open', '--amount', '1');
  expect(again.code).toBe(1);
  expect(again.err).toContain('chrysalis channel top-up');
  expect(facts(await channel('top-up', '--amount', '0.25'))).toMatchObject({ deposited: '1750000000' });
  const closing = facts(await channel('close'));
  expect(closing).toMatchObject({ state: 'closing', channel: opened.channel });
  await fetch(new URL('/skip', chain.url), { method: 'POST', body: JSON.stringify({ seconds: 86_401 }) });
  // Its time has not come by this machine's clock: nothing is sent before.
  expect(facts(await channel('close'))).toMatchObject({ state: 'closing' });
  const people = await run('channel', 'status', '--data', data, '--payee', payee, '--chain', chain.url);
  expect(people.out).toMatch(/closes +from \d{4}-\d\d-\d\d \d\d:\d\d UTC/);
}, 60_000);

test('a registry is deployed where its configuration says, once; owner and guardian are two', async () => {
  const [owner, guardian] = [`0:${'cc'.repeat(32)}`, `0:${'dd'.repeat(32)}`];
  const deploy = (...more: string[]) =>
    run(
      'chain',
      'deploy',
      'registry',
      '--endpoint',
      chain.url,
      '--data',
      data,
      '--params',
      '11'.repeat(32),
      '--json',
      ...more,
    );
  const first = facts(await deploy('--owner', owner, '--guardian', guardian));
  expect(first).toMatchObject({ contract: 'registry', network: -1000 });
  expect(facts(await deploy('--owner', owner, '--guardian', guardian))).toEqual(first);
  const page = await fetch(new URL(`/account/${first.address}`, chain.url));
  expect(await page.text()).toContain('registry_info');
  expect((await deploy('--owner', owner, '--guardian', owner)).code).toBe(2);
  expect((await deploy('--owner', owner, '--guardian', guardian, '--timelock', '3600')).code).toBe(2);
}, 60_000);

test('keys are shown by their public halves; no secret is printed', async () => {
  const { out } = await run('keys', '--data', data);
  expect(out).toContain('signs the vouchers');
  const secrets = readdirSync(data).filter((name) => name.endsWith('.secret'));
  expect(secrets.length).toBe(2);
  for (const name of secrets) expect(out).not.toContain(readFileSync(join(data, name), 'utf8').trim());
});

test('a chain that does not answer is "could not find out", and an amount that is none is wrong usage', async () => {
  const gone = await run(
    'channel',
    'status',
    '--data',
    data,
    '--payee',
    payee,
    '--chain',
    'http://127.0.0.1:9/jsonRPC',
  );
  expect(gone.code).toBe(3);
  expect(gone.err).toContain('CHAIN_UNREACHABLE');
  expect((await channel('open', '--amount', '0')).code).toBe(2);
  expect((await run('channel', 'status', '--data', join(folder, 'x', 'y'))).err).toContain('give --chain and --router');
});

test('amounts of TON are exact', () => {
  expect(tonAmount('1')).toBe(1_000_000_000n);
  expect(tonAmount('0.000000001')).toBe(1n);
  for (const bad of ['', '0', '-1', '1.0000000001', '1e3', ' 1', '1,5']) expect(() => tonAmount(bad)).toThrow();
});
