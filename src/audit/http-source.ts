import { sha256 } from '#crypto';
import { type Bytes, boundedBody, CodedError, toHex } from '../core/index.ts';
import { type Digest, ENTRY_BYTES_MAX, NOTE_BYTES_MAX, TILE_BYTES, TILE_WIDTH, tilePath } from '../log/index.ts';
import type { LogSource } from './source.ts';

const TIMEOUT_MS = 20_000;
const BUNDLE_BYTES_MAX = TILE_WIDTH * (2 + ENTRY_BYTES_MAX);
export const BLOB_BYTES_MAX = 8 * 1024 * 1024;

/**
 * A log over HTTP: C2SP tlog-tiles, with `/cosigned/<index>` and `/blob/sha256/<hex>` beside them.
 * @throws CodedError its methods throw LOG_UNREACHABLE
 */
export function httpSource(url: string, fetcher: typeof fetch): LogSource {
  const base = url.replace(/\/+$/, '');
  const ask = async (path: string, bytesMax: number): Promise<Bytes | null> => {
    try {
      const response = await fetcher(`${base}/${path}`, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'error' });
      if (response.status === 404) return null;
      if (!response.ok) throw new CodedError('LOG_UNREACHABLE', `the log answered HTTP ${response.status}`, { path });
      return await boundedBody(
        response,
        bytesMax,
        () => new CodedError('LOG_UNREACHABLE', 'the answer of the log is too large'),
      );
    } catch (cause) {
      if (cause instanceof CodedError) throw cause;
      throw new CodedError('LOG_UNREACHABLE', 'the log does not answer', { path }, { cause });
    }
  };
  return {
    async checkpoint() {
      const note = await ask('checkpoint', NOTE_BYTES_MAX);
      if (note === null) throw new CodedError('LOG_UNREACHABLE', 'there is no log at this address');
      return note;
    },
    covering: (index) => ask(`cosigned/${index}`, NOTE_BYTES_MAX),
    tile: (tile) => ask(tilePath(tile), tile.level === 'entries' ? BUNDLE_BYTES_MAX : TILE_BYTES),
    async blob(digest: Digest) {
      const bytes = await ask(`blob/${digest.replace(':', '/')}`, BLOB_BYTES_MAX);
      // What hashes to something else is not the blob, whatever it is.
      return bytes !== null && `sha256:${toHex(sha256(bytes))}` === digest ? bytes : null;
    },
  };
}
