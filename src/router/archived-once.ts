import { sha256 } from '#crypto';
import { CodedError, toHex } from '../core/index.ts';
import { keepNewest } from './fleet.ts';
import type { LogPort } from './ports.ts';

/** Files that the log was given last, by digest. */
const KNOWN_MAX = 65_536;

/**
 * The same log, which is given each file once: what a thousand workers of one platform are judged with, and what each
 * is judged by again when the policy changes, is there already. A log that has lost one says so, and is given all anew.
 */
export function archivedOnce(log: LogPort): LogPort {
  const known = new Map<string, true>();
  const keep = (blobs: readonly Uint8Array[]) => {
    for (const blob of blobs) keepNewest(known, toHex(sha256(blob)), true, KNOWN_MAX);
  };
  return {
    ...log,
    async append(draft, options = {}) {
      const { blobs = [] } = options;
      const isNew = (blob: Uint8Array) => !known.has(toHex(sha256(blob)));
      const added = blobs.filter(isNew);
      const appended = await log.append(draft, { ...options, blobs: added }).catch((error: unknown) => {
        const isMissing = error instanceof CodedError && error.code === 'LOG_BLOB_MISSING';
        if (!isMissing || added.length === blobs.length) throw error;
        return log.append(draft, options);
      });
      keep(blobs);
      return appended;
    },
  };
}
