import { type Address, toNano } from '@ton/core';
import type { ChannelConfig, ChannelState } from '../../src/chain/index.ts';
import type { Expected } from './fuzz.ts';

/** The rules of contracts section 1.2 once more, written from the document and not from the contract. */
export type Order = Readonly<
  { from: Address; value: bigint } & (
    | { kind: 'topUp'; amount: bigint }
    | { kind: 'claim'; cumulative: bigint; signedBy: 'client' | 'other'; channel: 'own' | 'other' }
    | { kind: 'startClose' }
    | { kind: 'finishClose' }
    | { kind: 'payeeClose' }
    | { kind: 'unknown' }
    | { kind: 'plain' }
  )
>;

const MIN_OP = toNano('0.02');
const RESERVE = toNano('0.02');
const larger = (a: bigint, b: bigint) => (a > b ? a : b);

type Verdict = Expected<ChannelState>;

export const expectedOf =
  (config: ChannelConfig, network: number, order: Order) =>
  (before: ChannelState, base: bigint, now: number): Verdict => {
    const refuse = (exitCode: number): Verdict => ({ exitCode, state: before, payouts: [], keep: null });
    const { deposited, claimed } = before;
    const owed = deposited - claimed;
    const keepOpen = (state: ChannelState, rest: bigint) => larger(state.deposited - state.claimed + RESERVE, rest);
    const close = (): Verdict => {
      const amount = larger(owed, base - RESERVE);
      return {
        exitCode: 0,
        state: { ...before, state: 'closed', deposited: claimed },
        payouts: amount > 0n ? [{ to: config.client, amount }] : [],
        keep: RESERVE,
      };
    };
    if (order.kind === 'plain') return { exitCode: 0, state: before, payouts: [], keep: null };
    if (order.kind === 'unknown') return refuse(0xffff);
    if (order.value < MIN_OP) return refuse(450);
    switch (order.kind) {
      case 'topUp': {
        if (before.state !== 'open') return refuse(460);
        if (config.network !== network) return refuse(463);
        if (order.amount <= 0n) return refuse(403);
        if (order.value < order.amount + MIN_OP) return refuse(451);
        const state = { ...before, deposited: deposited + order.amount };
        return { exitCode: 0, state, payouts: [], keep: keepOpen(state, base + order.amount) };
      }
      case 'claim': {
        if (before.state === 'closed') return refuse(460);
        if (order.signedBy !== 'client') return refuse(401);
        if (order.channel !== 'own') return refuse(402);
        if (order.cumulative <= claimed || order.cumulative > deposited) return refuse(403);
        const amount = order.cumulative - claimed;
        const state = { ...before, claimed: order.cumulative };
        return { exitCode: 0, state, payouts: [{ to: config.payee, amount }], keep: keepOpen(state, base - amount) };
      }
      case 'startClose': {
        if (before.state !== 'open') return refuse(460);
        if (!order.from.equals(config.client)) return refuse(405);
        const state: ChannelState = { ...before, state: 'closing', closeAt: now + config.closeDelaySeconds };
        return { exitCode: 0, state, payouts: [], keep: keepOpen(state, base) };
      }
      case 'finishClose':
        if (before.state !== 'closing') return refuse(460);
        return now >= before.closeAt ? close() : refuse(461);
      case 'payeeClose':
        if (before.state === 'closed') return refuse(460);
        return order.from.equals(config.payee) ? close() : refuse(405);
    }
  };
