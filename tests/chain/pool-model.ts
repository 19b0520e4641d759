import { Address, toNano } from '@ton/core';
import { type PoolConfig, type PoolState, rootFromSumProof, type SumProof } from '../../src/chain/index.ts';
import { equalBytes, toHex } from '../../src/core/index.ts';
import type { Expected } from './fuzz.ts';

/** The rules of contracts section 1.3 once more, written from the document and not from the contract. */
export type Signed = Readonly<{
  payee: Uint8Array;
  cumulative: bigint;
  issued: number;
  pool: 'own' | 'other';
  /** The key named in the message, and the one that signed. */
  named: Uint8Array;
  by: Uint8Array;
}>;
export type Order = Readonly<{ from: Address; value: bigint }> &
  Readonly<
    | { kind: 'post'; root: Uint8Array; sum: bigint; epoch: number; covers: number }
    | { kind: 'claimLeaf'; proof: SumProof }
    | { kind: 'challenge'; voucher: Signed }
    | { kind: 'enforce'; payee: Uint8Array }
    | { kind: 'veto' | 'takeBond' }
    | { kind: 'withdraw' | 'bondIn' | 'unbond'; amount: bigint }
    | { kind: 'setOperator'; operator: Address }
    | { kind: 'setKey'; key: Uint8Array }
    | { kind: 'setFee'; bps: number }
    | { kind: 'release'; channel: Address }
    | { kind: 'channelPaid' | 'unknown' | 'plain' }
  >;

const MIN_OP = toNano('0.02');
const RESERVE = toNano('0.2');
const HOUR = 3600;
const DAY = 24 * HOUR;
const FOR_EVER = 2 ** 32 - 1;

type Payouts = Expected<unknown>['payouts'];
type Verdict = number | Readonly<{ state: PoolState; paid?: Payouts; in?: bigint }>;

const least = (a: bigint, b: bigint) => (a > b ? b : a);
const most = (a: bigint, b: bigint) => (a > b ? a : b);
const without = <K, V>(map: ReadonlyMap<K, V>, key: K) => new Map([...map].filter(([one]) => one !== key));
const withOne = <K, V>(map: ReadonlyMap<K, V>, key: K, value: V) => new Map([...map, [key, value]]);
export const walletOf = (payee: Uint8Array) => new Address(0, Buffer.from(payee));

/** What the balance covers beyond reserve, bond and fee; of a state and the balance before the message. */
export const coveringOf = (state: PoolState, base: bigint) =>
  base - RESERVE - state.bond - (state.fee - state.withdrawn);

/** Derived on every operation: inflow and fee, a raised fee whose time has come, a root whose time has come. */
function derived(before: PoolState, base: bigint, now: number): PoolState {
  const gross = base + before.paid + before.withdrawn - before.bond - RESERVE;
  let state = before;
  if (gross > state.seen) {
    state = { ...state, fee: state.fee + ((gross - state.seen) * BigInt(state.bps)) / 10_000n, seen: gross };
  }
  if (state.nextAt !== 0 && now >= state.nextAt) state = { ...state, bps: state.nextBps, nextAt: 0 };
  const { pending } = state;
  if (pending === null || now < pending.at) return state;
  state = { ...state, pending: null };
  if (pending.sum - state.rootPaid > coveringOf(state, base)) return state;
  const { at: _, ...posted } = pending;
  return { ...state, prevRoot: state.root, prevSum: state.sum, ...posted };
}

