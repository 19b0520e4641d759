import {
  type Address,
  type Builder,
  beginCell,
  type Cell,
  Dictionary,
  type DictionaryValue,
  type Slice,
} from '@ton/core';
import { type Bytes, toHex } from '../core/index.ts';
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
} from './contract.ts';

/** Contracts section 1.1: which images, models, routers and logs count. Times unix seconds, hashes 32 bytes. */
export const REGISTRY_VERSION = 1;
export const REGISTRY_SETS = ['images', 'models', 'routers', 'logs'] as const;
export type RegistrySet = (typeof REGISTRY_SETS)[number];
const STATUS = { active: 1, revoked: 2 } as const;
const IMAGE_KINDS = { worker: 1, router: 2 } as const;
const TEES = { tdx: 1, 'sev-snp': 2 } as const;

export type RegistryConfig = Readonly<{
  /** TON global id. */
  network: number;
  /** Proposes; a multisig. */
  owner: Address;
  /** Revokes, and cancels what is not about itself. */
  guardian: Address;
  timelockSeconds: number;
  /** SHA-256 of the policy document. */
  params: Bytes;
}>;

type Status = keyof typeof STATUS;
/** @property added when the registry took it; 0 for a tombstone @property expires 0 for never */
export type RegistryImage = Readonly<{
  kind: keyof typeof IMAGE_KINDS;
  tee: keyof typeof TEES;
  expires: number;
  manifest: Bytes;
}>;
export type RegistryModel = Readonly<{ manifest: Bytes }>;
export type RegistryRouter = Readonly<{ operator: Address; pool: Address; dispatch: Bytes; endpoint: Bytes }>;
export type RegistryLog = Readonly<{ key: Bytes; anchor: Address }>;

/** Kind and tee of a tombstone are null: it names a key that never was there. */
export type ImageEntry = Omit<RegistryImage, 'kind' | 'tee'> &
  Readonly<{ kind: RegistryImage['kind'] | null; tee: RegistryImage['tee'] | null; status: Status; added: number }>;
export type ModelEntry = RegistryModel & Readonly<{ status: Status; added: number }>;
export type RouterEntry = RegistryRouter & Readonly<{ status: Status; updated: number }>;
export type LogEntry = RegistryLog & Readonly<{ status: Status }>;

export type RegistryState = Readonly<{
  seq: number;
  nextOp: number;
  timelock: number;
  owner: Address;
  guardian: Address;
  params: Bytes;
  pending: ReadonlyMap<number, Readonly<{ hash: Bytes; tag: number; eta: number }>>;
  count: Readonly<Record<RegistrySet, number>>;
  tombs: Readonly<Record<RegistrySet, number>>;
  /** By key, lower-case hexadecimal. */
  images: ReadonlyMap<string, ImageEntry>;
  models: ReadonlyMap<string, ModelEntry>;
  routers: ReadonlyMap<string, RouterEntry>;
  logs: ReadonlyMap<string, LogEntry>;
}>;

/**
 * The initial data of section 1.1, the only one whose address a reader accepts.
 * @throws CodedError CONTRACT_CONFIG_INVALID for a field out of its range
 */
export function registryInitialData(config: RegistryConfig): Cell {
  const sets = beginCell()
    .storeInt(fitsNetwork(config.network), 32)
    .storeUint(0, 4 * 16 + 4 * 16 + 4)
    .endCell();
  return beginCell()
    .storeUint(REGISTRY_VERSION, 16)
    .storeUint(0, 32)
    .storeUint(1, 32)
    .storeUint(fits(config.timelockSeconds, 32, 'timelockSeconds'), 32)
    .storeAddress(config.owner)
    .storeAddress(config.guardian)
    .storeBuffer(bytes32(config.params, 'params'))
    .storeBit(false)
    .storeRef(sets)
    .endCell();
}

export function registryInit(config: RegistryConfig): ContractInit {
  return { code: contractCode('registry'), data: registryInitialData(config) };
}

/** The only address at which a registry of this configuration can be; workchain 0. */
export function registryAddress(config: RegistryConfig): Address {
  return addressOfInit(registryInit(config));
}

