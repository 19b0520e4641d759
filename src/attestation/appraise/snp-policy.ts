import { isZero, toHex, type UnixSeconds } from '../../core/index.ts';
import {
  type ParsedSnpReport,
  readGuestPolicy,
  readPlatformInfo,
  SNP_LINE_NAMES,
  type SnpFirmwareVersion,
  type SnpLine,
} from '../evidence/snp/index.ts';
import { type Check, check, notRun, type SnpTcbs, type SnpVerifyOptions } from '../verify/index.ts';
import { imageCheck, snpImageOf } from './images.ts';
import type { SnpPolicy } from './snp-schema.ts';

/** What a policy says of the guest and its host (AMD 56860), apart from what the verifier compares for it. */
export type SnpPolicyCheckName =
  | 'image'
  | 'debugOff'
  | 'noMigrationAgent'
  | 'guestPolicy'
  | 'vmpl'
  | 'guestSvn'
  | 'platformInfo'
  | 'aliasCheck'
  | 'productLine'
  | 'firmware'
  | 'provisionalFirmware'
  | 'mitigations'
  | 'platform';

const REFUSED = 'EVIDENCE_REFUSED_BY_POLICY';
const FF = 0xff;

/** What the verifier is asked to compare for this policy: floors and providers need what only it has. */
export function snpOptionsOf(policy: SnpPolicy): SnpVerifyOptions {
  const floors = SNP_LINE_NAMES.flatMap((line) => {
    const rule = policy.lines[line];
    return rule === null ? [] : [[line, { tcb: rule.tcbMinimum, date: rule.minimumDate }] as const];
  });
  return {
    revocation: 'require',
    tcbMinimum: Object.fromEntries(floors),
    cloudProviders: policy.cloudProviders,
    dangerouslyAllowMaskedChipId: policy.maskedChipId === 'allow',
  };
}

export function snpPolicyChecks(
  policy: SnpPolicy,
  report: ParsedSnpReport,
  tcbs: SnpTcbs | null,
  now: UnixSeconds,
): Record<SnpPolicyCheckName, Check> {
  return {
    image: imageCheck(
      snpImageOf(policy.images, report),
      policy.images.length,
      'the measurement, host data and ID block are those of',
      now,
    ),
    ...guestChecks(policy, report),
    ...hostChecks(policy, report),
    ...lineChecks(policy, report, tcbs),
    mitigations: mitigationCheck(policy, report),
    platform: chipCheck(policy, report),
  };
}

function guestChecks(
  policy: SnpPolicy,
  report: ParsedSnpReport,
): Record<'debugOff' | 'noMigrationAgent' | 'guestPolicy' | 'vmpl' | 'guestSvn', Check> {
  const guest = readGuestPolicy(report.policy);
  const { smt, cxl, require, abiMin } = policy.guestPolicy;
  const isAbi = guest.abiMajor > abiMin.major || (guest.abiMajor === abiMin.major && guest.abiMinor >= abiMin.minor);
  const wrong = [
    ...(smt === 'refuse' && guest.smtAllowed ? ['SMT is allowed'] : []),
    ...(cxl === 'refuse' && guest.cxlAllowed ? ['CXL is allowed'] : []),
    ...require.filter((name) => !guest.names.includes(name)).map((name) => `${name} is not demanded`),
    ...(isAbi ? [] : [`ABI ${guest.abiMajor}.${guest.abiMinor} is below ${abiMin.major}.${abiMin.minor}`]),
  ];
  const isMigrated = guest.migrateMa || report.reportIdMa.some((byte) => byte !== FF);
  return {
    debugOff: check(!guest.debug, REFUSED, 'a debug guest: the host can read and change it'),
    noMigrationAgent: check(!isMigrated, REFUSED, 'a migration agent is in the trusted base'),
    guestPolicy: check(wrong.length === 0, REFUSED, `the guest's launch policy: ${wrong.join(', ')}`),
    vmpl: check(report.vmpl === policy.vmpl, REFUSED, `VMPL ${report.vmpl}, not ${policy.vmpl}`),
    guestSvn: check(
      report.guestSvn >= policy.guestSvnMin,
      REFUSED,
      `GUEST_SVN ${report.guestSvn} is below ${policy.guestSvnMin}`,
    ),
  };
}

