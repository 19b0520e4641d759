import {
  BUNDLE_VALUES_MAX,
  type CollateralService,
  claimedAmdPlatform,
  claimedIntelPlatform,
  type IntelPlatform,
  intelPlatformOf,
  isCollateralBundle,
} from '../../attestation/collateral/index.ts';
import {
  AmdCache,
  type AmdEndorsements,
  amdCollateralOf,
  BoundedMap,
  type IntelEndorsements,
  intelCollateralOf,
  isLeafOf,
  isSnpLine,
  joinCollateral,
  lineOfProductName,
  loadAmdEndorsements,
  loadIntelEndorsements,
  loadNvidiaCollateral,
  noIntelEndorsements,
  type ParsedSnpReport,
  parseEvidenceBundle,
  parseSnpReport,
  parseTdxQuote,
  readAmdLeaf,
  type SnpLine,
  type TrustAnchor,
  type VendorEndorsements,
  VerificationCache,
  verifyAmdChain,
} from '../../attestation/index.ts';
import {
  type Bytes,
  CodedError,
  equalBytes,
  type Json,
  parseStrictJson,
  toBase64,
  toHex,
  type UnixSeconds,
} from '../../core/index.ts';
import { openService } from './collateral-service.ts';
import { type NvidiaSource, nvidiaOfFile, nvidiaOfService } from './nvidia-source.ts';

/** Where the collateral of a bundle comes from: a file, or a service. */
export type CollateralSource = Readonly<{
  /**
   * What a bundle is appraised with.
   * @param certificates of the key that signed, DER, from whoever brought the bundle: hints, where evidence holds none
   * @throws CodedError of kind unavailable where it cannot be had
   */
  endorsementsFor: (bundle: Bytes, certificates?: readonly Uint8Array[]) => Promise<VendorEndorsements>;
  /** The text that goes to clients beside a bundle, for platforms that were appraised; `{}` for others. */
  textFor: (bundle: Bytes) => Promise<string>;
  /** When the first document of it ends; null where it holds none. */
  endsAt: () => UnixSeconds | null;
  /** How often what it gives may have changed: evidence that was appraised before is to be looked at again. */
  changes: () => number;
}>;

const PLATFORMS_MAX = 256;
/** AMD's leaves are a chip's own: as many as a router has workers. */
const SIGNERS_MAX = 16_384;

/**
 * A bundle of collateral; or one platform's, `{"intel": …, "amd": …, "nvidia": …}` with one of each vendor, or Intel's alone under the
 * names that Intel's clients share.
 * @throws CodedError ENDORSEMENT_MALFORMED, ENCODING_INVALID, CERTIFICATE_MALFORMED, CRL_MALFORMED
 */
export async function sourceOfText(text: string, anchors: readonly TrustAnchor[]): Promise<CollateralSource> {
  const value = parseStrictJson(text, 'collateral', BUNDLE_VALUES_MAX);
  if (isCollateralBundle(value)) {
    const service = await openService({ urls: null, anchors });
    await service.importBundle(text);
    return sourceOfService(service, anchors);
  }
  const { intel, amd, nvidia } = byVendor(value);
  const endorsements: VendorEndorsements = {
    ...(intel === undefined ? {} : { intel: await loadIntelEndorsements(intelCollateralOf(intel), anchors) }),
    ...(amd === undefined ? {} : { amd: loadAmdEndorsements(amdCollateralOf(amd)) }),
  };
  const texts = { tdx: JSON.stringify(intel ?? {}), 'sev-snp': JSON.stringify(amd ?? {}) };
  const cpus: CollateralSource = {
    endorsementsFor: async () => endorsements,
    textFor: async (bundle) => texts[parseEvidenceBundle(bundle).tee],
    endsAt: () => least([...intelEnds(endorsements.intel), ...amdEnds(endorsements.amd)]),
    changes: () => 0,
  };
  return nvidia === undefined ? cpus : withDevices(cpus, nvidiaOfFile(nvidia));
}

