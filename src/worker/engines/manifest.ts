import { sha256 } from '#crypto';
import { type Bytes, CodedError, canonicalJsonBytes, type Json, labelledDigest, toHex } from '../../core/index.ts';

export const MODEL_FILES_MAX = 256;

/** A file of a model: its path inside the model's folder ('/' between folders), its length and SHA-256 (hexadecimal). */
export type ModelFile = Readonly<{ path: string; bytes: number; sha256: string }>;

/**
 * Everything that decides what a model answers (AIS/1 section 3 item 3, `M`): weights, tokenizer, chat template and
 * configuration byte by byte, the engine, and the flags it runs with. Weights are stored as they are quantised, so
 * their digest covers the quantisation.
 */
export type ModelManifest = Readonly<{
  v: 1;
  files: readonly ModelFile[];
  engine: Readonly<{ name: string; version: string }>;
  flags: Readonly<Record<string, string | number | boolean>>;
}>;

/** @throws CodedError MODEL_INVALID for no file, too many, or two of one name */
export function modelManifest(
  files: ReadonlyMap<string, Uint8Array>,
  engine: ModelManifest['engine'],
  flags: ModelManifest['flags'],
): ModelManifest {
  return manifestOf(
    [...files].map(([path, content]) => ({ path, bytes: content.length, sha256: toHex(sha256(content)) })),
    engine,
    flags,
  );
}

/** As {@link modelManifest}, of files that were hashed already. */
export function manifestOf(
  files: readonly ModelFile[],
  engine: ModelManifest['engine'],
  flags: ModelManifest['flags'],
): ModelManifest {
  if (files.length === 0 || files.length > MODEL_FILES_MAX) {
    throw new CodedError('MODEL_INVALID', `a model has 1 to ${MODEL_FILES_MAX} files`, { files: files.length });
  }
  const listed = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  return { v: 1, files: listed, engine, flags };
}

/** The manifest as canonical JSON (RFC 8785): what {@link modelDigest} is taken of, and what is published. */
export function encodeModelManifest(manifest: ModelManifest): Bytes {
  return canonicalJsonBytes(manifest as unknown as Json);
}

/** `M = H("model", canonical JSON of the manifest)`, 32 bytes: the digest that evidence, headers and receipts name. */
export function modelDigest(manifest: ModelManifest): Bytes {
  return labelledDigest('model', encodeModelManifest(manifest));
}
