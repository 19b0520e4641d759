import {
  amdDocuments,
  type BundledDocument,
  claimedIntelPlatform,
  encodeCollateralBundle,
  intelDocuments,
  nvidiaDocuments,
} from '../../attestation/collateral/index.ts';
import { parseTdxQuote, type SnpLine, type Tee, type TrustAnchor } from '../../attestation/index.ts';
import {
  createSimulatedAmd,
  createSimulatedIntel,
  createSimulatedNvidia,
  type NvidiaDeviceState,
  openSimulatedAmd,
  openSimulatedIntel,
  openSimulatedNvidia,
  openSimulatedNvidiaDevice,
  SIMULATED_H100,
  type SimulatedAmd,
  type SimulatedAmdState,
  type SimulatedDevicesState,
  type SimulatedIntel,
  type SimulatedIntelState,
  type SimulatedNvidia,
  type SimulatedNvidiaState,
} from '../../attestation/simulate/index.ts';
import {
  CodedError,
  fromBase64,
  fromUtf8,
  type Randomness,
  toBase64,
  toHex,
  type UnixSeconds,
} from '../../core/index.ts';
import { readIfThere, writeDurably } from '../compose/files.ts';
import type { Layout } from './state.ts';

/** A worker of a local network, the TEE of its simulated host and how many simulated H100 that has. */
export type SimulatedWorker = Readonly<{ name: string; tee: Tee; gpus: number }>;

/** The product line of simulated SNP hosts. */
const SNP_LINE: SnpLine = 'Genoa';

/**
 * The simulated vendors of this network: made once, kept with their keys (mode 0600); their collateral is issued anew at
 * every start, because a verifier refuses stale one. Each worker's host gets its own keys and nothing of a vendor's.
 * @returns whether they were kept; the first time AMD's RSA keys take a second or two
 * @throws CodedError STORAGE_FULL, CONFIG_INVALID
 */
export async function prepareVendors(
  layout: Layout,
  workers: readonly SimulatedWorker[],
  from: Readonly<{ now: UnixSeconds; randomness: Randomness }>,
): Promise<'made' | 'kept'> {
  const paths = layout.vendors;
  const kept = {
    intel: openKept(paths.intel, openIntel),
    amd: openKept(paths.amd, openAmd),
    nvidia: openKept(paths.nvidia, openNvidia),
  };
  if (kept.intel === null) writeJson(paths.intel, createSimulatedIntel(from.randomness));
  if (kept.amd === null) writeJson(paths.amd, await createSimulatedAmd(from.randomness, [SNP_LINE]));
  if (kept.nvidia === null) writeJson(paths.nvidia, createSimulatedNvidia(from.randomness));
  const { intel, amd, nvidia } = openVendors(layout);
  for (const { name, tee } of workers) {
    const state = tee === 'tdx' ? intel.machineState(name) : amd.machineState({ name, line: SNP_LINE }, from.now);
    writeJson(layout.machine(name), state);
  }
  for (const worker of workers) writeJson(layout.devices(worker.name), devicesOf(nvidia, worker));
  issueCollateral(layout, workers, from.now);
  writeJson(
    layout.trustAnchors,
    [intel.trustAnchor, ...amd.trustAnchors, nvidia.deviceAnchor, nvidia.rimAnchor].map(anchorJson),
  );
  return Object.values(kept).includes(null) ? 'made' : 'kept';
}

/**
 * What a collateral service that asks the vendors about these workers' hosts now would keep, for the router to read again:
 * a network outlives the day that answers on certificates are good for, and the month of the rest.
 * @throws CodedError STORAGE_FULL, CONFIG_INVALID
 */
export function issueCollateral(layout: Layout, workers: readonly SimulatedWorker[], now: UnixSeconds): void {
  const { intel, amd, nvidia } = openVendors(layout);
  const documents = workers.flatMap((worker) => [
    ...(worker.tee === 'tdx' ? intelDocumentsOf(intel, worker.name, now) : amdDocumentsOf(amd, worker.name, now)),
    ...nvidiaDocumentsOf(nvidia, worker, now),
  ]);
  // Hosts of one vendor share its documents.
  const byId = new Map(documents.map((document) => [document.id, document]));
  writeDurably(layout.collateral, encodeCollateralBundle([...byId.values()]));
}

type Vendors = Readonly<{ intel: SimulatedIntel; amd: SimulatedAmd; nvidia: SimulatedNvidia }>;

