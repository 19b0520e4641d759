import { toHex, type UnixSeconds } from '../../core/index.ts';
import type { PckIdentity, SvnStatus } from '../endorsements/index.ts';
import { hasServiceTd, type ParsedTdxQuote, readTdAttributes, readXfam, type TdReport } from '../evidence/tdx/index.ts';
import { type Check, check, converge, notRun, type TcbPart, type TcbStatus, type TdxTcb } from '../verify/index.ts';
import { imageCheck, tdxImageOf } from './images.ts';
import type { Policy } from './policy.ts';

/** What a policy says of the TD and its platform (docs/tdx.md). */
export type TdxPolicyCheckName =
  | 'tcbStatus'
  | 'tcbEvaluationNumber'
  | 'advisories'
  | 'image'
  | 'debugOff'
  | 'septVeDisable'
  | 'serviceTd'
  | 'tdAttributes'
  | 'xfam'
  | 'platform'
  | 'tdxModule'
  | 'hostConfiguration';

const REFUSED = 'EVIDENCE_REFUSED_BY_POLICY';
type TdxPolicy = Policy['tdx'];

export function tdxPolicyChecks(
  policy: TdxPolicy,
  quote: ParsedTdxQuote,
  genuine: Readonly<{ tcb: TdxTcb | null; platform: PckIdentity | null }>,
  now: UnixSeconds,
): Record<TdxPolicyCheckName, Check> {
  return {
    ...tcbChecks(policy, genuine.tcb, now),
    image: imageCheck(
      tdxImageOf(policy.images, quote.report),
      policy.images.length,
      'the measurements are those of',
      now,
    ),
    ...attributeChecks(policy, quote.report),
    platform: platformCheck(policy, genuine.platform),
    tdxModule: moduleCheck(policy, quote.report),
    hostConfiguration: hostCheck(policy, genuine.platform),
  };
}

function tcbChecks(
  policy: TdxPolicy,
  tcb: TdxTcb | null,
  now: UnixSeconds,
): Record<'tcbStatus' | 'tcbEvaluationNumber' | 'advisories', Check> {
  if (tcb === null) {
    const unknown = notRun('the TCB of this platform could not be established');
    return { tcbStatus: unknown, tcbEvaluationNumber: unknown, advisories: unknown };
  }
  const number = Math.min(tcb.tcbInfoEvaluationNumber, tcb.qeIdentityEvaluationNumber);
  const denied = tcb.advisoryIds.filter((id) => policy.advisoriesDenied.includes(id));
  const statuses = [tcb.status, statusWithGrace(tcb, policy.tcbGraceSeconds, now)];
  const accepted = statuses.some((status) => (policy.tcbStatuses as readonly string[]).includes(status));
  return {
    tcbStatus: check(accepted, REFUSED, `TCB status ${tcb.status} is not one that the policy accepts`),
    tcbEvaluationNumber: check(
      number >= policy.tcbEvaluationDataNumberMin,
      REFUSED,
      `TCB evaluation data number ${number} is below ${policy.tcbEvaluationDataNumberMin}`,
    ),
    advisories: check(denied.length === 0, REFUSED, `advisories that the policy denies: ${denied.join(', ')}`),
  };
}

/** The status that Intel's table gives where what is OutOfDate for less than the policy's grace counts as up to date. */
function statusWithGrace(tcb: TdxTcb, grace: TdxPolicy['tcbGraceSeconds'], now: UnixSeconds): TcbStatus {
  const ofPart = ({ status, tcbDate }: TcbPart, seconds: number): TcbStatus => {
    if (tcbDate === null || tcbDate + seconds < now) return status;
    if (status === 'OutOfDate') return 'UpToDate';
    return status === 'OutOfDateConfigurationNeeded' ? 'ConfigurationNeeded' : status;
  };
  const module = tcb.module === null ? 'UpToDate' : ofPart(tcb.module, grace.module);
  const qe = ofPart(tcb.qe, grace.qe);
  if (tcb.status === 'NotSupported' || module === 'NotSupported' || qe === 'NotSupported') return tcb.status;
  return converge(converge(ofPart(tcb.platform, grace.platform), module as SvnStatus), qe as SvnStatus);
}

/** Bits with a check of their own; what is left must be allowed by name. */
const JUDGED_APART = ['DEBUG', 'SEPT_VE_DISABLE', 'MIGRATABLE', 'ICSSD', 'SERVTD_EXT'];

function attributeChecks(
  policy: TdxPolicy,
  report: TdReport,
): Record<'debugOff' | 'septVeDisable' | 'serviceTd' | 'tdAttributes' | 'xfam', Check> {
  const attributes = readTdAttributes(report.tdAttributes);
  const allowed = [...JUDGED_APART, ...policy.tdAttributes.alsoAllowed];
  const others = [
    ...attributes.names.filter((name) => !allowed.includes(name)),
    ...attributes.reservedBits.map((bit) => `reserved bit ${bit}`),
  ];
  const xfamExtra = report.xfam.some(
    (byte, index) => byte & ~Number.parseInt(policy.xfamAllowed.slice(2 * index, 2 * index + 2), 16),
  );
  return {
    debugOff: check(!attributes.debug, REFUSED, 'a debug TD: the host can read and change it'),
    septVeDisable: check(attributes.septVeDisable, REFUSED, 'SEPT_VE_DISABLE is not set'),
    serviceTd: check(!hasServiceTd(report), REFUSED, 'a service TD is in the trusted base'),
    tdAttributes: check(
      others.length === 0,
      REFUSED,
      `TDATTRIBUTES that the policy does not allow: ${others.join(', ')}`,
    ),
    xfam: check(
      readXfam(report.xfam).hasRequired && !xfamExtra,
      REFUSED,
      'XFAM lacks x87 or SSE, or sets a feature that the policy does not allow',
    ),
  };
}

function moduleCheck(policy: TdxPolicy, report: TdReport): Check {
  const accepted = policy.modules === 'any' || policy.modules.includes(toHex(report.mrSeam));
  return check(accepted, REFUSED, "the TDX module is not on the policy's list");
}

function hostCheck({ host }: TdxPolicy, platform: PckIdentity | null): Check {
  if (platform === null) return notRun('the platform could not be established');
  const said = { dynamicPlatform: platform.dynamicPlatform, cachedKeys: platform.cachedKeys, smt: platform.smtEnabled };
  const refused = (['dynamicPlatform', 'cachedKeys', 'smt'] as const).filter(
    (name) => host[name] === 'refuse' && said[name] !== false,
  );
  return check(
    refused.length === 0,
    REFUSED,
    `the host has, or does not deny, what the policy refuses: ${refused.join(', ')}`,
  );
}

function platformCheck(policy: TdxPolicy, platform: PckIdentity | null): Check {
  if (platform === null) return notRun('the platform could not be established');
  const accepted = policy.platforms === 'any' || policy.platforms.includes(toHex(platform.ppid));
  return check(accepted, REFUSED, "the platform is not on the policy's list");
}
