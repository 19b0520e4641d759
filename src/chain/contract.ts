import {
  type Address,
  type Builder,
  beginCell,
  Cell,
  contractAddress,
  type DictionaryValue,
  type Slice,
  type StateInit,
  toNano,
} from '@ton/core';
import { type Bytes, CodedError } from '../core/index.ts';
import { COMPILED } from './compiled.ts';

/** What the contracts have in common (contracts section 0.1). Amounts are nanoTON, times unix seconds. */
export type ContractName = 'channel' | 'channel-j' | 'court' | 'log-anchor' | 'pool' | 'registry' | 'stake';

/** What the wrappers attach to an operation; what it does not cost comes back. */
export const OPERATION_VALUE = toNano('0.05');

/** What a contract throws. */
export const CONTRACT_ERRORS = {
  401: 'the signature does not hold',
  402: 'signed for another contract',
  403: 'amount or size outside what is allowed',
  405: 'not the sender who may do this',
  411: 'the proof has another form',
  412: 'the proof does not hold',
  413: 'nothing new',
  414: 'over the sum of the root',
  420: 'another one is pending',
  421: 'out of order',
  422: 'not covered by what was collected',
  423: 'too young',
  424: 'none is open',
  425: 'no funds for it',
  450: 'too little value attached',
  451: 'the value does not cover the deposit',
  460: 'not possible in this state',
  461: 'too early',
  463: 'made for another network',
  65535: 'unknown operation',
} as const satisfies Record<number, string>;

export type ContractInit = StateInit & { code: Cell; data: Cell };

const codes = new Map<ContractName, Cell>();

/**
 * The committed code of a contract (`contracts/compiled/<name>.json`).
 * @throws CodedError INVARIANT_BROKEN where the file's code has another hash than the file says
 */
export function contractCode(name: ContractName): Cell {
  const known = codes.get(name);
  if (known !== undefined) return known;
  const { code, codeHash } = COMPILED[name];
  const cell = Cell.fromHex(code);
  if (cell.hash().toString('hex') !== codeHash) {
    throw new CodedError('INVARIANT_BROKEN', `the compiled ${name} contract does not have its stated code hash`);
  }
  codes.set(name, cell);
  return cell;
}

/** The only address at which a contract of this code and initial data can be; workchain 0. */
export function addressOfInit(init: ContractInit): Address {
  return contractAddress(0, init);
}

/** The beginning of every message body. `queryId` is echoed and never trusted. */
export function operationBody(tag: number, queryId: bigint): Builder {
  return beginCell().storeUint(tag, 32).storeUint(queryId, 64);
}

/** @throws CodedError CONTRACT_CONFIG_INVALID for a value that does not fit its field */
export function fits(value: bigint | number, bits: number, field: string): bigint {
  const number = BigInt(value);
  if (number < 0n || number >= 1n << BigInt(bits)) {
    throw new CodedError('CONTRACT_CONFIG_INVALID', `${field} does not fit ${bits} bits`, { field });
  }
  return number;
}

/** @throws CodedError CONTRACT_CONFIG_INVALID unless it is a TON global id */
export function fitsNetwork(network: number): number {
  fits(BigInt(network) + (1n << 31n), 32, 'network');
  return network;
}

/** @throws CodedError CONTRACT_CONFIG_INVALID unless it has exactly 32 bytes */
export function bytes32(value: Uint8Array, field: string): Buffer {
  if (value.length !== 32) throw new CodedError('CONTRACT_CONFIG_INVALID', `${field} has 32 bytes`, { field });
  return Buffer.from(value);
}

/** @throws CodedError CONTRACT_CONFIG_INVALID unless it has exactly 64 bytes */
export function signature64(value: Uint8Array): Buffer {
  if (value.length !== 64) {
    throw new CodedError('CONTRACT_CONFIG_INVALID', 'an Ed25519 signature has 64 bytes', { length: value.length });
  }
  return Buffer.from(value);
}

/**
 * Runs a reader of a contract's data cell.
 * @throws CodedError CONTRACT_MISMATCH where the data has another layout, or bits or cells left over
 */
export function readData<T>(name: ContractName, data: Cell, read: (slice: Slice) => T): T {
  try {
    const slice = data.beginParse();
    const state = read(slice);
    slice.endParse();
    return state;
  } catch (cause) {
    throw new CodedError(
      'CONTRACT_MISMATCH',
      `the account does not hold a ${name} of this configuration`,
      {},
      { cause },
    );
  }
}

/** 32 bytes. */
export const loadHash = (slice: Slice): Bytes => Uint8Array.from(slice.loadBuffer(32));

/** A value of a contract's dictionary, which is only read here; bits left over are refused. */
export function readOnly<T>(parse: (slice: Slice) => T): DictionaryValue<T> {
  return {
    parse: (slice) => {
      const value = parse(slice);
      slice.endParse();
      return value;
    },
    serialize: () => {
      throw new CodedError('INVARIANT_BROKEN', 'a contract’s dictionary is only read here');
    },
  };
}
