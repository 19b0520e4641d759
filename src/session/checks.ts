import { CodedError, type ErrorCode } from '../core/index.ts';

/** One named check of a verdict. `notRun` never counts as a pass. */
export type Check = Readonly<{ outcome: 'passed' } | { outcome: 'failed' | 'notRun'; reason: string }>;

export function check(passed: boolean, reason: string): Check {
  return passed ? { outcome: 'passed' } : { outcome: 'failed', reason };
}

export function notRun(reason: string): Check {
  return { outcome: 'notRun', reason };
}

/** Names of the checks that did not pass, in the order of the record. */
export function notPassed<Name extends string>(checks: Readonly<Record<Name, Check>>): Name[] {
  return (Object.keys(checks) as Name[]).filter((name) => checks[name].outcome !== 'passed');
}

/** @throws CodedError with the first check that did not pass in `facts.check` */
export function requireChecks(code: ErrorCode, what: string, checks: Readonly<Record<string, Check>>): void {
  const [first] = notPassed(checks);
  if (first === undefined) return;
  const failed = checks[first] as Exclude<Check, { outcome: 'passed' }>;
  throw new CodedError(code, `${what}: ${failed.reason}`, { check: first });
}
