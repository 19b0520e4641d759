import { readFileSync } from 'node:fs';
import {
  type Appraisal,
  type AppraisalInput,
  appraise,
  bootEvents,
  bundleReportData,
  type DeviceEvidence,
  type EvidenceBundle,
  encodeEvidenceBundle,
  INTEL_SGX_ROOT,
  loadIntelEndorsements,
  loadPolicy,
  type Policy,
  type Trust,
  trustUnder,
} from '../../../src/attestation/index.ts';
import {
  type CollateralDefects,
  createSimulatedIntel,
  type MachineOptions,
  openSimulatedIntel,
  type PlatformStatus,
  type QuoteRequest,
} from '../../../src/attestation/simulate/index.ts';
import {
  type Beacon,
  type Bytes,
  type Keyset,
  keysetDigest,
  nonceTree,
  routerNonceInput,
  type UnixMs,
} from '../../../src/core/index.ts';

export const fill = (value: number, length: number): Bytes => new Uint8Array(length).fill(value);

export const NOW: UnixMs = Date.UTC(2026, 10, 24, 12);
export const intel = openSimulatedIntel(createSimulatedIntel((length) => fill(42, length)));

const policyFile = (name: string) =>
  readFileSync(new URL(`../../../attestation-policies/${name}.json`, import.meta.url), 'utf8');
export const developmentText = policyFile('development-simulated');
export const productionText = policyFile('production-tdx');
export const development = loadPolicy(developmentText);
export const production = loadPolicy(productionText);

type Changes = { [key: string]: unknown };
/** The development policy with changes laid over it, one level of objects deep. */
export function developmentWith(changes: Changes): Policy {
  const document = JSON.parse(developmentText) as Record<string, Changes>;
  for (const [key, value] of Object.entries(changes)) {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    document[key] = (isObject ? { ...document[key], ...value } : value) as Changes;
  }
  return loadPolicy(JSON.stringify(document));
}

export const keyset: Keyset = {
  identityKey: fill(1, 32),
  receiptKey: fill(2, 32),
  transportSpkiSha256: fill(3, 32),
  versions: [1],
  suites: [0x647a, 0x0020],
  payee: { workchain: 0, account: fill(4, 32) },
  notAfter: NOW + 86_400_000,
};
export const model = fill(9, 32);
export const beacon: Beacon = {
  network: -1000,
  seqno: 700,
  blockRootHash: fill(7, 32),
  logOriginSha256: fill(8, 32),
  logSize: 5n,
  logRoot: fill(6, 32),
};
export const block = { network: -1000, seqno: 700, rootHash: fill(7, 32), at: NOW - 60_000 };

const nonceInput = routerNonceInput(fill(77, 32));
const tree = nonceTree([routerNonceInput(fill(76, 32)), nonceInput, routerNonceInput(fill(78, 32))]);
export const nonceRoot = tree.root;
export const nonce = { input: nonceInput, proof: tree.proofs[1]! };
export const otherNonce = { input: routerNonceInput(fill(79, 32)), proof: tree.proofs[1]! };

export type SceneOptions = Readonly<{
  machine?: MachineOptions & { name?: string; platformStatus?: PlatformStatus };
  quote?: Partial<QuoteRequest>;
  bundle?: Partial<EvidenceBundle>;
  /** What the bundle says though the quote was made over something else. */
  after?: Partial<EvidenceBundle>;
  events?: (honest: Bytes[]) => Bytes[];
  devices?: readonly DeviceEvidence[];
}>;

/** What an enclave that boots on a simulated machine would send: events, REPORT_DATA, quote, bundle. */
export function evidence(options: SceneOptions = {}): Bytes {
  const machine = intel.machine({ name: 'alder', ...options.machine });
  const claims = {
    tee: 'tdx' as const,
    keyset,
    nonceRoot: tree.root,
    beacon,
    modelDigest: model,
    epochKeyDigests: [fill(10, 32), fill(11, 32)],
    devices: [] as readonly DeviceEvidence[],
    ...options.bundle,
  };
  const honest = bootEvents({
    keysetDigest: keysetDigest(claims.keyset),
    deviceIds: [],
    verdict: 'none',
    modelDigest: claims.modelDigest,
  });
  const runtimeEvents = options.events?.(honest) ?? honest;
  for (const event of runtimeEvents) machine.extendRtmr3(event);
  const quote = machine.quote({ reportData: bundleReportData(claims), ...options.quote });
  return encodeEvidenceBundle({
    eventLog: { firmware: fill(0, 0), runtimeEvents },
    quote,
    ...claims,
    ...options.after,
  });
}

export const endorsementsOf = async (defects?: CollateralDefects) => ({
  intel: await loadIntelEndorsements(intel.collateral(NOW / 1000, defects), [intel.trustAnchor, INTEL_SGX_ROOT]),
});
export const goodEndorsements = await endorsementsOf();

export type Ask = Partial<Omit<AppraisalInput, 'policy' | 'trustAnchors'>> & {
  policy?: Policy;
  trust?: Trust;
  scene?: SceneOptions;
};

/** Appraises under the development policy, with a nonce and a known block, unless asked otherwise. */
export function judge({ policy, trust, scene, ...rest }: Ask = {}): Promise<Appraisal> {
  return appraise({
    ...(trust ?? trustUnder(policy ?? development, [intel.trustAnchor])),
    bundle: evidence(scene),
    endorsements: goodEndorsements,
    now: NOW,
    expectedNonce: nonce,
    knownBlocks: [block],
    ...rest,
  });
}

/** `status` and, where it is not affirming, the checks that stand in the way. */
export function summary(appraisal: Appraisal): string[] {
  return appraisal.status === 'affirming' ? ['affirming'] : [appraisal.status, ...appraisal.because];
}
