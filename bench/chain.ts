import { p256 } from '@noble/curves/nist.js';
import { Address, beginCell, type Cell, toNano } from '@ton/core';
import { Emulator } from '../src/chain/dev/emulator.ts';
import {
  type ChannelConfig,
  channelMessage,
  channelStateInit,
  checkQuoteMessage,
  courtInit,
  DEVELOPMENT_NETWORK,
  jettonChannelInit,
  jettonChannelMessage,
  type LogAnchorConfig,
  logAnchorInit,
  logAnchorMessage,
  type PoolConfig,
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
  stakeInit,
  stakeMessage,
} from '../src/chain/index.ts';
import { ed25519Key, ed25519Sign, sha256 } from '../src/core/crypto/node.ts';
import { type Bytes, leafHash, merkleRoot, nodeHash, u64 } from '../src/core/index.ts';
import { checkpointMessage, consistencyProof } from '../src/log/index.ts';
import { ContractBench } from '../tests/chain/contract-bench.ts';
import type { BenchLine } from './report.ts';

const party = (byte: number) => new Address(0, Buffer.alloc(32, byte));
const [client, payee, owner, stranger] = [1, 2, 3, 4].map(party) as [Address, Address, Address, Address];
const key = ed25519Key(new Uint8Array(32).fill(7));
const VALUE = toNano('0.05');

type Lines = { gas(name: string, documented: number | null, bench: ContractBench<unknown>, sent: Sent): Promise<void> };
type Sent = Readonly<{ from: Address; body: Cell; value?: bigint }>;

/**
 * Gas of each contract operation on TON's own executor, beside the figure of the contracts document, and what the
 * contract's transaction costs at the prices of 2026-06-01: gas, and the forwarding of what it sends.
 */
export async function benchChain(): Promise<BenchLine[]> {
  const emulator = await Emulator.create(DEVELOPMENT_NETWORK);
  const lines: BenchLine[] = [];
  const gas: Lines['gas'] = async (name, documented, bench, { from, body, value = VALUE }) => {
    const outcome = await bench.send(from, value, body);
    if (outcome.exitCode !== 0 || outcome.aborted) throw new Error(`${name}: exit code ${outcome.exitCode}`);
    const used = Number(outcome.gas);
    lines.push({
      name,
      value: used,
      unit: `gas, ${(Number(outcome.fees) / 1e9).toFixed(6)} TON`,
      ...(documented === null ? {} : { floor: { name: 'documented', value: documented }, ratio: used / documented }),
    });
  };
  await channelLines(emulator, { gas });
  await jettonLines(emulator, { gas });
  await poolLines(emulator, { gas });
  await anchorLines(emulator, { gas });
  await registryLines(emulator, { gas });
  await courtLines(emulator, { gas });
  await stakeLines(emulator, { gas });
  return lines;
}

async function channelLines(emulator: Emulator, { gas }: Lines): Promise<void> {
  const config: ChannelConfig = {
    network: DEVELOPMENT_NETWORK,
    clientKey: key.publicKey,
    closeDelaySeconds: 86_400,
    salt: 1n,
    client,
    payee,
  };
  const opened = async () => {
    const bench = new ContractBench(emulator, channelStateInit(config), () => null);
    await bench.send(client, toNano('2.1'), channelMessage.topUp(toNano('2')));
    return bench;
  };
  const bench = await opened();
  const voucher = { channel: bench.address, cumulative: toNano('0.5'), receipts: new Uint8Array(32).fill(1) };
  const claim = channelMessage.claim(voucher, await signVoucher(voucher, key));
  await gas('channel top_up', 4930, bench, { from: client, body: channelMessage.topUp(1n) });
  await gas('channel claim', 6888, bench, { from: stranger, body: claim });
  await gas('channel start_close', 4704, bench, { from: client, body: channelMessage.startClose() });
  bench.now += 86_400;
  await gas('channel finish_close', 6469, bench, { from: stranger, body: channelMessage.finishClose() });
  await gas('channel payee_close', 6545, await opened(), { from: payee, body: channelMessage.payeeClose() });
}