function hostChecks(policy: SnpPolicy, report: ParsedSnpReport): Record<'platformInfo' | 'aliasCheck', Check> {
  const { names, smtEnabled, aliasCheckComplete } = readPlatformInfo(report.platformInfo);
  const { aliasCheck, require } = policy.platformInfo;
  const missing = require.filter((name) => !names.includes(name));
  const isSmtAgainstGuest = smtEnabled && !readGuestPolicy(report.policy).smtAllowed;
  return {
    platformInfo: isSmtAgainstGuest
      ? check(false, REFUSED, "SMT is on though the guest's launch policy forbids it")
      : check(missing.length === 0, REFUSED, `PLATFORM_INFO lacks ${missing.join(', ')}`),
    aliasCheck: check(
      aliasCheckComplete || aliasCheck === 'not-required',
      REFUSED,
      'the firmware does not say that it looked for memory aliasing (CVE-2024-21944)',
    ),
  };
}

function lineChecks(
  policy: SnpPolicy,
  report: ParsedSnpReport,
  tcbs: SnpTcbs | null,
): Record<'productLine' | 'firmware' | 'provisionalFirmware', Check> {
  if (tcbs === null) {
    const unknown = notRun('the product line could not be established');
    return { productLine: unknown, firmware: unknown, provisionalFirmware: unknown };
  }
  const rule = policy.lines[tcbs.line];
  return {
    productLine: check(rule !== null, REFUSED, `the policy accepts no processor of the product line ${tcbs.line}`),
    firmware: firmwareCheck(rule, report),
    provisionalFirmware: check(
      !tcbs.provisional || policy.provisionalFirmware === 'allow',
      REFUSED,
      'provisional firmware: committed and current differ, so that the host can go back to an older one',
    ),
  };
}

function firmwareCheck(rule: SnpPolicy['lines'][SnpLine], report: ParsedSnpReport): Check {
  if (rule === null) return notRun('no floor: the product line is not accepted');
  const least = rule.firmwareMin;
  const low = [report.current, report.committed].find((version) => compareVersions(version, least) < 0);
  const text = ({ major, minor, build }: SnpFirmwareVersion) => `${major}.${minor}.${build}`;
  return check(low === undefined, REFUSED, `firmware ${low === undefined ? '' : text(low)} is below ${text(least)}`);
}

function compareVersions(a: SnpFirmwareVersion, b: SnpFirmwareVersion): number {
  return a.major - b.major || a.minor - b.minor || a.build - b.build;
}

/** A report that cannot say its mitigations does not have the ones asked for. */
function mitigationCheck(policy: SnpPolicy, { mitigations }: ParsedSnpReport): Check {
  const required = BigInt(`0x${policy.mitigations}`);
  const has = (vector: bigint) => (vector & required) === required;
  const holds = required === 0n || (mitigations !== null && has(mitigations.launch) && has(mitigations.current));
  return check(holds, REFUSED, 'a mitigation that the policy demands was not in place at launch, or is not now');
}

/** A masked CHIP_ID is on no list; whether one is accepted at all, the verifier decides from `maskedChipId`. */
function chipCheck({ chips, chipsDenied }: SnpPolicy, { chipId, signer }: ParsedSnpReport): Check {
  const isNamed = signer === 'VCEK' && !isZero(chipId);
  if (chips !== 'any' && !(isNamed && chips.includes(toHex(chipId)))) {
    return check(false, REFUSED, "the chip is not on the policy's list");
  }
  if (chipsDenied.length > 0 && !isNamed) {
    return check(false, REFUSED, 'the report names no chip, so that it cannot be held against those denied');
  }
  return check(!chipsDenied.includes(toHex(chipId)), REFUSED, 'the policy denies this chip');
}
