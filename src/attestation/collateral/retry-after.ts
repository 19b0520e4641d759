import type { UnixMs } from '../../core/index.ts';

const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;

/**
 * Retry-After (RFC 9110 section 10.2.3) as milliseconds from now, never negative; null where it is absent or is neither
 * seconds nor a date. Unbounded: the caller has a maximum.
 */
export function retryAfterMs(value: string | null, now: UnixMs): number | null {
  if (value === null) return null;
  const text = value.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  if (!HTTP_DATE.test(text)) return null;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}
