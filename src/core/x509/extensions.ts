import type { Bytes } from '../bytes.ts';
import { DER_TAG, type DerReader } from '../der.ts';
import { CodedError } from '../errors.ts';

export const EXTENSIONS_MAX = 32;

export const EXTENSION = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  reasonCode: '2.5.29.21',
  invalidityDate: '2.5.29.24',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
} as const;

export type X509Extension = Readonly<{ critical: boolean; value: Bytes }>;
export type X509Extensions = ReadonlyMap<string, X509Extension>;

/** Reads Extensions (RFC 5280 section 4.2), each at most once. @throws CodedError ENCODING_INVALID */
export function parseExtensions(reader: DerReader, field: string): X509Extensions {
  const list = reader.sequence(field);
  const extensions = new Map<string, X509Extension>();
  const wrong = (why: string) => new CodedError('ENCODING_INVALID', `${field}: ${why}`, { field });
  do {
    if (extensions.size === EXTENSIONS_MAX) throw wrong('too many extensions');
    const extension = list.sequence(field);
    const id = extension.oid(field);
    const critical = extension.peekTag() === DER_TAG.boolean;
    if (critical && !extension.boolean(field)) throw wrong('a default value written out');
    const value = extension.octetString(field);
    extension.end();
    if (extensions.has(id)) throw wrong(`extension ${id} twice`);
    extensions.set(id, { critical, value });
  } while (!list.done);
  return extensions;
}

/** A reader over an extension's value, or null where it is absent; the caller calls `end()`. */
export function extensionReader(reader: DerReader, extensions: X509Extensions, id: string): DerReader | null {
  const extension = extensions.get(id);
  return extension === undefined ? null : reader.inside(`extension ${id}`, extension.value);
}

/** The keyIdentifier of an AuthorityKeyIdentifier (RFC 5280 section 4.2.1.1), or null where there is none. */
export function parseAuthorityKeyIdentifier(reader: DerReader, extensions: X509Extensions): Bytes | null {
  const outer = extensionReader(reader, extensions, EXTENSION.authorityKeyIdentifier);
  if (outer === null) return null;
  const fields = outer.sequence('authorityKeyIdentifier');
  outer.end();
  const keyIdentifier = fields.peekTag() === 0x80 ? fields.content('keyIdentifier', 0x80) : null;
  // authorityCertIssuer [1] and authorityCertSerialNumber [2] come together and name what the chain shows anyway.
  if (fields.peekTag() === 0xa1) {
    fields.any('authorityCertIssuer');
    fields.element('authorityCertSerialNumber', 0x82);
  }
  fields.end();
  return keyIdentifier;
}
