import { type Bytes, CodedError, concat, fromUtf8, toBase64, u16, u64, utf8 } from '../core/index.ts';
import { requireEntryFits } from './bundle.ts';
import { isSize, parseSize } from './size.ts';
import { TILE_WIDTH } from './tiles.ts';
import { PROOF_HASHES_MAX, type Range } from './tree.ts';

/** Packages of one request (C2SP tlog-mirror, "Implementation Considerations"). */
export const PACKAGES_MAX = 32;
/** Of a request, unpacked: 32 packages of entries of 8 KiB, their proofs and the head. */
export const ADD_ENTRIES_BYTES_MAX = 72 * 1024 * 1024;
const ORIGIN_BYTES_MAX = 1024;
const TICKET_BYTES_MAX = 4096;
const HASH_BYTES = 32;

/** Entries [start, end) of a log, and the subtree they end: it begins where their bundle does. */
export type PackageRange = Readonly<{ start: number; end: number; subtree: Range }>;
export type EntryPackage = PackageRange & Readonly<{ entries: readonly Bytes[]; proof: readonly Bytes[] }>;

/** The sequence of packages that an upload of [start, end) has (C2SP tlog-mirror, "add-entries"). */
export function packagesOf(start: number, end: number): PackageRange[] {
  const packages: PackageRange[] = [];
  for (let at = start; at < end; ) {
    const first = at - (at % TILE_WIDTH);
    const last = Math.min(end, first + TILE_WIDTH);
    packages.push({ start: at, end: last, subtree: { start: first, end: last } });
    at = last;
  }
  return packages;
}

export type AddEntriesHead = Readonly<{ origin: string; start: number; end: number; ticket: Bytes }>;

/** Body of add-entries. @throws CodedError LOG_ENTRY_TOO_LARGE */
export function encodeAddEntries(
  { origin, start, end, ticket }: AddEntriesHead,
  packages: readonly EntryPackage[],
): Bytes {
  const name = utf8(origin);
  const parts: Uint8Array[] = [
    u16(name.length),
    name,
    u64(BigInt(start)),
    u64(BigInt(end)),
    u16(ticket.length),
    ticket,
  ];
  for (const { entries, proof } of packages) {
    for (const entry of entries) {
      requireEntryFits(entry.length);
      parts.push(u16(entry.length), entry);
    }
    parts.push(Uint8Array.of(proof.length), ...proof);
  }
  return concat(...parts);
}

const malformed = (why: string) => new CodedError('LOG_NOTE_MALFORMED', `add-entries: ${why}`);

/** Reads big-endian fields; answers null where the body ends inside of one. */
class Body {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get ended(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(length: number): Bytes | null {
    if (this.#bytes.length - this.#at < length) return null;
    this.#at += length;
    return Uint8Array.from(this.#bytes.subarray(this.#at - length, this.#at));
  }

  short(): Bytes | null {
    const length = this.take(2);
    return length === null ? null : this.take(new DataView(length.buffer).getUint16(0, false));
  }

  size(): number | null {
    const bytes = this.take(8);
    if (bytes === null) return null;
    const value = Number(new DataView(bytes.buffer).getBigUint64(0, false));
    if (!isSize(value)) throw malformed('an index above 2^53-1');
    return value;
  }

  package({ start, end, subtree }: PackageRange): EntryPackage | null {
    const entries: Bytes[] = [];
    for (let i = start; i < end; i++) {
      const entry = this.short();
      if (entry === null) return null;
      entries.push(entry);
    }
    const count = this.take(1)?.[0];
    if (count === undefined) return null;
    if (count > PROOF_HASHES_MAX) throw malformed('too many hashes');
    const hashes = this.take(count * HASH_BYTES);
    if (hashes === null) return null;
    const proof = Array.from({ length: count }, (_, i) => hashes.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES));
    return { start, end, subtree, entries, proof };
  }
}

/**
 * An add-entries request, and its whole packages one after the other: what is cut off behind the last is dropped, as the
 * protocol has it. @throws CodedError LOG_NOTE_MALFORMED, ENCODING_INVALID
 */
export function parseAddEntries(
  bytes: Uint8Array,
): Readonly<{ head: AddEntriesHead; packages(): Generator<EntryPackage> }> {
  const body = new Body(bytes);
  const origin = body.short();
  const [start, end, ticket] = [body.size(), body.size(), body.short()];
  if (origin === null || start === null || end === null || ticket === null) throw malformed('the head is cut off');
  if (start > end || origin.length > ORIGIN_BYTES_MAX || ticket.length > TICKET_BYTES_MAX) throw malformed('the head');
  function* packages(): Generator<EntryPackage> {
    for (const range of packagesOf(start as number, end as number).slice(0, PACKAGES_MAX)) {
      if (body.ended) return;
      const one = body.package(range);
      if (one === null) return;
      yield one;
    }
  }
  return { head: { origin: fromUtf8(origin, 'origin'), start, end, ticket }, packages };
}

/** What a mirror says with 202 and 409. @property next the first entry it has not got */
export type MirrorInfo = Readonly<{ size: number; next: number; ticket: Bytes }>;
export const MIRROR_INFO_TYPE = 'text/x.tlog.mirror-info';

export function formatMirrorInfo({ size, next, ticket }: MirrorInfo): string {
  return `${size}\n${next}\n${toBase64(ticket)}\n`;
}

/** @throws CodedError LOG_NOTE_MALFORMED, LOG_SIZE_INVALID */
export function parseMirrorInfo(text: string): Omit<MirrorInfo, 'ticket'> {
  const [size = '', next = '', , rest] = text.split('\n');
  if (rest !== '') throw malformed('not three lines');
  return { size: parseSize(size, 'pending size'), next: parseSize(next, 'next entry') };
}
