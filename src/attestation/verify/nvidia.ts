import { ecdsaVerify } from '#crypto';
import { equalBytes, isCurrent, type UnixSeconds, type X509Certificate } from '../../core/index.ts';
import {
  type DeviceChain,
  type Judged,
  judgeParse,
  missing,
  type NvidiaRim,
  type RimDemand,
  type RimRole,
  rimDemands,
  verifyDeviceChain,
  verifyRim,
} from '../endorsements/index.ts';
import {
  type DeviceFields,
  type ParsedNvidiaReport,
  parseOpaqueData,
  readDeviceFields,
} from '../evidence/nvidia/index.ts';
import { type Check, check, failed, notRun, PASSED } from './check.ts';
import { after, afterAsync, both, checkOf, worstOf } from './judged-checks.ts';
import { compareGolden, conflictingIndex, whyTooFewActive } from './nvidia-golden.ts';
import { DEVICE_POSITIONS, MANIFEST_POSITIONS, notRevoked } from './nvidia-revocation.ts';
import {
  type GoldenComparison,
  NVIDIA_CHECKS,
  type NvidiaCheckName,
  type NvidiaChecks,
  type NvidiaContext,
  type NvidiaDeviceEvidence,
  type NvidiaEndorsements,
  type NvidiaVerdict,
  type NvidiaVerifyOptions,
  type VerifiedNvidiaDevice,
} from './nvidia-types.ts';

const ONLY_FULL: ReadonlySet<string> = new Set([
  'deviceChainCurrent',
  'driverManifestSigned',
  'driverManifestCurrent',
  'driverManifestMatches',
  'vbiosManifestSigned',
  'vbiosManifestCurrent',
  'vbiosManifestMatches',
  'switchManifestSigned',
  'switchManifestCurrent',
  'switchManifestMatches',
  'measurements',
]);
const REVOCATION: ReadonlySet<string> = new Set(['deviceChainNotRevoked', 'manifestSignersNotRevoked']);

/** Whether a verdict of 'verified' needs this check to have passed. */
export function isRequiredNvidiaCheck(name: string, options: NvidiaVerifyOptions): boolean {
  const signatureOnly = options.require?.includes('signature') === true;
  if (REVOCATION.has(name)) return !signatureOnly && (options.revocation ?? 'require') === 'require';
  if (ONLY_FULL.has(name)) return !signatureOnly || name === 'deviceChainCurrent';
  if (name === 'expectedNonce') return options.expectNonce !== undefined;
  return true;
}

/**
 * Verifies a GPU or NVSwitch: chain to a pinned root, report signature, nonce, firmware id, architecture, manifests and
 * measurements. Nothing of the report is relied on before its signature held. Confidential mode shows through the
 * measurements alone, so a device without manifests is at most 'unavailable' unless only signatures are asked for.
 */
export async function verifyNvidiaDevice(
  evidence: NvidiaDeviceEvidence,
  given: NvidiaEndorsements,
  context: NvidiaContext,
  options: NvidiaVerifyOptions = {},
): Promise<NvidiaVerdict> {
  const { report } = evidence;
  const { anchors, cache, now } = context;
  const chain = await verifyDeviceChain(evidence.certificates, anchors.device, cache);
  const signature = await afterAsync(chain, async ({ leaf }) =>
    check(await reportSigned(report, leaf), 'EVIDENCE_SIGNATURE_INVALID', 'the report is not signed by its leaf'),
  );
  const signed: Judged<DeviceChain> = signature.outcome === 'passed' ? chain : missing('the report is not authentic');
  const fields = fieldsOf(report, signed);
  const demands =
    signed.state === 'ok' && fields.state === 'ok'
      ? rimDemands(fields.value, signed.value.architecture, signed.value.chip)
      : [];
  await cache.pause();
  const manifests = await manifestChecks(demands, given.rim, context, chain);
  const compared = goldenOf(report, manifests.usable, demands, fields, chain);
  const found: NvidiaChecks = {
    deviceChainToPinnedRoot: checkOf(chain),
    deviceChainCurrent: after(chain, ({ certificates }) => current(certificates, now, 'EVIDENCE_CHAIN_NOT_CURRENT')),
    reportSignature: signature,
    expectedNonce: expectedNonce(report, options),
    deviceFields: checkOf(fields),
    architecture: both(signed, fields, (of, said) => architecture(of, said, options)),
    firmwareId: both(signed, fields, (of, said) => firmwareId(of, said, options)),
    deviceChainNotRevoked: await deviceNotRevoked(chain, given, context, options),
    ...manifests.checks,
    manifestSignersNotRevoked: await signersNotRevoked(demands, manifests, given, context, options),
    measurements: compared.check,
  };
  const checks = Object.fromEntries(
    NVIDIA_CHECKS.flatMap((name) => (found[name] === undefined ? [] : [[name, found[name]]])),
  ) as NvidiaChecks;
  const said = {
    checks,
    anchor: chain.state === 'ok' ? chain.value.anchor : null,
    chain: signed.state === 'ok' ? signed.value : null,
    fields: fields.state === 'ok' ? fields.value : null,
    demands,
    golden: compared.golden,
  };
  return conclude(report, said, [...manifests.usable.values()], options);
}

