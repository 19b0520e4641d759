import type { IncomingMessage } from 'node:http';
import { type Bytes, CodedError, fromBase64, fromUtf8, type Json } from '../../core/index.ts';
import type { LeafDraft } from '../index.ts';
import type { AppendOptions } from './log.ts';

/** Base64 of one blob of 8 MiB, and room for the leaf. */
export const REQUEST_BYTES_MAX = 12 * 1024 * 1024;
const BLOBS_MAX = 64;
const DRAFT_FIELDS: ReadonlySet<string> = new Set([
  'v',
  'type',
  'src',
  'subject',
  'body',
  'at',
  'prev',
  'blobs',
  'sig',
]);
const REQUEST_FIELDS: ReadonlySet<string> = new Set(['leaf', 'idempotencyKey', 'blobs']);

/** Reads a body to its end. @throws CodedError LOG_ENTRY_TOO_LARGE above `bytesMax` */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Bytes> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > bytesMax) throw new CodedError('LOG_ENTRY_TOO_LARGE', `a request has at most ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Uint8Array.from(Buffer.concat(chunks));
}

const malformed = (why: string) => new CodedError('LOG_LEAF_INVALID', `append request: ${why}`);

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * `{"leaf": {type, src, subject, body, at?, prev?, blobs?, sig?}, "idempotencyKey"?, "blobs"?: [base64]}`; the leaf's
 * own fields are checked when it is sequenced. @throws CodedError LOG_LEAF_INVALID, ENCODING_INVALID
 */
export function parseAppendRequest(body: Uint8Array): Readonly<{ draft: LeafDraft; options: AppendOptions }> {
  let request: unknown;
  try {
    request = JSON.parse(fromUtf8(body, 'append request'));
  } catch (cause) {
    if (cause instanceof CodedError) throw cause;
    throw malformed('not JSON');
  }
  if (!isRecord(request) || !isRecord(request.leaf)) throw malformed('no leaf');
  if (Object.keys(request).some((field) => !REQUEST_FIELDS.has(field))) throw malformed('an unknown field');
  const { leaf, idempotencyKey, blobs = [] } = request;
  if (Object.keys(leaf).some((field) => !DRAFT_FIELDS.has(field))) throw malformed('an unknown field in the leaf');
  if (leaf.v !== undefined && leaf.v !== 1) throw malformed('leaves are of version 1');
  if (leaf.blobs !== undefined && !Array.isArray(leaf.blobs)) throw malformed('leaf.blobs is no list');
  if (idempotencyKey !== undefined && typeof idempotencyKey !== 'string') throw malformed('idempotencyKey is no text');
  if (!Array.isArray(blobs) || blobs.length > BLOBS_MAX || !blobs.every((blob) => typeof blob === 'string')) {
    throw malformed('blobs is no list of base64');
  }
  const options: AppendOptions = {
    blobs: blobs.map((blob: string) => fromBase64(blob, 'blob')),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  };
  return { draft: leaf as unknown as LeafDraft, options };
}

/** The other side of {@link parseAppendRequest}. @param blobs base64 */
export function formatAppendRequest(
  draft: LeafDraft,
  idempotencyKey: string | undefined,
  blobs: readonly string[],
): string {
  return JSON.stringify({ leaf: draft, idempotencyKey, blobs } satisfies Readonly<{
    leaf: unknown;
    idempotencyKey: Json | undefined;
    blobs: Json;
  }>);
}