export function modelOf(config: PoolConfig, network: number) {
  const payeeOf = (state: PoolState, payee: Uint8Array) =>
    state.payees.get(toHex(payee)) ?? { claimed: 0n, inRoot: 0n };

  function post(state: PoolState, order: Order & { kind: 'post' }, base: bigint, now: number): Verdict {
    const { root, sum, epoch, covers } = order;
    if (!order.from.equals(state.operator)) return 405;
    if (state.pending !== null) return 420;
    if (epoch !== state.epoch + 1 || sum < state.sum || covers < state.covers || covers > now) return 421;
    if (sum - state.rootPaid > coveringOf(state, base)) return 422;
    const pending = { root: Uint8Array.from(root), sum, epoch, covers, at: now + config.postDelaySeconds };
    return { state: { ...state, pending } };
  }

  function claimLeaf(state: PoolState, { leaf, ...path }: SumProof): Verdict {
    const before = payeeOf(state, leaf.payee);
    if (leaf.cumulative <= before.inRoot) return 413;
    if (path.siblings.length > 32) return 411;
    const node = rootFromSumProof({ leaf, ...path });
    const leadsTo = (root: Uint8Array, sum: bigint) => node !== null && equalBytes(node.hash, root) && node.sum === sum;
    if (!leadsTo(state.root, state.sum) && !leadsTo(state.prevRoot, state.prevSum)) return 412;
    const rootPaid = state.rootPaid + leaf.cumulative - before.inRoot;
    if (rootPaid > state.sum) return 414;
    const amount = most(0n, leaf.cumulative - before.claimed);
    const id = toHex(leaf.payee);
    const answered = (state.challenges.get(id)?.cumulative ?? leaf.cumulative + 1n) <= leaf.cumulative;
    return {
      state: {
        ...state,
        rootPaid,
        paid: state.paid + amount,
        payees: withOne(state.payees, id, {
          claimed: most(before.claimed, leaf.cumulative),
          inRoot: leaf.cumulative,
        }),
        challenges: answered ? without(state.challenges, id) : state.challenges,
      },
      paid: [{ to: walletOf(leaf.payee), amount }],
    };
  }

  function challenge(state: PoolState, voucher: Signed, now: number): Verdict {
    const { payee, cumulative } = voucher;
    if ((state.keys.get(toHex(voucher.named)) ?? -1) < now) return 401;
    if (!equalBytes(voucher.named, voucher.by)) return 401;
    if (voucher.pool !== 'own') return 402;
    if (voucher.issued + 26 * HOUR > now) return 423;
    const before = payeeOf(state, payee);
    if (cumulative <= before.claimed + config.minChallenge || cumulative <= before.inRoot) return 413;
    const open = state.challenges.get(toHex(payee));
    if (open !== undefined && cumulative <= open.cumulative) return 413;
    const due = open?.due ?? now + 48 * HOUR;
    return { state: { ...state, challenges: withOne(state.challenges, toHex(payee), { cumulative, due }) } };
  }

  function enforce(state: PoolState, payee: Uint8Array, base: bigint, now: number): Verdict {
    const id = toHex(payee);
    const open = state.challenges.get(id);
    if (open === undefined) return 424;
    if (now < open.due) return 461;
    const before = payeeOf(state, payee);
    const owed = open.cumulative - before.claimed;
    const free = most(0n, coveringOf(state, base) - (state.sum - state.rootPaid));
    const fromFree = least(owed, free);
    const fromBond = least(owed - fromFree, state.bond);
    const amount = fromFree + fromBond;
    if (amount <= 0n) return 425;
    return {
      state: {
        ...state,
        paid: state.paid + fromFree,
        bond: state.bond - fromBond,
        payees: withOne(state.payees, id, { ...before, claimed: before.claimed + amount }),
        challenges: amount === owed ? without(state.challenges, id) : state.challenges,
      },
      paid: [{ to: walletOf(payee), amount }],
    };
  }

  function setKey(state: PoolState, key: Uint8Array, now: number): Verdict {
    const keys = new Map<string, number>();
    for (const [known, until] of state.keys) {
      if (known !== toHex(key) && until >= now) keys.set(known, Math.min(until, now + 7 * DAY));
    }
    if (keys.size + 1 > 32) return 403;
    return { state: { ...state, keys: keys.set(toHex(key), FOR_EVER) } };
  }

  function byOwner(state: PoolState, order: Order, base: bigint, now: number): Verdict {
    if (!order.from.equals(config.owner)) return 405;
    switch (order.kind) {
      case 'veto':
        return state.pending === null ? 424 : { state: { ...state, pending: null } };
      case 'withdraw': {
        const { amount } = order;
        if (amount === 0n || amount > state.fee - state.withdrawn) return 403;
        if (state.sum - state.rootPaid > coveringOf(state, base)) return 422;
        return { state: { ...state, withdrawn: state.withdrawn + amount }, paid: [{ to: config.owner, amount }] };
      }
      case 'setOperator':
        return { state: { ...state, operator: order.operator } };
      case 'setFee':
        if (order.bps > 10_000) return 403;
        if (order.bps <= state.bps) return { state: { ...state, bps: order.bps, nextAt: 0 } };
        return { state: { ...state, nextBps: order.bps, nextAt: now + 7 * DAY } };
      case 'unbond':
        return { state: { ...state, unbond: order.amount, unbondAt: now + 7 * DAY } };
      default: {
        if (state.challenges.size > 0) return 420;
        if (now < state.unbondAt) return 461;
        const amount = least(state.unbond, state.bond);
        if (amount === 0n) return 425;
        return { state: { ...state, bond: state.bond - amount, unbond: 0n }, paid: [{ to: config.owner, amount }] };
      }
    }
  }

  function decide(state: PoolState, order: Order, base: bigint, now: number): Verdict {
    switch (order.kind) {
      case 'post':
        return post(state, order, base, now);
      case 'claimLeaf':
        return claimLeaf(state, order.proof);
      case 'challenge':
        return challenge(state, order.voucher, now);
      case 'enforce':
        return enforce(state, order.payee, base, now);
      case 'setKey': {
        const may = order.from.equals(state.operator) || order.from.equals(config.owner);
        return may ? setKey(state, order.key, now) : 405;
      }
      case 'bondIn':
        if (config.network !== network) return 463;
        if (order.amount === 0n) return 403;
        if (order.value < order.amount + MIN_OP) return 451;
        return { state: { ...state, bond: state.bond + order.amount }, in: order.amount };
      case 'release':
        return order.from.equals(state.operator) ? { state } : 405;
      default:
        return byOwner(state, order, base, now);
    }
  }

  /** @param base the balance before the message, its storage paid */
  return (order: Order) =>
    (before: PoolState, base: bigint, now: number): Expected<PoolState> => {
      const refused = (exitCode: number) => ({ exitCode, state: before, payouts: [], keep: null });
      if (order.kind === 'plain' || order.kind === 'channelPaid') return refused(0);
      if (order.value < MIN_OP) return refused(450);
      if (order.kind === 'unknown') return refused(0xffff);
      const verdict = decide(derived(before, base, now), order, base, now);
      if (typeof verdict === 'number') return refused(verdict);
      const payouts = (verdict.paid ?? []).filter(({ amount }) => amount > 0n);
      const keep = base + (verdict.in ?? 0n) - payouts.reduce((sum, { amount }) => sum + amount, 0n);
      return { exitCode: 0, state: verdict.state, payouts, keep: order.kind === 'release' ? null : keep };
    };
}
