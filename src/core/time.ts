/** Seconds since 1970-01-01T00:00:00Z. */
export type UnixSeconds = number & { readonly __unit?: 'seconds' };
/** Milliseconds since 1970-01-01T00:00:00Z, an integer. */
export type UnixMs = number & { readonly __unit?: 'milliseconds' };

/** The wall clock, passed in: nothing below `cli/` reads one of its own. */
export type Clock = () => UnixMs;
/** Milliseconds of a clock that never goes back and has no meaning outside the process. */
export type MonotonicClock = () => number;
/** Cryptographically secure random bytes, passed in. */
export type Randomness = (length: number) => Uint8Array<ArrayBuffer>;

/** RFC 3339 in UTC without fractions, as people and JSON read it. */
export function rfc3339(at: UnixSeconds): string {
  return new Date(at * 1000).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
