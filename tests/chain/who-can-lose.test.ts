import { type Address, beginCell, toNano } from '@ton/core';
import { expect, test } from 'vitest';
import {
  type ChannelConfig,
  channelAddress,
  channelMessage,
  contractCode,
  DEVELOPMENT_NETWORK,
  imageCounts,
  type LogAnchorConfig,
  logAnchorInit,
  logAnchorMessage,
  MAINNET,
  type PoolConfig,
  type PoolState,
  parseLogAnchorData,
  parsePoolData,
  parseRegistryData,
  poolInit,
  poolMessage,
  type RegistryConfig,
  registryInit,
  registryMessage,
  registryOrder,
  type SumProof,
  SumTree,
  signVoucher,
  signWorkerVoucher,
  TESTNET,
  type Voucher,
} from '../../src/chain/index.ts';
import { ed25519Sign } from '../../src/core/crypto/node.ts';
import { leafHash, merkleRoot, u64 } from '../../src/core/index.ts';
import { checkpointMessage, consistencyProof } from '../../src/log/index.ts';
import { ChannelBench } from './channel-bench.ts';
import { ContractBench } from './contract-bench.ts';
import { empty, expectRefused } from './fuzz.ts';
import { bytes, DAY, emulator, HOUR, signingKey as key, party, VALUE } from './support.ts';

/**
 * Contracts section 2, "who can lose what", a row a test. The rows of credit and of an outage are in
 * tests/router/accounts.test.ts, those of a worker's false receipts in tests/session/threats.test.ts, that of a lying
 * provider in tests/chain/endpoint.test.ts and providers.test.ts, that of an issuer who locks a wallet in
 * tests/chain/locked-jetton.test.ts.
 */
const [client, operator, owner, guardian, thief] = [1, 2, 3, 4, 5].map(party) as [
  Address,
  Address,
  Address,
  Address,
  Address,
];
const [clientKey, voucherKey, logKey] = [key(7), key(8), key(9)];
const WORKER = 0x61;
const STRAW = 0x62;

const poolConfig: PoolConfig = {
  network: DEVELOPMENT_NETWORK,
  owner,
  operator,
  postDelaySeconds: HOUR,
  minChallenge: toNano('0.1'),
  bps: 1000,
  voucherKey: voucherKey.publicKey,
};
const channelConfig: ChannelConfig = {
  network: DEVELOPMENT_NETWORK,
  clientKey: clientKey.publicKey,
  closeDelaySeconds: DAY,
  salt: 1n,
  client,
  payee: party(0x70),
};

async function channelWith(deposit: bigint, config = channelConfig): Promise<ChannelBench> {
  const bench = new ChannelBench(emulator, config);
  await bench.send(client, deposit + toNano('0.07'), channelMessage.topUp(deposit));
  return bench;
}
async function claimBody(bench: ChannelBench, cumulative: bigint, signer = clientKey, channel = bench.address) {
  const voucher: Voucher = { channel, cumulative, receipts: bytes(1) };
  return channelMessage.claim(voucher, await signVoucher(voucher, signer));
}

type Pool = ContractBench<PoolState>;
async function poolWith(collected: bigint): Promise<Pool> {
  const bench = new ContractBench(emulator, poolInit(poolConfig), (data) => parsePoolData(data, poolConfig));
  await bench.send(owner, toNano('0.2'), empty);
  await bench.send(client, collected, empty, { bounce: false });
  return bench;
}
const tree = (leaves: Record<number, bigint>) =>
  new SumTree(Object.entries(leaves).map(([byte, cumulative]) => ({ payee: bytes(Number(byte)), cumulative })));
const post = (bench: Pool, of: SumTree, from = operator) => {
  const root = { root: of.root.hash, sum: of.root.sum, epoch: bench.state!.epoch + 1, covers: bench.now };
  return bench.send(from, VALUE, poolMessage.post(root));
};
const claim = (bench: Pool, of: SumTree, payee: number) =>
  bench.send(thief, VALUE, poolMessage.claimLeaf(of.proof(bytes(payee)) as SumProof));
