/** How far the clocks of a log, a router and a witness may be apart. */
export const SKEW_MS = 5 * 60_000;
