import { type Address, beginCell, type Cell } from '@ton/core';
import { type Bytes, CodedError } from '../core/index.ts';
import { addressOfInit, type ContractInit, contractCode, fitsNetwork, operationBody } from './contract.ts';

/** Contracts section 1.6, as a demonstration: a TDX quote's own signature, checked on chain. */
export const COURT_VERSION = 1;
/** Header and TD report of a version 4 quote. */
const SIGNED_BYTES = 632;
const SIGNATURE_AT = 636;
const KEY_AT = 700;
const KEY_END = 764;
const CELL_BYTES = 127;

export function courtInit(network: number): ContractInit {
  const data = beginCell().storeUint(COURT_VERSION, 16).storeInt(fitsNetwork(network), 32).endCell();
  return { code: contractCode('court'), data };
}

export function courtAddress(network: number): Address {
  return addressOfInit(courtInit(network));
}

/** @property r @property s the signature @property x @property y the attestation key; 32 bytes each, big-endian */
export type SignedQuote = Readonly<{ signed: Bytes; r: Bytes; s: Bytes; x: Bytes; y: Bytes }>;

/** Cuts a version 4 quote into what the court is shown. @throws CodedError EVIDENCE_UNSUPPORTED for any other */
export function signedQuoteOf(quote: Uint8Array): SignedQuote {
  if (quote.length < KEY_END || quote[0] !== 4 || quote[1] !== 0) {
    throw new CodedError('EVIDENCE_UNSUPPORTED', 'the court reads TDX quotes of version 4', { length: quote.length });
  }
  const part = (from: number, to: number) => Uint8Array.from(quote.subarray(from, to));
  const half = SIGNATURE_AT + 32;
  return {
    signed: part(0, SIGNED_BYTES),
    r: part(SIGNATURE_AT, half),
    s: part(half, KEY_AT),
    x: part(KEY_AT, KEY_AT + 32),
    y: part(KEY_AT + 32, KEY_END),
  };
}

/** As many bytes a cell as fit, the first ones outermost. */
function bytesCell(bytes: Uint8Array): Cell {
  const cell = beginCell().storeBuffer(Buffer.from(bytes.subarray(0, CELL_BYTES)));
  if (bytes.length > CELL_BYTES) cell.storeRef(bytesCell(bytes.subarray(CELL_BYTES)));
  return cell.endCell();
}

/** Answered with `quote_checked` to the sender, or refused with 401; attach 0.1 TON. */
export function checkQuoteMessage({ signed, r, s, x, y }: SignedQuote, queryId = 0n): Cell {
  const key = beginCell().storeBuffer(Buffer.from(x)).storeBuffer(Buffer.from(y)).endCell();
  return operationBody(0x43540001, queryId)
    .storeBuffer(Buffer.from(r))
    .storeBuffer(Buffer.from(s))
    .storeRef(key)
    .storeRef(bytesCell(signed))
    .endCell();
}