async function challenge(bench: Pool, payee: number, cumulative: bigint, signer = voucherKey) {
  const voucher = { pool: bench.address, payee: bytes(payee), cumulative, issued: bench.now - 26 * HOUR };
  return bench.send(
    thief,
    VALUE,
    poolMessage.challenge(signer.publicKey, voucher, await signWorkerVoucher(voucher, signer)),
  );
}
const got = (outcome: Awaited<ReturnType<Pool['send']>>, byte: number) =>
  outcome.outgoing.filter((out) => out.to.equals(party(byte))).reduce((sum, out) => sum + out.value, 0n);

test('the router is offline for ever: the client has all back but what it signed, the worker what a root promised and more', async () => {
  const channel = await channelWith(toNano('5'));
  await channel.send(client, VALUE, channelMessage.startClose());
  channel.now += DAY;
  const back = await channel.send(client, VALUE, channelMessage.finishClose());
  expect(back.outgoing.some((out) => out.to.equals(client) && out.value >= toNano('5'))).toBe(true);
  const pool = await poolWith(toNano('10'));
  const root = tree({ [WORKER]: toNano('2') });
  await post(pool, root);
  pool.now += HOUR;
  expect(got(await claim(pool, root, WORKER), WORKER)).toBe(toNano('2'));
  await challenge(pool, WORKER, toNano('3'));
  pool.now += 2 * DAY;
  expect(got(await pool.send(thief, VALUE, poolMessage.enforce(bytes(WORKER))), WORKER)).toBe(toNano('1'));
});

test('the operator’s wallet is stolen: the client loses nothing, a root for a straw man waits for the owner’s veto, bond and fee stay', async () => {
  const channel = await channelWith(toNano('5'));
  await expectRefused(channel, 405, () => channel.send(operator, VALUE, channelMessage.startClose()));
  await expectRefused(channel, 401, async () =>
    channel.send(operator, VALUE, await claimBody(channel, 1n, voucherKey)),
  );
  const pool = await poolWith(toNano('10'));
  await pool.send(owner, toNano('1.1'), poolMessage.bondIn(toNano('1')));
  const robbery = tree({ [STRAW]: toNano('8.9') });
  await expectRefused(pool, 422, () => post(pool, tree({ [STRAW]: toNano('9.1') })));
  await post(pool, robbery);
  await expectRefused(pool, 412, () => claim(pool, robbery, STRAW));
  expect((await pool.send(owner, VALUE, poolMessage.veto())).exitCode).toBe(0);
  pool.now += HOUR;
  await expectRefused(pool, 412, () => claim(pool, robbery, STRAW));
  for (const body of [poolMessage.withdraw(1n), poolMessage.takeBond(), poolMessage.setOperator(thief)]) {
    await expectRefused(pool, 405, () => pool.send(operator, VALUE, body));
  }
});

test('the voucher key is stolen: free money after 48 hours in public, never what a root promised; a prompt root leaves nothing', async () => {
  const pool = await poolWith(toNano('10'));
  const honest = tree({ [WORKER]: toNano('8.9') });
  await challenge(pool, STRAW, toNano('9'));
  await expectRefused(pool, 461, () => pool.send(thief, VALUE, poolMessage.enforce(bytes(STRAW))));
  await post(pool, honest);
  pool.now += 2 * DAY;
  const stolen = got(await pool.send(thief, VALUE, poolMessage.enforce(bytes(STRAW))), STRAW);
  expect(stolen).toBeLessThan(toNano('0.11'));
  expect(got(await claim(pool, honest, WORKER), WORKER)).toBe(toNano('8.9'));
});

test('the router’s enclave is broken: without the client’s signature no money moves', async () => {
  const channel = await channelWith(toNano('5'));
  for (const signer of [voucherKey, logKey, key(0)]) {
    await expectRefused(channel, 401, async () => channel.send(operator, VALUE, await claimBody(channel, 1n, signer)));
  }
});

