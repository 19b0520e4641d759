import { equalBytes, isZero, type UnixSeconds } from '../../core/index.ts';
import type {
  ModuleExpectation,
  PckIdentity,
  PlatformLevel,
  PlatformStatus,
  SvnLevel,
  SvnStatus,
  TdQeIdentity,
  TdxTcbInfo,
} from '../endorsements/index.ts';
import type { QeReport, TdReport } from '../evidence/tdx/index.ts';
import { platformBehind, svnBehind } from './tdx-behind.ts';
import type { SvnBehind, TcbPart, TcbStatus, TdxTcb } from './tdx-types.ts';

const moduleIdOf = (major: number) => `TDX_${major.toString(16).toUpperCase().padStart(2, '0')}`;
const svnAt = (svns: Uint8Array, index: number) => svns[index] as number;

function maskedEquals(measured: Uint8Array, mask: Uint8Array, expected: Uint8Array): boolean {
  // The mask goes on the measured value only: an expectation with bits outside its mask never matches.
  return equalBytes(
    measured.map((byte, index) => byte & svnAt(mask, index)),
    expected,
  );
}

/** What TCB Info expects of the TDX module that made the report, or null where it knows no such module. */
function moduleExpectation(report: TdReport, info: TdxTcbInfo): ModuleExpectation | null {
  const major = svnAt(report.teeTcbSvn, 1);
  if (major === 0) return info.module;
  return info.moduleIdentities.find(({ id }) => id === moduleIdOf(major)) ?? null;
}

/** Why the TDX module is not the one TCB Info names (Intel TDX DCAP, module identity), or null where it is. */
export function whyNotModule(report: TdReport, info: TdxTcbInfo): string | null {
  const expected = moduleExpectation(report, info);
  if (expected === null) return `TCB info knows no module ${moduleIdOf(svnAt(report.teeTcbSvn, 1))}`;
  if (!equalBytes(report.mrSignerSeam, expected.mrSigner)) return 'MRSIGNERSEAM is not the expected signer';
  if (!maskedEquals(report.seamAttributes, expected.attributesMask, expected.attributes)) {
    return 'SEAMATTRIBUTES are not the expected ones';
  }
  return isZero(report.seamAttributes) ? null : 'SEAMATTRIBUTES are not zero';
}

/** Why this is not Intel's TD quoting enclave, or null where it is. */
export function whyNotQuotingEnclave(qe: QeReport, identity: TdQeIdentity): string | null {
  if (!equalBytes(qe.mrSigner, identity.mrSigner)) return "MRSIGNER is not that of Intel's TD quoting enclave";
  if (qe.isvProdId !== identity.isvProdId) return `ISVPRODID ${qe.isvProdId} is not ${identity.isvProdId}`;
  if (!maskedEquals(qe.miscSelect, identity.miscSelectMask, identity.miscSelect)) return 'MISCSELECT differs';
  if (!maskedEquals(qe.attributes, identity.attributesMask, identity.attributes)) {
    return 'ATTRIBUTES differ (a debug enclave, or one set up otherwise)';
  }
  return null;
}

type Level = Readonly<{ status: TcbStatus; tcbDate: UnixSeconds; advisoryIds: readonly string[] }>;

function partOf(matched: Level | undefined, newest: Level | undefined, behind: readonly SvnBehind[]): TcbPart {
  return {
    status: matched?.status ?? 'NotSupported',
    tcbDate: matched?.tcbDate ?? null,
    advisoryIds: matched?.advisoryIds ?? [],
    behind,
    newestTcbDate: newest?.tcbDate ?? null,
  };
}

const svnLevel = (levels: readonly SvnLevel[], svn: number) => levels.find(({ isvSvn }) => isvSvn <= svn);
const atLeast = (measured: ArrayLike<number>, wanted: readonly number[], start: number) =>
  wanted.every((svn, index) => index < start || (measured[index] as number) >= svn);

function coversSgx(level: PlatformLevel, pck: PckIdentity): boolean {
  return atLeast(pck.components, level.sgxComponents, 0) && pck.pceSvn >= level.pceSvn;
}

/**
 * TCB status of a platform, its TDX module and its quoting enclave, converged as Intel's verifier converges them
 * (platform × module, relaunch for TDX 1.5, × quoting enclave). Reports; judges nothing.
 */
