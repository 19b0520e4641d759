import { equalBytes, toHex } from '../../core/index.ts';
import type { DeviceChain } from '../endorsements/index.ts';
import type { DeviceFields, GpuFields, SwitchFields } from '../evidence/nvidia/index.ts';
import { type Check, check, failed, notRun, PASSED } from './check.ts';
import { verifyNvidiaDevice } from './nvidia.ts';
import type {
  NvidiaContext,
  NvidiaDeviceEvidence,
  NvidiaEndorsements,
  NvidiaVerdict,
  NvidiaVerifyOptions,
} from './nvidia-types.ts';

export const NVIDIA_DEVICES_MAX = 64;
const SWITCHES_OF_PPCIE = 4;
const GPUS_OF_PPCIE = 8;

/** What is judged of several devices together, in the order in which it is reported. */
export const NVIDIA_SET_CHECKS = ['oneNonce', 'distinctDevices', 'expectedDevices', 'oneMode', 'topology'] as const;
export type NvidiaSetCheckName = (typeof NVIDIA_SET_CHECKS)[number];
export type NvidiaSetChecks = Readonly<Record<NvidiaSetCheckName, Check>>;

/** One device with what its container says of it: hints, which the signed values and the certificates must bear out. */
export type NvidiaSetItem = NvidiaDeviceEvidence &
  Readonly<{ statedNonce?: Uint8Array | undefined; statedArchitecture?: string | undefined }>;

export type NvidiaSetOptions = Omit<NvidiaVerifyOptions, 'expectArchitecture'> &
  Readonly<{ expectDevices?: Readonly<{ gpus: number; switches: number }> | undefined }>;

export type NvidiaSetVerdict = Readonly<{
  verdict: 'verified' | 'refused' | 'unavailable';
  checks: NvidiaSetChecks;
  /** In the order given. */
  devices: readonly NvidiaVerdict[];
}>;

/** Whether a verdict of 'verified' on a set needs this check of {@link NVIDIA_SET_CHECKS} to have passed. */
export function isRequiredNvidiaSetCheck(name: string, options: NvidiaSetOptions): boolean {
  if (name === 'expectedDevices') return options.expectDevices !== undefined;
  return name === 'oneNonce' || name === 'distinctDevices' || options.require?.includes('signature') !== true;
}

/**
 * Verifies the devices of one machine: each by itself, and that they are different devices that answered one nonce in
 * one mode, linked as GPUs and switches say of each other. In protected PCIe mode the links are tied to identities: the
 * PDIs that each side lists are those in the serial numbers of the other side's certificates.
 */
export async function verifyNvidiaDevices(
  items: readonly NvidiaSetItem[],
  given: NvidiaEndorsements,
  context: NvidiaContext,
  options: NvidiaSetOptions = {},
): Promise<NvidiaSetVerdict> {
  const devices: NvidiaVerdict[] = [];
  for (const item of items) {
    const expectArchitecture = item.statedArchitecture;
    devices.push(await verifyNvidiaDevice(item, given, context, { ...options, expectArchitecture }));
    await context.cache.pause();
  }
  const checks = setChecks(items, devices, options);
  const required = Object.entries(checks).filter(([name]) => isRequiredNvidiaSetCheck(name, options));
  const isRefused =
    devices.some(({ verdict }) => verdict === 'refused') ||
    Object.values(checks).some(({ outcome }) => outcome === 'failed');
  const isOpen =
    devices.some(({ verdict }) => verdict === 'unavailable') ||
    required.some(([, { outcome }]) => outcome !== 'passed');
  return { verdict: isRefused ? 'refused' : isOpen ? 'unavailable' : 'verified', checks, devices };
}

type Known = Readonly<{ chain: DeviceChain; fields: DeviceFields }>;

function setChecks(
  items: readonly NvidiaSetItem[],
  devices: readonly NvidiaVerdict[],
  options: NvidiaSetOptions,
): NvidiaSetChecks {
  const known = devices.flatMap(({ chain, fields }) => (chain === null || fields === null ? [] : [{ chain, fields }]));
  if (items.length === 0 || known.length < items.length) {
    const open = notRun(items.length === 0 ? 'no device is given' : 'a report is not authentic');
    return { oneNonce: open, distinctDevices: open, expectedDevices: open, oneMode: open, topology: open };
  }
  const gpus = known.filter((one): one is KnownGpu => one.fields.kind === 'gpu');
  const switches = known.filter((one): one is KnownSwitch => one.fields.kind === 'switch');
  return {
    oneNonce: oneNonce(items),
    distinctDevices: distinctDevices(known),
    expectedDevices: expectedDevices(gpus.length, switches.length, options),
    oneMode: oneMode(gpus.map(({ fields }) => fields)),
    topology: topology(gpus, switches),
  };
}

