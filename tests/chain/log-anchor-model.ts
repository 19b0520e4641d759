import { type Address, toNano } from '@ton/core';
import {
  type AnchoredHead,
  DISPUTE_DEPOSIT,
  type LogAnchorConfig,
  type LogAnchorState,
  type SignedHead,
} from '../../src/chain/index.ts';
import { equalBytes, merkleRoot } from '../../src/core/index.ts';
import { verifyConsistency } from '../../src/log/index.ts';
import type { Expected } from './fuzz.ts';

/** The rules of contracts section 1.4 once more, written from the document and not from the contract. */
export type Signer = 0 | 1 | 2;
type Signed = Omit<SignedHead, 'signature'> & Readonly<{ by: Signer }>;
export type Order = Readonly<{ from: Address; value: bigint }> &
  Readonly<
    | { kind: 'anchor'; head: Signed; proof: readonly Uint8Array[] }
    | { kind: 'equivocation'; a: Signed; b: Signed }
    | { kind: 'dispute'; head: Signed }
    | { kind: 'answer'; size: bigint; proof: readonly Uint8Array[] }
    | { kind: 'expire'; size: bigint }
    | { kind: 'proposeKey'; key: Uint8Array }
    | { kind: 'acceptKey' }
    | { kind: 'freeze'; on: boolean }
    | { kind: 'queryHead'; size: bigint }
    | { kind: 'bondIn' | 'unbond'; amount: bigint }
    | { kind: 'takeBond' }
    | { kind: 'unknown' | 'plain' }
  >;

const MIN_OP = toNano('0.03');
const RESERVE = toNano('0.02');
const GROWTH = 1n << 26n;
const DAY = 86_400;

type Verdict = { exitCode: number } | { state: LogAnchorState; paid?: Expected<unknown>['payouts']; in?: bigint };

function consistency(first: AnchoredHead, second: Pick<AnchoredHead, 'size' | 'root'>, proof: readonly Uint8Array[]) {
  if (first.size === 0n || first.size === second.size) {
    if (proof.length > 0) return 411;
    return equalBytes(first.root, first.size === 0n ? merkleRoot([]) : second.root) ? 0 : 412;
  }
  if (proof.length === 0) return 411;
  const sizes = [Number(first.size), Number(second.size)] as const;
  return verifyConsistency(...sizes, first.root, second.root, proof) ? 0 : 412;
}

const smaller = (a: bigint, b: bigint) => (a > b ? b : a);
const without = <K, V>(map: ReadonlyMap<K, V>, key: K) => new Map([...map].filter(([one]) => one !== key));

