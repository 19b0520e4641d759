import {
  loadNvidiaRevocations,
  type NvidiaContext,
  type NvidiaDeviceEvidence,
  type NvidiaEndorsements,
  type NvidiaVerdict,
  type NvidiaVerifyOptions,
  parseNvidiaReport,
  VerificationCache,
  verifyNvidiaDevice,
} from '../../../src/attestation/index.ts';
import {
  createSimulatedNvidia,
  type NvidiaFirmware,
  type NvidiaReportFields,
  openSimulatedNvidia,
  SIMULATED_H100,
  SIMULATED_SWITCH,
  type SimulatedNvidiaDevice,
} from '../../../src/attestation/simulate/index.ts';

export const NOW = Date.UTC(2026, 10, 26) / 1000;
export const NONCE = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
const RESPONDER_NONCE = new Uint8Array(32).fill(7);

/** One vendor for all tests of a file: making it costs some milliseconds. */
export const vendor = openSimulatedNvidia(createSimulatedNvidia((length) => new Uint8Array(length).fill(11)));
/** Another vendor with the same names. */
export const stranger = openSimulatedNvidia(createSimulatedNvidia((length) => new Uint8Array(length).fill(12)));

export function evidenceOf(device: SimulatedNvidiaDevice, fields: NvidiaReportFields = {}, nonce = NONCE) {
  return { report: parseNvidiaReport(device.report(nonce, RESPONDER_NONCE, fields)), certificates: device.chain };
}

/** What the vendor publishes for firmware and device, all good. */
export function endorsementsFor(
  firmware: NvidiaFirmware,
  ocsp: readonly Uint8Array[],
  crls: readonly Uint8Array[] = [],
  manifests: ReadonlyMap<string, Uint8Array> = manifestsOf(firmware),
): NvidiaEndorsements {
  return { rim: ({ id }) => manifests.get(id), revocations: loadNvidiaRevocations(ocsp, crls) };
}

export function manifestsOf(...firmwares: readonly NvidiaFirmware[]): Map<string, Uint8Array> {
  return new Map(firmwares.flatMap(vendor.manifests).map(({ id, manifest }) => [id, manifest]));
}

/** What holds once holds always; shared, because every signature costs a millisecond. */
const cache = new VerificationCache();

export function contextAt(now: number = NOW): NvidiaContext {
  const anchors = { device: [vendor.deviceAnchor], rim: [vendor.rimAnchor] };
  return { anchors, cache, now };
}

export const gpu = vendor.device('alder-0', SIMULATED_H100);
/** Good answers on the GPU's chain and its manifests' signers. */
export const gpuOcsp = vendor.ocspOf(gpu, NOW);
const gpuEndorsements = endorsementsFor(SIMULATED_H100, gpuOcsp);

export type Scene = Readonly<{
  evidence?: NvidiaDeviceEvidence;
  given?: NvidiaEndorsements;
  context?: NvidiaContext;
  options?: NvidiaVerifyOptions;
}>;

/** A good H100 with one thing different. */
export function judge(scene: Scene = {}): Promise<NvidiaVerdict> {
  const { evidence = evidenceOf(gpu), given = gpuEndorsements, context = contextAt(), options = {} } = scene;
  return verifyNvidiaDevice(evidence, given, context, { expectNonce: NONCE, ...options });
}

/** Names of the checks that failed, with their codes. */
export function failuresOf({ checks }: Pick<NvidiaVerdict, 'checks'>): Record<string, string> {
  const entries = Object.entries(checks).flatMap(([name, one]) =>
    one.outcome === 'failed' ? [[name, one.code] as const] : [],
  );
  return Object.fromEntries(entries);
}

/** Eight GPUs and four switches of one protected PCIe machine, each naming the others. */
export function ppcieMachine() {
  const gpus = Array.from({ length: 8 }, (_, i) => vendor.device(`hgx-${i}`, SIMULATED_H100));
  const switches = Array.from({ length: 4 }, (_, i) => vendor.device(`hgx-switch-${i}`, SIMULATED_SWITCH));
  const switchPdis = switches.map(({ pdi }) => pdi);
  const gpuPdis = gpus.map(({ pdi }) => pdi);
  return { gpus, switches, switchPdis, gpuPdis };
}
