import { type Address, beginCell, type Cell, toNano } from '@ton/core';
import { expect } from 'vitest';
import {
  DEVELOPMENT_NETWORK,
  type JettonChannelConfig,
  type JettonChannelState,
  jettonChannelInit,
  jettonChannelMessage,
  parseJettonChannelData,
  signVoucher,
} from '../../src/chain/index.ts';
import type { Transfer } from './channel-j-model.ts';
import { ContractBench, type Outcome } from './contract-bench.ts';
import { bytes, emulator, party, signingKey } from './support.ts';

export const client = party(0xa1);
export const payee = party(0xa2);
export const stranger = party(0xa3);
export const master = party(0xa4);
export const wallet = party(0xa5);
export const clientKey = signingKey(7);
export const config: JettonChannelConfig = {
  network: DEVELOPMENT_NETWORK,
  clientKey: clientKey.publicKey,
  closeDelaySeconds: 86_400,
  salt: 1n,
  client,
  payee,
  master,
};
/** Covers what the jetton's wallets take of a transfer. */
export const TRANSFER_VALUE = toNano('0.2');
const TRANSFER = 0x0f8a7ea5;

export type Bench = ContractBench<JettonChannelState>;
export const fresh = (of = config): Bench =>
  new ContractBench(emulator, jettonChannelInit(of), (data) => parseJettonChannelData(data, of));

/** TEP-89: what a master answers. */
export const walletIs = (address: Address | null) =>
  beginCell().storeUint(0xd1735400, 32).storeUint(0, 64).storeAddress(address).storeMaybeRef(null).endCell();
/** TEP-74: what the own wallet says when tokens came. */
export const tokensCame = (amount: bigint, from = client) =>
  beginCell().storeUint(0x7362d09c, 32).storeUint(0, 64).storeCoins(amount).storeAddress(from).storeBit(0).endCell();

/** A channel that knows its wallet, and has these tokens. */
export async function opened(tokens = 1000n): Promise<Bench> {
  const bench = fresh();
  expect((await bench.send(client, TRANSFER_VALUE, jettonChannelMessage.initWallet())).exitCode).toBe(0);
  expect((await bench.send(master, toNano('0.05'), walletIs(wallet))).exitCode).toBe(0);
  if (tokens > 0n) expect((await bench.send(wallet, toNano('0.01'), tokensCame(tokens))).exitCode).toBe(0);
  return bench;
}

export async function claimBody(channel: Address, cumulative: bigint, key = clientKey): Promise<Cell> {
  const voucher = { channel, cumulative, receipts: bytes(0) };
  return jettonChannelMessage.claim(voucher, await signVoucher(voucher, key));
}

export type Sent = Transfer & Readonly<{ body: Cell; value: bigint }>;
/** The orders to the own wallet among what a message led to, read to their end. */
export function transfers(outcome: Outcome): Sent[] {
  return outcome.outgoing
    .filter((out) => out.to.equals(wallet) && out.body.bits.length > 32)
    .map(({ body, value }) => {
      const slice = body.beginParse();
      expect(slice.loadUint(32)).toBe(TRANSFER);
      const kind = slice.loadUint(8);
      slice.skip(56);
      const [amount, to, change] = [slice.loadCoins(), slice.loadAddress(), slice.loadAddress()];
      expect(slice.loadMaybeRef()).toBeNull();
      const forward = slice.loadCoins();
      expect(slice.loadBit()).toBe(false);
      slice.endParse();
      return { kind, amount, to, change, body, value, forward };
    });
}

/** What comes back of a message that was not taken: the network puts a prefix before its first 256 bits. */
export function bouncedBody(body: Cell): Cell {
  const first = body.bits.substring(0, Math.min(256, body.bits.length));
  return beginCell().storeUint(0xffffffff, 32).storeBits(first).endCell();
}
export const bounce = (bench: Bench, { body }: Pick<Sent, 'body'>, from = wallet) =>
  bench.send(from, toNano('0.05'), bouncedBody(body), { bounced: true, bounce: false });
