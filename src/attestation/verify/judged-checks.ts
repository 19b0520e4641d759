import type { Judged } from '../endorsements/index.ts';
import { type Check, failed, notRun, PASSED } from './check.ts';

export function checkOf(judged: Judged<unknown>): Check {
  if (judged.state === 'ok') return PASSED;
  return judged.state === 'failed' ? failed(judged.code, judged.reason) : notRun(judged.reason);
}

/** The check that reports a document itself: its refusal is this check's failure. */
export function own<T>(judged: Judged<T>, judge: (value: T) => Check): Check {
  return judged.state === 'ok' ? judge(judged.value) : checkOf(judged);
}

/** A check that needs something: not run where that is missing or was refused (which its own check reports). */
export function after<T>(judged: Judged<T>, judge: (value: T) => Check): Check {
  if (judged.state === 'ok') return judge(judged.value);
  return notRun(judged.state === 'missing' ? judged.reason : 'what it needs was refused');
}

export async function afterAsync<T>(judged: Judged<T>, judge: (value: T) => Promise<Check>): Promise<Check> {
  return judged.state === 'ok' ? judge(judged.value) : after(judged, () => PASSED);
}

export function both<A, B>(a: Judged<A>, b: Judged<B>, judge: (a: A, b: B) => Check): Check {
  return after(a, (valueA) => after(b, (valueB) => judge(valueA, valueB)));
}

export function worstOf(checks: readonly Check[]): Check {
  const find = (outcome: Check['outcome']) => checks.find((one) => one.outcome === outcome);
  return find('failed') ?? find('notRun') ?? PASSED;
}
