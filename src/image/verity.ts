import { sha256 } from '#crypto';
import { type Bytes, CodedError, concatAll, toHex } from '../core/index.ts';

/** Of data and of hashes, in bytes: what erofs and the page cache have. */
export const VERITY_BLOCK_BYTES = 4096;
const DIGEST_BYTES = 32;
const DIGESTS_PER_BLOCK = VERITY_BLOCK_BYTES / DIGEST_BYTES;
/** 4 TiB. */
export const VERITY_BLOCKS_MAX = 2 ** 30;

/** What the kernel needs to know to check a disk: the tree lies behind the data. */
export type Verity = Readonly<{ /** SHA-256, hex */ rootHash: string; dataBlocks: number }>;

const zeros = (length: number): Bytes => new Uint8Array(length);

function blockDigests(bytes: Uint8Array): Bytes {
  const blocks = bytes.length / VERITY_BLOCK_BYTES;
  const out = zeros(Math.ceil(blocks / DIGESTS_PER_BLOCK) * VERITY_BLOCK_BYTES);
  for (let block = 0; block < blocks; block++) {
    const at = block * VERITY_BLOCK_BYTES;
    out.set(sha256(bytes.subarray(at, at + VERITY_BLOCK_BYTES)), block * DIGEST_BYTES);
  }
  return out;
}

/**
 * The hash tree of a disk as dm-verity reads it (Documentation/admin-guide/device-mapper/verity.rst, hash type 1,
 * SHA-256, no salt: a salt would only make equal disks differ): levels from the top one down, each filled up with zeros.
 * @param data whole blocks, at least two: the kernel takes the digest of a single one for the root, without a tree
 * @throws CodedError IMAGE_UNSUPPORTED
 */
export function verityTree(data: Uint8Array): Verity & { readonly tree: Bytes } {
  const dataBlocks = data.length / VERITY_BLOCK_BYTES;
  if (!Number.isInteger(dataBlocks) || dataBlocks < 2 || dataBlocks > VERITY_BLOCKS_MAX) {
    throw new CodedError('IMAGE_UNSUPPORTED', `a disk has 2 to ${VERITY_BLOCKS_MAX} whole blocks`, {
      bytes: data.length,
    });
  }
  const levels: Bytes[] = [];
  for (let below: Uint8Array = data; below.length > VERITY_BLOCK_BYTES; ) {
    const level = blockDigests(below);
    levels.unshift(level);
    below = level;
  }
  return { rootHash: toHex(sha256(levels[0] as Bytes)), dataBlocks, tree: concatAll(levels) };
}
