import { join } from 'node:path';
import { ed25519Key, sha256 } from '#crypto';
import {
  addressOfTerms,
  type ChannelTerms,
  configOfTerms,
  PoolClient,
  type PoolConfig,
  poolAddress,
  signVoucher,
  voucherChannel,
  walletAddress,
} from '../../src/chain/index.ts';
import { chainPort, type OpenedChain, openChain } from '../../src/cli/compose/chain.ts';
import { concat, receiptsRoot, u64, utf8 } from '../../src/core/index.ts';
import { createAccounts } from '../../src/router/accounts.ts';
import { createPayouts } from '../../src/router/index.ts';
import { openSqliteLedger } from '../../src/store/index.ts';

/** The money of a router with everything real but the network and the log: ledger on disk, chain, channel, pool. */
const key = (byte: number) => ed25519Key(new Uint8Array(32).fill(byte));
const clientKey = key(7);
export const PAYEES = [0x71, 0x72, 0x73].map((byte) => new Uint8Array(32).fill(byte));
export const FEE_BPS = 1000;
export const AMOUNT = 10_000_000n;
const randomness = (length: number) => crypto.getRandomValues(new Uint8Array(length)) as Uint8Array<ArrayBuffer>;

export function poolConfig(network: number): PoolConfig {
  const operator = walletAddress(key(1).publicKey, network);
  return {
    network,
    owner: operator,
    operator,
    postDelaySeconds: 1,
    minChallenge: 100_000_000n,
    bps: FEE_BPS,
    voucherKey: key(3).publicKey,
  };
}

export function channelTerms(chain: OpenedChain): ChannelTerms {
  return {
    network: chain.network,
    clientKey: clientKey.publicKey,
    closeDelaySeconds: 86_400,
    salt: 1n,
    client: walletAddress(key(2).publicKey, chain.network).toRawString(),
    payee: poolAddress(poolConfig(chain.network)).toRawString(),
  };
}

export const receiptOf = (n: number) => sha256(concat(utf8('receipt'), u64(n)));
export const payeeOf = (n: number) => PAYEES[n % PAYEES.length] as Uint8Array<ArrayBuffer>;

export async function openSettling(folder: string, url: string) {
  const chain = await openChain(url, new Uint8Array(32).fill(1));
  const client = await openChain(url, new Uint8Array(32).fill(2));
  const ledger = openSqliteLedger(join(folder, 'ledger.sqlite'));
  const pool = new PoolClient(chain.caller, poolConfig(chain.network));
  const terms = channelTerms(chain);
  const channel = addressOfTerms(terms).raw;
  const accounts = createAccounts(
    { ledger, chain: chainPort(chain), now: Date.now, randomness },
    {
      network: chain.network,
      payee: terms.payee,
      priceIdOf: () => new Uint8Array(32),
      creditMax: 1n,
      claimAbove: 2n ** 100n,
      feeBps: FEE_BPS,
    },
  );
  const payouts = createPayouts(
    {
      ledger,
      source: 'test',
      log: {
        append: async () => ({ index: 0 }),
        proof: async () => '',
        checkpoint: async () => '',
        entry: async () => new Uint8Array(0),
      },
      pool: {
        view: () => pool.view(),
        post: (root) => pool.post(chain.wallet, root),
        claimLeaf: (proof) => pool.claimLeaf(chain.wallet, proof),
      },
    },
    { payAbove: 1n },
  );
  return {
    chain,
    client,
    ledger,
    pool,
    accounts,
    payouts,
    channel,
    terms,
    /** Deploys the pool and opens the channel; a second time it does nothing. */
    async prepare(deposit: bigint): Promise<void> {
      await chain.fund(2_000_000_000n);
      await pool.deploy(chain.wallet);
      if ((await client.channels.channelState(configOfTerms(terms))) === null) {
        await client.fund(deposit + 1_000_000_000n);
        await client.channels.openChannel(client.wallet, configOfTerms(terms), deposit);
      }
      if ((await ledger.channel(channel)) !== null) return;
      const row = {
        channel,
        terms: JSON.stringify({ ...terms, clientKey: Buffer.from(terms.clientKey).toString('hex'), salt: '1' }),
      };
      await ledger.putChannel({
        ...row,
        clientKey: terms.clientKey,
        state: 'open',
        deposited: deposit,
        claimed: 0n,
        viewedAt: Date.now(),
      });
    },
    /** One more answered request: its receipt, stored, and the client's voucher over all so far. @returns the sum signed */
    async request(): Promise<bigint> {
      const leaves = (await ledger.voucherLeaves(channel)).length;
      const digest = receiptOf(leaves);
      await ledger.putReceipt({
        digest,
        channel,
        sessionKey: new Uint8Array(32),
        requestId: u64(leaves),
        kind: 2,
        amount: AMOUNT,
        object: new Uint8Array(1),
        signature: new Uint8Array(64),
        storedAt: Date.now(),
        payee: payeeOf(leaves),
      });
      const all = Array.from({ length: leaves + 1 }, (_, i) => receiptOf(i));
      const voucher = {
        channel: voucherChannel(channel),
        cumulative: AMOUNT * BigInt(leaves + 1),
        receipts: receiptsRoot(all),
      };
      const { cumulative, receipts } = voucher;
      const signature = await signVoucher(voucher, clientKey);
      return accounts.submitVoucher({ channel, cumulative, receipts, newReceiptDigests: [digest], signature });
    },
  };
}
