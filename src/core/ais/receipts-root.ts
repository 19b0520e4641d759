import { type Bytes, u64 } from '../bytes.ts';
import { leafHash, merkleRoot } from '../merkle.ts';
import { labelledDigest } from '../objects.ts';

/**
 * `H("receipts", u64 count, RFC 9162 root)` over the digests of the receipts paid so far, in order of first payment
 * (AIS/1 section 8, contracts sections 1.2 and 6): what a voucher's signature proves beside what it pays.
 * @param receiptDigests 32 bytes each; they are the tree's entries, not its leaf hashes
 */
export function receiptsRoot(receiptDigests: readonly Uint8Array[]): Bytes {
  return labelledDigest('receipts', u64(receiptDigests.length), merkleRoot(receiptDigests.map(leafHash)));
}