function openVendors({ vendors: { intel, amd, nvidia } }: Layout): Vendors {
  const required = <Vendor>(path: string, vendor: Vendor | null): Vendor => {
    if (vendor !== null) return vendor;
    throw new CodedError('CONFIG_INVALID', `no such file or folder: ${path}`);
  };
  return {
    intel: required(intel, openKept(intel, openIntel)),
    amd: required(amd, openKept(amd, openAmd)),
    nvidia: required(nvidia, openKept(nvidia, openNvidia)),
  };
}

function openIntel(state: unknown): SimulatedIntel {
  return openSimulatedIntel(state as SimulatedIntelState);
}

function openAmd(state: unknown): SimulatedAmd {
  const amd = openSimulatedAmd(state as SimulatedAmdState);
  if (!amd.lines.includes(SNP_LINE)) throw new CodedError('CONFIG_INVALID', `this simulated AMD lacks ${SNP_LINE}`);
  return amd;
}

function openNvidia(state: unknown): SimulatedNvidia {
  return openSimulatedNvidia(state as SimulatedNvidiaState);
}

/** The vendor in a file; null where there is no file. Nothing is made anew over a file that can't be used. */
function openKept<Vendor>(path: string, open: (state: unknown) => Vendor): Vendor | null {
  const text = readIfThere(path);
  if (text === null) return null;
  try {
    return open(JSON.parse(text));
  } catch (cause) {
    const todo = 'restore that file, or start in another folder with --data DIR';
    throw new CodedError('CONFIG_INVALID', `${path} holds no simulated vendor that can be used`, { todo }, { cause });
  }
}

function intelDocumentsOf(intel: SimulatedIntel, name: string, now: UnixSeconds): BundledDocument[] {
  const platform = claimedIntelPlatform(
    parseTdxQuote(intel.machine({ name }).quote({ reportData: new Uint8Array(64) })),
  );
  if (platform === null) throw new CodedError('INVARIANT_BROKEN', 'a simulated quote names no platform');
  return intelDocuments(platform, intel.collateral(now), now);
}

/** Chain and list: its certificate each host hands over with its reports. */
function amdDocumentsOf(amd: SimulatedAmd, name: string, now: UnixSeconds): BundledDocument[] {
  const { certs, crls } = amd.collateral({ name, line: SNP_LINE }, now);
  const certificates = certs.map((der) => fromBase64(der, 'certs'));
  const crl = fromBase64(crls[0] as string, 'crls');
  return amdDocuments({ line: SNP_LINE, key: 'vcek' }, { certificates, crl }, now);
}

function nvidiaDocumentsOf(nvidia: SimulatedNvidia, worker: SimulatedWorker, now: UnixSeconds): BundledDocument[] {
  const gpus = gpusOf(nvidia, worker).map(openSimulatedNvidiaDevice);
  const manifests = nvidia
    .manifests(SIMULATED_H100)
    .map(({ id, manifest }): [string, string] => [id, fromUtf8(manifest)]);
  return nvidiaDocuments(
    new Map(manifests),
    gpus.flatMap((gpu) => nvidia.answersOf(gpu, now)),
    now,
  );
}

function gpusOf(nvidia: SimulatedNvidia, { name, gpus }: SimulatedWorker): NvidiaDeviceState[] {
  return Array.from({ length: gpus }, (_, index) => nvidia.deviceState(`${name}-${index}`, SIMULATED_H100));
}

/** A host's devices, and what the image in it would hold to check them by. */
function devicesOf(nvidia: SimulatedNvidia, worker: SimulatedWorker): SimulatedDevicesState {
  const manifests = nvidia.manifests(SIMULATED_H100).map(({ id, manifest }) => [id, toBase64(manifest)]);
  return {
    kind: 'chrysalis-simulated-devices',
    version: 1,
    devices: gpusOf(nvidia, worker),
    manifests: Object.fromEntries(manifests),
    trustAnchors: [nvidia.deviceAnchor, nvidia.rimAnchor].map(anchorJson),
  };
}

function anchorJson({ spkiSha256, kind, name, purpose }: TrustAnchor) {
  return { spkiSha256: toHex(spkiSha256), kind, name, ...(purpose === undefined ? {} : { purpose }) };
}

function writeJson(path: string, value: unknown): void {
  writeDurably(path, `${JSON.stringify(value, null, 2)}\n`);
}