async function poolLines(emulator: Emulator, { gas }: Lines): Promise<void> {
  const config: PoolConfig = {
    network: DEVELOPMENT_NETWORK,
    owner,
    operator: owner,
    postDelaySeconds: 3600,
    minChallenge: toNano('0.1'),
    bps: 1000,
    voucherKey: key.publicKey,
  };
  const paid = beginCell().storeUint(0x43480010, 32).storeUint(0, 64).storeCoins(1n).endCell();
  const opened = async () => {
    const bench = new ContractBench(emulator, poolInit(config), () => null);
    await bench.send(stranger, toNano('100'), poolMessage.bondIn(toNano('1')));
    await bench.send(stranger, toNano('100'), beginCell().endCell());
    return bench;
  };
  const bench = await opened();
  await gas('pool channel_paid', 722, bench, { from: stranger, body: paid });
  const payee = (i: number) => sha256(u64(i));
  for (const [payees, documented] of [
    [5, 16_000],
    [128, 21_000],
    [1024, 23_000],
  ] as const) {
    const tree = new SumTree(Array.from({ length: payees }, (_, i) => ({ payee: payee(i), cumulative: 1_000_000n })));
    const of = payees === 5 ? bench : await opened();
    const post = poolMessage.post({ root: tree.root.hash, sum: tree.root.sum, epoch: 1, covers: 1 });
    if (payees === 5) await gas('pool post', 9435, of, { from: owner, body: post });
    else await of.send(owner, VALUE, post);
    of.now += 3600;
    const body = poolMessage.claimLeaf(tree.proof(payee(3)) as SumProof);
    await gas(`pool claim_leaf, ${payees.toLocaleString('en-US')} payees`, documented, of, { from: stranger, body });
  }
  const issued = bench.now - 26 * 3600;
  const voucher = { pool: bench.address, payee: payee(1), cumulative: toNano('2'), issued };
  const signature = await signWorkerVoucher(voucher, key);
  const challenge = poolMessage.challenge(key.publicKey, voucher, signature);
  await gas('pool challenge', 8200, bench, { from: stranger, body: challenge });
  bench.now += 48 * 3600;
  await gas('pool enforce', 14_900, bench, { from: stranger, body: poolMessage.enforce(payee(1)) });
}

/** Roots of a log whose first 1,000 leaves are its own; larger heads come with proofs that were made for them. */
async function anchorLines(emulator: Emulator, { gas }: Lines): Promise<void> {
  const config: LogAnchorConfig = {
    network: DEVELOPMENT_NETWORK,
    minGapSeconds: 600,
    owner,
    relayer: owner,
    sink: stranger,
    origin: 'router.example.org/attest/eu1',
    key: key.publicKey,
  };
  const leaves = Array.from({ length: 5000 }, (_, i) => leafHash(u64(i)));
  const signed = async (size: number, root: Uint8Array) => {
    const message = checkpointMessage({ origin: config.origin, size, root: Uint8Array.from(root), extensions: [] });
    return { size: BigInt(size), root, signature: await ed25519Sign(key, message) };
  };
  const opened = async () => {
    const bench = new ContractBench(emulator, logAnchorInit(config), () => null);
    await bench.send(stranger, toNano('0.2'), logAnchorMessage.bondIn(toNano('0.1')));
    return bench;
  };
  const bench = await opened();
  const first = await signed(1000, merkleRoot(leaves.slice(0, 1000)));
  await gas('anchor, first', 26_000, bench, { from: owner, body: logAnchorMessage.anchor(first, []) });
  const second = logAnchorMessage.anchor(await signed(5000, merkleRoot(leaves)), consistencyProof(leaves, 1000));
  await gas('anchor, 1,000 to 5,000', 41_000, bench, { from: owner, body: second });
  for (const [hashes, documented] of [
    [20, 53_000],
    [28, 67_000],
  ] as const) {
    const { first, second, firstRoot, secondRoot, proof } = stepOf(hashes);
    const far = await opened();
    await far.send(owner, VALUE, logAnchorMessage.anchor(await signed(first, firstRoot), []));
    const body = logAnchorMessage.anchor(await signed(second, secondRoot), proof);
    await gas(`anchor, ${hashes} hashes`, documented, far, { from: owner, body });
  }
  const other = await signed(1000, new Uint8Array(32).fill(1));
  await gas('anchor equivocation', 48_000, bench, {
    from: stranger,
    body: logAnchorMessage.equivocation(first, other),
  });
}

/**
 * Two roots and the proof between them for a step from 2^n - 1 leaves to 2^(n+1) - 1, which has n + 2 hashes: the roots
 * follow from the proof (RFC 9162 section 2.1.4.2), so no leaves are needed.
 */
