import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ed25519Key } from '#crypto';
import {
  addressOfTerms,
  type ChannelTerms,
  DEVELOPMENT_NETWORK,
  signVoucher,
  voucherChannel,
} from '../../src/chain/index.ts';
import { CodedError, receiptsRoot, u64 } from '../../src/core/index.ts';
import { createAccounts } from '../../src/router/accounts.ts';
import type { ChannelView } from '../../src/router/index.ts';
import { type Header, signDelegation } from '../../src/session/index.ts';
import { type Ledger, openSqliteLedger } from '../../src/store/index.ts';

/** Contracts section 6: what a router risks with a client that stops paying. */
const clientKey = ed25519Key(new Uint8Array(32).fill(7));
const PAYEE = `0:${'bb'.repeat(32)}`;
const SESSION = new Uint8Array(32).fill(5);
const PRICE = new Uint8Array(32).fill(6);
const CAP = 3_000_000n;
/** W of a channel that has paid nothing yet. */
const CREDIT = 10_000_000n;
const terms: ChannelTerms = {
  network: DEVELOPMENT_NETWORK,
  clientKey: clientKey.publicKey,
  closeDelaySeconds: 86_400,
  salt: 1n,
  client: `0:${'aa'.repeat(32)}`,
  payee: PAYEE,
};
const { raw: channel, workchain, account } = addressOfTerms(terms);

let folder: string;
let ledger: Ledger;
let now: number;
let onChain: ChannelView | CodedError;
let reference: Uint8Array<ArrayBuffer>;
let drawn = 0;
let accounts: ReturnType<typeof createAccounts>;
let claim: () => Promise<ChannelView>;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'chrysalis-accounts-'));
  ledger = openSqliteLedger(join(folder, 'ledger.sqlite'));
  now = 1_800_000_000_000;
  onChain = { state: 'open', deposited: 1_000_000_000n, claimed: 0n, closeAt: 0 };
  const view = async () => {
    if (onChain instanceof CodedError) throw onChain;
    return onChain;
  };
  claim = view;
  accounts = createAccounts(
    {
      ledger,
      chain: {
        head: async () => ({ network: DEVELOPMENT_NETWORK, seqno: 1, rootHash: SESSION }),
        channel: view,
        claim: () => claim(),
      },
      now: () => now,
      randomness: (length) => new Uint8Array(length).fill(++drawn),
    },
    {
      network: DEVELOPMENT_NETWORK,
      payee: PAYEE,
      priceIdOf: () => PRICE,
      creditMax: 100_000_000n,
      claimAbove: 2n ** 100n,
      feeBps: 0,
    },
  );
  reference = await delegated();
});
afterEach(async () => {
  await ledger.close();
  rmSync(folder, { recursive: true });
});

async function delegated(of: ChannelTerms = terms, sessionKey = SESSION, limit = 2_000_000_000n) {
  const notAfter = now + 12 * 3_600_000;
  const signature = await signDelegation(clientKey, { channel: { workchain, account }, sessionKey, limit, notAfter });
  return accounts.delegate({ channel: of, sessionKey, limit, notAfter, signature });
}
let asked = 1_000_000;
const header = (priceCap = CAP): Header =>
  ({
    ...{ paymentRef: reference, sessionKey: SESSION, requestId: u64(++asked) },
    ...{ priceId: PRICE, priceCap },
  }) as unknown as Header;
const reserve = (cap = CAP) => accounts.reserve(header(cap), now + 60_000);
const refused = (code: string, reason?: string) =>
  expect.objectContaining({ code, ...(reason === undefined ? {} : { facts: { reason } }) });

let receipts = 0;
async function answered(amount: bigint): Promise<Uint8Array<ArrayBuffer>> {
  const digest = new Uint8Array(32).fill(++receipts);
  const row = { digest, channel, sessionKey: SESSION, requestId: u64(receipts), kind: 2, amount, payee: null };
  await ledger.putReceipt({ ...row, object: new Uint8Array(1), signature: new Uint8Array(64), storedAt: now });
  return digest;
}
async function pay(cumulative: bigint, digests: readonly Uint8Array<ArrayBuffer>[], key = clientKey) {
  const leaves = [...(await ledger.voucherLeaves(channel)), ...digests];
  const voucher = { channel: voucherChannel(channel), cumulative, receipts: receiptsRoot(leaves) };
  const signature = await signVoucher(voucher, key);
  return accounts.submitVoucher({
    channel,
    cumulative,
    receipts: voucher.receipts,
    newReceiptDigests: digests,
    signature,
  });
}