function nameOf<T extends Record<string, number>>(table: T, value: number, field: string): keyof T {
  const found = Object.entries(table).find(([, number]) => number === value);
  if (found === undefined) throw new RangeError(field);
  return found[0];
}

const status = (slice: Slice): Status => nameOf(STATUS, slice.loadUint(8), 'status') as Status;

const IMAGES = readOnly((slice): ImageEntry => {
  const [kind, tee] = [slice.loadUint(8), slice.loadUint(8)];
  return {
    kind: kind === 0 ? null : (nameOf(IMAGE_KINDS, kind, 'kind') as RegistryImage['kind']),
    tee: tee === 0 ? null : (nameOf(TEES, tee, 'tee') as RegistryImage['tee']),
    status: status(slice),
    added: slice.loadUint(32),
    expires: slice.loadUint(32),
    manifest: loadHash(slice),
  };
});
const MODELS = readOnly(
  (slice): ModelEntry => ({
    status: status(slice),
    added: slice.loadUint(32),
    manifest: loadHash(slice),
  }),
);
const ROUTERS = readOnly((outer): RouterEntry => {
  const slice = outer.loadRef().beginParse();
  const named = { status: status(slice), operator: slice.loadAddress(), pool: slice.loadAddress() };
  const keys = slice.loadRef().beginParse();
  slice.endParse();
  const entry = { ...named, dispatch: loadHash(keys), endpoint: loadHash(keys), updated: keys.loadUint(32) };
  keys.endParse();
  return entry;
});
const LOGS = readOnly((outer): LogEntry => {
  const slice = outer.loadRef().beginParse();
  const entry = { status: status(slice), key: loadHash(slice), anchor: slice.loadAddress() };
  slice.endParse();
  return entry;
});
const PENDING = readOnly((slice) => ({ hash: loadHash(slice), tag: slice.loadUint(32), eta: slice.loadUint(32) }));

function loadSet<T>(slice: Slice, value: DictionaryValue<T>): ReadonlyMap<string, T> {
  const found = slice.loadDict(Dictionary.Keys.Buffer(32), value);
  return new Map([...found].map(([key, one]) => [toHex(Uint8Array.from(key)), one]));
}

function loadCounts(slice: Slice): Record<RegistrySet, number> {
  const [images, models, routers, logs] = [0, 0, 0, 0].map(() => slice.loadUint(16)) as [
    number,
    number,
    number,
    number,
  ];
  return { images, models, routers, logs };
}

/** @throws CodedError CONTRACT_MISMATCH unless it is version 1's layout, on this network */
export function parseRegistryData(data: Cell, network: number): RegistryState {
  return readData('registry', data, (slice) => {
    if (slice.loadUint(16) !== REGISTRY_VERSION) throw new RangeError('version');
    const numbers = { seq: slice.loadUint(32), nextOp: slice.loadUint(32), timelock: slice.loadUint(32) };
    const parties = { owner: slice.loadAddress(), guardian: slice.loadAddress() };
    const params = loadHash(slice);
    const pending = new Map(slice.loadDict(Dictionary.Keys.Uint(32), PENDING));
    const sets = slice.loadRef().beginParse();
    if (sets.loadInt(32) !== network) throw new RangeError('network');
    const counts = { count: loadCounts(sets), tombs: loadCounts(sets) };
    const images = loadSet(sets, IMAGES);
    const models = loadSet(sets, MODELS);
    const entries = { images, models, routers: loadSet(sets, ROUTERS), logs: loadSet(sets, LOGS) };
    sets.endParse();
    return { ...numbers, ...parties, params, pending, ...counts, ...entries };
  });
}

const order = (tag: number): Builder => beginCell().storeUint(tag, 32);
const keyed = (tag: number, key: Uint8Array): Builder => order(tag).storeBuffer(bytes32(key, 'key'));
const setNumber = (set: RegistrySet): number => REGISTRY_SETS.indexOf(set) + 1;