type KnownGpu = Known & { fields: GpuFields };
type KnownSwitch = Known & { fields: SwitchFields };

function oneNonce(items: readonly NvidiaSetItem[]): Check {
  const first = (items[0] as NvidiaSetItem).report.requestNonce;
  const isOne = items.every(
    ({ report, statedNonce }) =>
      equalBytes(report.requestNonce, first) && (statedNonce === undefined || equalBytes(statedNonce, first)),
  );
  return check(isOne, 'EVIDENCE_EXPECTATION_MISMATCH', 'the devices did not all sign the one nonce that is stated');
}

/** A device answers once: by the leaf's serial number, the device CA's, and the key that signed. */
function distinctDevices(known: readonly Known[]): Check {
  const names = known.map(({ chain }) => [
    `ueid ${chain.ueid}`,
    `serial ${chain.bromSerial}`,
    toHex(chain.leaf.spkiSha256),
  ]);
  const seen = new Set(names.flat());
  const why = 'one device is given more than once';
  return check(seen.size === 3 * known.length, 'EVIDENCE_PLATFORM_MISMATCH', why);
}

function expectedDevices(gpus: number, switches: number, { expectDevices }: NvidiaSetOptions): Check {
  if (expectDevices === undefined) return notRun('the caller expects no particular number of devices');
  const why = `${gpus} GPUs and ${switches} switches where ${expectDevices.gpus} and ${expectDevices.switches} belong`;
  const isIt = gpus === expectDevices.gpus && switches === expectDevices.switches;
  return check(isIt, 'EVIDENCE_EXPECTATION_MISMATCH', why);
}

/** Drivers before 580 say only whether PCIe is protected. */
function isPpcie({ mode, protectedPcie }: GpuFields): boolean {
  return mode === null ? protectedPcie === true : mode === 'ppcie';
}

function oneMode(gpus: readonly GpuFields[]): Check {
  const contradicts = gpus.some((gpu) => gpu.protectedPcie !== null && gpu.protectedPcie !== isPpcie(gpu));
  if (contradicts) return failed('EVIDENCE_PLATFORM_MISMATCH', 'a GPU contradicts itself about its mode');
  const modes = new Set(gpus.map(({ mode, protectedPcie }) => `${mode} ${protectedPcie}`));
  return check(modes.size <= 1, 'EVIDENCE_PLATFORM_MISMATCH', 'the GPUs are not all in one mode');
}

function topology(gpus: readonly KnownGpu[], switches: readonly KnownSwitch[]): Check {
  if (gpus.length === 0) return notRun('no GPU is given whose links could be judged');
  if (!gpus.some(({ fields }) => isPpcie(fields))) {
    const why = 'switches beside GPUs that are not in protected PCIe mode';
    return check(switches.length === 0, 'EVIDENCE_PLATFORM_MISMATCH', why);
  }
  const mismatch = (why: string) => failed('EVIDENCE_PLATFORM_MISMATCH', why);
  const named = gpus.map(({ fields }) => distinct(fields.switchPdis));
  const fabric = named[0] as readonly string[];
  if (fabric.length !== SWITCHES_OF_PPCIE) return mismatch(`a GPU names ${fabric.length} switches, not 4`);
  if (named.some((pdis) => !same(pdis, fabric))) return mismatch('the GPUs do not all name the same switches');
  if (switches.length === 0) return notRun('the GPUs are linked by switches whose evidence is not given');
  const ownGpus = distinct(gpus.map(({ chain }) => chain.pdi));
  const ownSwitches = distinct(switches.map(({ chain }) => chain.pdi));
  if (ownGpus.length !== GPUS_OF_PPCIE)
    return mismatch(`${ownGpus.length} GPUs with a PDI in their certificates, not 8`);
  if (!same(ownSwitches, fabric)) return mismatch("the switches' certificates are not of the switches that GPUs name");
  for (const { chain, fields } of switches) {
    if (fields.pdi !== chain.pdi) return mismatch('a switch says another PDI of itself than its certificate');
    if (!same(distinct(fields.gpuPdis), ownGpus)) {
      return mismatch("a switch lists other GPUs than those of the GPUs' certificates");
    }
  }
  return PASSED;
}

/** Ascending, each once, certificates without a PDI left out. */
function distinct(pdis: readonly (string | null)[]): string[] {
  return [...new Set(pdis)].filter((pdi) => pdi !== null).sort();
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((pdi, index) => pdi === b[index]);
}