/** Adds what the devices of a bundle are judged with. */
function withDevices(cpus: CollateralSource, source: NvidiaSource): CollateralSource {
  const cache = new VerificationCache();
  const devicesOf = (bundle: Bytes) => parseEvidenceBundle(bundle).devices;
  return {
    endorsementsFor: async (bundle, ...more) => {
      const endorsements = await cpus.endorsementsFor(bundle, ...more);
      const devices = devicesOf(bundle);
      if (devices.length === 0) return endorsements;
      return { ...endorsements, nvidia: loadNvidiaCollateral(await source.collateralFor(devices), cache) };
    },
    textFor: async (bundle) => {
      const text = await cpus.textFor(bundle);
      const devices = text === '{}' ? [] : devicesOf(bundle);
      return devices.length === 0 ? text : joinCollateral(text, await source.knownFor(devices));
    },
    endsAt: cpus.endsAt,
    changes: cpus.changes,
  };
}

const VENDORS = ['intel', 'amd', 'nvidia'];

/** A document that names no vendor is Intel's. */
function byVendor(value: Json): Readonly<{ intel?: Json; amd?: Json; nvidia?: Json }> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { intel: value };
  const names = Object.keys(value);
  const isByVendor = names.length > 0 && names.every((name) => VENDORS.includes(name));
  return isByVendor ? (value as Readonly<{ intel?: Json; amd?: Json; nvidia?: Json }>) : { intel: value };
}

function least(ends: readonly UnixSeconds[]): UnixSeconds | null {
  return ends.length === 0 ? null : Math.min(...ends);
}

function intelEnds(endorsements: IntelEndorsements | undefined): UnixSeconds[] {
  if (endorsements === undefined) return [];
  const { tcbInfo, qeIdentity, rootCrl, pckCrl } = endorsements;
  return [
    ...[tcbInfo, qeIdentity].flatMap((judged) => (judged.state === 'ok' ? [judged.value.document.nextUpdate] : [])),
    ...[rootCrl, pckCrl].flatMap((judged) => (judged.state === 'ok' ? [judged.value.nextUpdate] : [])),
  ];
}

function amdEnds(endorsements: AmdEndorsements | undefined): UnixSeconds[] {
  if (endorsements === undefined) return [];
  const { certificates, crls } = endorsements;
  return [...certificates.map(({ notAfter }) => notAfter), ...crls.map(({ nextUpdate }) => nextUpdate)];
}

/** One vendor's part of a service, by the quote or report of a bundle. */
type VendorSource = Readonly<{
  endorsementsFor: (evidence: Bytes, certificates: readonly Uint8Array[]) => Promise<VendorEndorsements>;
  /** Null for a platform that was never appraised: nobody makes us ask about those. */
  textFor: (evidence: Bytes) => Promise<string | null>;
}>;

export function sourceOfService(service: CollateralService, anchors: readonly TrustAnchor[]): CollateralSource {
  const byTee = { tdx: intelOf(service, anchors), 'sev-snp': amdOf(service, anchors) };
  const cpus: CollateralSource = {
    endorsementsFor: async (bundle, certificates = []) => {
      const { tee, quote } = parseEvidenceBundle(bundle);
      return byTee[tee].endorsementsFor(quote, certificates);
    },
    textFor: async (bundle) => {
      try {
        const { tee, quote } = parseEvidenceBundle(bundle);
        return (await byTee[tee].textFor(quote)) ?? '{}';
      } catch (error) {
        if (error instanceof CodedError) return '{}'; // whoever is given this evidence finds out what is wrong with it
        throw error;
      }
    },
    endsAt: () => least(service.documents().map(({ until }) => until)),
    changes: () => service.changes(),
  };
  return withDevices(cpus, nvidiaOfService(service, anchors));
}

