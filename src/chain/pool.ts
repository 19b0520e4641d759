import { type Address, beginCell, type Cell, Dictionary, type DictionaryValue, type Slice, toNano } from '@ton/core';
import { type Bytes, CodedError, toHex } from '../core/index.ts';
import { type Bond, bondMessages, loadBond } from './bond.ts';
import {
  addressOfInit,
  bytes32,
  type ContractInit,
  contractCode,
  fits,
  fitsNetwork,
  loadHash,
  operationBody,
  readData,
  readOnly,
  signature64,
} from './contract.ts';
import { type SumProof, sumProofCell } from './sum-tree.ts';
import { type WorkerVoucher, workerVoucherCell } from './worker-voucher.ts';

/** Contracts section 1.3: what a router collects, and how its workers are paid. Amounts nanoTON, times unix seconds. */
export const POOL_VERSION = 1;
/** Stays on the account for the storage of its payees. */
export const POOL_RESERVE = toNano('0.2');
const KEY_FOR_EVER = 0xffff_ffff;

export type PoolConfig = Readonly<{
  /** TON global id. */
  network: number;
  /** Takes the fee, may veto a root. */
  owner: Address;
  /** Posts roots; at first, the owner may name another. */
  operator: Address;
  /** From the post of a root until it counts. */
  postDelaySeconds: number;
  /** A challenge is for more than this beyond what was paid. */
  minChallenge: bigint;
  /** The router's share of what comes in, in ten-thousandths; at first. */
  bps: number;
  /** The first key that signs worker vouchers, Ed25519, 32 bytes. */
  voucherKey: Bytes;
}>;

export type PostedRoot = Readonly<{
  root: Bytes;
  sum: bigint;
  epoch: number;
  /** Work up to here is in it. */
  covers: number;
}>;

export type PoolState = PostedRoot &
  Bond &
  Readonly<{
    prevRoot: Bytes;
    prevSum: bigint;
    /** What all roots together have paid. */
    rootPaid: bigint;
    pending: (PostedRoot & Readonly<{ at: number }>) | null;
    seen: bigint;
    fee: bigint;
    withdrawn: bigint;
    paid: bigint;
    bps: number;
    nextBps: number;
    nextAt: number;
    operator: Address;
    /** By payee, lower-case hexadecimal. */
    payees: ReadonlyMap<string, Readonly<{ claimed: bigint; inRoot: bigint }>>;
    challenges: ReadonlyMap<string, Readonly<{ cumulative: bigint; due: number }>>;
    /** Voucher keys and until when they count. */
    keys: ReadonlyMap<string, number>;
  }>;

function partiesCell(config: PoolConfig, operator: Address): Cell {
  return beginCell()
    .storeInt(fitsNetwork(config.network), 32)
    .storeAddress(config.owner)
    .storeAddress(operator)
    .storeUint(fits(config.postDelaySeconds, 32, 'postDelaySeconds'), 32)
    .storeCoins(fits(config.minChallenge, 120, 'minChallenge'))
    .endCell();
}

/**
 * The initial data of section 1.3, the only one whose address a reader accepts.
 * @throws CodedError CONTRACT_CONFIG_INVALID for a field out of its range
 */
export function poolInitialData(config: PoolConfig): Cell {
  if (config.bps > 10_000) {
    throw new CodedError('CONTRACT_CONFIG_INVALID', 'a fee is 10,000 ten-thousandths at most', { field: 'bps' });
  }
  const books = beginCell();
  for (let i = 0; i < 6; i++) books.storeCoins(0);
  books
    .storeUint(0, 32)
    .storeUint(fits(config.bps, 16, 'bps'), 16)
    .storeUint(0, 16 + 32);
  const keys = Dictionary.empty(Dictionary.Keys.Buffer(32), Dictionary.Values.Uint(32));
  keys.set(bytes32(config.voucherKey, 'voucherKey'), KEY_FOR_EVER);
  const claims = beginCell().storeBit(false).storeDict(keys).storeRef(partiesCell(config, config.operator)).endCell();
  return beginCell()
    .storeUint(POOL_VERSION, 16)
    .storeUint(0, 256)
    .storeCoins(0)
    .storeUint(0, 256)
    .storeCoins(0)
    .storeCoins(0)
    .storeUint(0, 32 + 32)
    .storeBit(false)
    .storeRef(books.endCell())
    .storeBit(false)
    .storeRef(claims)
    .endCell();
}

export function poolInit(config: PoolConfig): ContractInit {
  return { code: contractCode('pool'), data: poolInitialData(config) };
}

/** The only address at which a pool of this configuration can be; workchain 0. */
export function poolAddress(config: PoolConfig): Address {
  return addressOfInit(poolInit(config));
}

const PAYEES = readOnly((slice) => ({ claimed: slice.loadCoins(), inRoot: slice.loadCoins() }));
const CHALLENGES = readOnly((slice) => ({ cumulative: slice.loadCoins(), due: slice.loadUint(32) }));
const KEYS = readOnly((slice) => slice.loadUint(32));

function loadMap<T>(slice: Slice, value: DictionaryValue<T>): ReadonlyMap<string, T> {
  const found = slice.loadDict(Dictionary.Keys.Buffer(32), value);
  return new Map([...found].map(([key, one]) => [toHex(Uint8Array.from(key)), one]));
}

