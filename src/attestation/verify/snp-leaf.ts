import { equalBytes, isZero, type X509Certificate } from '../../core/index.ts';
import {
  type AmdChain,
  type AmdEndorsements,
  judgeParse,
  lineOfProductName,
  readAmdLeaf,
} from '../endorsements/index.ts';
import {
  isSnpLine,
  isTcbAtMost,
  type ParsedSnpReport,
  productLine,
  readGuestPolicy,
  readTcb,
  SNP_VMPL_HOST,
  type SnpLine,
  type SnpTcb,
  snpLineOfCpu,
  tcbPartsOf,
} from '../evidence/snp/index.ts';
import { type Check, check, failed, notRun, PASSED } from './check.ts';
import type { SnpTcbs, SnpVerifyOptions } from './snp-types.ts';

/** The line of the chain is the report's own, the one the caller states, and one the caller accepts. */
export function productLineCheck(
  report: ParsedSnpReport,
  { line }: Pick<AmdChain, 'line'>,
  from: AmdEndorsements,
  options: SnpVerifyOptions,
): Check {
  const { cpuid } = report;
  if (cpuid !== null) {
    const own = snpLineOfCpu(cpuid.family, cpuid.model);
    if (own === null) {
      const cpu = `family 0x${cpuid.family.toString(16)} model 0x${cpuid.model.toString(16)}`;
      return failed('EVIDENCE_UNSUPPORTED', `the report is of a processor of no known line: ${cpu}`);
    }
    if (own !== line) return failed('EVIDENCE_PLATFORM_MISMATCH', `the report is of ${own}, its chain of ${line}`);
  }
  if (from.line !== null && from.line !== line) {
    return failed('EVIDENCE_EXPECTATION_MISMATCH', `the chain is of ${line}, not of ${from.line} as stated`);
  }
  const isAllowed = options.allowedLines?.includes(line) ?? true;
  return check(isAllowed, 'EVIDENCE_REFUSED_BY_POLICY', `the product line ${line} is not accepted here`);
}

/** The certificate says the line of its chain in both places. Its stepping is not compared: AMD issued wrong ones. */
export function leafOfProductLine({ facts, line }: AmdChain): Check {
  if (lineOfProductName(facts.productName) !== line) {
    return failed('EVIDENCE_PLATFORM_MISMATCH', `the certificate is for another product than ${line}`);
  }
  const isVersion = facts.structVersion === productLine(line).structVersion;
  return check(
    isVersion,
    'EVIDENCE_PLATFORM_MISMATCH',
    `the certificate has the structure of another line than ${line}`,
  );
}

/** Every part that the line has, none that it has not, each equal. */
export function tcbMatchesLeaf(report: ParsedSnpReport, { facts, line }: AmdChain): Check {
  const reported = readTcb(report.reportedTcb, line);
  const parts = tcbPartsOf(line);
  if (reported === null) return failed('EVIDENCE_TCB_MISMATCH', 'REPORTED_TCB has reserved bytes set');
  if (Object.keys(facts.tcb).length !== parts.length) {
    return failed('EVIDENCE_TCB_MISMATCH', `the certificate does not have exactly the levels of ${line}`);
  }
  const other = parts.find((part) => facts.tcb[part] === undefined || facts.tcb[part] !== reported[part]);
  return check(other === undefined, 'EVIDENCE_TCB_MISMATCH', `the ${other} level differs from the certificate's`);
}

/** Whether a certificate says that it is of this report's chip and TCB: to find it among others, never to believe it. */
export function isLeafOf(report: ParsedSnpReport, certificate: X509Certificate): boolean {
  const facts = judgeParse('leaf', () => readAmdLeaf(certificate));
  if (facts.state !== 'ok') return false;
  const { hwid, tcb, productName } = facts.value;
  const line = lineOfProductName(productName);
  const reported = isSnpLine(line) ? readTcb(report.reportedTcb, line) : null;
  if (reported === null || !isSnpLine(line)) return false;
  const isSameChip = hwid === null || equalBytes(report.chipId.subarray(0, hwid.length), hwid);
  return isSameChip && tcbPartsOf(line).every((part) => tcb[part] === reported[part]);
}