export function evaluateTcb(
  report: TdReport,
  pck: PckIdentity,
  info: TdxTcbInfo,
  qe: QeReport,
  identity: TdQeIdentity,
): TdxTcb {
  const major = svnAt(report.teeTcbSvn, 1);
  // Components 0 and 1 are the module, which its own identity judges once it has a version.
  const start = major > 0 ? 2 : 0;
  const sgxLevel = info.levels.find((level) => coversSgx(level, pck));
  const platformLevel = info.levels.find(
    (level) => coversSgx(level, pck) && atLeast(report.teeTcbSvn, level.tdxComponents, start),
  );
  const moduleLevels = info.moduleIdentities.find(({ id }) => id === moduleIdOf(major))?.levels ?? [];
  const moduleLevel = major > 0 ? svnLevel(moduleLevels, svnAt(report.teeTcbSvn, 0)) : undefined;
  const qeLevel = svnLevel(identity.levels, qe.isvSvn);
  const platform = partOf(platformLevel, info.levels[0], platformBehind(report, pck, info, start));
  const moduleSvn = svnAt(report.teeTcbSvn, 0);
  const module =
    major > 0
      ? { id: moduleIdOf(major), ...partOf(moduleLevel, moduleLevels[0], svnBehind(moduleSvn, moduleLevels)) }
      : null;
  const qePart = {
    isvSvn: qe.isvSvn,
    ...partOf(qeLevel, identity.levels[0], svnBehind(qe.isvSvn, identity.levels)),
  };
  const relaunch = () => relaunchStatus(report, info, sgxLevel, moduleLevel);
  const status = convergeAll(platform.status, module?.status ?? null, qePart.status, relaunch);
  const united = new Set([platform, module, qePart].flatMap((part) => part?.advisoryIds ?? []));
  return {
    status,
    // Without a level there is nothing to unite: the parts still say what they matched.
    advisoryIds: status === 'NotSupported' ? [] : [...united].sort(),
    platform,
    module,
    qe: qePart,
    tcbDate: platform.tcbDate,
    tcbInfoEvaluationNumber: info.evaluationNumber,
    qeIdentityEvaluationNumber: identity.evaluationNumber,
  };
}

function convergeAll(
  platform: TcbStatus,
  module: TcbStatus | null,
  qe: TcbStatus,
  relaunch: () => 'ifConfigured' | 'ifNotConfigured' | null,
): TcbStatus {
  if (platform === 'NotSupported' || module === 'NotSupported' || qe === 'NotSupported') return 'NotSupported';
  const withModule = module === null ? platform : converge(platform, module as SvnStatus);
  const isOutOfDate = withModule === 'OutOfDate' || withModule === 'OutOfDateConfigurationNeeded';
  if (module === 'OutOfDate' && isOutOfDate && qe === 'UpToDate') {
    const advised = relaunch();
    if (advised === null) return converge(withModule, qe);
    return advised === 'ifConfigured' || withModule === 'OutOfDateConfigurationNeeded'
      ? 'TDRelaunchAdvisedConfigurationNeeded'
      : 'TDRelaunchAdvised';
  }
  return converge(withModule, qe as SvnStatus);
}

/** Intel's table: what a module's or quoting enclave's status makes of the status so far. */
export function converge(status: TcbStatus, other: SvnStatus): TcbStatus {
  if (status === 'Revoked' || other === 'Revoked') return 'Revoked';
  if (other === 'UpToDate') return status;
  switch (status) {
    case 'UpToDate':
    case 'SWHardeningNeeded':
      return 'OutOfDate';
    case 'ConfigurationNeeded':
    case 'ConfigurationAndSWHardeningNeeded':
      return 'OutOfDateConfigurationNeeded';
    default:
      return status;
  }
}

const RELAUNCHABLE: readonly PlatformStatus[] = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
];

/**
 * Whether only the start of the TD is out of date: the module that runs now (TEE_TCB_SVN_2, TDX 1.5) is at or above the
 * newest that TCB Info knows, so relaunching the TD would make it up to date.
 */
function relaunchStatus(
  report: TdReport,
  info: TdxTcbInfo,
  sgxLevel: PlatformLevel | undefined,
  moduleLevel: SvnLevel | undefined,
): 'ifConfigured' | 'ifNotConfigured' | null {
  const now = report.teeTcbSvn2;
  const newest = info.levels[0];
  if (now === null || newest === undefined || moduleLevel?.status !== 'OutOfDate') return null;
  if (sgxLevel === undefined || !RELAUNCHABLE.includes(sgxLevel.status)) return null;
  const newestComponent = (index: number) => newest.tdxComponents[index] as number;
  const major = svnAt(now, 1);
  const newestModule =
    major === 0
      ? newestComponent(0)
      : info.moduleIdentities.find(({ id }) => id === moduleIdOf(major))?.levels[0]?.isvSvn;
  if (newestModule === undefined || svnAt(now, 0) < newestModule || svnAt(now, 2) < newestComponent(2)) return null;
  const configure =
    sgxLevel.status === 'ConfigurationNeeded' || sgxLevel.status === 'ConfigurationAndSWHardeningNeeded';
  return configure ? 'ifConfigured' : 'ifNotConfigured';
}
