import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  Address,
  addressOfInit,
  ContractCaller,
  type ContractName,
  type ContractShapes,
  contractInit,
  type DevelopmentChain,
  encodeWorkerVoucher,
  PoolClient,
  type PoolConfig,
  readContract,
  signWorkerVoucher,
  startDevelopmentChain,
} from '../../src/chain/index.ts';
import { parseContractFile, plain } from '../../src/cli/chain/contract-file.ts';
import { type OpenedChain, openChain } from '../../src/cli/compose/chain.ts';
import { voucherKeeper } from '../../src/cli/compose/worker-vouchers.ts';
import { toHex } from '../../src/core/index.ts';
import { bytes, party, signingKey } from '../chain/support.ts';
import { runCommand } from './run-process.ts';

/** Contracts are read and worked from a file of their configuration, by the commands, on a development chain. */
const folder = mkdtempSync(join(tmpdir(), 'chrysalis-contracts-'));
const randomness = (length: number) => Uint8Array.from(randomBytes(length));
let chain: DevelopmentChain;
let opened: OpenedChain;
beforeAll(async () => {
  chain = await startDevelopmentChain({ dataDirectory: join(folder, 'chain'), clock: Date.now, randomness });
  opened = await openChain(chain.url, bytes(1));
  await opened.fund(10_000_000_000n);
}, 30_000);
afterAll(async () => {
  await chain.close();
  rmSync(folder, { recursive: true });
});
const skip = (seconds: number) =>
  fetch(new URL('/skip', chain.url), { method: 'POST', body: JSON.stringify({ seconds }) });

/** The file of a configuration, with its address. */
function file<Name extends ContractName>(name: Name, config: ContractShapes[Name]['config'], changes: object = {}) {
  const path = join(folder, `${name}.json`);
  const address = addressOfInit(contractInit(name, config)).toRawString();
  const channel = 'salt' in config ? { salt: config.salt.toString() } : {};
  writeFileSync(path, JSON.stringify({ ...(plain(config) as object), ...channel, address, ...changes }));
  return path;
}
const channel = () => ({
  network: chain.network,
  clientKey: signingKey(7).publicKey,
  closeDelaySeconds: 86_400,
  salt: 3n,
  client: party(1),
  payee: party(2),
});
const contracts = (): { readonly [Name in ContractName]: ContractShapes[Name]['config'] } => ({
  channel: channel(),
  'channel-j': { ...channel(), master: party(3) },
  court: { network: chain.network },
  'log-anchor': {
    network: chain.network,
    minGapSeconds: 600,
    owner: party(4),
    relayer: party(5),
    sink: party(6),
    origin: 'log.example/1',
    key: bytes(9),
  },
  pool: poolConfig(),
  registry: { network: chain.network, owner: party(7), guardian: party(8), timelockSeconds: 86_400, params: bytes(2) },
  stake: { network: chain.network, owner: party(9), court: party(10) },
});
const poolConfig = (): PoolConfig => ({
  network: chain.network,
  owner: opened.wallet.address,
  operator: party(11),
  postDelaySeconds: 3600,
  minChallenge: 100_000_000n,
  bps: 1000,
  voucherKey: signingKey(3).publicKey,
});

test.each<ContractName>(['channel', 'channel-j', 'court', 'log-anchor', 'pool', 'registry', 'stake'])(
  'a %s is read from its configuration alone; a field that differs is another contract',
  async (name) => {
    const config = contracts()[name];
    const init = contractInit(name, config);
    const caller = new ContractCaller(opened.caller);
    expect(await readContract(caller, name, config)).toBeNull();
    await caller.deploy(name, opened.wallet, init, 300_000_000n);
    const text = readFileSync(file(name, config), 'utf8');
    const view = await readContract(caller, name, parseContractFile(name, text, chain.network));
    expect(view?.address.equals(addressOfInit(init))).toBe(true);
    expect(view?.state).toBeDefined();
    const elsewhere = { ...config, network: -239 };
    await expect(readContract(caller, name, elsewhere)).rejects.toMatchObject({ code: 'CHAIN_NETWORK_MISMATCH' });
    // A file for another network or with another address is refused before anybody is asked.
    for (const changes of [{ network: -239 }, { more: 1 }, { address: party(1).toRawString() }]) {
      const changed = JSON.stringify({ ...JSON.parse(text), ...changes });
      expect(() => parseContractFile(name, changed, chain.network)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^CON(FIG_INVALID|TRACT_MISMATCH)$/) }),
      );
    }
  },
  60_000,
);