test('the client’s key is stolen: its deposit can go to this router and to nobody else', async () => {
  const channel = await channelWith(toNano('5'));
  const outcome = await channel.send(thief, VALUE, await claimBody(channel, toNano('5')));
  expect(outcome.outgoing.find((out) => out.value === toNano('5'))?.to.equals(channelConfig.payee)).toBe(true);
  expect(outcome.outgoing.filter((out) => out.to.equals(thief)).every((out) => out.value < VALUE)).toBe(true);
});

test('the client closes during its requests: every voucher is good until the close is finished', async () => {
  const channel = await channelWith(toNano('5'));
  await channel.send(client, VALUE, channelMessage.startClose());
  channel.now += DAY + 1;
  const late = await channel.send(operator, VALUE, await claimBody(channel, toNano('4')));
  expect(late.outgoing.some((out) => out.value === toNano('4'))).toBe(true);
  const done = await channel.send(client, VALUE, channelMessage.finishClose());
  expect(done.outgoing.find((out) => out.to.equals(client))!.value).toBeLessThan(toNano('1.1'));
});

test('many new channels to milk their credit: each locks for ever more than it is trusted with', async () => {
  const channel = await channelWith(1n);
  await channel.send(channelConfig.payee, VALUE, channelMessage.payeeClose());
  expect(channel.balance).toBe(toNano('0.02'));
});

test('the log forks, or its key is stolen: the chain refuses the fork, and two signed heads cost the bond', async () => {
  const config: LogAnchorConfig = {
    network: DEVELOPMENT_NETWORK,
    minGapSeconds: 600,
    owner,
    relayer: operator,
    sink: party(0x90),
    origin: 'log.example/1',
    key: logKey.publicKey,
  };
  const bench = new ContractBench(emulator, logAnchorInit(config), (data) => parseLogAnchorData(data, config));
  const leaves = (fork: number) => Array.from({ length: 20 }, (_, i) => leafHash(u64(i < 8 ? i : i + fork)));
  const head = async (size: number, fork: number) => {
    const root = merkleRoot(leaves(fork).slice(0, size));
    const message = checkpointMessage({ origin: config.origin, size, root, extensions: [] });
    return { size: BigInt(size), root, signature: await ed25519Sign(logKey, message) };
  };
  await bench.send(owner, toNano('2.1'), logAnchorMessage.bondIn(toNano('2')));
  await bench.send(operator, VALUE, logAnchorMessage.anchor(await head(10, 0), []));
  const fork = logAnchorMessage.anchor(await head(20, 100), consistencyProof(leaves(100), 10));
  await expectRefused(bench, 412, () => bench.send(operator, VALUE, fork));
  const both = logAnchorMessage.equivocation(await head(15, 0), await head(15, 100));
  const slashed = await bench.send(thief, VALUE, both);
  expect(slashed.outgoing.find((out) => out.to.equals(config.sink))?.value).toBe(toNano('1.8'));
  expect(bench.state).toMatchObject({ state: 'slashed', head: { size: 10n } });
});

const registryConfig: RegistryConfig = {
  network: DEVELOPMENT_NETWORK,
  owner,
  guardian,
  timelockSeconds: 48 * HOUR,
  params: bytes(1),
};
async function registry() {
  const bench = new ContractBench(emulator, registryInit(registryConfig), (data) =>
    parseRegistryData(data, DEVELOPMENT_NETWORK),
  );
  await bench.send(owner, toNano('0.3'), empty);
  return bench;
}
const badImage = registryOrder.setImage(bytes(0x66), { kind: 'worker', tee: 'tdx', expires: 0, manifest: bytes(0x67) });

