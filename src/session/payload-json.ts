import { CodedError, fromUtf8 } from '../core/index.ts';

/** Readers of sealed application messages: UTF-8 JSON objects from a peer that may send anything. */
export type JsonRecord = Readonly<Record<string, unknown>>;

export function malformed(field: string): CodedError {
  return new CodedError('REQUEST_MALFORMED', `the request's ${field} is missing or wrong`, { field });
}

/** @throws CodedError REQUEST_MALFORMED */
export function jsonRecord(message: Uint8Array): JsonRecord {
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(message, 'message'));
  } catch {
    throw malformed('json');
  }
  return recordOf(value, 'json');
}

/** @throws CodedError REQUEST_MALFORMED */
export function recordOf(value: unknown, field: string): JsonRecord {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(field);
  return value as JsonRecord;
}

/** @throws CodedError REQUEST_MALFORMED for a field that is not among these */
export function onlyFields(record: JsonRecord, known: ReadonlySet<string>): void {
  for (const field of Object.keys(record)) if (!known.has(field)) throw malformed('unknown field');
}

/** @throws CodedError REQUEST_MALFORMED */
export function numberIn(record: JsonRecord, field: string, least: number, most: number, whole: boolean): number {
  const value = record[field];
  if (typeof value !== 'number' || !(value >= least && value <= most) || (whole && !Number.isInteger(value))) {
    throw malformed(field);
  }
  return value;
}
