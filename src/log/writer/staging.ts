import { sha256 } from '#crypto';
import {
  type Bytes,
  CodedError,
  concat,
  decodeObject,
  encodeObject,
  equalBytes,
  fromUtf8,
  toHex,
  utf8,
} from '../../core/index.ts';
import type { DurableFile } from './durable-files.ts';

/** One batch changes two files a full tile and at most nine at the right edge. */
export const STAGED_FILES_MAX = 64;
export const STAGING_BYTES_MAX = 256 * 1024 * 1024;

export function stagingPath(size: number, root: Uint8Array): string {
  return `staging/${size}-${toHex(root)}`;
}

/** Every file one batch creates, in one object with a digest, so that a torn write cannot be taken for a whole one. */
export function encodeStaging(files: readonly DurableFile[]): Bytes {
  if (files.length > STAGED_FILES_MAX) throw new CodedError('INVARIANT_BROKEN', 'too many staged files');
  const body = encodeObject(files.flatMap(({ path, bytes }) => [utf8(path), bytes]));
  return concat(sha256(body), body);
}

/** @throws CodedError LOG_INCONSISTENT, OBJECT_MALFORMED */
export function decodeStaging(staged: Uint8Array): DurableFile[] {
  const body = staged.subarray(32);
  if (staged.length < 32 || !equalBytes(sha256(body), staged.subarray(0, 32))) {
    throw new CodedError('LOG_INCONSISTENT', 'a staging file does not hash to its digest', { length: staged.length });
  }
  const files: DurableFile[] = [];
  for (const [i, field] of splitFields(body).entries()) {
    if (i % 2 === 0) files.push({ path: fromUtf8(field, 'staged path'), bytes: new Uint8Array(0) });
    else files[files.length - 1] = { path: (files[files.length - 1] as DurableFile).path, bytes: field };
  }
  return files;
}

function splitFields(body: Uint8Array): Bytes[] {
  let count = 0;
  for (let at = 0; at + 4 <= body.length; count++) {
    at += 4 + new DataView(body.buffer, body.byteOffset + at, 4).getUint32(0, false);
  }
  if (count % 2 !== 0 || count > 2 * STAGED_FILES_MAX) {
    throw new CodedError('LOG_INCONSISTENT', 'a staging file does not hold pairs of path and bytes', { count });
  }
  const rules = Array.from({ length: count }, (_, i) => ({ name: `field${i}`, length: 'any' as const }));
  return decodeObject(body, 'staging', rules);
}
