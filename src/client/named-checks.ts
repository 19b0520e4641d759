import type { NamedCheck } from './api.ts';

type AnyCheck = Readonly<{ outcome: 'passed' } | { outcome: 'failed' | 'notRun'; reason: string }>;

/** One shape for people and JSON, whichever part of the verifier a check comes from. */
export function namedChecks(checks: Readonly<Record<string, AnyCheck>>): NamedCheck[] {
  return Object.entries(checks).map(([name, check]) => ({
    name,
    outcome: check.outcome,
    reason: check.outcome === 'passed' ? '' : check.reason,
  }));
}

export function failedNames(checks: readonly NamedCheck[]): string[] {
  return checks.filter(({ outcome }) => outcome !== 'passed').map(({ name }) => name);
}