test('chain show prints what a contract holds, for people and as JSON; one that is not there is refused', async () => {
  const config = contracts().stake;
  const path = file('stake', config);
  const show = (...more: string[]) => runCommand('chain', 'show', 'stake', '--endpoint', chain.url, ...more);
  const address = addressOfInit(contractInit('stake', config)).toRawString();
  const shown = await show('--config', path, '--json');
  expect(shown).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(shown.out)).toMatchObject({
    contract: 'stake',
    network: chain.network,
    address,
    state: { bond: '0' },
  });
  expect((await show('--config', path)).out).toContain(address);
  const absent = await show('--config', file('stake', { ...contracts().stake, court: party(99) } as typeof config));
  expect(absent.code).toBe(1);
  expect(absent.err).toContain('check the configuration field by field');
}, 120_000);

test('a router’s own words for its pool and its anchor are such files', () => {
  const pool = { ...(plain(poolConfig()) as object), network: undefined };
  expect(parseContractFile('pool', JSON.stringify(pool), chain.network)).toEqual(poolConfig());
  for (const wrong of [
    '{}',
    '[]',
    '{',
    JSON.stringify({ ...pool, bps: 10_001 }),
    JSON.stringify({ ...pool, owner: 'x' }),
  ]) {
    expect(() => parseContractFile('pool', wrong, chain.network)).toThrow();
  }
});

test('worker challenge: waits until the voucher is overdue, challenges, waits for the answer, enforces, is paid', async () => {
  const pool = new PoolClient(opened.caller, poolConfig());
  await pool.deploy(opened.wallet);
  await opened.wallet.send({
    to: pool.address,
    value: 3_000_000_000n,
    body: (await import('@ton/core')).Cell.EMPTY,
    bounce: false,
  });
  await expect.poll(async () => (await pool.view()).balance, { timeout: 10_000 }).toBeGreaterThan(3_000_000_000n);
  const payee = bytes(0x71);
  const path = join(folder, 'vouchers.json');
  const issued = (await pool.view()).at;
  const voucher = { pool: pool.address, payee, cumulative: 1_000_000_000n, issued };
  const signature = toHex(await signWorkerVoucher(voucher, signingKey(3)));
  const came = { voucher: toHex(encodeWorkerVoucher(voucher)), signature, key: toHex(signingKey(3).publicKey) };
  await voucherKeeper(path, `0:${toHex(payee)}`)(came);
  const config = file('pool', poolConfig());
  const challenge = async (...more: string[]) => {
    const options = ['--vouchers', path, '--config', config, '--data', join(folder, 'payee'), '--endpoint', chain.url];
    const ran = await runCommand('worker', 'challenge', ...options, ...more);
    return { ...ran, facts: ran.out.startsWith('{') ? JSON.parse(ran.out) : null };
  };
  expect((await challenge('--json')).facts).toMatchObject({ step: 'wait', for: 'age', until: issued + 26 * 3600 });
  await skip(26 * 3600);
  expect((await challenge('--json')).facts).toMatchObject({ step: 'challenge', owed: '1000000000', claimed: '0' });
  const waits = await challenge();
  expect(waits.out).toContain('enforced from');
  await skip(48 * 3600);
  expect((await challenge('--json')).facts).toMatchObject({ step: 'enforce', claimed: '1000000000' });
  expect((await opened.endpoint.account(new Address(0, Buffer.from(payee)))).balance).toBe(1_000_000_000n);
  expect((await challenge()).out).toContain('nothing is owed');
}, 120_000);
