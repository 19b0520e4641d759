import { type Address, beginCell, type Cell, Dictionary, type Slice, toNano } from '@ton/core';
import { type Bytes, CodedError, merkleRoot, utf8 } from '../core/index.ts';
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

/** Contracts section 1.4: the chain as a witness of one transparency log. Amounts nanoTON, times unix seconds. */
export const LOG_ANCHOR_VERSION = 1;
export const LOG_ANCHOR_STATES = ['active', 'frozen', 'slashed'] as const;
export const DISPUTE_DEPOSIT = toNano('1');
/** A step from one head to the next. */
export const ANCHOR_GROWTH_MAX = 2n ** 26n;
const ORIGIN_BYTES_MAX = 60;
const HASHES_PER_CELL = 3;
/** More than a proof between two sizes of 64 bits ever has. */
const PROOF_HASHES_MAX = 128;

export type LogAnchorConfig = Readonly<{
  /** TON global id. */
  network: number;
  /** Seconds after a head before a stranger may bring the next one. */
  minGapSeconds: number;
  owner: Address;
  /** Brings heads at any time. */
  relayer: Address;
  /** Where nine tenths of a slashed bond go. */
  sink: Address;
  /** 1 to 60 printable ASCII characters without space or `+`. */
  origin: string;
  /** The log's Ed25519 key, 32 bytes. */
  key: Uint8Array;
}>;

/** @property root 32 bytes @property at when the chain took it */
export type AnchoredHead = Readonly<{ size: bigint; root: Bytes; at: number }>;

export type LogAnchorState = Bond &
  Readonly<{
    state: (typeof LOG_ANCHOR_STATES)[number];
    /** Heads taken so far. */
    seq: number;
    head: AnchoredHead;
    key: Bytes;
    prev: Bytes;
    prevUntil: number;
    next: Bytes;
    nextAt: number;
    /** By size. */
    disputes: ReadonlyMap<bigint, Readonly<{ root: Bytes; due: number; by: Address }>>;
    /** The newest 64 heads, by sequence number modulo 64. */
    ring: ReadonlyMap<number, AnchoredHead>;
  }>;

function originCell(origin: string): Cell {
  if (!/^[\x21-\x2a\x2c-\x7e]+$/.test(origin) || origin.length > ORIGIN_BYTES_MAX) {
    throw new CodedError(
      'CONTRACT_CONFIG_INVALID',
      `an anchored origin has 1 to ${ORIGIN_BYTES_MAX} printable ASCII characters, no space, no +`,
      { field: 'origin' },
    );
  }
  return beginCell()
    .storeBuffer(Buffer.from(utf8(origin)))
    .endCell();
}

/**
 * The initial data of a log that starts from nothing, the only one whose address a reader accepts.
 * @throws CodedError CONTRACT_CONFIG_INVALID for a field out of its range
 */
export function logAnchorInitialData(config: LogAnchorConfig): Cell {
  const noBond = beginCell().storeCoins(0).storeCoins(0).storeUint(0, 32).endCell();
  const keys = beginCell()
    .storeBuffer(bytes32(config.key, 'key'))
    .storeUint(0, 256 + 32 + 256 + 32)
    .storeRef(noBond)
    .endCell();
  const more = beginCell().storeAddress(config.sink).storeRef(originCell(config.origin)).endCell();
  const cfg = beginCell()
    .storeInt(fitsNetwork(config.network), 32)
    .storeUint(fits(config.minGapSeconds, 32, 'minGapSeconds'), 32)
    .storeAddress(config.owner)
    .storeAddress(config.relayer)
    .storeRef(more)
    .endCell();
  return beginCell()
    .storeUint(LOG_ANCHOR_VERSION, 16)
    .storeUint(0, 2 + 32)
    .storeUint(0, 64)
    .storeBuffer(Buffer.from(merkleRoot([])))
    .storeUint(0, 32)
    .storeBit(false)
    .storeRef(keys)
    .storeBit(false)
    .storeRef(cfg)
    .endCell();
}

export function logAnchorInit(config: LogAnchorConfig): ContractInit {
  return { code: contractCode('log-anchor'), data: logAnchorInitialData(config) };
}

/** The only address at which an anchor of this configuration can be; workchain 0. */
export function logAnchorAddress(config: LogAnchorConfig): Address {
  return addressOfInit(logAnchorInit(config));
}

function loadHead(slice: Slice): AnchoredHead {
  return { size: slice.loadUintBig(64), root: loadHash(slice), at: slice.loadUint(32) };
}

const HEADS = readOnly(loadHead);
const DISPUTES = readOnly((slice) => ({ root: loadHash(slice), due: slice.loadUint(32), by: slice.loadAddress() }));

