import { type Bytes, fromUtf8 } from '../bytes.ts';
import { DER_TAG, type DerReader } from '../der.ts';
import { CodedError } from '../errors.ts';

const COMMON_NAME = '2.5.4.3';
const ATTRIBUTES_MAX = 32;
/** DirectoryString and IA5String (RFC 5280 section 4.1.2.4); of the older ones nobody here reads the text. */
const VALUE_TAGS: ReadonlySet<number> = new Set([
  DER_TAG.utf8String,
  DER_TAG.printableString,
  DER_TAG.ia5String,
  0x14, // TeletexString
  0x1c, // UniversalString
  0x1e, // BMPString
]);
const TEXT_TAGS: ReadonlySet<number> = new Set([DER_TAG.utf8String, DER_TAG.printableString, DER_TAG.ia5String]);

/** A distinguished name. Names are compared by `der` alone; `commonName` is null unless there is exactly one. */
export type X509Name = Readonly<{ der: Bytes; commonName: string | null }>;

/** Reads a Name (RFC 5280 section 4.1.2.4) completely. @throws CodedError ENCODING_INVALID */
export function parseName(reader: DerReader, field: string): X509Name {
  const whole = reader.element(field, DER_TAG.sequence);
  const relativeNames = reader.inside(field, whole.content);
  const commonNames: (string | null)[] = [];
  for (let count = 0; !relativeNames.done; count++) {
    if (count === ATTRIBUTES_MAX) throw new CodedError('ENCODING_INVALID', `${field}: too many attributes`, { field });
    const set = relativeNames.nested(field, DER_TAG.set);
    do {
      const attribute = set.sequence(field);
      const type = attribute.oid(field);
      const value = attribute.any(field);
      attribute.end();
      if (!VALUE_TAGS.has(value.tag)) throw new CodedError('ENCODING_INVALID', `${field}: not text`, { field });
      if (type === COMMON_NAME) commonNames.push(TEXT_TAGS.has(value.tag) ? fromUtf8(value.content, field) : null);
    } while (!set.done);
  }
  return { der: whole.whole, commonName: commonNames.length === 1 ? (commonNames[0] ?? null) : null };
}
