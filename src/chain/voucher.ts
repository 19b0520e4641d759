import { type Address, beginCell, Cell } from '@ton/core';
import { ed25519Sign, ed25519Verify, type SigningKey } from '#crypto';
import { type Bytes, CodedError } from '../core/index.ts';

/** A client's promise to pay (contracts section 1.2): the highest cumulative amount wins, everywhere. */
export type Voucher = Readonly<{
  /** The one channel that reads it. */
  channel: Address;
  /** nanoTON since the channel was opened. */
  cumulative: bigint;
  /** {@link receiptsRoot} of the receipts paid so far: paying and proving are one signature. */
  receipts: Uint8Array;
}>;

const VOUCHER_TAG = 0x43484e31;
/** Coins are VarUInteger 16. */
const COINS_MAX = (1n << 120n) - 1n;
export const VOUCHER_BYTES_MAX = 512;

/** @throws CodedError VOUCHER_INVALID for an amount or root out of range */
export function voucherCell(voucher: Voucher): Cell {
  if (voucher.cumulative < 0n || voucher.cumulative > COINS_MAX || voucher.receipts.length !== 32) {
    throw new CodedError('VOUCHER_INVALID', 'voucher: the amount is no Coins or the receipts root has not 32 bytes');
  }
  return beginCell()
    .storeUint(VOUCHER_TAG, 32)
    .storeAddress(voucher.channel)
    .storeCoins(voucher.cumulative)
    .storeBuffer(Buffer.from(voucher.receipts))
    .endCell();
}

/** The 32 bytes that are signed: the cell's representation hash. */
export function voucherHash(voucher: Voucher): Bytes {
  return Uint8Array.from(voucherCell(voucher).hash());
}

/** @returns 64 bytes, Ed25519 by the channel's client key */
export async function signVoucher(voucher: Voucher, clientKey: SigningKey): Promise<Bytes> {
  return ed25519Sign(clientKey, voucherHash(voucher));
}

export async function verifyVoucher(voucher: Voucher, signature: Uint8Array, clientKey: Uint8Array): Promise<boolean> {
  return ed25519Verify(clientKey, voucherHash(voucher), signature);
}

/** The voucher as a bag of cells, for the wire. */
export function encodeVoucher(voucher: Voucher): Bytes {
  return Uint8Array.from(voucherCell(voucher).toBoc({ idx: false, crc32: false }));
}

/**
 * Exactly what {@link encodeVoucher} writes; any other bag of cells for the same voucher is refused, so a voucher has
 * one encoding.
 * @throws CodedError VOUCHER_INVALID
 */
export function parseVoucher(bytes: Uint8Array): Voucher {
  const invalid = (why: string, cause?: unknown) =>
    new CodedError('VOUCHER_INVALID', `voucher: ${why}`, { length: bytes.length }, { cause });
  if (bytes.length > VOUCHER_BYTES_MAX) throw invalid(`over ${VOUCHER_BYTES_MAX} bytes`);
  let voucher: Voucher;
  try {
    const slice = Cell.fromBoc(Buffer.from(bytes))[0]!.beginParse();
    if (slice.loadUint(32) !== VOUCHER_TAG) throw invalid('another tag');
    const channel = slice.loadAddress();
    const cumulative = slice.loadCoins();
    voucher = { channel, cumulative, receipts: Uint8Array.from(slice.loadBuffer(32)) };
    slice.endParse();
  } catch (cause) {
    throw cause instanceof CodedError ? cause : invalid('not a voucher cell', cause);
  }
  if (Buffer.compare(Buffer.from(encodeVoucher(voucher)), Buffer.from(bytes)) !== 0) throw invalid('not canonical');
  return voucher;
}
