import { type Bytes, fromBase64, toBase64, utf8 } from '../core/index.ts';
import { type JsonRecord, jsonRecord, malformed, numberIn, onlyFields } from './payload-json.ts';

/** What a sealed request for embeddings says: `"v":1`, `"kind":"embed"`. */
export type EmbedPayload = Readonly<{ texts: readonly string[]; dimensions?: number }>;

export const EMBED_TEXTS_MAX = 2048;
const DIMENSIONS_MAX = 65_536;
const FIELDS = new Set(['v', 'kind', 'texts', 'dimensions']);

export function encodeEmbedPayload(payload: EmbedPayload): Bytes {
  return utf8(JSON.stringify({ v: 1, kind: 'embed', ...payload }));
}

/** @throws CodedError REQUEST_MALFORMED naming the field */
export function embedPayloadOf(record: JsonRecord): EmbedPayload {
  onlyFields(record, FIELDS);
  if (record.v !== 1 || record.kind !== 'embed') throw malformed('kind');
  const { texts, dimensions } = record;
  if (!Array.isArray(texts) || texts.length < 1 || texts.length > EMBED_TEXTS_MAX) throw malformed('texts');
  if (texts.some((text) => typeof text !== 'string')) throw malformed('texts');
  const wanted =
    dimensions === undefined ? {} : { dimensions: numberIn(record, 'dimensions', 1, DIMENSIONS_MAX, true) };
  return { texts: texts as string[], ...wanted };
}

/**
 * The answer: one JSON document, `{"vectors":[base64 of little-endian 32-bit floats, …]}`, cut into data messages of at
 * most `piece` bytes.
 */
export function* encodeVectors(vectors: readonly (readonly number[])[], piece: number): Generator<Bytes> {
  const texts = vectors.map((vector) => {
    const view = new DataView(new ArrayBuffer(4 * vector.length));
    vector.forEach((value, i) => {
      view.setFloat32(4 * i, value, true);
    });
    return toBase64(new Uint8Array(view.buffer));
  });
  const document = utf8(JSON.stringify({ vectors: texts }));
  for (let at = 0; at < document.length; at += piece) yield document.slice(at, at + piece);
}

/** @param count vectors asked for @throws CodedError REQUEST_MALFORMED */
export function parseVectors(document: Uint8Array, count: number): number[][] {
  const { vectors } = jsonRecord(document);
  if (!Array.isArray(vectors) || vectors.length !== count) throw malformed('vectors');
  return vectors.map((text) => {
    if (typeof text !== 'string') throw malformed('vectors');
    const bytes = fromBase64(text, 'vectors');
    if (bytes.length === 0 || bytes.length % 4 !== 0 || bytes.length > 4 * DIMENSIONS_MAX) throw malformed('vectors');
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  });
}