export function stepOf(hashes: number) {
  const [first, second] = [2 ** (hashes - 2) - 1, 2 ** (hashes - 1) - 1];
  const proof = Array.from({ length: hashes }, (_, i) => leafHash(u64(i)));
  let [fn, sn] = [first - 1, second - 1];
  while (fn % 2 === 1) [fn, sn] = [(fn - 1) / 2, Math.floor(sn / 2)];
  let [fr, sr] = [proof[0] as Bytes, proof[0] as Bytes];
  for (const hash of proof.slice(1)) {
    if (fn % 2 === 1 || fn === sn) {
      [fr, sr] = [nodeHash(hash, fr), nodeHash(hash, sr)];
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn / 2, Math.floor(sn / 2)];
    } else {
      sr = nodeHash(sr, hash);
    }
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return { first, second, firstRoot: fr, secondRoot: sr, proof };
}

/** Without what the jetton's own wallets take. */
async function jettonLines(emulator: Emulator, { gas }: Lines): Promise<void> {
  const [master, wallet] = [party(5), party(6)];
  const config = {
    network: DEVELOPMENT_NETWORK,
    clientKey: key.publicKey,
    closeDelaySeconds: 86_400,
    salt: 1n,
    client,
    payee,
    master,
  };
  const bench = new ContractBench(emulator, jettonChannelInit(config), () => null);
  const value = toNano('0.2');
  await bench.send(client, value, jettonChannelMessage.initWallet());
  const answer = beginCell().storeUint(0xd1735400, 32).storeUint(0, 64).storeAddress(wallet).storeMaybeRef(null);
  await bench.send(master, value, answer.endCell());
  const came = beginCell().storeUint(0x7362d09c, 32).storeUint(0, 64).storeCoins(1000).storeAddress(client).storeBit(0);
  await gas('channel-j transfer_notification', null, bench, { from: wallet, body: came.endCell(), value });
  const voucher = { channel: bench.address, cumulative: 500n, receipts: new Uint8Array(32).fill(1) };
  const claim = jettonChannelMessage.claim(voucher, await signVoucher(voucher, key));
  await gas('channel-j claim', null, bench, { from: stranger, body: claim, value });
}

/** As long as a TDX quote, signed with a fixed key: what it takes varies by some 3 % with key and signature. */
async function courtLines(emulator: Emulator, { gas }: Lines): Promise<void> {
  const bench = new ContractBench(emulator, courtInit(DEVELOPMENT_NETWORK), () => null);
  const secret = new Uint8Array(32).fill(7);
  const signed = new Uint8Array(632).fill(1);
  const signature = p256.sign(signed, secret, { lowS: false });
  const point = p256.getPublicKey(secret, false);
  const part = (of: Uint8Array, from: number) => Uint8Array.from(of.subarray(from, from + 32));
  const body = checkQuoteMessage({
    signed,
    r: part(signature, 0),
    s: part(signature, 32),
    x: part(point, 1),
    y: part(point, 33),
  });
  await gas('court, signature of a TDX quote', 697_184, bench, { from: stranger, body, value: toNano('0.1') });
}

/** With a hundred images in it. */
async function registryLines(emulator: Emulator, { gas }: Lines): Promise<void> {
  const config: RegistryConfig = {
    network: DEVELOPMENT_NETWORK,
    owner,
    guardian: stranger,
    timelockSeconds: 48 * 3600,
    params: sha256(u64(0)),
  };
  const bench = new ContractBench(emulator, registryInit(config), () => null);
  await bench.send(owner, toNano('1'), beginCell().endCell());
  const image = (i: number) =>
    registryOrder.setImage(sha256(u64(i)), { kind: 'worker', tee: 'tdx', expires: 0, manifest: sha256(u64(i)) });
  for (let i = 1; i <= 100; i++) {
    await bench.send(owner, VALUE, registryMessage.propose(image(i)));
    bench.now += 48 * 3600;
    await bench.send(stranger, VALUE, registryMessage.execute(i, image(i)));
  }
  await gas('registry propose', null, bench, { from: owner, body: registryMessage.propose(image(101)) });
  bench.now += 48 * 3600;
  const execute = registryMessage.execute(101, image(101));
  await gas('registry execute set_image, 100 images', null, bench, { from: stranger, body: execute });
  const revoke = registryMessage.revoke('images', sha256(u64(50)));
  await gas('registry revoke, 100 images', null, bench, { from: stranger, body: revoke });
}

async function stakeLines(emulator: Emulator, { gas }: Lines): Promise<void> {
  const bench = new ContractBench(
    emulator,
    stakeInit({ network: DEVELOPMENT_NETWORK, owner, court: stranger }),
    () => null,
  );
  const deposit = stakeMessage.bondIn(toNano('1'));
  await gas('stake bond_in', null, bench, { from: owner, body: deposit, value: toNano('1.1') });
  await gas('stake slash', null, bench, { from: stranger, body: stakeMessage.slash(toNano('0.1'), client) });
}
