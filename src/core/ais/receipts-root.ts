import { type Bytes, u64 } from '../bytes.ts';
import { leafHash, merkleRoot, nodeHash } from '../merkle.ts';
import { labelledDigest } from '../objects.ts';

/**
 * `H("receipts", u64 count, RFC 9162 root)` over the digests of the receipts paid so far, in order of first payment
 * (AIS/1 section 8, contracts sections 1.2 and 6): what a voucher's signature proves beside what it pays.
 * @param receiptDigests 32 bytes each; they are the tree's entries, not its leaf hashes
 */
export function receiptsRoot(receiptDigests: readonly Uint8Array[]): Bytes {
  return labelledDigest('receipts', u64(receiptDigests.length), merkleRoot(receiptDigests.map(leafHash)));
}

/** As {@link receiptsRoot} for a list that grows: what is added costs a hash or two each, whatever there was before. */
export class ReceiptsTree {
  static readonly EMPTY = new ReceiptsTree(0, []);
  readonly count: number;
  /** Roots of perfect subtrees, largest first: as many as `count` has bits set. */
  readonly #peaks: readonly Bytes[];

  private constructor(count: number, peaks: readonly Bytes[]) {
    this.count = count;
    this.#peaks = peaks;
  }

  /** Another tree with these behind; this one stays as it is. @param receiptDigests 32 bytes each */
  with(receiptDigests: readonly Uint8Array[]): ReceiptsTree {
    const peaks = [...this.#peaks];
    let count = this.count;
    for (const digest of receiptDigests) {
      let peak = leafHash(digest);
      for (let left = count; left % 2 === 1; left = (left - 1) / 2) peak = nodeHash(peaks.pop() as Bytes, peak);
      peaks.push(peak);
      count += 1;
    }
    return new ReceiptsTree(count, peaks);
  }

  get root(): Bytes {
    const [last, ...before] = this.#peaks.toReversed();
    const root = last === undefined ? merkleRoot([]) : before.reduce((right, left) => nodeHash(left, right), last);
    return labelledDigest('receipts', u64(this.count), root);
  }
}