function loadPending(cell: Cell | null): PoolState['pending'] {
  if (cell === null) return null;
  const slice = cell.beginParse();
  const pending = {
    root: loadHash(slice),
    sum: slice.loadCoins(),
    epoch: slice.loadUint(32),
    covers: slice.loadUint(32),
  };
  const at = slice.loadUint(32);
  slice.endParse();
  return { ...pending, at };
}

function loadBooks(cell: Cell) {
  const slice = cell.beginParse();
  const books = {
    seen: slice.loadCoins(),
    fee: slice.loadCoins(),
    withdrawn: slice.loadCoins(),
    paid: slice.loadCoins(),
    ...loadBond(slice),
    bps: slice.loadUint(16),
    nextBps: slice.loadUint(16),
    nextAt: slice.loadUint(32),
  };
  slice.endParse();
  return books;
}

function loadClaims(cell: Cell, config: PoolConfig) {
  const slice = cell.beginParse();
  const challenges = loadMap(slice, CHALLENGES);
  const keys = loadMap(slice, KEYS);
  const parties = slice.loadRef();
  slice.endParse();
  const named = parties.beginParse();
  named.loadInt(32);
  named.loadAddress();
  const operator = named.loadAddress();
  if (!parties.equals(partiesCell(config, operator))) throw new RangeError('configuration');
  return { challenges, keys, operator };
}

/** @throws CodedError CONTRACT_MISMATCH unless it is version 1's layout and holds this configuration */
export function parsePoolData(data: Cell, config: PoolConfig): PoolState {
  return readData('pool', data, (slice) => {
    if (slice.loadUint(16) !== POOL_VERSION) throw new RangeError('version');
    const root = loadHash(slice);
    const sum = slice.loadCoins();
    const previous = { prevRoot: loadHash(slice), prevSum: slice.loadCoins() };
    const rootPaid = slice.loadCoins();
    const numbers = { epoch: slice.loadUint(32), covers: slice.loadUint(32) };
    const pending = loadPending(slice.loadMaybeRef());
    const books = loadBooks(slice.loadRef());
    const payees = loadMap(slice, PAYEES);
    const claims = loadClaims(slice.loadRef(), config);
    return { root, sum, ...previous, rootPaid, ...numbers, pending, ...books, payees, ...claims };
  });
}

/** Message bodies of section 1.3. */
export const poolMessage = {
  post: ({ root, sum, epoch, covers }: PostedRoot, queryId = 0n): Cell =>
    operationBody(0x504c0001, queryId)
      .storeBuffer(bytes32(root, 'root'))
      .storeCoins(sum)
      .storeUint(fits(epoch, 32, 'epoch'), 32)
      .storeUint(fits(covers, 32, 'covers'), 32)
      .endCell(),
  claimLeaf: ({ leaf, index, siblings }: SumProof, queryId = 0n): Cell =>
    operationBody(0x504c0002, queryId)
      .storeBuffer(bytes32(leaf.payee, 'payee'))
      .storeCoins(leaf.cumulative)
      .storeUint(fits(index, 32, 'index'), 32)
      .storeMaybeRef(sumProofCell(siblings))
      .endCell(),
  /** @param key the voucher key that signed @param signature 64 bytes over the voucher cell's hash */
  challenge: (key: Uint8Array, voucher: WorkerVoucher, signature: Uint8Array, queryId = 0n): Cell =>
    operationBody(0x504c0003, queryId)
      .storeBuffer(bytes32(key, 'key'))
      .storeBuffer(signature64(signature))
      .storeRef(workerVoucherCell(voucher))
      .endCell(),
  enforce: (payee: Uint8Array, queryId = 0n): Cell =>
    operationBody(0x504c0004, queryId).storeBuffer(bytes32(payee, 'payee')).endCell(),
  veto: (queryId = 0n): Cell => operationBody(0x504c0005, queryId).endCell(),
  withdraw: (amount: bigint, queryId = 0n): Cell => operationBody(0x504c0006, queryId).storeCoins(amount).endCell(),
  setOperator: (operator: Address, queryId = 0n): Cell =>
    operationBody(0x504c0007, queryId).storeAddress(operator).endCell(),
  setKey: (key: Uint8Array, queryId = 0n): Cell =>
    operationBody(0x504c0008, queryId).storeBuffer(bytes32(key, 'key')).endCell(),
  setFee: (bps: number, queryId = 0n): Cell =>
    operationBody(0x504c0009, queryId)
      .storeUint(fits(bps, 16, 'bps'), 16)
      .endCell(),
  ...bondMessages(0x504c000a),
  /** Closes a channel of this pool at once, from the payee's side. */
  release: (channel: Address, queryId = 0n): Cell => operationBody(0x504c000d, queryId).storeAddress(channel).endCell(),
};

/** What a root with this sum would need beyond what the pool has: `covered` of section 1.3. */
export function poolCovers(state: PoolState, balance: bigint, sum: bigint): boolean {
  return sum - state.rootPaid <= balance - POOL_RESERVE - state.bond - (state.fee - state.withdrawn);
}