export function modelOf(config: LogAnchorConfig, network: number, keys: readonly Uint8Array[]) {
  const signs = (key: Uint8Array, head: Signed) => equalBytes(keys[head.by] as Uint8Array, key);
  const slash = (before: LogAnchorState, reporter: Address) => ({
    state: { ...before, state: 'slashed' as const, bond: 0n },
    paid: [
      { to: reporter, amount: before.bond / 10n },
      { to: config.sink, amount: before.bond - before.bond / 10n },
    ],
  });

  const decide = (before: LogAnchorState, order: Order, now: number): Verdict => {
    const refuse = (exitCode: number) => ({ exitCode });
    const alive = before.state !== 'slashed';
    const active = before.state === 'active';
    const oldKey = now < before.prevUntil;
    switch (order.kind) {
      case 'anchor': {
        const { size, root } = order.head;
        if (!active) return refuse(460);
        if (size <= before.head.size || size > before.head.size + GROWTH) return refuse(403);
        if (!order.from.equals(config.relayer) && now < before.head.at + config.minGapSeconds) return refuse(405);
        if (!signs(before.key, order.head)) return refuse(401);
        const wrong = consistency(before.head, { size, root: Uint8Array.from(root) }, order.proof);
        if (wrong !== 0) return refuse(wrong);
        const head = { size, root: Uint8Array.from(root), at: now };
        const seq = before.seq + 1;
        return { state: { ...before, seq, head, ring: new Map([...before.ring, [seq % 64, head]]) } };
      }
      case 'equivocation': {
        if (!alive) return refuse(460);
        if (equalBytes(order.a.root, order.b.root)) return refuse(413);
        const both = (key: Uint8Array) => signs(key, order.a) && signs(key, order.b);
        if (!both(before.key) && !(oldKey && both(before.prev))) return refuse(401);
        return slash(before, order.from);
      }
      case 'dispute': {
        const { size, root } = order.head;
        if (!active) return refuse(460);
        if (config.network !== network) return refuse(463);
        if (order.value < DISPUTE_DEPOSIT + MIN_OP) return refuse(451);
        if (before.disputes.size >= 16) return refuse(403);
        if (!signs(before.key, order.head) && !(oldKey && signs(before.prev, order.head))) return refuse(401);
        if (before.disputes.has(size)) return refuse(420);
        const dispute = { root: Uint8Array.from(root), due: now + 3 * DAY, by: order.from };
        return { state: { ...before, disputes: new Map([...before.disputes, [size, dispute]]) }, in: DISPUTE_DEPOSIT };
      }
      case 'answer': {
        if (!alive) return refuse(460);
        const dispute = before.disputes.get(order.size);
        if (dispute === undefined) return refuse(424);
        if (order.size > before.head.size) return refuse(403);
        const wrong = consistency({ size: order.size, root: dispute.root, at: 0 }, before.head, order.proof);
        if (wrong !== 0) return refuse(wrong);
        const paid = [{ to: order.from, amount: DISPUTE_DEPOSIT }];
        return { state: { ...before, disputes: without(before.disputes, order.size) }, paid };
      }
      case 'expire': {
        const dispute = before.disputes.get(order.size);
        if (dispute === undefined) return refuse(424);
        if (now < dispute.due) return refuse(461);
        const rest = { ...before, disputes: without(before.disputes, order.size) };
        const back = { to: dispute.by, amount: DISPUTE_DEPOSIT };
        if (!alive) return { state: rest, paid: [back] };
        const slashed = slash(rest, dispute.by);
        return { state: slashed.state, paid: [back, ...slashed.paid] };
      }
      default:
        return decideKeysAndBond(before, order, now);
    }
  };

  const decideKeysAndBond = (before: LogAnchorState, order: Order, now: number): Verdict => {
    const refuse = (exitCode: number) => ({ exitCode });
    if (order.kind === 'queryHead') {
      const known = [before.head, ...before.ring.values()].some((head) => head.size === order.size);
      return known ? { state: before } : refuse(424);
    }
    if (order.kind === 'freeze') {
      if (before.state !== (order.on ? 'active' : 'frozen')) return refuse(460);
      if (!order.from.equals(config.owner)) return refuse(405);
      return { state: { ...before, state: order.on ? 'frozen' : 'active' } };
    }
    if (before.state === 'slashed') return refuse(460);
    if (order.kind === 'acceptKey') {
      if (before.next.every((byte) => byte === 0)) return refuse(424);
      if (now < before.nextAt) return refuse(461);
      const prevUntil = now + 30 * DAY;
      const next = new Uint8Array(32);
      return { state: { ...before, prev: before.key, prevUntil, key: before.next, next, nextAt: 0 } };
    }
    if (order.kind === 'bondIn') {
      if (config.network !== network) return refuse(463);
      if (order.amount === 0n) return refuse(403);
      if (order.value < order.amount + MIN_OP) return refuse(451);
      return { state: { ...before, bond: before.bond + order.amount }, in: order.amount };
    }
    if (!order.from.equals(config.owner)) return refuse(405);
    if (order.kind === 'proposeKey') {
      const nextAt = order.key.every((byte) => byte === 0) ? 0 : now + 2 * DAY;
      return { state: { ...before, next: Uint8Array.from(order.key), nextAt } };
    }
    if (order.kind === 'unbond') return { state: { ...before, unbond: order.amount, unbondAt: now + 7 * DAY } };
    if (before.disputes.size > 0) return refuse(420);
    if (now < before.unbondAt) return refuse(461);
    const amount = smaller(before.unbond, before.bond);
    if (amount === 0n) return refuse(425);
    return { state: { ...before, bond: before.bond - amount, unbond: 0n }, paid: [{ to: config.owner, amount }] };
  };

  /** @param base the balance before the message, its storage paid */
  return (order: Order) =>
    (before: LogAnchorState, base: bigint, now: number): Expected<LogAnchorState> => {
      const refused = (exitCode: number) => ({ exitCode, state: before, payouts: [], keep: null });
      if (order.kind === 'plain') return { exitCode: 0, state: before, payouts: [], keep: null };
      if (order.kind === 'unknown') return refused(0xffff);
      if (order.value < MIN_OP) return refused(450);
      const verdict = decide(before, order, now);
      if ('exitCode' in verdict) return refused(verdict.exitCode);
      const { state } = verdict;
      const payouts = (verdict.paid ?? []).filter(({ amount }) => amount > 0n);
      if (order.kind === 'queryHead') return { exitCode: 0, state, payouts, keep: null };
      const left = base + (verdict.in ?? 0n) - payouts.reduce((sum, { amount }) => sum + amount, 0n);
      const owed = state.bond + BigInt(state.disputes.size) * DISPUTE_DEPOSIT + RESERVE;
      return { exitCode: 0, state, payouts, keep: left > owed ? left : owed };
    };
}
