/** What a monitor or an auditor looks for, by rule (audit-log-design section 6). Ids are stable. */
export const RULES = {
  M1: 'the log shows two histories',
  M2: 'the published head went back, or is not renewed',
  M3: 'an anchor does not match the log, or lags',
  M4: 'a policy was weakened, or not approved by two people',
  M5: 'a worker was admitted outside the policy in force',
  M6: 'making an appraisal again gives another verdict',
  M7: 'an instant or a collateral date is not credible',
  M8: 'the chain of entries about a subject is broken, or the log fell silent',
  M9: 'an archived file is missing or altered',
  M10: 'a batch or a settlement does not add up',
  M11: 'a key was used after it was replaced',
  M12: 'a worker is in that today’s collateral would not let in',
  M13: 'one device backs two workers at the same time',
} as const;
export type RuleId = keyof typeof RULES;

/** `critical`: rely on nothing of this log any more; `error`: this entry is wrong; `warning`: a person should look. */
export type Severity = 'critical' | 'error' | 'warning';

/** @property index of the entry it is about, or null @property subject as in the leaf */
export type Finding = Readonly<{
  rule: RuleId;
  severity: Severity;
  index: number | null;
  subject: string | null;
  message: string;
}>;

export function finding(
  rule: RuleId,
  severity: Severity,
  message: string,
  about: Readonly<{ index?: number; subject?: string }> = {},
): Finding {
  return { rule, severity, index: about.index ?? null, subject: about.subject ?? null, message };
}
