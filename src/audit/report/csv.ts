import { leafHash, rfc3339, toHex } from '../../core/index.ts';
import { parseLeaf } from '../../log/index.ts';
import type { Entry } from '../source.ts';

/**
 * One cell (RFC 4180), which no spreadsheet takes for a formula: what starts like one gets an apostrophe before it.
 */
export function csvCell(value: string | number | null): string {
  const text = value === null ? '' : String(value);
  const safe = typeof value === 'string' && /^[=+\-@\t\r\n]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function csvRow(cells: readonly (string | number | null)[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

export const ENTRY_COLUMNS = [
  'index',
  'time',
  'type',
  'source',
  'subject',
  'previous',
  'verdict',
  'policy',
  'leaf',
] as const;

/** Rows of entries as a flat table. */
export function entryRow({ index, entry }: Entry): string {
  const hash = toHex(leafHash(entry));
  try {
    const { leaf } = parseLeaf(entry);
    const body = leaf.body as Readonly<Record<string, unknown>>;
    const text = (value: unknown) => (typeof value === 'string' || typeof value === 'number' ? String(value) : null);
    const time = rfc3339(Math.floor(leaf.at / 1000));
    const policy = text(body.policyNumber ?? body.number);
    return csvRow([index, time, leaf.type, leaf.src, leaf.subject, leaf.prev, text(body.verdict), policy, hash]);
  } catch {
    return csvRow([index, null, 'unreadable', null, null, null, null, null, hash]);
  }
}

/** The same entries as JSON Lines: nothing left out. */
export function entryLine({ index, entry }: Entry): string {
  let leaf: unknown = null;
  try {
    leaf = parseLeaf(entry).leaf;
  } catch {
    // its bytes are given instead
  }
  const leafText = leaf === null ? { bytes: toHex(entry) } : { leaf };
  return `${JSON.stringify({ index, leafHash: toHex(leafHash(entry)), ...leafText })}\n`;
}