function conclude(
  report: ParsedNvidiaReport,
  said: Omit<NvidiaVerdict, 'verdict' | 'device'>,
  rims: readonly NvidiaRim[],
  options: NvidiaVerifyOptions,
): NvidiaVerdict {
  const entries = Object.entries(said.checks) as [NvidiaCheckName, Check][];
  if (entries.some(([, one]) => one.outcome === 'failed')) return { ...said, verdict: 'refused' };
  const isOpen = entries.some(([name, one]) => isRequiredNvidiaCheck(name, options) && one.outcome !== 'passed');
  const { chain, fields } = said;
  if (isOpen || chain === null || fields === null) return { ...said, verdict: 'unavailable' };
  return { ...said, verdict: 'verified', device: { ...report, chain, fields, rims } as VerifiedNvidiaDevice };
}

function reportSigned(report: ParsedNvidiaReport, leaf: X509Certificate): Promise<boolean> {
  if (leaf.publicKey?.curve !== 'P-384') return Promise.resolve(false);
  return ecdsaVerify('P-384', leaf.publicKey.point, report.signedBytes, report.signature);
}

function current(
  certificates: readonly X509Certificate[],
  now: UnixSeconds,
  code: 'EVIDENCE_CHAIN_NOT_CURRENT' | 'ENDORSEMENT_NOT_CURRENT',
): Check {
  const outside = certificates.findIndex(({ notBefore, notAfter }) => !isCurrent(notBefore, notAfter, now));
  return check(outside === -1, code, `certificate ${outside} of the chain is not valid at the given time`);
}

function fieldsOf(report: ParsedNvidiaReport, signed: Judged<DeviceChain>): Judged<DeviceFields> {
  if (signed.state !== 'ok') return missing('the report is not authentic');
  const kind = signed.value.architecture === 'LS10' ? 'switch' : 'gpu';
  return judgeParse('report', () => readDeviceFields(parseOpaqueData(report.opaque), kind));
}

function expectedNonce(report: ParsedNvidiaReport, { expectNonce }: NvidiaVerifyOptions): Check {
  if (expectNonce === undefined) return notRun('the caller expects no particular nonce');
  const why = 'the device signed another nonce than the one expected: an old or borrowed report';
  return check(equalBytes(expectNonce, report.requestNonce), 'EVIDENCE_EXPECTATION_MISMATCH', why);
}

function architecture(chain: DeviceChain, fields: DeviceFields, { expectArchitecture }: NvidiaVerifyOptions): Check {
  if (expectArchitecture !== undefined && expectArchitecture !== chain.architecture) {
    return failed('EVIDENCE_EXPECTATION_MISMATCH', `the certificates are of ${chain.architecture}, not as stated`);
  }
  if (fields.kind === 'gpu' && fields.chipInfo !== null && fields.chipInfo !== chain.chip) {
    return failed('EVIDENCE_PLATFORM_MISMATCH', 'the report names another chip than the certificates');
  }
  return PASSED;
}

function firmwareId(chain: DeviceChain, fields: DeviceFields, options: NvidiaVerifyOptions): Check {
  if (fields.fwid !== null) {
    const why = 'the firmware id in the report is not the one that the leaf was made for';
    return check(equalBytes(fields.fwid, chain.fwid), 'EVIDENCE_KEY_NOT_BOUND', why);
  }
  // A switch's report has no such field; a GPU's lacks it before driver 550.
  if (fields.kind === 'switch' || options.dangerouslyAllowMissingFirmwareId === true) return PASSED;
  return failed('EVIDENCE_KEY_NOT_BOUND', 'the report has no firmware id (driver before 550)');
}

const REVOCATION_OFF = notRun('revocation is switched off');

function deviceNotRevoked(
  chain: Judged<DeviceChain>,
  { revocations }: NvidiaEndorsements,
  { cache, now }: NvidiaContext,
  { revocation }: NvidiaVerifyOptions,
): Promise<Check> {
  if (revocation === 'off') return Promise.resolve(REVOCATION_OFF);
  if (revocations.state !== 'ok') return Promise.resolve(checkOf(revocations));
  return afterAsync(chain, (of) =>
    notRevoked(of, DEVICE_POSITIONS, revocations.value, cache, now, 'EVIDENCE_CHAIN_REVOKED'),
  );
}

