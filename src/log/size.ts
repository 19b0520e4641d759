import { CodedError } from '../core/index.ts';

/**
 * Sizes, indexes and times of a log are uint64 on the wire. Here they are JavaScript numbers: a decimal above 2^53-1 is
 * refused, never rounded. No sign, no leading zero, no white space.
 * @throws CodedError LOG_SIZE_INVALID
 */
export function parseSize(text: string, field: string): number {
  const value = /^(?:0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) {
    throw new CodedError('LOG_SIZE_INVALID', `${field}: not a decimal from 0 to 2^53-1`, {
      field,
      length: text.length,
    });
  }
  return value;
}

export function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
