import {
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
  loadAmdEndorsements,
  loadIntelEndorsements,
  noIntelEndorsements,
  type ParsedSnpReport,
  parseEvidenceBundle,
  parseSnpReport,
  parseTdxQuote,
  type TrustAnchor,
  type VendorEndorsements,
  VerificationCache,
} from '../../attestation/index.ts';
import {
  type Bytes,
  CodedError,
  type Json,
  parseStrictJson,
  toBase64,
  toHex,
  type UnixSeconds,
} from '../../core/index.ts';
import { openService } from './collateral-service.ts';

/** Where the collateral of a bundle comes from: a file, or a service. */
export type CollateralSource = Readonly<{
  /** What a bundle is appraised with. @throws CodedError of kind unavailable where it cannot be had */
  endorsementsFor: (bundle: Bytes) => Promise<VendorEndorsements>;
  /** The text that goes to clients beside a bundle, for platforms that were appraised; `{}` for others. */
  textFor: (bundle: Bytes) => Promise<string>;
  /** When the first document of it ends; null where it holds none. */
  endsAt: () => UnixSeconds | null;
}>;

const PLATFORMS_MAX = 256;

/**
 * A bundle of collateral; or one platform's, `{"intel": …, "amd": …}` with one of each vendor, or Intel's alone under the
 * names that Intel's clients share.
 * @throws CodedError ENDORSEMENT_MALFORMED, ENCODING_INVALID, CERTIFICATE_MALFORMED, CRL_MALFORMED
 */
export async function sourceOfText(text: string, anchors: readonly TrustAnchor[]): Promise<CollateralSource> {
  const value = parseStrictJson(text, 'collateral');
  if (isCollateralBundle(value)) {
    const service = await openService({ urls: null, anchors });
    await service.importBundle(text);
    return sourceOfService(service, anchors);
  }
  const { intel, amd } = byVendor(value);
  const endorsements: VendorEndorsements = {
    ...(intel === undefined ? {} : { intel: await loadIntelEndorsements(intelCollateralOf(intel), anchors) }),
    ...(amd === undefined ? {} : { amd: loadAmdEndorsements(amdCollateralOf(amd)) }),
  };
  const texts = { tdx: JSON.stringify(intel ?? {}), 'sev-snp': JSON.stringify(amd ?? {}) };
  return {
    endorsementsFor: async () => endorsements,
    textFor: async (bundle) => texts[parseEvidenceBundle(bundle).tee],
    endsAt: () => least([...intelEnds(endorsements.intel), ...amdEnds(endorsements.amd)]),
  };
}

/** A document that names no vendor is Intel's. */
function byVendor(value: Json): Readonly<{ intel?: Json; amd?: Json }> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { intel: value };
  const names = Object.keys(value);
  const isByVendor = names.length > 0 && names.every((name) => name === 'intel' || name === 'amd');
  return isByVendor ? (value as Readonly<{ intel?: Json; amd?: Json }>) : { intel: value };
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
  endorsementsFor: (evidence: Bytes) => Promise<VendorEndorsements>;
  /** Null for a platform that was never appraised: nobody makes us ask about those. */
  textFor: (evidence: Bytes) => Promise<string | null>;
}>;

export function sourceOfService(service: CollateralService, anchors: readonly TrustAnchor[]): CollateralSource {
  const byTee = { tdx: intelOf(service, anchors), 'sev-snp': amdOf(service) };
  return {
    endorsementsFor: async (bundle) => {
      const { tee, quote } = parseEvidenceBundle(bundle);
      return byTee[tee].endorsementsFor(quote);
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
  };
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

function amdOf(service: CollateralService): VendorSource {
  const cache = new AmdCache();
  const appraised = new BoundedMap<true>(PLATFORMS_MAX);
  const nameOf = ({ signer, chipId, reportedTcb }: ParsedSnpReport) =>
    `${signer}/${toHex(chipId)}/${toHex(reportedTcb)}`;
  const collateralOf = async (report: ParsedSnpReport) => {
    const { certificates, crl } = await service.getAmdCollateral(claimedAmdPlatform(report, null));
    return { certs: certificates, crls: [crl] };
  };
  return {
    endorsementsFor: async (evidence) => {
      const report = parseSnpReport(evidence);
      // A report of version 2 does not say its product line, so nobody can be asked: the appraisal is unavailable.
      if (report.cpuid === null) return {};
      const collateral = await collateralOf(report);
      appraised.set(nameOf(report), true);
      return { amd: loadAmdEndorsements(collateral, cache) };
    },
    textFor: async (evidence) => {
      const report = parseSnpReport(evidence);
      if (appraised.get(nameOf(report)) === undefined) return null;
      const { certs, crls } = await collateralOf(report);
      return JSON.stringify({ certs: certs.map(toBase64), crls: crls.map(toBase64) });
    },
  };
}
