import {
  Address,
  beginCell,
  type Cell,
  external,
  internal,
  type Message,
  SendMode,
  storeMessage,
  toNano,
} from '@ton/core';
import { WalletContractV5R1 } from '@ton/ton';
import { Emulator, emptyAccount, parseAccount } from '../src/chain/dev/emulator.ts';
import {
  addressOfInit,
  type ChannelConfig,
  type ContractInit,
  channelMessage,
  channelStateInit,
  DEVELOPMENT_NETWORK,
  logAnchorInit,
  logAnchorMessage,
  poolInit,
  poolMessage,
  type SumProof,
  SumTree,
  signVoucher,
} from '../src/chain/index.ts';
import { ed25519Key, ed25519Sign, sha256 } from '../src/core/crypto/node.ts';
import { u64 } from '../src/core/index.ts';
import { checkpointMessage } from '../src/log/index.ts';
import { stepOf } from './chain.ts';
import type { BenchLine } from './report.ts';

/** Contracts section 4: claims once a day for each client and worker, hourly roots and anchors. */
const CLIENTS = 1_000;
const WORKERS = 100;
const ROOTS = 24;
const ANCHORS = 24;
/** The longest proof of a log of 2^27 entries. */
const ANCHOR_HASHES = 28;
const VALUE = toNano('0.05');
const NOBODY = new Address(0, Buffer.alloc(32));
/** nanoTON a request, and what the router keeps of it. */
const PRICE = 20_000n;
const FEE_BPS = 1000n;

/** Accounts and messages on TON's own executor, in memory: what all balances together lose is what it costs. */
class MemoryChain {
  readonly #emulator: Emulator;
  readonly #accounts = new Map<string, string>();
  now = 1_800_000_000;
  #logicalTime = 0n;

  constructor(emulator: Emulator) {
    this.#emulator = emulator;
  }

