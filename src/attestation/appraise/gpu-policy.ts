import type { TrustAnchor } from '../endorsements/index.ts';
import type { DeviceFields } from '../evidence/nvidia/index.ts';
import { type Check, check, failed, notRun, PASSED, type VerifiedNvidiaDevice } from '../verify/index.ts';
import type { GpuPolicy } from './gpu-schema.ts';
import type { Policy } from './policy.ts';
import { mayVouch } from './trust.ts';

export type GpuPolicyCheckName =
  | 'gpuTrustAnchors'
  | 'gpuCount'
  | 'gpuArchitecture'
  | 'gpuFirmware'
  | 'gpuMode'
  | 'gpuDevices';

const REFUSED = 'EVIDENCE_REFUSED_BY_POLICY';
const UNKNOWN = notRun('the devices could not be established');

/**
 * What a policy says of genuine devices.
 * @param devices null where not all of them are established
 * @param anchors the roots behind devices and manifests
 */
export function gpuPolicyChecks(
  policy: Policy,
  devices: readonly VerifiedNvidiaDevice[] | null,
  anchors: readonly TrustAnchor[],
): Record<GpuPolicyCheckName, Check> {
  const foreign = anchors.find((anchor) => !mayVouch(policy, anchor));
  const why = `a ${policy.environment} policy does not let this ${foreign?.kind ?? ''} root vouch for devices`;
  const gpuTrustAnchors = anchors.length === 0 ? UNKNOWN : check(foreign === undefined, REFUSED, why);
  if (devices === null) {
    const [gpuCount, gpuArchitecture, gpuFirmware, gpuMode, gpuDevices] = new Array<Check>(5).fill(UNKNOWN) as [
      Check,
      Check,
      Check,
      Check,
      Check,
    ];
    return { gpuTrustAnchors, gpuCount, gpuArchitecture, gpuFirmware, gpuMode, gpuDevices };
  }
  const rules = policy.gpu;
  return {
    gpuTrustAnchors,
    gpuCount: countCheck(rules, devices),
    gpuArchitecture: first(devices, (device) => whyNotArchitecture(rules, device)),
    gpuFirmware: first(devices, (device) => whyNotFirmware(rules, device)),
    gpuMode: first(devices, ({ fields }) => whyNotMode(rules, fields)),
    gpuDevices: first(devices, ({ chain }) => whyNotDevice(rules, chain.bromSerial)),
  };
}

function first(
  devices: readonly VerifiedNvidiaDevice[],
  whyNot: (device: VerifiedNvidiaDevice) => string | null,
): Check {
  for (const device of devices) {
    const why = whyNot(device);
    if (why !== null) return failed(REFUSED, why);
  }
  return PASSED;
}

function countCheck({ gpusMin, gpusMax }: GpuPolicy, devices: readonly VerifiedNvidiaDevice[]): Check {
  const gpus = devices.filter(({ fields }) => fields.kind === 'gpu').length;
  const isIn = gpusMin <= gpus && gpus <= gpusMax;
  return check(isIn, REFUSED, `${gpus} GPUs where the policy wants ${gpusMin} to ${gpusMax}`);
}

function whyNotArchitecture(rules: GpuPolicy, { chain }: VerifiedNvidiaDevice): string | null {
  const rule = chain.architecture === 'LS10' ? rules.switchBiosMin : rules.architectures[chain.architecture];
  return rule === null ? `the policy does not accept devices of ${chain.architecture}` : null;
}

function whyNotFirmware(rules: GpuPolicy, { chain, fields }: VerifiedNvidiaDevice): string | null {
  if (fields.kind === 'switch') {
    const least = rules.switchBiosMin;
    return least === null ? null : below('switch BIOS', fields.biosVersion, least, 16);
  }
  const floors = chain.architecture === 'LS10' ? null : rules.architectures[chain.architecture];
  if (floors === null) return null; // told by gpuArchitecture
  if (floors.driversDenied.some((denied) => compare(denied, fields.driverVersion, 10) === 0)) {
    return `driver ${fields.driverVersion} is one that the policy denies`;
  }
  return (
    below('driver', fields.driverVersion, floors.driverMin, 10) ??
    below('VBIOS', fields.vbiosVersion, floors.vbiosMin, 16)
  );
}

function below(what: string, version: string, least: string, radix: 10 | 16): string | null {
  const order = compare(version, least, radix);
  if (order === null) return `${what} ${version} is no version that can be compared`;
  return order < 0 ? `${what} ${version} is below ${least}` : null;
}

/** Part by part as numbers; null where a part is none. A part that is absent counts as zero. */
function compare(a: string, b: string, radix: 10 | 16): number | null {
  const parse = (text: string) =>
    text.split('.').map((part) => (isNumber(part, radix) ? Number.parseInt(part, radix) : null));
  const [left, right] = [parse(a), parse(b)];
  if (left.includes(null) || right.includes(null)) return null;
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

const isNumber = (part: string, radix: 10 | 16) => (radix === 10 ? /^\d{1,8}$/ : /^[0-9A-Fa-f]{1,8}$/).test(part);

function whyNotMode({ modes }: GpuPolicy, fields: DeviceFields): string | null {
  if (fields.kind === 'switch') return null;
  const mode = fields.mode ?? (fields.protectedPcie === true ? 'ppcie' : 'unstated');
  return modes.includes(mode) ? null : `a GPU in mode ${mode}, which the policy does not accept`;
}

function whyNotDevice({ devices, devicesDenied }: GpuPolicy, serial: string): string | null {
  if (devicesDenied.includes(serial)) return 'a device that the policy denies';
  return devices === 'any' || devices.includes(serial) ? null : "a device that is not on the policy's list";
}
