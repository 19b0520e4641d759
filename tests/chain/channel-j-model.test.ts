import { type Address, beginCell, type Cell, toNano } from '@ton/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEVELOPMENT_NETWORK, type JettonChannelState, jettonChannelMessage } from '../../src/chain/index.ts';
import {
  type Bench,
  bouncedBody,
  claimBody,
  client,
  clientKey,
  config,
  fresh,
  master,
  payee,
  type Sent,
  stranger,
  TRANSFER_VALUE,
  tokensCame,
  transfers,
  wallet,
  walletIs,
} from './channel-j-bench.ts';
import { modelOf, type Order } from './channel-j-model.ts';
import { by, empty, expectSeen, FUZZ_TIMEOUT_MS, fuzz, OPERATIONS, SEED, step, unknownOperation } from './fuzz.ts';
import { DAY, party, signingKey, VALUE, YEAR } from './support.ts';

const otherKey = signingKey(8);
const kind = <K extends string>(...names: K[]) => fc.constantFrom(...names);
const drawn = fc.oneof(
  { weight: 1, arbitrary: fc.record({ kind: kind('initWallet', 'unknown', 'plain') }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('walletIs'), wallet: kind('own', 'own', 'own', 'other', 'none') }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: kind('tokensCame'), amount: fc.bigInt({ min: 0n, max: 500n }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: kind('claim'),
      // Of the deposit, in hundredths: also nothing, less than was claimed, and more than there is.
      share: fc.integer({ min: 0, max: 110 }),
      signedBy: kind('client', 'client', 'client', 'other'),
      channel: kind('own', 'own', 'own', 'other'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('startClose', 'finishClose', 'payeeClose') }) },
  // What the wallet was told to send: it does, or sends it back, or somebody says that it did.
  { weight: 4, arbitrary: fc.record({ kind: kind('bounce', 'bounce', 'deliver') }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('wait'), seconds: fc.constantFrom(1, DAY, 3 * YEAR) }) },
);
const action = fc.record({
  drawn,
  from: fc.constantFrom('rightful', 'rightful', 'rightful', 'client', 'payee', 'stranger'),
  value: fc.constantFrom(TRANSFER_VALUE, TRANSFER_VALUE, TRANSFER_VALUE, toNano('0.1'), VALUE, toNano('0.0199'), 0n),
});

const claimed = { kind: 'claim', share: 50, signedBy: 'client', channel: 'own' } as const;
const came = { kind: 'tokensCame', amount: 500n } as const;
const sentBy = <const From, const Drawn>(from: From, drawn: Drawn, value = TRANSFER_VALUE) => by(from, drawn, value);
const directed = [
  sentBy('client', { kind: 'unknown' }),
  sentBy('stranger', came),
  sentBy('client', { kind: 'initWallet' }, VALUE),
  sentBy('client', { kind: 'initWallet' }),
  sentBy('stranger', { kind: 'walletIs', wallet: 'other' }),
  sentBy('rightful', { kind: 'walletIs', wallet: 'none' }),
  sentBy('rightful', { kind: 'walletIs', wallet: 'own' }),
  sentBy('stranger', came),
  sentBy('rightful', came),
  sentBy('rightful', { ...claimed, signedBy: 'other' }),
  sentBy('rightful', { ...claimed, channel: 'other' }),
  sentBy('rightful', { ...claimed, share: 110 }),
  sentBy('rightful', claimed),
  sentBy('stranger', { kind: 'bounce' }),
  sentBy('rightful', { kind: 'bounce' }),
  sentBy('rightful', claimed),
  sentBy('rightful', { kind: 'deliver' }),
  sentBy('rightful', { kind: 'startClose' }),
  sentBy('rightful', { kind: 'finishClose' }),
  // Tokens that come too late, on their way back to who sent them; then the rest, which bounces, and is owed again.
  sentBy('rightful', came),
  sentBy('rightful', { kind: 'bounce' }),
  sentBy('rightful', { kind: 'payeeClose' }),
  sentBy('rightful', { kind: 'bounce' }),
  sentBy('client', { kind: 'wait', seconds: DAY }),
  sentBy('rightful', { kind: 'finishClose' }),
  sentBy('rightful', { kind: 'deliver' }),
  sentBy('rightful', { kind: 'startClose' }),
];

type Drawn = Record<string, unknown> & { kind: string };

function senderOf(who: string, kind: string): Address {
  if (who === 'stranger') return stranger;
  if (who !== 'rightful') return who === 'payee' ? payee : client;
  if (kind === 'walletIs') return master;
  if (kind === 'tokensCame' || kind === 'bounce') return wallet;
  return kind === 'payeeClose' ? payee : client;
}

