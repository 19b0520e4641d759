import { type Address, beginCell, Cell } from '@ton/core';
import { ed25519Sign, ed25519Verify, type SigningKey } from '#crypto';
import { type Bytes, CodedError } from '../core/index.ts';

/**
 * A router's promise to a worker (contracts section 1.3), handed over with each accepted receipt: what the pool owes this
 * payee in all. It is the worker's way out when a posted root omits it.
 */
export type WorkerVoucher = Readonly<{
  /** The one pool that reads it. */
  pool: Address;
  /** Account id in workchain 0, 32 bytes. */
  payee: Bytes;
  /** nanoTON. */
  cumulative: bigint;
  /** Unix seconds. */
  issued: number;
}>;

const TAG = 0x57564331;
const COINS_MAX = (1n << 120n) - 1n;
export const WORKER_VOUCHER_BYTES_MAX = 512;

const invalid = (why: string, cause?: unknown) =>
  new CodedError('VOUCHER_INVALID', `worker voucher: ${why}`, {}, { cause });

/** @throws CodedError VOUCHER_INVALID for a field out of its range */
export function workerVoucherCell({ pool, payee, cumulative, issued }: WorkerVoucher): Cell {
  if (payee.length !== 32 || cumulative < 0n || cumulative > COINS_MAX || !(issued >= 0 && issued < 2 ** 32)) {
    throw invalid('a field is out of its range');
  }
  return beginCell()
    .storeUint(TAG, 32)
    .storeAddress(pool)
    .storeBuffer(Buffer.from(payee))
    .storeCoins(cumulative)
    .storeUint(issued, 32)
    .endCell();
}

/** The 32 bytes that are signed: the cell's representation hash. */
export function workerVoucherHash(voucher: WorkerVoucher): Bytes {
  return Uint8Array.from(workerVoucherCell(voucher).hash());
}

/** @returns 64 bytes, Ed25519 by one of the pool's voucher keys */
export async function signWorkerVoucher(voucher: WorkerVoucher, key: SigningKey): Promise<Bytes> {
  return ed25519Sign(key, workerVoucherHash(voucher));
}

export async function verifyWorkerVoucher(
  voucher: WorkerVoucher,
  signature: Uint8Array,
  key: Uint8Array,
): Promise<boolean> {
  return ed25519Verify(key, workerVoucherHash(voucher), signature);
}

/** The voucher as a bag of cells, for the wire. */
export function encodeWorkerVoucher(voucher: WorkerVoucher): Bytes {
  return Uint8Array.from(workerVoucherCell(voucher).toBoc({ idx: false, crc32: false }));
}

/** Exactly what {@link encodeWorkerVoucher} writes: a voucher has one encoding. @throws CodedError VOUCHER_INVALID */
export function parseWorkerVoucher(bytes: Uint8Array): WorkerVoucher {
  if (bytes.length > WORKER_VOUCHER_BYTES_MAX) throw invalid(`over ${WORKER_VOUCHER_BYTES_MAX} bytes`);
  let voucher: WorkerVoucher;
  try {
    const slice = (Cell.fromBoc(Buffer.from(bytes))[0] as Cell).beginParse();
    if (slice.loadUint(32) !== TAG) throw invalid('another tag');
    const pool = slice.loadAddress();
    const payee = Uint8Array.from(slice.loadBuffer(32));
    voucher = { pool, payee, cumulative: slice.loadCoins(), issued: slice.loadUint(32) };
    slice.endParse();
  } catch (cause) {
    throw cause instanceof CodedError ? cause : invalid('not a voucher cell', cause);
  }
  if (Buffer.compare(Buffer.from(encodeWorkerVoucher(voucher)), Buffer.from(bytes)) !== 0)
    throw invalid('not canonical');
  return voucher;
}
