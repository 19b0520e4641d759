import { Address, type Cell, toNano } from '@ton/core';
import type { RegistrySet, RegistryState } from '../../src/chain/index.ts';
import { toHex } from '../../src/core/index.ts';
import type { Expected } from './fuzz.ts';

/** The rules of contracts section 1.1 once more, written from the document and not from the contract. */
export type Order = Readonly<{ from: Address; value: bigint }> &
  Readonly<
    | { kind: 'propose'; order: Cell }
    | { kind: 'execute'; seq: number; order: Cell }
    | { kind: 'cancel' | 'drop'; seq: number }
    | { kind: 'revoke'; set: RegistrySet; key: Uint8Array }
    | { kind: 'routerKeys'; id: Uint8Array; dispatch: Uint8Array; endpoint: Uint8Array }
    | { kind: 'unknown' | 'plain' }
  >;

const MIN_OP = toNano('0.02');
const DAY = 86_400;
const SETS = ['images', 'models', 'routers', 'logs'] as const;
type Verdict = number | RegistryState;
type Entry = { status: string; added?: number; updated?: number; key?: Uint8Array };

const hashOf = (cell: Cell) => Uint8Array.from(cell.hash());
const bytes = (slice: { loadBuffer(length: number): Buffer }) => Uint8Array.from(slice.loadBuffer(32));

/** What an order may not say, whatever the registry holds: the code it is refused with, or 0. */
function flawOf(order: Cell): number {
  const slice = order.beginParse();
  const tag = slice.loadUint(32);
  if (tag < 0x52470101 || tag > 0x5247010a) return 0xffff;
  const bitsOf = [256 + 88 + 256, 256 + 40 + 256, 256, 256, 8 + 256, 256, 267, 267, 32, 0][tag - 0x52470101] as number;
  if (slice.remainingBits !== bitsOf) return 9;
  if (tag === 0x52470109) {
    const seconds = slice.loadUint(32);
    return seconds < DAY || seconds > 30 * DAY ? 403 : 0;
  }
  if (tag === 0x52470104) {
    const log = slice.loadRef().beginParse();
    log.skip(8);
    return bytes(log).every((byte) => byte === 0) ? 403 : 0;
  }
  return 0;
}

const isTombstone = (entry: Entry) =>
  entry.added === 0 || entry.updated === 0 || entry.key?.every((byte) => byte === 0) === true;