function orderOf(of: Drawn, base: { from: Address; value: bigint }, bench: Bench, first: Sent | undefined): Order {
  switch (of.kind) {
    case 'walletIs': {
      const named = of.wallet === 'own' ? wallet : party(0xa6);
      return { ...base, kind: 'walletIs', wallet: of.wallet === 'none' ? null : named };
    }
    case 'tokensCame':
      return { ...base, kind: 'tokensCame', amount: of.amount as bigint, sender: client };
    case 'claim': {
      const cumulative = (bench.state!.deposited * BigInt(of.share as number)) / 100n;
      return { ...base, ...of, cumulative } as unknown as Order;
    }
    case 'bounce':
      return { ...base, kind: 'bounce', of: first?.kind ?? 1, amount: first?.amount ?? 1n };
    default:
      return { ...base, kind: of.kind as 'plain' };
  }
}

async function body(order: Order, bench: Bench, first: Sent | undefined): Promise<Cell> {
  switch (order.kind) {
    case 'walletIs':
      return walletIs(order.wallet);
    case 'tokensCame':
      return tokensCame(order.amount, order.sender);
    case 'claim': {
      const key = order.signedBy === 'client' ? clientKey : otherKey;
      return claimBody(order.channel === 'own' ? bench.address : party(0x11), order.cumulative, key);
    }
    case 'bounce':
      return bouncedBody(first?.body ?? transferBody(order.of, order.amount));
    case 'unknown':
      return unknownOperation(0x434a0002);
    case 'plain':
      return empty;
    default:
      return jettonChannelMessage[order.kind]();
  }
}

/** As much of a transfer as comes back of one. */
const transferBody = (kind: number, amount: bigint) =>
  beginCell().storeUint(0x0f8a7ea5, 32).storeUint(kind, 8).storeUint(0, 56).storeCoins(amount).endCell();

/** Tokens as they truly are: in the channel's wallet, on their way, and with whom they were sent to. */
class Tokens {
  held = 0n;
  readonly underWay: Sent[] = [];

  require({ deposited, claimed, state }: JettonChannelState): void {
    expect(claimed).toBeLessThanOrEqual(deposited);
    if (state === 'closed') expect(deposited).toBe(claimed);
    const sending = this.underWay.reduce((sum, one) => sum + one.amount, 0n);
    expect(deposited - claimed + sending, 'owed and under way is there').toBeLessThanOrEqual(this.held);
  }
}

test(
  `contract and model agree over ${OPERATIONS} operations with bounces, seed ${SEED}`,
  async () => {
    const model = modelOf(config, DEVELOPMENT_NETWORK);
    const seen = new Set<number>();
    await fuzz(action, directed, async (actions) => {
      const bench = fresh();
      expect((await bench.send(client, VALUE, empty)).exitCode).toBe(0);
      const tokens = new Tokens();
      for (const { drawn: of, from: who, value } of actions) {
        if (of.kind === 'wait') bench.now += of.seconds as number;
        const [first] = tokens.underWay;
        if (of.kind === 'deliver' && first !== undefined) tokens.held -= tokens.underWay.shift()!.amount;
        if (of.kind === 'wait' || of.kind === 'deliver') continue;
        const from = senderOf(who, of.kind);
        // The own wallet bounces what it was told to send, and says that tokens came when they did.
        if (of.kind === 'bounce' && from === wallet && first === undefined) continue;
        const before = bench.state!;
        const order = orderOf(of as unknown as Drawn, { from, value }, bench, first);
        const bounced = order.kind === 'bounce';
        const sent = { from, value, body: await body(order, bench, first), bounced };
        const outcome = await step(bench, sent, model(order));
        seen.add(outcome.exitCode);
        if (outcome.aborted || outcome.exitCode !== 0) continue;
        const came = transfers(outcome).map(({ kind, amount, to, change, forward }) => ({
          kind,
          amount,
          to,
          change,
          forward,
        }));
        expect(came).toEqual(model(order)(before, outcome.base, bench.now).transfers);
        if (bounced) tokens.underWay.shift();
        if (order.kind === 'tokensCame') tokens.held += order.amount;
        tokens.underWay.push(...transfers(outcome));
        tokens.require(bench.state!);
      }
    });
    expectSeen(seen, [0, 401, 402, 403, 405, 413, 450, 460, 461, 65535]);
  },
  FUZZ_TIMEOUT_MS,
);
