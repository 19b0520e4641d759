import { type Bytes, CodedError, Cursor, concat, fromHex, toHex } from '../../../core/index.ts';

/** What the rows of an extended report's table are known to hold. An ASVK may sit in the ASK row. */
export const CERTIFICATE_TABLE_KINDS = {
  '63da758d-e664-4564-adc5-f4b93be8accd': 'VCEK',
  'a8074bc2-a25a-483e-aae6-39c045a0b8a1': 'VLEK',
  '4ab7b379-bbac-4fe4-a02f-05aef327c782': 'ASK',
  'c0b406a4-a803-4952-9743-3fb6014cd0ae': 'ARK',
  '92f81bc3-5811-4d3d-97ff-d19f88dc67ea': 'CRL',
  'ecae0c0f-9502-43b1-afa2-0ae2e0d565b6': 'EXTRA',
} as const;
export type CertificateTableKind = (typeof CERTIFICATE_TABLE_KINDS)[keyof typeof CERTIFICATE_TABLE_KINDS];

export const CERTIFICATE_TABLE_BYTES_MAX = 64 * 1024;
export const CERTIFICATE_TABLE_ROWS_MAX = 32;
const ROW_BYTES = 24;

/** One row: `kind` is null for a GUID that is not known here. */
export type CertificateTableEntry = Readonly<{ guid: string; kind: CertificateTableKind | null; data: Bytes }>;

type Row = Readonly<{ guid: string; offset: number; length: number }>;

/**
 * Parses the certificate table of an extended report (GHCB specification, SNP_EXT_GUEST_REQUEST): rows of GUID, offset
 * and length up to a row of zeros. The host wrote it: what it holds are hints, nothing is verified. GUIDs in plain
 * big-endian order, as some hosts write them, are recognised where that makes a known one.
 * @param table the whole buffer; offsets count from its start, bytes that no row names are ignored
 * @throws CodedError ENDORSEMENT_MALFORMED, EVIDENCE_TOO_LARGE, EVIDENCE_TRUNCATED (no terminator in the buffer)
 */
export function parseCertificateTable(table: Uint8Array): CertificateTableEntry[] {
  if (table.length > CERTIFICATE_TABLE_BYTES_MAX) {
    throw new CodedError('EVIDENCE_TOO_LARGE', `a certificate table has at most ${CERTIFICATE_TABLE_BYTES_MAX} bytes`);
  }
  const cursor = new Cursor(table, 'snp.CERT_TABLE');
  const rows = parseRows(cursor);
  const headerEnd = cursor.offset;
  const used = [...rows].sort((a, b) => a.offset - b.offset);
  let freeFrom = headerEnd;
  for (const { offset, length } of used) {
    // Both are below 2^32, so that their sum is exact and nothing wraps.
    if (offset < freeFrom) throw wrong('a row overlaps the header or another row', offset);
    if (offset + length > table.length) throw wrong('a row points outside the table', offset);
    freeFrom = offset + length;
  }
  return rows.map(({ guid, offset, length }) => ({
    guid,
    kind: kindOf(guid),
    data: new Uint8Array(table.subarray(offset, offset + length)),
  }));
}

function parseRows(cursor: Cursor): Row[] {
  const rows: Row[] = [];
  const guids = new Set<string>();
  for (;;) {
    const raw = cursor.bytes('row', ROW_BYTES);
    if (raw.every((byte) => byte === 0)) return rows;
    if (rows.length === CERTIFICATE_TABLE_ROWS_MAX) throw wrong('too many rows', cursor.offset);
    const view = new DataView(raw.buffer);
    const guid = guidOf(raw.subarray(0, 16));
    const [offset, length] = [view.getUint32(16, true), view.getUint32(20, true)];
    if (length === 0) throw wrong('a row without content', cursor.offset);
    if (guids.has(guid)) throw wrong('a GUID twice', cursor.offset);
    guids.add(guid);
    rows.push({ guid, offset, length });
  }
}

/** A table of these rows, contents end to end after the header: what a host writes where it leaves no gaps. */
export function encodeCertificateTable(rows: readonly Pick<CertificateTableEntry, 'guid' | 'data'>[]): Bytes {
  const header = new Uint8Array(ROW_BYTES * (rows.length + 1));
  const view = new DataView(header.buffer);
  let offset = header.length;
  for (const [index, { guid, data }] of rows.entries()) {
    const raw = fromHex(guid.replaceAll('-', ''), 'guid');
    header.set(
      MIXED_ENDIAN.map((at) => raw[at] as number),
      ROW_BYTES * index,
    );
    view.setUint32(ROW_BYTES * index + 16, offset, true);
    view.setUint32(ROW_BYTES * index + 20, data.length, true);
    offset += data.length;
  }
  return concat(header, ...rows.map(({ data }) => data));
}

/** Which byte of a GUID in plain order stands where; its own inverse. */
const MIXED_ENDIAN = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/** Mixed-endian by specification; a known GUID in plain order is taken as what it spells. */
function guidOf(raw: Uint8Array): string {
  const plain = dashed(raw);
  if (kindOf(plain) !== null) return plain;
  return dashed(Uint8Array.from(MIXED_ENDIAN, (at) => raw[at] as number));
}

function dashed(raw: Uint8Array): string {
  return toHex(raw).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

function kindOf(guid: string): CertificateTableKind | null {
  return (CERTIFICATE_TABLE_KINDS as Readonly<Record<string, CertificateTableKind>>)[guid] ?? null;
}

function wrong(why: string, offset: number): CodedError {
  return new CodedError('ENDORSEMENT_MALFORMED', `snp.CERT_TABLE: ${why}`, { offset });
}
