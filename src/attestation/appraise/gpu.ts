import { type Bytes, fromHex, keysetDigest, type UnixMs, type UnixSeconds } from '../../core/index.ts';
import {
  anchorsFor,
  missing,
  type NvidiaCollateral,
  type TrustAnchor,
  VerificationCache,
} from '../endorsements/index.ts';
import { type DeviceEvidence, type EvidenceBundle, gpuNonce } from '../evidence/composite/index.ts';
import { type NvidiaArchitecture, type NvidiaMode, parseNvidiaReport } from '../evidence/nvidia/index.ts';
import {
  type Check,
  check,
  isRequiredNvidiaCheck,
  isRequiredNvidiaSetCheck,
  NVIDIA_CHECKS,
  type NvidiaCheckName,
  type NvidiaSetVerdict,
  type NvidiaVerdict,
  notRun,
  PASSED,
  type VerifiedNvidiaDevice,
  verifyNvidiaDevices,
} from '../verify/index.ts';
import type { CheckGroup } from './cpu.ts';
import { gpuPolicyChecks } from './gpu-policy.ts';
import type { Policy } from './policy.ts';

/**
 * How far a device is tied to the guest: `guest-asserted` is the measured guest's word that the report comes from a device
 * of its own (no TDISP on Hopper); `tee-io` would be the platform's. Null without devices.
 */
export type GpuBinding = 'guest-asserted' | 'tee-io' | null;

/** One device that an appraisal found genuine. */
export type AttestedDevice = Readonly<{
  kind: 'gpu' | 'switch';
  architecture: NvidiaArchitecture;
  hardwareModel: string;
  /** Serial number of its leaf, which is made for its firmware: NVIDIA's `ueid`, decimal. */
  ueid: string;
  /** Serial number of its own CA, lower-case hexadecimal: one per device for ever, and so what a registry goes by. */
  serial: string;
  mode: NvidiaMode | null;
  driverVersion: string | null;
  /** VBIOS of a GPU, BIOS of a switch. */
  firmwareVersion: string;
}>;

/** What the devices of a bundle come to under a policy. */
export type GpuAppraisal = Readonly<{
  verdict: 'verified' | 'refused' | 'unavailable' | 'none';
  gpu: CheckGroup;
  binding: CheckGroup;
  policy: CheckGroup;
  /** `group.check` of checks that this policy does not need; each says why in its reason. */
  mayStayUnrun: readonly string[];
  gpuBinding: GpuBinding;
  /** All of them, or none where one is not established. */
  devices: readonly AttestedDevice[];
  /** Serial numbers of the leaves, as the `devices` event names devices; empty where a report is not authentic. */
  deviceIds: readonly Bytes[];
  anchors: readonly TrustAnchor[];
  earliestExpiry: UnixSeconds | null;
}>;

const NO_REVOCATIONS = missing('no OCSP answer or CRL is given');

/**
 * Appraises the GPUs and switches of a bundle: each genuine and in a genuine state, all together one machine's, made for
 * this keyset and these nonces (AIS/1 section 3, item 2), and what the policy wants.
 * @throws CodedError EVIDENCE_* for a report that can't be read
 */
export async function appraiseGpu(
  bundle: EvidenceBundle,
  policy: Policy,
  trustAnchors: readonly TrustAnchor[],
  now: UnixMs,
  collateral: NvidiaCollateral | undefined,
): Promise<GpuAppraisal> {
  if (bundle.devices.length === 0) return withoutDevices(policy);
  const context = {
    anchors: {
      device: anchorsFor('nvidia-device', trustAnchors),
      rim: anchorsFor('nvidia-manifest', trustAnchors),
    },
    cache: collateral?.cache ?? new VerificationCache(),
    now: Math.floor(now / 1000),
  };
  const given = {
    rim: ({ id }: { id: string }) => collateral?.manifests.get(id),
    revocations: collateral?.revocations ?? NO_REVOCATIONS,
  };
  const items = bundle.devices.map(({ report, chain }) => ({ report: parseNvidiaReport(report), certificates: chain }));
  const nonce = gpuNonce(keysetDigest(bundle.keyset), bundle.nonceRoot, bundle.devices.length);
  const options = { revocation: policy.gpu.revocation, expectNonce: nonce };
  const set = await verifyNvidiaDevices(items, given, context, options);
  const { expectedNonce, ...gpu } = aggregated(set);
  const { expectedDevices: _, ...together } = set.checks;
  const devices = set.devices.flatMap((one) => (one.verdict === 'verified' ? [one.device] : []));
  const genuine = devices.length === set.devices.length ? devices : null;
  const chains = set.devices.flatMap(({ chain }) => (chain === null ? [] : [chain]));
  const anchors = set.devices.flatMap((one) => (one.anchor === null ? [] : [one.anchor]));
  const rimAnchors = devices.flatMap(({ rims }) => rims.map(({ chain }) => chain.anchor));
  return {
    verdict: set.verdict,
    gpu: { deviceEvidence: PASSED, ...gpu, ...together },
    binding: {
      gpuNonce: expectedNonce ?? notRun('no device signed a nonce'),
      deviceKinds: kindsCheck(bundle.devices, set.devices),
    },
    policy: gpuPolicyChecks(policy, genuine, [...anchors, ...rimAnchors]),
    mayStayUnrun: unneeded(options),
    gpuBinding: 'guest-asserted',
    devices: (genuine ?? []).map(attestedOf),
    deviceIds: chains.length === set.devices.length ? chains.map(({ leaf }) => fromHex(leaf.serial)) : [],
    anchors: [...anchors, ...rimAnchors],
    earliestExpiry: genuine === null ? null : earliestExpiryOf(genuine, collateral),
  };
}

