import { type ParsedSnpReport, readGuestPolicy, readPlatformInfo } from '../evidence/snp/index.ts';
import type { SnpTcbs } from './snp-types.ts';

/** What a default-deny policy refuses in a genuine report: each is a fact, and a policy may allow it by name. */
export const SNP_STRICT_VIOLATIONS = [
  'debug_allowed',
  'migration_agent_allowed',
  'vmpl_not_zero',
  'provisional_firmware',
  'alias_check_not_complete',
  'cxl_allowed',
  'smt_enabled_against_policy',
] as const;
export type SnpStrictViolation = (typeof SNP_STRICT_VIOLATIONS)[number];

/** Which of {@link SNP_STRICT_VIOLATIONS} a report shows, in that order. */
export function snpStrictViolations(report: ParsedSnpReport, tcbs: Pick<SnpTcbs, 'provisional'>): SnpStrictViolation[] {
  const policy = readGuestPolicy(report.policy);
  const platform = readPlatformInfo(report.platformInfo);
  const holds: Readonly<Record<SnpStrictViolation, boolean>> = {
    debug_allowed: policy.debug,
    migration_agent_allowed: policy.migrateMa,
    vmpl_not_zero: report.vmpl !== 0,
    provisional_firmware: tcbs.provisional,
    alias_check_not_complete: !platform.aliasCheckComplete,
    cxl_allowed: policy.cxlAllowed,
    smt_enabled_against_policy: !policy.smtAllowed && platform.smtEnabled,
  };
  return SNP_STRICT_VIOLATIONS.filter((violation) => holds[violation]);
}