test('the owners add a bad image: it stands in public for 48 hours before it counts, and the guardian takes it away', async () => {
  const bench = await registry();
  await bench.send(owner, VALUE, registryMessage.propose(badImage));
  expect(bench.state!.pending.get(1)?.eta).toBe(bench.now + 48 * HOUR);
  bench.now += 48 * HOUR - 1;
  await expectRefused(bench, 461, () => bench.send(owner, VALUE, registryMessage.execute(1, badImage)));
  await bench.send(guardian, VALUE, registryMessage.revoke('images', bytes(0x66)));
  bench.now += 1;
  await expectRefused(bench, 460, () => bench.send(owner, VALUE, registryMessage.execute(1, badImage)));
  expect(imageCounts(bench.state!, bytes(0x66), bench.now)).toBe(false);
});

test('the guardian is malicious: it turns off what it likes, adds nothing, and is replaced in 48 hours', async () => {
  const bench = await registry();
  await expectRefused(bench, 405, () => bench.send(guardian, VALUE, registryMessage.propose(badImage)));
  const replace = registryOrder.setGuardian(thief);
  await bench.send(owner, VALUE, registryMessage.propose(replace));
  await expectRefused(bench, 405, () => bench.send(guardian, VALUE, registryMessage.cancel(1)));
  bench.now += 48 * HOUR;
  await bench.send(owner, VALUE, registryMessage.execute(1, replace));
  await expectRefused(bench, 405, () => bench.send(guardian, VALUE, registryMessage.revoke('logs', bytes(1))));
});

test('fees rise: what is too little bounces and changes nothing; with more attached the same message goes through', async () => {
  const channel = await channelWith(toNano('5'));
  // Years of unpaid storage stand for a price that rose.
  channel.now += 45 * 365 * DAY;
  const body = await claimBody(channel, toNano('1'));
  const small = await channel.send(operator, toNano('0.02'), body);
  expect(small.aborted).toBe(true);
  expect(channel.state).toMatchObject({ claimed: 0n });
  expect((await channel.send(operator, toNano('0.1'), body)).aborted).toBe(false);
  expect(channel.state).toMatchObject({ claimed: toNano('1') });
});

test('replays: a voucher of another salt, network, code or deployment is worth nothing', async () => {
  const channel = await channelWith(toNano('5'));
  const elsewhere = [
    { ...channelConfig, salt: 2n },
    { ...channelConfig, network: TESTNET },
    { ...channelConfig, network: MAINNET },
    { ...channelConfig, closeDelaySeconds: 2 * DAY },
  ].map((config) => channelAddress(config));
  for (const at of elsewhere) {
    await expectRefused(channel, 402, async () =>
      channel.send(thief, VALUE, await claimBody(channel, toNano('1'), clientKey, at)),
    );
  }
  // A closed account stays where it is, so that its address cannot be deployed anew under an old voucher.
  const old = await claimBody(channel, toNano('1'));
  await channel.send(channelConfig.payee, VALUE, channelMessage.payeeClose());
  expect(channel.balance).toBeGreaterThan(0n);
  await expectRefused(channel, 460, () => channel.send(thief, VALUE, old));
  await expectRefused(channel, 460, () => channel.send(client, toNano('3'), channelMessage.topUp(toNano('2'))));
  // The pool's voucher means nothing to a channel, and another pool's nothing to this one.
  const pool = await poolWith(toNano('1'));
  const foreign = { pool: party(0x77), payee: bytes(WORKER), cumulative: toNano('1'), issued: 1 };
  const body = poolMessage.challenge(voucherKey.publicKey, foreign, await signWorkerVoucher(foreign, voucherKey));
  await expectRefused(pool, 402, () => pool.send(thief, VALUE, body));
});

test('a contract that lies about itself has another address', async () => {
  const forged = beginCell().storeUint(1, 16).storeUint(0, 2).storeCoins(toNano('1000000')).endCell();
  const init = { code: contractCode('channel'), data: forged };
  const stateInit = beginCell().storeUint(0b00110, 5).storeRef(init.code).storeRef(init.data).endCell();
  expect(channelAddress(channelConfig).hash.equals(stateInit.hash())).toBe(false);
});
