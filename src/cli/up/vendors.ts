import {
  amdDocuments,
  type BundledDocument,
  claimedIntelPlatform,
  encodeCollateralBundle,
  intelDocuments,
} from '../../attestation/collateral/index.ts';
import { parseTdxQuote, type SnpLine, type Tee } from '../../attestation/index.ts';
import {
  createSimulatedAmd,
  createSimulatedIntel,
  openSimulatedAmd,
  openSimulatedIntel,
  type SimulatedAmd,
  type SimulatedAmdState,
  type SimulatedIntel,
  type SimulatedIntelState,
} from '../../attestation/simulate/index.ts';
import { CodedError, fromBase64, type Randomness, toHex, type UnixSeconds } from '../../core/index.ts';
import { readIfThere, writeDurably } from '../compose/files.ts';
import type { Layout } from './state.ts';

/** A worker of a local network and the TEE of its simulated host. */
export type SimulatedWorker = Readonly<{ name: string; tee: Tee }>;

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
  const kept = { intel: openKept(paths.intel, openIntel), amd: openKept(paths.amd, openAmd) };
  if (kept.intel === null) writeJson(paths.intel, createSimulatedIntel(from.randomness));
  if (kept.amd === null) writeJson(paths.amd, await createSimulatedAmd(from.randomness, [SNP_LINE]));
  const { intel, amd } = openVendors(layout);
  for (const { name, tee } of workers) {
    const state = tee === 'tdx' ? intel.machineState(name) : amd.machineState({ name, line: SNP_LINE }, from.now);
    writeJson(layout.machine(name), state);
  }
  issueCollateral(layout, workers, from.now);
  const anchors = [intel.trustAnchor, ...amd.trustAnchors];
  writeJson(
    layout.trustAnchors,
    anchors.map(({ spkiSha256, kind, name }) => ({ spkiSha256: toHex(spkiSha256), kind, name })),
  );
  return kept.intel === null || kept.amd === null ? 'made' : 'kept';
}

/**
 * What a collateral service that asks both vendors about these workers' hosts now would keep, for the router to read
 * again: a network outlives the month that it is good for.
 * @throws CodedError STORAGE_FULL, CONFIG_INVALID
 */
export function issueCollateral(layout: Layout, workers: readonly SimulatedWorker[], now: UnixSeconds): void {
  const { intel, amd } = openVendors(layout);
  const documents = workers.flatMap(({ name, tee }) =>
    tee === 'tdx' ? intelDocumentsOf(intel, name, now) : amdDocumentsOf(amd, name, now),
  );
  // Hosts of one vendor share its documents.
  const byId = new Map(documents.map((document) => [document.id, document]));
  writeDurably(layout.collateral, encodeCollateralBundle([...byId.values()]));
}

type Vendors = Readonly<{ intel: SimulatedIntel; amd: SimulatedAmd }>;

function openVendors({ vendors: { intel, amd } }: Layout): Vendors {
  const required = <Vendor>(path: string, vendor: Vendor | null): Vendor => {
    if (vendor !== null) return vendor;
    throw new CodedError('CONFIG_INVALID', `no such file or folder: ${path}`);
  };
  return { intel: required(intel, openKept(intel, openIntel)), amd: required(amd, openKept(amd, openAmd)) };
}

function openIntel(state: unknown): SimulatedIntel {
  return openSimulatedIntel(state as SimulatedIntelState);
}

function openAmd(state: unknown): SimulatedAmd {
  const amd = openSimulatedAmd(state as SimulatedAmdState);
  if (!amd.lines.includes(SNP_LINE)) throw new CodedError('CONFIG_INVALID', `this simulated AMD lacks ${SNP_LINE}`);
  return amd;
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

function writeJson(path: string, value: unknown): void {
  writeDurably(
    path,
    `${JSON.stringify(value, null, 2)}
`,
  );
}