/** @throws CodedError CONTRACT_MISMATCH unless it is version 1's layout and holds exactly this configuration */
export function parseLogAnchorData(data: Cell, config: LogAnchorConfig): LogAnchorState {
  const expected = logAnchorInitialData(config).refs[1] as Cell;
  return readData('log-anchor', data, (slice) => {
    if (slice.loadUint(16) !== LOG_ANCHOR_VERSION) throw new RangeError('version');
    const state = LOG_ANCHOR_STATES[slice.loadUint(2)];
    if (state === undefined) throw new RangeError('state');
    const seq = slice.loadUint(32);
    const head = loadHead(slice);
    const ring = slice.loadDict(Dictionary.Keys.Uint(6), HEADS);
    const keys = slice.loadRef().beginParse();
    const disputes = slice.loadDict(Dictionary.Keys.BigUint(64), DISPUTES);
    if (!slice.loadRef().equals(expected)) throw new RangeError('configuration');
    const named = { key: loadHash(keys), prev: loadHash(keys), prevUntil: keys.loadUint(32), next: loadHash(keys) };
    const nextAt = keys.loadUint(32);
    const bonds = keys.loadRef().beginParse();
    keys.endParse();
    const bond = loadBond(bonds);
    bonds.endParse();
    return { state, seq, head, ...named, nextAt, ...bond, disputes: new Map(disputes), ring: new Map(ring) };
  });
}

/** Three hashes a cell, the first ones in the outermost. @throws CodedError CONTRACT_CONFIG_INVALID */
export function consistencyProofCell(hashes: readonly Uint8Array[]): Cell | null {
  if (hashes.length > PROOF_HASHES_MAX) {
    throw new CodedError('CONTRACT_CONFIG_INVALID', 'a proof of too many hashes', { hashes: hashes.length });
  }
  let next: Cell | null = null;
  for (let end = hashes.length; end > 0; ) {
    const start = end - (end % HASHES_PER_CELL === 0 ? HASHES_PER_CELL : end % HASHES_PER_CELL);
    const cell = beginCell();
    for (const one of hashes.slice(start, end)) cell.storeBuffer(bytes32(one, 'proof'));
    if (next !== null) cell.storeRef(next);
    next = cell.endCell();
    end = start;
  }
  return next;
}

/** A head that the log signed. @property signature the raw 64 bytes of the note line, over the checkpoint's body */
export type SignedHead = Readonly<{ size: bigint; root: Uint8Array; signature: Uint8Array }>;

const sized = (tag: number, queryId: bigint, size: bigint) =>
  operationBody(tag, queryId).storeUint(fits(size, 64, 'size'), 64);

const signed = (tag: number, queryId: bigint, { size, root, signature }: SignedHead) =>
  sized(tag, queryId, size).storeBuffer(bytes32(root, 'root')).storeBuffer(signature64(signature));

/** Message bodies of section 1.4. */
export const logAnchorMessage = {
  anchor: (head: SignedHead, proof: readonly Uint8Array[], queryId = 0n): Cell =>
    signed(0x4c410001, queryId, head).storeMaybeRef(consistencyProofCell(proof)).endCell(),
  /** Two signed roots of one size. */
  equivocation: (a: SignedHead, b: Omit<SignedHead, 'size'>, queryId = 0n): Cell =>
    signed(0x4c410002, queryId, a)
      .storeRef(beginCell().storeBuffer(bytes32(b.root, 'root')).storeBuffer(signature64(b.signature)).endCell())
      .endCell(),
  /** Carries {@link DISPUTE_DEPOSIT} beside the value of the operation. */
  dispute: (head: SignedHead, queryId = 0n): Cell => signed(0x4c410003, queryId, head).endCell(),
  answer: (size: bigint, proof: readonly Uint8Array[], queryId = 0n): Cell =>
    sized(0x4c410004, queryId, size).storeMaybeRef(consistencyProofCell(proof)).endCell(),
  expire: (size: bigint, queryId = 0n): Cell => sized(0x4c410005, queryId, size).endCell(),
  /** A key of zeros withdraws the proposal. */
  proposeKey: (key: Uint8Array, queryId = 0n): Cell =>
    operationBody(0x4c410006, queryId).storeBuffer(bytes32(key, 'key')).endCell(),
  acceptKey: (queryId = 0n): Cell => operationBody(0x4c410007, queryId).endCell(),
  freeze: (on: boolean, queryId = 0n): Cell => operationBody(0x4c410008, queryId).storeBit(on).endCell(),
  queryHead: (size: bigint, queryId = 0n): Cell => sized(0x4c410009, queryId, size).endCell(),
  ...bondMessages(0x4c41000a),
};
