import { type Address, toNano } from '@ton/core';
import type { JettonChannelConfig, JettonChannelState } from '../../src/chain/index.ts';
import type { Expected } from './fuzz.ts';

/** The rules of contracts section 5 once more, written from the document and not from the contract. */
export type Order = Readonly<{ from: Address; value: bigint }> &
  Readonly<
    | { kind: 'initWallet' | 'startClose' | 'finishClose' | 'payeeClose' | 'unknown' | 'plain' }
    | { kind: 'walletIs'; wallet: Address | null }
    | { kind: 'tokensCame'; amount: bigint; sender: Address }
    | { kind: 'claim'; cumulative: bigint; signedBy: 'client' | 'other'; channel: 'own' | 'other' }
    | { kind: 'bounce'; of: number; amount: bigint }
  >;

/** An order to the own wallet. @property kind 1 claim, 2 close, 3 return */
export type Transfer = Readonly<{ kind: number; amount: bigint; to: Address; change: Address; forward: bigint }>;
export type ExpectedWithTransfers = Expected<JettonChannelState> & Readonly<{ transfers: readonly Transfer[] }>;

const MIN_OP = toNano('0.02');
const MIN_TRANSFER = toNano('0.1');
const TRANSFER_VALUE = toNano('0.06');
const RESERVE = toNano('0.02');
const most = (a: bigint, b: bigint) => (a > b ? a : b);

export function modelOf(config: JettonChannelConfig, network: number) {
  type Done = Readonly<{
    state: JettonChannelState;
    keep?: bigint;
    transfers?: readonly Transfer[];
    toClient?: bigint;
  }>;
  type Verdict = number | Done;

  function close(before: JettonChannelState, order: Order, base: bigint): Done {
    const amount = before.deposited - before.claimed;
    const rest = { kind: 2, amount, to: config.client, change: order.from, forward: 1n };
    return {
      state: { ...before, state: 'closed', deposited: before.claimed },
      transfers: amount > 0n ? [rest] : [],
      toClient: most(0n, base - RESERVE),
      keep: RESERVE,
    };
  }

  function tokensCame(before: JettonChannelState, order: Order & { kind: 'tokensCame' }): Verdict {
    if (before.wallet === null) return 460;
    if (!order.from.equals(before.wallet)) return 405;
    const { amount, sender: to } = order;
    if (before.state === 'open') return { state: { ...before, deposited: before.deposited + amount } };
    if (order.value < MIN_TRANSFER) return { state: before };
    return { state: before, transfers: [{ kind: 3, amount, to, change: to, forward: 1n }] };
  }

  function claim(before: JettonChannelState, order: Order & { kind: 'claim' }, base: bigint): Verdict {
    if (before.state === 'closed') return 460;
    if (order.signedBy !== 'client') return 401;
    if (order.channel !== 'own') return 402;
    if (order.cumulative <= before.claimed || order.cumulative > before.deposited) return 403;
    const amount = order.cumulative - before.claimed;
    return {
      state: { ...before, claimed: order.cumulative },
      transfers: [{ kind: 1, amount, to: config.payee, change: order.from, forward: toNano('0.01') }],
      keep: most(base, RESERVE),
    };
  }

  /** The own wallet did not send: what it did not send is owed again. */
  function bounce(before: JettonChannelState, order: Order & { kind: 'bounce' }, now: number): Verdict {
    if (before.wallet === null) return 460;
    if (!order.from.equals(before.wallet)) return 405;
    if (order.of === 3) return { state: before };
    const owed =
      order.of === 1
        ? { ...before, claimed: before.claimed - order.amount }
        : { ...before, deposited: before.deposited + order.amount };
    if (before.state !== 'closed') return { state: owed };
    return { state: { ...owed, state: 'closing', closeAt: now + config.closeDelaySeconds } };
  }

  function decide(before: JettonChannelState, order: Order, base: bigint, now: number): Verdict {
    const { kind, from, value } = order;
    if (kind === 'walletIs') {
      if (!from.equals(config.master)) return 405;
      if (before.wallet !== null) return 460;
      return order.wallet === null ? 413 : { state: { ...before, wallet: order.wallet } };
    }
    if (kind === 'tokensCame') return tokensCame(before, order);
    if (kind === 'bounce') return bounce(before, order, now);
    if (value < (kind === 'startClose' ? MIN_OP : MIN_TRANSFER)) return 450;
    switch (kind) {
      case 'initWallet':
        if (before.wallet !== null) return 460;
        return config.network === network ? { state: before, keep: most(base, RESERVE) } : 463;
      case 'claim':
        return claim(before, order, base);
      case 'startClose':
        if (before.state !== 'open') return 460;
        if (!from.equals(config.client)) return 405;
        return {
          state: { ...before, state: 'closing', closeAt: now + config.closeDelaySeconds },
          keep: most(base, RESERVE),
        };
      case 'finishClose':
        if (before.state !== 'closing') return 460;
        return now >= before.closeAt ? close(before, order, base) : 461;
      default:
        if (before.state === 'closed') return 460;
        return from.equals(config.payee) ? close(before, order, base) : 405;
    }
  }

  /** @param base the balance before the message, its storage paid */
  return (order: Order) =>
    (before: JettonChannelState, base: bigint, now: number): ExpectedWithTransfers => {
      const same = (exitCode: number) => ({ exitCode, state: before, payouts: [], keep: null, transfers: [] });
      if (order.kind === 'plain') return same(0);
      if (order.kind === 'unknown') return same(0xffff);
      const verdict = decide(before, order, base, now);
      if (typeof verdict === 'number') return same(verdict);
      const { state, transfers = [], toClient = 0n, keep = null } = verdict;
      const orders = transfers.map(() => ({ to: state.wallet as Address, amount: TRANSFER_VALUE }));
      const surplus = toClient > 0n ? [{ to: config.client, amount: toClient }] : [];
      return { exitCode: 0, state, payouts: [...orders, ...surplus], keep, transfers };
    };
}