describe('a client that stops paying', () => {
  test('is served up to its credit and no further, until it sends a voucher', async () => {
    const digests = [];
    for (let i = 0; i < 3; i++) {
      const held = await reserve();
      digests.push(await answered(CAP));
      held.release();
    }
    await expect(reserve()).rejects.toEqual(refused('CREDIT_EXHAUSTED', 'credit'));
    await pay(3n * CAP, digests);
    await reserve();
  });

  test('cannot run its credit up with many requests at the same time: what is in flight counts', async () => {
    const held = await Promise.all([reserve(), reserve(), reserve()]);
    expect(3n * CAP <= CREDIT && 4n * CAP > CREDIT).toBe(true);
    await expect(reserve()).rejects.toEqual(refused('CREDIT_EXHAUSTED', 'credit'));
    held[0]?.release();
    held[0]?.release();
    await reserve();
    await expect(reserve()).rejects.toEqual(refused('CREDIT_EXHAUSTED', 'credit'));
  });

  test('gets no more for a new channel than the channel locks for ever: 0.01 of 0.02 TON', async () => {
    await reserve(CREDIT);
    expect(CREDIT).toBeLessThan(20_000_000n);
    await expect(reserve(1n)).rejects.toEqual(refused('CREDIT_EXHAUSTED', 'credit'));
  });

  test('is never served beyond its deposit, whatever its credit', async () => {
    onChain = { state: 'open', deposited: 5_000_000n, claimed: 0n, closeAt: 0 };
    await accounts.account(channel);
    await reserve(4_000_000n);
    await expect(reserve(2_000_000n)).rejects.toEqual(refused('CREDIT_EXHAUSTED', 'deposit'));
  });

  test('that closes is served no more, and its vouchers stay good', async () => {
    const digest = await answered(CAP);
    onChain = { state: 'closing', deposited: 1_000_000_000n, claimed: 0n, closeAt: 1 };
    await accounts.account(channel);
    await expect(reserve()).rejects.toEqual(refused('CHANNEL_REFUSED', 'state'));
    expect(await pay(CAP, [digest])).toBe(CAP);
  });
});

describe('a voucher', () => {
  test('of another key, for too little, for receipts of nobody, twice for one receipt, above the deposit: refused', async () => {
    const [a, b] = [await answered(CAP), await answered(CAP)];
    const other = ed25519Key(new Uint8Array(32).fill(8));
    await expect(pay(2n * CAP, [a, b], other)).rejects.toEqual(refused('VOUCHER_REFUSED', 'signature'));
    await expect(pay(CAP, [a, b])).rejects.toMatchObject({ code: 'VOUCHER_REFUSED' });
    await expect(pay(CAP, [new Uint8Array(32).fill(99)])).rejects.toMatchObject({ code: 'VOUCHER_REFUSED' });
    await expect(pay(2n * CAP, [a, a])).rejects.toMatchObject({ code: 'VOUCHER_REFUSED' });
    await expect(pay(10_000_000_000n, [a])).rejects.toMatchObject({ code: 'VOUCHER_REFUSED' });
    expect(await pay(CAP, [a])).toBe(CAP);
    await expect(pay(2n * CAP, [a])).rejects.toMatchObject({ code: 'VOUCHER_REFUSED' });
    expect(await ledger.voucher(channel)).toMatchObject({ cumulative: CAP, leaves: 1 });
  });
});

describe('a claim', () => {
  const late = new CodedError('VOUCHER_INVALID', 'the voucher gives nothing new');

  test('costs what it adds: what the one before named is read once, also where another router took that one', async () => {
    let read = 0;
    const counting: Ledger = {
      ...ledger,
      voucherLeaves: (of) => {
        read += 1;
        return ledger.voucherLeaves(of);
      },
    };
    const chain = { head: async () => Promise.reject(new Error()), channel: async () => onChain as ChannelView, claim };
    const prices = { priceIdOf: () => PRICE, creditMax: CREDIT, claimAbove: 10n ** 15n, feeBps: 0 };
    const routers = [0, 1].map(() =>
      createAccounts(
        { ledger: counting, chain, now: () => now, randomness: (length) => new Uint8Array(length) },
        { network: DEVELOPMENT_NETWORK, payee: PAYEE, ...prices },
      ),
    );
    const named: Uint8Array<ArrayBuffer>[] = [];
    const send = async (of: number, ...digests: Uint8Array<ArrayBuffer>[]) => {
      const receipts = receiptsRoot([...named, ...digests]);
      const voucher = { channel: voucherChannel(channel), cumulative: BigInt(named.length + digests.length), receipts };
      const signature = await signVoucher(voucher, clientKey);
      const ask = { channel, cumulative: voucher.cumulative, receipts, newReceiptDigests: digests, signature };
      await routers[of]!.submitVoucher(ask);
      named.push(...digests);
    };
    for (let i = 0; i < 20; i++) await send(0, await answered(1n), await answered(1n));
    expect(read).toBe(0);
    await send(1, await answered(1n));
    await send(1, await answered(1n));
    expect(read).toBe(1);
    await send(0, await answered(1n));
    expect(read).toBe(2);
    await expect(send(0, named[0]!)).rejects.toEqual(refused('VOUCHER_REFUSED', 'pays a receipt twice'));
    const twice = await answered(1n);
    await expect(send(0, twice, twice)).rejects.toEqual(refused('VOUCHER_REFUSED', 'pays a receipt twice'));
    expect(await ledger.voucherLeaves(channel)).toEqual(named);
    expect(read).toBe(2);
  });

  test('that another one overtook, sent before a crash, is as good: the voucher is collected once', async () => {
    await pay(CAP, [await answered(CAP)]);
    claim = async () => {
      onChain = { state: 'open', deposited: 1_000_000_000n, claimed: CAP, closeAt: 0 };
      throw late;
    };
    expect(await accounts.claim(channel)).toMatchObject({ claimed: CAP, vouchered: CAP });
  });

  test('that fails is a failure', async () => {
    await pay(CAP, [await answered(CAP)]);
    claim = () => Promise.reject(late);
    await expect(accounts.claim(channel)).rejects.toBe(late);
    expect(await accounts.account(channel)).toMatchObject({ claimed: 0n });
  });
});

