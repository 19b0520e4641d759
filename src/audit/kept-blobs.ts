import type { Bytes } from '../core/index.ts';
import type { Digest } from '../log/index.ts';
import type { LogSource } from './source.ts';

const KEPT_BYTES_MAX = 16 * 1024 * 1024;
/** What is larger comes once. */
const KEPT_BLOB_BYTES_MAX = 4 * 1024 * 1024;

/**
 * The same log, which is not asked again for the blobs that were read last: those of one entry are looked at by several
 * checks, and collateral is that of thousands of entries. A digest has one content, so nothing can have changed.
 */
export function keepingBlobs(source: LogSource): LogSource {
  const kept = new Map<Digest, Bytes>();
  let length = 0;
  const keep = (digest: Digest, bytes: Bytes): void => {
    kept.set(digest, bytes);
    length += bytes.length;
    for (const [oldest, { length: freed }] of kept) {
      if (length <= KEPT_BYTES_MAX) break;
      kept.delete(oldest);
      length -= freed;
    }
  };
  return {
    ...source,
    async blob(digest) {
      const known = kept.get(digest);
      if (known !== undefined) {
        kept.delete(digest);
        kept.set(digest, known); // now the one that was read last
        return known;
      }
      const bytes = await source.blob(digest);
      if (bytes !== null && bytes.length <= KEPT_BLOB_BYTES_MAX && !kept.has(digest)) keep(digest, bytes);
      return bytes;
    },
  };
}
