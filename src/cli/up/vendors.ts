import { readFileSync } from 'node:fs';
import {
  amdDocuments,
  type BundledDocument,
  claimedAmdPlatform,
  claimedIntelPlatform,
  encodeCollateralBundle,
  intelDocuments,
} from '../../attestation/collateral/index.ts';
import { parseSnpReport, parseTdxQuote, type SnpLine, type Tee } from '../../attestation/index.ts';
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
import { codedFromSystem } from '../output.ts';
import { type Layout, writeWhole } from './state.ts';

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
  const keptIntel = readState<SimulatedIntelState>(layout.vendors.intel);
  const keptAmd = readState<SimulatedAmdState>(layout.vendors.amd);
  const intelState = keptIntel ?? createSimulatedIntel(from.randomness);
  const amdState = keptAmd ?? (await createSimulatedAmd(from.randomness, [SNP_LINE]));
  const intel = openSimulatedIntel(intelState);
  const amd = openSimulatedAmd(amdState);
  if (keptIntel === null) writeJson(layout.vendors.intel, intelState);
  if (keptAmd === null) writeJson(layout.vendors.amd, amdState);
  for (const { name, tee } of workers) {
    const state = tee === 'tdx' ? intel.machineState(name) : amd.machineState({ name, line: SNP_LINE });
    writeJson(layout.machine(name), state);
  }
  issueCollateral(layout, workers, from.now);
  const anchors = [intel.trustAnchor, ...amd.trustAnchors];
  writeJson(
    layout.trustAnchors,
    anchors.map(({ spkiSha256, kind, name }) => ({ spkiSha256: toHex(spkiSha256), kind, name })),
  );
  return keptIntel === null || keptAmd === null ? 'made' : 'kept';
}

/**
 * What a collateral service that asks both vendors about these workers' hosts now would keep, for the router to read
 * again: a network outlives the month that it is good for.
 * @throws CodedError STORAGE_FULL, CONFIG_INVALID
 */
export function issueCollateral(layout: Layout, workers: readonly SimulatedWorker[], now: UnixSeconds): void {
  const intel = openSimulatedIntel(requireState<SimulatedIntelState>(layout.vendors.intel));
  const amd = openSimulatedAmd(requireState<SimulatedAmdState>(layout.vendors.amd));
  const documents = workers.flatMap(({ name, tee }) =>
    tee === 'tdx' ? intelDocumentsOf(intel, name, now) : amdDocumentsOf(amd, name, now),
  );
  // Hosts share all documents but their own certificate.
  const byId = new Map(documents.map((document) => [document.id, document]));
  writeWhole(layout.collateral, encodeCollateralBundle([...byId.values()]));
}

function requireState<T>(path: string): T {
  const state = readState<T>(path);
  if (state === null) throw new CodedError('CONFIG_INVALID', `no such file or folder: ${path}`);
  return state;
}

const ANY_REPORT_DATA = new Uint8Array(64);

function intelDocumentsOf(intel: SimulatedIntel, name: string, now: UnixSeconds): BundledDocument[] {
  const platform = claimedIntelPlatform(parseTdxQuote(intel.machine({ name }).quote({ reportData: ANY_REPORT_DATA })));
  if (platform === null) throw new CodedError('INVARIANT_BROKEN', 'a simulated quote names no platform');
  return intelDocuments(platform, intel.collateral(now), now);
}

function amdDocumentsOf(amd: SimulatedAmd, name: string, now: UnixSeconds): BundledDocument[] {
  const host = { name, line: SNP_LINE };
  const platform = claimedAmdPlatform(parseSnpReport(amd.machine(host).report({ reportData: ANY_REPORT_DATA })), null);
  const { certs, crls } = amd.collateral(host, now);
  const certificates = certs.map((der) => fromBase64(der, 'certs'));
  return amdDocuments(platform, { certificates, crl: fromBase64(crls[0] as string, 'crls') }, now);
}

function writeJson(path: string, value: unknown): void {
  writeWhole(path, `${JSON.stringify(value, null, 2)}\n`);
}

function readState<T>(path: string): T | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw codedFromSystem(thrown);
  }
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    const todo = 'restore that file, or start in another folder with --data DIR';
    throw new CodedError('CONFIG_INVALID', `${path} is not JSON`, { todo }, { cause });
  }
}
