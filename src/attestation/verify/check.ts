import type { ErrorCode } from '../../core/index.ts';

/** One named check of a verdict. A failed one carries the code a caller can act on. */
export type Check = Readonly<
  { outcome: 'passed' } | { outcome: 'failed'; code: ErrorCode; reason: string } | { outcome: 'notRun'; reason: string }
>;

export const PASSED: Check = { outcome: 'passed' };

export function failed(code: ErrorCode, reason: string): Check {
  return { outcome: 'failed', code, reason };
}

export function notRun(reason: string): Check {
  return { outcome: 'notRun', reason };
}

export function check(holds: boolean, code: ErrorCode, reason: string): Check {
  return holds ? PASSED : failed(code, reason);
}