/** What is proposed and, once its time has come, executed. The registry itself notes when it took an entry. */
export const registryOrder = {
  setImage: (key: Uint8Array, { kind, tee, expires, manifest }: RegistryImage): Cell =>
    keyed(0x52470101, key)
      .storeUint(IMAGE_KINDS[kind], 8)
      .storeUint(TEES[tee], 8)
      .storeUint(STATUS.active, 8)
      .storeUint(0, 32)
      .storeUint(fits(expires, 32, 'expires'), 32)
      .storeBuffer(bytes32(manifest, 'manifest'))
      .endCell(),
  setModel: (key: Uint8Array, { manifest }: RegistryModel): Cell =>
    keyed(0x52470102, key)
      .storeUint(STATUS.active, 8)
      .storeUint(0, 32)
      .storeBuffer(bytes32(manifest, 'manifest'))
      .endCell(),
  setRouter: (key: Uint8Array, { operator, pool, dispatch, endpoint }: RegistryRouter): Cell => {
    const keys = beginCell()
      .storeBuffer(bytes32(dispatch, 'dispatch'))
      .storeBuffer(bytes32(endpoint, 'endpoint'))
      .storeUint(0, 32)
      .endCell();
    const router = beginCell().storeUint(STATUS.active, 8).storeAddress(operator).storeAddress(pool).storeRef(keys);
    return keyed(0x52470103, key).storeRef(router.endCell()).endCell();
  },
  setLog: (key: Uint8Array, log: RegistryLog): Cell => {
    const cell = beginCell()
      .storeUint(STATUS.active, 8)
      .storeBuffer(bytes32(log.key, 'log key'))
      .storeAddress(log.anchor);
    return keyed(0x52470104, key).storeRef(cell.endCell()).endCell();
  },
  unrevoke: (set: RegistrySet, key: Uint8Array): Cell =>
    order(0x52470105).storeUint(setNumber(set), 8).storeBuffer(bytes32(key, 'key')).endCell(),
  setParams: (params: Uint8Array): Cell => order(0x52470106).storeBuffer(bytes32(params, 'params')).endCell(),
  setOwner: (owner: Address): Cell => order(0x52470107).storeAddress(owner).endCell(),
  setGuardian: (guardian: Address): Cell => order(0x52470108).storeAddress(guardian).endCell(),
  setTimelock: (seconds: number): Cell =>
    order(0x52470109)
      .storeUint(fits(seconds, 32, 'timelock'), 32)
      .endCell(),
  upgrade: (code: Cell): Cell => order(0x5247010a).storeRef(code).endCell(),
};

/** Message bodies of section 1.1. */
export const registryMessage = {
  propose: (of: Cell, queryId = 0n): Cell => operationBody(0x52470001, queryId).storeRef(of).endCell(),
  execute: (seq: number, of: Cell, queryId = 0n): Cell =>
    operationBody(0x52470002, queryId)
      .storeUint(fits(seq, 32, 'seq'), 32)
      .storeRef(of)
      .endCell(),
  cancel: (seq: number, queryId = 0n): Cell =>
    operationBody(0x52470003, queryId)
      .storeUint(fits(seq, 32, 'seq'), 32)
      .endCell(),
  drop: (seq: number, queryId = 0n): Cell =>
    operationBody(0x52470004, queryId)
      .storeUint(fits(seq, 32, 'seq'), 32)
      .endCell(),
  revoke: (set: RegistrySet, key: Uint8Array, queryId = 0n): Cell =>
    operationBody(0x52470005, queryId).storeUint(setNumber(set), 8).storeBuffer(bytes32(key, 'key')).endCell(),
  routerKeys: (id: Uint8Array, dispatch: Uint8Array, endpoint: Uint8Array, queryId = 0n): Cell =>
    operationBody(0x52470006, queryId)
      .storeBuffer(bytes32(id, 'id'))
      .storeBuffer(bytes32(dispatch, 'dispatch'))
      .storeBuffer(bytes32(endpoint, 'endpoint'))
      .endCell(),
};

/**
 * Whether an image may run now, by a registry's state at a final block.
 * @throws CodedError CONTRACT_CONFIG_INVALID for a key that has not 32 bytes
 */
export function imageCounts(state: RegistryState, image: Uint8Array, now: number): boolean {
  const entry = state.images.get(bytes32(image, 'image').toString('hex'));
  return entry?.status === 'active' && (entry.expires === 0 || entry.expires > now);
}