function withoutDevices(policy: Policy): GpuAppraisal {
  const isRequired = policy.gpu.evidence === 'required';
  const why = isRequired ? 'no GPU evidence; policy requires it' : 'no GPU evidence; policy does not require it';
  const deviceEvidence = isRequired ? check(false, 'EVIDENCE_REFUSED_BY_POLICY', why) : notRun(why);
  return {
    verdict: 'none',
    gpu: { deviceEvidence },
    binding: {},
    policy: {},
    mayStayUnrun: isRequired ? [] : ['gpu.deviceEvidence'],
    gpuBinding: null,
    devices: [],
    deviceIds: [],
    anchors: [],
    earliestExpiry: null,
  };
}

/** Checks by name over all devices: the worst of each, which says of which device it speaks. */
function aggregated({ devices }: NvidiaSetVerdict): Partial<Record<NvidiaCheckName, Check>> {
  const found: Partial<Record<NvidiaCheckName, Check>> = {};
  for (const name of NVIDIA_CHECKS) {
    const checks = devices.flatMap((device, index) => {
      const one = device.checks[name];
      return one === undefined ? [] : [devices.length === 1 ? one : named(one, index)];
    });
    const worst =
      checks.find(({ outcome }) => outcome === 'failed') ??
      checks.find(({ outcome }) => outcome === 'notRun') ??
      checks[0];
    if (worst !== undefined) found[name] = worst;
  }
  return found;
}

function named(one: Check, index: number): Check {
  return one.outcome === 'passed' ? one : { ...one, reason: `device ${index}: ${one.reason}` };
}

/** What the bundle calls a GPU has a GPU's certificates. */
function kindsCheck(said: readonly DeviceEvidence[], found: readonly NvidiaVerdict[]): Check {
  const fits = found.map(({ fields }, index) =>
    fields === null ? null : (fields.kind === 'gpu' ? 1 : 2) === said[index]?.kind,
  );
  if (fits.includes(false)) return check(false, 'EVIDENCE_NOT_BOUND', 'the bundle calls a device what it is not');
  return fits.includes(null) ? notRun('a report is not authentic') : PASSED;
}

function unneeded(options: Readonly<{ revocation: 'require' | 'prefer'; expectNonce: Uint8Array }>): string[] {
  const names = NVIDIA_CHECKS.filter((name) => !isRequiredNvidiaCheck(name, options));
  const ofSet = ['oneNonce', 'distinctDevices', 'oneMode', 'topology'];
  return [...names, ...ofSet.filter((name) => !isRequiredNvidiaSetCheck(name, options))].map((name) => `gpu.${name}`);
}

function attestedOf({ chain, fields }: VerifiedNvidiaDevice): AttestedDevice {
  const { architecture, hardwareModel, ueid, bromSerial } = chain;
  const common = { kind: fields.kind, architecture, hardwareModel, ueid, serial: bromSerial };
  return fields.kind === 'gpu'
    ? { ...common, mode: fields.mode, driverVersion: fields.driverVersion, firmwareVersion: fields.vbiosVersion }
    : { ...common, mode: null, driverVersion: null, firmwareVersion: fields.biosVersion };
}

/** The first end of everything that the verdict hangs on. */
function earliestExpiryOf(
  devices: readonly VerifiedNvidiaDevice[],
  collateral: NvidiaCollateral | undefined,
): UnixSeconds {
  const certificates = devices.flatMap(({ chain, rims }) => [
    ...chain.certificates,
    ...rims.flatMap((rim) => rim.chain.certificates),
  ]);
  const ends = certificates.map(({ notAfter }) => notAfter);
  if (collateral?.revocations.state === 'ok') {
    const { responses, crls } = collateral.revocations.value;
    ends.push(...responses.flatMap(({ answers }) => answers.map(({ nextUpdate }) => nextUpdate)));
    ends.push(...crls.map(({ nextUpdate }) => nextUpdate));
  }
  return Math.min(...ends);
}
