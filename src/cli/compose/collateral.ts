import { join } from 'node:path';
import {
  type CollateralService,
  claimedIntelPlatform,
  type IntelPlatform,
  intelPlatformOf,
  isCollateralBundle,
} from '../../attestation/collateral/index.ts';
import {
  BoundedMap,
  type IntelEndorsements,
  intelCollateralOf,
  loadIntelEndorsements,
  noIntelEndorsements,
  parseEvidenceBundle,
  parseTdxQuote,
  type TrustAnchor,
  VerificationCache,
} from '../../attestation/index.ts';
import { asCodedError, type Bytes, CodedError, parseStrictJson, toHex } from '../../core/index.ts';
import { openService, reportOnStderr, type VendorUrls } from './collateral-service.ts';
import { readText } from './files.ts';

export type CollateralOptions = Readonly<{
  /** File with one platform's collateral, or a bundle. */
  collateral?: string;
  /** Folder where what was fetched is kept. */
  data: string;
}> &
  VendorUrls;

/** Vendors' collateral as a router uses it. */
export type Collateral = Readonly<{
  /** What a bundle is appraised with. @throws CodedError of kind unavailable where it cannot be had */
  endorsementsFor: (bundle: Bytes) => Promise<IntelEndorsements>;
  /** The text that goes to clients beside a bundle: what its platform was last appraised with, `{}` where never. */
  textFor: (bundle: Bytes) => string;
  close: () => Promise<void>;
}>;

const PREFETCH_MS = 10 * 60_000;
const PLATFORMS_MAX = 256;

/** @throws CodedError USAGE_INVALID unless exactly one of file and URL is given; CONFIG_INVALID, ENDORSEMENT_MALFORMED */
export async function openCollateral(options: CollateralOptions, anchors: readonly TrustAnchor[]): Promise<Collateral> {
  const { collateral: file, collateralUrl: url } = options;
  if ((file === undefined) === (url === undefined)) {
    throw new CodedError('USAGE_INVALID', 'give either --collateral or --collateral-url');
  }
  if (url !== undefined) {
    const bundlePath = join(options.data, 'collateral-bundle.json');
    const service = await openService({ urls: options, anchors, bundlePath, report: reportOnStderr });
    return fromService(service, anchors);
  }
  const text = readText(file as string);
  const value = parseStrictJson(text, 'collateral');
  if (isCollateralBundle(value)) {
    const service = await openService({ urls: null, anchors, report: reportOnStderr });
    await service.importBundle(text);
    return fromService(service, anchors);
  }
  const collateral = intelCollateralOf(value);
  const endorsements = await loadIntelEndorsements(collateral, anchors);
  const only = JSON.stringify(collateral);
  return { endorsementsFor: async () => endorsements, textFor: () => only, close: async () => undefined };
}

function fromService(service: CollateralService, anchors: readonly TrustAnchor[]): Collateral {
  const cache = new VerificationCache();
  const loaded = new BoundedMap<IntelEndorsements>(PLATFORMS_MAX);
  const texts = new BoundedMap<string>(PLATFORMS_MAX);
  const nameOf = ({ fmspc, ca }: IntelPlatform) => `${fmspc}/${ca}`;
  const prefetch = () =>
    service.prefetch().catch((error: unknown) => console.error(`collateral: ${asCodedError(error).message}`));
  const timer = setInterval(prefetch, PREFETCH_MS);
  timer.unref();
  return {
    endorsementsFor: async (bundle) => {
      const parsed = parseEvidenceBundle(bundle);
      const quote = parsed.tee === 'tdx' ? parseTdxQuote(parsed.quote) : null;
      const platform = quote === null ? null : await intelPlatformOf(quote, anchors, cache);
      if (quote === null || platform === null) return noIntelEndorsements(cache); // the appraisal says what is wrong
      const { collateral, digest } = await service.getIntelCollateralSet(platform);
      const key = toHex(digest);
      const endorsements = loaded.get(key) ?? (await loadIntelEndorsements(collateral, anchors, cache));
      loaded.set(key, endorsements);
      texts.set(nameOf(platform), JSON.stringify(collateral));
      return endorsements;
    },
    textFor: (bundle) => {
      try {
        const platform = claimedIntelPlatform(parseTdxQuote(parseEvidenceBundle(bundle).quote));
        return (platform === null ? undefined : texts.get(nameOf(platform))) ?? '{}';
      } catch (error) {
        if (error instanceof CodedError) return '{}'; // whoever is given this evidence finds out what is wrong with it
        throw error;
      }
    },
    close: async () => {
      clearInterval(timer);
      await service.flush();
    },
  };
}