  get total(): bigint {
    let sum = 0n;
    for (const account of this.#accounts.values()) sum += parseAccount(account).account?.storage.balance.coins ?? 0n;
    return sum;
  }

  async give(to: Address, value: bigint): Promise<void> {
    const { info, body } = internal({ to, value, bounce: false });
    if (info.type !== 'internal') throw new Error('not an internal message');
    await this.apply({ info: { ...info, src: NOBODY }, body });
  }

  /** Applies a message and all that follows. @throws Error where a transaction of a contract is refused */
  async apply(first: Message): Promise<void> {
    const queue = [first];
    for (let message = queue.shift(); message !== undefined; message = queue.shift()) {
      if (message.info.type === 'external-out') continue;
      const to = message.info.dest;
      const key = to.toRawString();
      this.#logicalTime += 1_000_000n;
      const cell = beginCell().store(storeMessage(message)).endCell();
      const before = this.#accounts.get(key) ?? emptyAccount(to);
      const { transaction, account } = await this.#emulator.execute(cell, before, this.now, this.#logicalTime);
      this.#accounts.set(key, account);
      const { description } = transaction;
      const bounce = message.info.type === 'internal' && message.info.bounce;
      if (bounce && description.type === 'generic' && description.aborted) throw new Error(`${key} refused a message`);
      queue.push(...transaction.outMessages.values());
    }
  }
}

type Sender = Readonly<{
  address: Address;
  send(to: Address, value: bigint, body: Cell, init?: ContractInit): Promise<void>;
}>;

/** A wallet v5 that signs every message of the day, as the product's does. */
async function walletOn(chain: MemoryChain, seed: number): Promise<Sender> {
  const key = ed25519Key(new Uint8Array(32).fill(seed));
  const wallet = WalletContractV5R1.create({
    publicKey: Buffer.from(key.publicKey),
    walletId: {
      networkGlobalId: DEVELOPMENT_NETWORK,
      context: { walletVersion: 'v5r1', workchain: 0, subwalletNumber: 0 },
    },
  });
  let seqno = 0;
  await chain.give(wallet.address, toNano('100000'));
  return {
    address: wallet.address,
    async send(to, value, body, init) {
      const transfer = await wallet.createTransfer({
        seqno,
        timeout: chain.now + 60,
        sendMode: SendMode.PAY_GAS_SEPARATELY,
        messages: [internal({ to, value, body, ...(init === undefined ? {} : { init }) })],
        signer: async (cell: Cell) => Buffer.from(await ed25519Sign(key, cell.hash())),
      });
      await chain.apply(
        external({ to: wallet.address, body: transfer, ...(seqno === 0 ? { init: wallet.init } : {}) }),
      );
      seqno += 1;
    },
  };
}

/** What one operation costs all parties together, wallet included, in nanoTON. */
export type UnitCosts = Readonly<{ claim: number; payout: number; root: number; anchor: number }>;

const loss = async (chain: MemoryChain, work: () => Promise<void>): Promise<number> => {
  const before = chain.total;
  await work();
  return Number(before - chain.total);
};

/**
 * One day on the executor with real contracts, wallets and fees: every client's voucher is claimed, a root over all
 * workers is posted and every worker paid from it, the log's head is anchored. Roots and anchors are the same each hour:
 * one of each is run.
 */
export async function simulatedDay(clients: number, workers: number, requests: number): Promise<UnitCosts> {
  const chain = new MemoryChain(await Emulator.create(DEVELOPMENT_NETWORK));
  const [router, client] = [await walletOn(chain, 1), await walletOn(chain, 2)];
  const clientKey = ed25519Key(new Uint8Array(32).fill(7));
  const pool = poolInit({
    network: DEVELOPMENT_NETWORK,
    owner: router.address,
    operator: router.address,
    postDelaySeconds: 3600,
    minChallenge: toNano('0.1'),
    bps: Number(FEE_BPS),
    voucherKey: clientKey.publicKey,
  });
  const poolAt = addressOfInit(pool);
  await router.send(poolAt, toNano('0.3'), beginCell().endCell(), pool);
  const perClient = (PRICE * BigInt(requests)) / BigInt(clients);
  const channels: ContractInit[] = [];
  for (let i = 0; i < clients; i++) {
    const config: ChannelConfig = {
      network: DEVELOPMENT_NETWORK,
      clientKey: clientKey.publicKey,
      closeDelaySeconds: 86_400,
      salt: BigInt(i),
      client: client.address,
      payee: poolAt,
    };
    channels.push(channelStateInit(config));
    const open = channelMessage.topUp(2n * perClient);
    await client.send(addressOfInit(channels[i] as ContractInit), 2n * perClient + toNano('0.07'), open, channels[i]);
  }
  const claim = await loss(chain, async () => {
    for (const init of channels) {
      const voucher = { channel: addressOfInit(init), cumulative: perClient, receipts: new Uint8Array(32).fill(1) };
      await router.send(voucher.channel, VALUE, channelMessage.claim(voucher, await signVoucher(voucher, clientKey)));
    }
  });
  const share = ((perClient * BigInt(clients)) / BigInt(workers)) * (10_000n - FEE_BPS);
  const tree = new SumTree(
    Array.from({ length: workers }, (_, i) => ({ payee: sha256(u64(i)), cumulative: share / 10_000n })),
  );
  const { hash: root, sum } = tree.root;
  const rootCost = await loss(chain, () =>
    router.send(poolAt, VALUE, poolMessage.post({ root, sum, epoch: 1, covers: chain.now })),
  );
  chain.now += 3600;
  const payout = await loss(chain, async () => {
    for (const { payee } of tree.leaves) {
      await router.send(poolAt, VALUE, poolMessage.claimLeaf(tree.proof(payee) as SumProof));
    }
  });
  const anchor = await anchorCost(chain, router);
  return { claim: claim / clients, payout: payout / workers, root: rootCost, anchor };
}

async function anchorCost(chain: MemoryChain, router: Sender): Promise<number> {
  const key = ed25519Key(new Uint8Array(32).fill(9));
  const origin = 'router.example.org/attest/eu1';
  const sink = NOBODY;
  const { address: owner } = router;
  const init = logAnchorInit({
    network: DEVELOPMENT_NETWORK,
    minGapSeconds: 600,
    owner,
    relayer: owner,
    sink,
    origin,
    key: key.publicKey,
  });
  const signed = async (size: number, root: Uint8Array) => {
    const message = checkpointMessage({ origin, size, root: Uint8Array.from(root), extensions: [] });
    return { size: BigInt(size), root, signature: await ed25519Sign(key, message) };
  };
  const { first, second, firstRoot, secondRoot, proof } = stepOf(ANCHOR_HASHES);
  const at = addressOfInit(init);
  await router.send(at, toNano('0.1'), logAnchorMessage.anchor(await signed(first, firstRoot), []), init);
  const body = logAnchorMessage.anchor(await signed(second, secondRoot), proof);
  return loss(chain, () => router.send(at, VALUE, body));
}

/** nanoTON a day, and microTON a request. */
export function costOf(unit: UnitCosts, requests: number): Readonly<{ day: number; perRequest: number }> {
  const day = CLIENTS * unit.claim + WORKERS * unit.payout + ROOTS * unit.root + ANCHORS * unit.anchor;
  return { day, perRequest: day / requests / 1000 };
}

/** Settlement of a day with a thousand clients and a hundred workers, at 100,000 and at a million requests. */
export async function benchSettlement(): Promise<BenchLine[]> {
  const requests = 100_000;
  const unit = await simulatedDay(CLIENTS, WORKERS, requests);
  const each = (name: string, nano: number): BenchLine => ({ name, value: nano / 1e9, unit: 'TON' });
  const { day } = costOf(unit, requests);
  return [
    each('claim of a voucher, all parties', unit.claim),
    each('pay of a worker, all parties', unit.payout),
    each('root of a pool', unit.root),
    each(`anchor of ${ANCHOR_HASHES} hashes`, unit.anchor),
    each('a day: 1,000 clients, 100 workers, hourly', day),
    ...[
      [100_000, 25],
      [1_000_000, 3],
    ].map(([count = 1, limit = 1]): BenchLine => {
      const value = costOf(unit, count).perRequest;
      const name = `a request, at ${count.toLocaleString('en-US')} a day`;
      return { name, value, unit: 'µTON', floor: { name: 'limit', value: limit }, ratio: value / limit };
    }),
  ];
}
