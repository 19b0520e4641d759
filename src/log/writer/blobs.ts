import { sha256 } from '#crypto';
import { type Bytes, CodedError, equalBytes, toHex } from '../../core/index.ts';
import { type Digest, isDigest } from '../index.ts';
import type { LogFiles } from './storage.ts';

export const BLOB_BYTES_MAX = 8 * 1024 * 1024;

/** Content-addressed files beside the log (audit-log-design section 3): evidence, policies, batches of receipts. */
export type BlobStore = Readonly<{
  /** Durable when it answers. @throws CodedError LOG_ENTRY_TOO_LARGE above 8 MiB */
  put(bytes: Uint8Array): Promise<Digest>;
  /** The bytes, hashed again, or null. @throws CodedError LOG_INCONSISTENT where the file holds other bytes */
  get(digest: Digest): Promise<Bytes | null>;
  /** Removes a file; not being there is fine. Only a retention run that was logged may ask for it. */
  remove(digest: Digest): Promise<void>;
}>;

export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${toHex(sha256(bytes))}`;
}

function pathOf(digest: Digest): string {
  if (!isDigest(digest)) throw new CodedError('LOG_LEAF_INVALID', 'not a sha256 digest');
  const hex = digest.slice('sha256:'.length);
  return `blobs/sha256/${hex.slice(0, 2)}/${hex.slice(2, 4)}/${hex}`;
}

export function createBlobStore(files: LogFiles): BlobStore {
  const writing = new Map<Digest, Promise<Digest>>();
  const write = async (digest: Digest, bytes: Uint8Array): Promise<Digest> => {
    await files.createAll([{ path: pathOf(digest), bytes }]);
    return digest;
  };
  return {
    async put(bytes) {
      if (bytes.length > BLOB_BYTES_MAX) {
        throw new CodedError('LOG_ENTRY_TOO_LARGE', `a blob has at most ${BLOB_BYTES_MAX} bytes`, {
          length: bytes.length,
        });
      }
      const digest = digestOf(bytes);
      // Two writers of one blob would share a temporary name.
      const underWay = writing.get(digest) ?? write(digest, bytes).finally(() => writing.delete(digest));
      writing.set(digest, underWay);
      return underWay;
    },
    remove: (digest) => files.remove(pathOf(digest)),
    async get(digest) {
      const bytes = await files.read(pathOf(digest), BLOB_BYTES_MAX);
      if (bytes === null) return null;
      if (!equalBytes(sha256(bytes), fromDigest(digest))) {
        throw new CodedError('LOG_INCONSISTENT', 'a blob does not hash to its name');
      }
      return bytes;
    },
  };
}

function fromDigest(digest: Digest): Bytes {
  return Uint8Array.from(digest.slice(7).match(/../g) as string[], (pair) => Number.parseInt(pair, 16));
}