function intelOf(service: CollateralService, anchors: readonly TrustAnchor[]): VendorSource {
  const cache = new VerificationCache();
  const loaded = new BoundedMap<IntelEndorsements>(PLATFORMS_MAX);
  const appraised = new BoundedMap<IntelPlatform>(PLATFORMS_MAX);
  const nameOf = ({ fmspc, ca }: IntelPlatform) => `${fmspc}/${ca}`;
  return {
    endorsementsFor: async (evidence) => {
      const platform = await intelPlatformOf(parseTdxQuote(evidence), anchors, cache);
      if (platform === null) return { intel: noIntelEndorsements(cache) }; // the appraisal says what is wrong
      const { collateral, digest } = await service.getIntelCollateralSet(platform);
      const key = toHex(digest);
      const endorsements = loaded.get(key) ?? (await loadIntelEndorsements(collateral, anchors, cache));
      loaded.set(key, endorsements);
      appraised.set(nameOf(platform), platform);
      return { intel: endorsements };
    },
    textFor: async (evidence) => {
      const claimed = claimedIntelPlatform(parseTdxQuote(evidence));
      const platform = claimed === null ? undefined : appraised.get(nameOf(claimed));
      return platform === undefined ? null : JSON.stringify(await service.getIntelCollateral(platform));
    },
  };
}

/** Leaves kept for one signer: a masked chip's are those of every provider at that TCB. */
const LEAVES_MAX = 4;

function amdOf(service: CollateralService, anchors: readonly TrustAnchor[]): VendorSource {
  const cache = new AmdCache();
  /** By signer, the leaves that were brought along and verified; none where the service has the leaf. */
  const appraised = new BoundedMap<readonly Uint8Array[]>(SIGNERS_MAX);
  const nameOf = ({ signer, chipId, reportedTcb }: ParsedSnpReport) =>
    `${signer}/${toHex(chipId)}/${toHex(reportedTcb)}`;
  const collateralOf = async (report: ParsedSnpReport, leaves: readonly Uint8Array[]) => {
    const platform = claimedAmdPlatform(report, lineOf(leaves, cache));
    const { certificates, crl } = await service.getAmdCollateral(
      leaves.length > 0 ? { ...platform, leaf: null } : platform,
    );
    return { certs: [...leaves, ...certificates], crls: [crl], line: platform.line };
  };
  /** Those that are this signer's and chain to a trusted root: nobody is asked about the chip then. */
  const verified = async (
    report: ParsedSnpReport,
    certificates: readonly Uint8Array[],
  ): Promise<readonly Uint8Array[]> => {
    const found: Uint8Array[] = [];
    for (const leaf of certificates.filter((der) => isLeafOf(report, cache.certificate(der)))) {
      const from = loadAmdEndorsements(await collateralOf(report, [leaf]), cache);
      if ((await verifyAmdChain(from, report.signer, anchors)).state === 'ok') found.push(leaf);
    }
    return found;
  };
  return {
    endorsementsFor: async (evidence, certificates) => {
      const report = parseSnpReport(evidence);
      const name = nameOf(report);
      const brought = await verified(report, certificates);
      const others = (appraised.get(name) ?? []).filter((leaf) => !brought.some((one) => equalBytes(one, leaf)));
      const leaves = [...brought, ...others].slice(0, LEAVES_MAX);
      // A report of version 2 does not say its product line, so nobody can be asked: the appraisal is unavailable.
      if (leaves.length === 0 && report.cpuid === null) return {};
      const collateral = await collateralOf(report, leaves);
      appraised.set(name, leaves);
      return { amd: loadAmdEndorsements(collateral, cache) };
    },
    textFor: async (evidence) => {
      const report = parseSnpReport(evidence);
      const leaves = appraised.get(nameOf(report));
      if (leaves === undefined) return null;
      const { certs, crls, line } = await collateralOf(report, leaves);
      return JSON.stringify({ certs: certs.map(toBase64), crls: crls.map(toBase64), line });
    },
  };
}

/** The line that the first leaf names; what it says counts only once its chain is verified. */
function lineOf([leaf]: readonly Uint8Array[], cache: AmdCache): SnpLine | null {
  if (leaf === undefined) return null;
  const line = lineOfProductName(readAmdLeaf(cache.certificate(leaf)).productName);
  return isSnpLine(line) ? line : null;
}