describe('the chain being away', () => {
  const gone = new CodedError('CHAIN_UNREACHABLE', 'gone');
  const back: ChannelView = { state: 'open', deposited: 1_000_000_000n, claimed: 0n, closeAt: 0 };
  /** One answer, paid for at once. */
  const served = async () => {
    const held = await reserve();
    const digest = await answered(CAP);
    held.release();
    const { amount } = await ledger.receipted(channel);
    expect(await pay(amount, [digest])).toBe(amount);
  };

  test('stops nobody within the credit window, however long; then everybody, and nothing is lost', async () => {
    onChain = gone;
    now += 50_000;
    for (let i = 0; i < 5; i++) await served();
    now += 5 * 3_600_000;
    // The first minute was paid for. From here on vouchers make the window no wider: what is lost is the credit at most.
    for (let i = 0; i < 3; i++) await served();
    await expect(reserve()).rejects.toEqual(refused('CHAIN_UNREACHABLE'));
    expect(await accounts.account(channel)).toMatchObject({ vouchered: 8n * CAP, state: 'open' });
    expect(accounts.voucherLag()).toBe(0n);
    expect(await accounts.watch()).toMatchObject([{ channel, error: { code: 'CHAIN_UNREACHABLE' } }]);
    expect(accounts.voucherLag()).toBe(8n * CAP);
    onChain = back;
    now += 30_000;
    for (let i = 0; i < 5; i++) await served();
  });

  test('a client that is known delegates another session key all the same', async () => {
    onChain = gone;
    const key = new Uint8Array(32).fill(6);
    reference = await delegated(terms, key);
    await accounts.reserve({ ...header(), sessionKey: key, paymentRef: reference } as Header, now + 60_000);
    await ledger.putChannel({ ...(await ledger.channel(channel))!, state: 'closing' });
    await expect(delegated(terms, new Uint8Array(32).fill(9))).rejects.toEqual(refused('CHANNEL_REFUSED', 'state'));
  });

  test('for a quarter of the close delay stops everybody: a close that nobody saw could end before it is answered', async () => {
    onChain = gone;
    now += 6 * 3_600_000;
    (await reserve()).release();
    now += 1;
    await expect(reserve()).rejects.toEqual(refused('CHAIN_UNREACHABLE'));
    onChain = { ...back, state: 'closing', closeAt: 1 };
    now += 30_000;
    await expect(reserve()).rejects.toEqual(refused('CHANNEL_REFUSED', 'state'));
  });

  test('a channel that was not used for an hour is looked at before its next request', async () => {
    now += 3_600_000;
    onChain = { ...back, deposited: CAP - 1n };
    await expect(reserve()).rejects.toEqual(refused('CREDIT_EXHAUSTED', 'deposit'));
  });
});

describe('a delegation', () => {
  test('of another channel, network, payee or close delay, or a key delegated elsewhere: refused', async () => {
    const delegate = (of: Partial<ChannelTerms>) => delegated({ ...terms, ...of }, new Uint8Array(32).fill(6));
    await expect(delegate({ network: -3 })).rejects.toEqual(refused('CHANNEL_REFUSED', 'network'));
    await expect(delegate({ payee: `0:${'cc'.repeat(32)}` })).rejects.toEqual(refused('CHANNEL_REFUSED', 'payee'));
    await expect(delegate({ closeDelaySeconds: 3600 })).rejects.toEqual(refused('CHANNEL_REFUSED', 'closeDelay'));
    await expect(delegate({ clientKey: new Uint8Array(32) })).rejects.toEqual(refused('CHANNEL_REFUSED', 'clientKey'));
    // Signed for this channel, and told of another one.
    await expect(delegate({ salt: 2n })).rejects.toEqual(refused('DELEGATION_REFUSED', 'signature'));
  });

  test('bounds what its key can spend', async () => {
    const key = new Uint8Array(32).fill(6);
    reference = await delegated(terms, key, CAP);
    const spend = (cap: bigint) =>
      accounts.reserve({ ...header(cap), sessionKey: key, paymentRef: reference } as Header, now + 60_000);
    await expect(spend(CAP + 1n)).rejects.toEqual(refused('CREDIT_EXHAUSTED', 'limit'));
    await spend(CAP);
    await expect(spend(1n)).rejects.toEqual(refused('CREDIT_EXHAUSTED', 'limit'));
  });
});