/** The signers of every manifest that the device needs. */
async function signersNotRevoked(
  demands: readonly RimDemand[],
  { usable }: Manifests,
  { revocations }: NvidiaEndorsements,
  { cache, now }: NvidiaContext,
  { revocation }: NvidiaVerifyOptions,
): Promise<Check> {
  if (revocation === 'off') return REVOCATION_OFF;
  if (revocations.state !== 'ok') return checkOf(revocations);
  const checks: Check[] = [];
  for (const { chain } of usable.values()) {
    checks.push(await notRevoked(chain, MANIFEST_POSITIONS, revocations.value, cache, now, 'ENDORSEMENT_REVOKED'));
  }
  if (demands.length === 0) checks.push(notRun('what it needs was refused'));
  else if (usable.size < demands.length) checks.push(notRun(`needs ${absent(demands, usable)}`));
  return worstOf(checks);
}

type Manifests = Readonly<{ checks: NvidiaChecks; usable: ReadonlyMap<RimRole, NvidiaRim> }>;

async function manifestChecks(
  demands: readonly RimDemand[],
  given: NvidiaEndorsements['rim'],
  { anchors, cache, now }: NvidiaContext,
  chain: Judged<DeviceChain>,
): Promise<Manifests> {
  const checks: Partial<Record<NvidiaCheckName, Check>> = {};
  const usable = new Map<RimRole, NvidiaRim>();
  for (const demand of demands) {
    const { role, id } = demand;
    const bytes = given(demand);
    const rim =
      bytes === undefined ? missing(`manifest ${id} is not given`) : await verifyRim(bytes, anchors.rim, cache);
    await cache.pause();
    const matches = both(rim, chain, (of, { architecture }) => manifestMatches(of, demand, architecture));
    checks[`${role}ManifestSigned`] = checkOf(rim);
    checks[`${role}ManifestCurrent`] = after(rim, (of) => manifestCurrent(of, now, id));
    checks[`${role}ManifestMatches`] = matches;
    if (rim.state === 'ok' && matches.outcome === 'passed') usable.set(role, rim.value);
  }
  return { checks, usable };
}

function manifestCurrent(rim: NvidiaRim, now: UnixSeconds, id: string): Check {
  const found = current(rim.chain.certificates, now, 'ENDORSEMENT_NOT_CURRENT');
  if (found.outcome !== 'failed') return found;
  return failed(found.code, `${found.reason}; fetch manifest ${id} again`);
}

function manifestMatches(rim: NvidiaRim, demand: RimDemand, architecture: DeviceChain['architecture']): Check {
  const mismatch = (why: string) => failed('EVIDENCE_PLATFORM_MISMATCH', `${why}: manifest ${demand.id} belongs here`);
  if (rim.version.toUpperCase() !== demand.version.toUpperCase()) return mismatch('a manifest of another version');
  if (rim.product !== demand.product) return mismatch('a manifest of another product');
  if (rim.edition !== demand.edition) return mismatch('a manifest of another kind of device');
  const why = whyTooFewActive(rim, demand.role, architecture);
  return why === null ? PASSED : mismatch(why);
}

function goldenOf(
  report: ParsedNvidiaReport,
  usable: ReadonlyMap<RimRole, NvidiaRim>,
  demands: readonly RimDemand[],
  fields: Judged<DeviceFields>,
  chain: Judged<DeviceChain>,
): Readonly<{ check: Check; golden: GoldenComparison | null }> {
  if (fields.state !== 'ok' || chain.state !== 'ok')
    return { check: notRun('what it needs was refused'), golden: null };
  if (usable.size === 0) return { check: notRun(`needs ${absent(demands, usable)}`), golden: null };
  const conflict = conflictingIndex(usable);
  if (conflict !== null) {
    const why = `two manifests both judge measurement ${conflict}`;
    return { check: failed('EVIDENCE_PLATFORM_MISMATCH', why), golden: null };
  }
  const golden = compareGolden(report.measurements, usable, fields.value, chain.value.architecture);
  if (golden.mismatched.length > 0) {
    const which = golden.mismatched.map((one) => `${one.source} ${one.index} (${one.likelyCause})`).join('; ');
    return {
      check: failed('EVIDENCE_MEASUREMENT_MISMATCH', `measurements differ from their manifests: ${which}`),
      golden,
    };
  }
  if (usable.size < demands.length) return { check: notRun(`needs ${absent(demands, usable)} too`), golden };
  return { check: PASSED, golden };
}

function absent(demands: readonly RimDemand[], usable: ReadonlyMap<RimRole, NvidiaRim>): string {
  const ids = demands.filter(({ role }) => !usable.has(role)).map(({ id }) => id);
  return `manifest ${ids.join(' and ')}`;
}