/** VCEK: HWID present and the whole of CHIP_ID. VLEK: no HWID, a provider instead. */
export function chipIdMatchesLeaf(report: ParsedSnpReport, chain: AmdChain, options: SnpVerifyOptions): Check {
  const { hwid, cspId } = chain.facts;
  const mismatch = (why: string) => failed('EVIDENCE_PLATFORM_MISMATCH', why);
  if (chain.signer === 'VLEK') {
    if (hwid !== null) return mismatch('a VLEK that names a chip');
    return cspId === null ? mismatch('a VLEK that names no cloud provider') : PASSED;
  }
  const { hwidBytes } = productLine(chain.line);
  if (cspId !== null) return mismatch('a VCEK that names a cloud provider');
  if (hwid === null || hwid.length !== hwidBytes) return mismatch(`the VCEK has no HWID of ${hwidBytes} bytes`);
  if (isZero(report.chipId)) {
    const why = 'CHIP_ID is masked: nothing but the signature binds the report to a chip';
    return options.dangerouslyAllowMaskedChipId === true ? notRun(why) : mismatch(why);
  }
  const isSame = equalBytes(report.chipId.subarray(0, hwidBytes), hwid) && isZero(report.chipId.subarray(hwidBytes));
  return isSame ? PASSED : mismatch("CHIP_ID is not the VCEK's HWID");
}

/** Bits and bytes that are reserved whatever the line; those of platform_info are reported, not refused. */
export function reservedBits(report: ParsedSnpReport): Check {
  const malformed = (why: string) => failed('EVIDENCE_MALFORMED', why);
  if (!readGuestPolicy(report.policy).wellFormed)
    return malformed('POLICY has reserved bits that are not as they must be');
  if (!report.authorKeyEnabled && !isZero(report.authorKeyDigest)) {
    return malformed('AUTHOR_KEY_DIGEST is set though no author key is');
  }
  return PASSED;
}

export function requestedByGuest({ vmpl }: ParsedSnpReport): Check {
  if (vmpl === SNP_VMPL_HOST) return failed('EVIDENCE_MALFORMED', 'the host asked for this report, not the guest');
  return check(vmpl <= 3, 'EVIDENCE_MALFORMED', `VMPL ${vmpl} does not exist`);
}

/** All four TCBs by the line's layout, or null where one has reserved bytes set. */
export function tcbsOf(report: ParsedSnpReport, line: SnpLine, options: SnpVerifyOptions): SnpTcbs | null {
  const [reported, current] = [readTcb(report.reportedTcb, line), readTcb(report.currentTcb, line)];
  const [committed, launch] = [readTcb(report.committedTcb, line), readTcb(report.launchTcb, line)];
  if (reported === null || current === null || committed === null || launch === null) return null;
  const minimum = options.tcbMinimum?.[line];
  const reaches = (tcb: SnpTcb) => minimum === undefined || isMinimumMet(minimum.tcb, tcb);
  const isMet = [reported, committed, launch].every(reaches);
  const { current: now, committed: kept } = report;
  const isSameVersion = now.major === kept.major && now.minor === kept.minor && now.build === kept.build;
  return {
    line,
    status: minimum === undefined ? 'NoMinimumEnforced' : isMet ? 'MeetsMinimum' : 'BelowMinimum',
    minimum: minimum?.tcb ?? null,
    minimumDate: minimum?.date ?? null,
    reported,
    current,
    committed,
    launch,
    provisional: !equalBytes(report.committedTcb, report.currentTcb) || !isSameVersion,
  };
}

/** A part that the minimum names and the TCB lacks is not met. */
function isMinimumMet(minimum: SnpTcb, tcb: SnpTcb): boolean {
  return Object.entries(minimum).every(([part, least]) => (tcb[part as keyof SnpTcb] ?? -1) >= least);
}

/** Hosts may report less than they run, and launch with less: only these two relations hold always. */
export function tcbOrder(tcbs: SnpTcbs | null): Check {
  if (tcbs === null) return failed('EVIDENCE_MALFORMED', 'a TCB has bytes set that its product line reserves');
  const { line, reported, committed, current } = tcbs;
  if (!isTcbAtMost(reported, current, line)) {
    return failed('EVIDENCE_TCB_MISMATCH', 'REPORTED_TCB is above CURRENT_TCB');
  }
  return check(isTcbAtMost(committed, current, line), 'EVIDENCE_TCB_MISMATCH', 'COMMITTED_TCB is above CURRENT_TCB');
}

export function tcbMinimum(tcbs: SnpTcbs | null): Check {
  if (tcbs === null) return notRun('the TCBs cannot be read');
  if (tcbs.status === 'NoMinimumEnforced') return notRun('the caller gives no minimum for this line: none is enforced');
  const why = `the TCB is below the minimum of ${tcbs.minimumDate} in some part`;
  return check(tcbs.status === 'MeetsMinimum', 'EVIDENCE_TCB_NOT_SUPPORTED', why);
}

export function cloudProvider({ facts, signer }: AmdChain, options: SnpVerifyOptions): Check {
  if (signer === 'VCEK') return notRun('a VCEK is of a chip, not of a cloud provider');
  if (options.cloudProviders === undefined) return notRun('the caller expects no particular cloud provider');
  const isOne = facts.cspId !== null && options.cloudProviders.includes(facts.cspId);
  return check(isOne, 'EVIDENCE_EXPECTATION_MISMATCH', "the VLEK is not of a cloud provider on the caller's list");
}