export function modelOf() {
  const withEntry = (state: RegistryState, set: RegistrySet, key: string, entry: unknown): RegistryState =>
    ({ ...state, [set]: new Map<string, unknown>([...state[set], [key, entry]]) }) as RegistryState;

  function setEntry(state: RegistryState, set: RegistrySet, key: string, entry: unknown): Verdict {
    const before = state[set].get(key) as Entry | undefined;
    if (before?.status === 'revoked') return 460;
    const count = { ...state.count, [set]: state.count[set] + (before === undefined ? 1 : 0) };
    return { ...withEntry(state, set, key, entry), count };
  }

  function unrevoke(state: RegistryState, set: RegistrySet, key: string): Verdict {
    const before = state[set].get(key) as Entry | undefined;
    if (before === undefined) return 424;
    if (before.status !== 'revoked') return 460;
    const left = new Map([...(state[set] as ReadonlyMap<string, unknown>)].filter(([one]) => one !== key));
    const of = isTombstone(before) ? 'tombs' : 'count';
    return { ...state, [set]: left, [of]: { ...state[of], [set]: state[of][set] - 1 } } as RegistryState;
  }

  function apply(state: RegistryState, order: Cell, now: number): Verdict {
    const slice = order.beginParse();
    const tag = slice.loadUint(32);
    switch (tag) {
      case 0x52470106:
        return { ...state, params: bytes(slice) };
      case 0x52470107:
        return { ...state, owner: slice.loadAddress() };
      case 0x52470108:
        return { ...state, guardian: slice.loadAddress() };
      case 0x52470109:
        return { ...state, timelock: slice.loadUint(32) };
      case 0x5247010a:
        return state;
      case 0x52470105: {
        const set = SETS[slice.loadUint(8) - 1] as RegistrySet;
        return unrevoke(state, set, toHex(bytes(slice)));
      }
      default:
        return applySet(state, tag, toHex(bytes(slice)), slice, now);
    }
  }

  function applySet(
    state: RegistryState,
    tag: number,
    key: string,
    slice: ReturnType<Cell['beginParse']>,
    now: number,
  ) {
    if (tag === 0x52470101) {
      slice.skip(24 + 32);
      const [expires, manifest] = [slice.loadUint(32), bytes(slice)];
      const image = { kind: 'worker', tee: 'tdx', status: 'active', added: now, expires, manifest };
      return setEntry(state, 'images', key, image);
    }
    if (tag === 0x52470102) {
      slice.skip(8 + 32);
      return setEntry(state, 'models', key, { status: 'active', added: now, manifest: bytes(slice) });
    }
    const inner = slice.loadRef().beginParse();
    inner.skip(8);
    if (tag === 0x52470104) {
      return setEntry(state, 'logs', key, { status: 'active', key: bytes(inner), anchor: inner.loadAddress() });
    }
    const [operator, pool] = [inner.loadAddress(), inner.loadAddress()];
    const keys = inner.loadRef().beginParse();
    const router = { status: 'active', operator, pool, dispatch: bytes(keys), endpoint: bytes(keys), updated: now };
    return setEntry(state, 'routers', key, router);
  }

  function revoke(state: RegistryState, set: RegistrySet, key: string): Verdict {
    const before = state[set].get(key) as Entry | undefined;
    if (before?.status === 'revoked') return 413;
    const next = { ...state, seq: state.seq + 1 };
    if (before !== undefined) return withEntry(next, set, key, { ...before, status: 'revoked' });
    if (state.tombs[set] >= 512) return 403;
    const zeros = new Uint8Array(32);
    const none = new Address(0, Buffer.alloc(32));
    const tombstones = {
      images: { kind: null, tee: null, status: 'revoked', added: 0, expires: 0, manifest: zeros },
      models: { status: 'revoked', added: 0, manifest: zeros },
      routers: { status: 'revoked', operator: none, pool: none, dispatch: zeros, endpoint: zeros, updated: 0 },
      logs: { status: 'revoked', key: zeros, anchor: none },
    };
    return { ...withEntry(next, set, key, tombstones[set]), tombs: { ...state.tombs, [set]: state.tombs[set] + 1 } };
  }

  function decide(state: RegistryState, order: Order, now: number): Verdict {
    const without = (seq: number) => new Map([...state.pending].filter(([one]) => one !== seq));
    switch (order.kind) {
      case 'propose': {
        if (!order.from.equals(state.owner)) return 405;
        const flaw = flawOf(order.order);
        if (flaw !== 0) return flaw;
        if (state.pending.size >= 32) return 420;
        const tag = order.order.beginParse().loadUint(32);
        const pending = { hash: hashOf(order.order), tag, eta: now + state.timelock };
        return { ...state, nextOp: state.nextOp + 1, pending: new Map([...state.pending, [state.nextOp, pending]]) };
      }
      case 'execute': {
        if (state.pending.size === 0) return 424;
        if (Math.min(...state.pending.keys()) !== order.seq) return 421;
        const { hash, eta } = state.pending.get(order.seq) as { hash: Uint8Array; eta: number };
        if (toHex(hash) !== toHex(hashOf(order.order))) return 402;
        if (now < eta || now >= eta + 7 * DAY) return 461;
        return apply({ ...state, seq: state.seq + 1, pending: without(order.seq) }, order.order, now);
      }
      case 'cancel': {
        const pending = state.pending.get(order.seq);
        if (pending === undefined) return 424;
        const byGuardian = order.from.equals(state.guardian) && pending.tag !== 0x52470108;
        return order.from.equals(state.owner) || byGuardian ? { ...state, pending: without(order.seq) } : 405;
      }
      case 'drop': {
        const pending = state.pending.get(order.seq);
        if (pending === undefined) return 424;
        return now >= pending.eta + 7 * DAY ? { ...state, pending: without(order.seq) } : 461;
      }
      case 'revoke': {
        const may = order.from.equals(state.owner) || order.from.equals(state.guardian);
        return may ? revoke(state, order.set, toHex(order.key)) : 405;
      }
      case 'routerKeys': {
        const id = toHex(order.id);
        const router = state.routers.get(id);
        if (router === undefined) return 424;
        if (router.status !== 'active') return 460;
        if (!order.from.equals(router.operator)) return 405;
        const { dispatch, endpoint } = order;
        const next = { ...state, seq: state.seq + 1 };
        return withEntry(next, 'routers', id, { ...router, dispatch, endpoint, updated: now });
      }
      default:
        return state;
    }
  }

  return (order: Order) =>
    (before: RegistryState, base: bigint, now: number): Expected<RegistryState> => {
      const same = (exitCode: number) => ({ exitCode, state: before, payouts: [], keep: null });
      if (order.kind === 'plain') return same(0);
      if (order.kind === 'unknown') return same(0xffff);
      if (order.value < MIN_OP) return same(450);
      const verdict = decide(before, order, now);
      return typeof verdict === 'number' ? same(verdict) : { exitCode: 0, state: verdict, payouts: [], keep: base };
    };
}
