import { sha256 } from '#crypto';
import { CodedError, canonicalJson, type Json, parseStrictJson, toHex, utf8 } from '../../core/index.ts';
import type { Parts } from './document.ts';
import { DOCUMENTS_MAX, type DocumentStore } from './document-store.ts';

const KIND = 'chrysalis-collateral-bundle';
const VERSION = 1;
export const BUNDLE_CHARACTERS_MAX = 64 * 1024 * 1024;
const PARTS_MAX = 8;
/** Of each document the object, its fields, its parts and their contents. */
export const BUNDLE_VALUES_MAX = DOCUMENTS_MAX * (4 + 2 * PARTS_MAX);
const ID_CHARACTERS_MAX = 512;

type Fields = { readonly [name: string]: Json | undefined };

/**
 * Documents as one JSON text: each content once, named by its SHA-256; documents in the order of their ids. The same
 * documents always give the same text.
 */
export function encodeCollateralBundle(documents: readonly BundledDocument[]): string {
  const contents: Record<string, string> = {};
  const address = (text: string): string => {
    const hash = toHex(sha256(utf8(text)));
    contents[hash] = text;
    return hash;
  };
  const rows = [...documents]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ id, fetchedAt, parts }) => ({
      id,
      fetchedAt,
      parts: Object.fromEntries(Object.entries(parts).map(([name, text]) => [name, address(text)])),
    }));
  return `${canonicalJson({ kind: KIND, version: VERSION, documents: rows, contents })}\n`;
}

export type BundledDocument = Readonly<{ id: string; fetchedAt: number; parts: Parts }>;

/**
 * Reads a bundle exactly: every content has the hash it is named by, and nothing is left over. What is in it is verified
 * only when it is adopted.
 * @throws CodedError COLLATERAL_MALFORMED, ENCODING_INVALID
 */
export function parseCollateralBundle(text: string): BundledDocument[] {
  if (text.length > BUNDLE_CHARACTERS_MAX) throw malformed('too long');
  const bundle = record(parseStrictJson(text, 'collateral bundle', BUNDLE_VALUES_MAX), [
    'contents',
    'documents',
    'kind',
    'version',
  ]);
  if (bundle.kind !== KIND || bundle.version !== VERSION) throw malformed('another kind or version');
  const contents = new Map<string, string>();
  for (const [hash, content] of Object.entries(record(bundle.contents))) {
    if (typeof content !== 'string' || toHex(sha256(utf8(content))) !== hash)
      throw malformed('a content of another hash');
    contents.set(hash, content);
  }
  const { documents } = bundle;
  if (!Array.isArray(documents) || documents.length > DOCUMENTS_MAX) throw malformed('documents');
  const used = new Set<string>();
  const ids = new Set<string>();
  const read = documents.map((item: Json): BundledDocument => {
    const { id, fetchedAt, parts } = record(item, ['fetchedAt', 'id', 'parts']);
    if (typeof id !== 'string' || id.length > ID_CHARACTERS_MAX || ids.has(id)) throw malformed('id');
    if (typeof fetchedAt !== 'number' || !Number.isSafeInteger(fetchedAt) || fetchedAt < 0)
      throw malformed('fetchedAt');
    ids.add(id);
    const named = Object.entries(record(parts));
    if (named.length > PARTS_MAX) throw malformed('parts');
    const texts = named.map(([name, hash]): [string, string] => {
      const content = typeof hash === 'string' ? contents.get(hash) : undefined;
      if (content === undefined) throw malformed('a part without content');
      used.add(hash as string);
      return [name, content];
    });
    return { id, fetchedAt, parts: Object.fromEntries(texts) };
  });
  if (used.size !== contents.size) throw malformed('a content that nothing uses');
  return read;
}

/** Whether a JSON text says that it is a bundle; {@link parseCollateralBundle} tells whether it is one. */
export function isCollateralBundle(value: Json): boolean {
  return typeof value === 'object' && value !== null && (value as Fields).kind === KIND;
}

/** Verifies each document of a bundle and keeps those that are newer than what is kept; all or none. */
export async function importBundle(text: string, store: DocumentStore): Promise<{ documents: number; kept: number }> {
  const documents = parseCollateralBundle(text);
  return { documents: documents.length, kept: await store.adoptAll(documents) };
}

const malformed = (why: string) => new CodedError('COLLATERAL_MALFORMED', `collateral bundle: ${why}`);

function record(value: Json | undefined, names?: readonly string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('not an object');
  if (names !== undefined && Object.keys(value).sort().join() !== names.join())
    throw malformed('unknown or absent fields');
  return value as Fields;
}
