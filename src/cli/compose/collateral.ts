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
import {
  asCodedError,
  type Bytes,
  CodedError,
  parseStrictJson,
  rfc3339,
  toHex,
  type UnixSeconds,
} from '../../core/index.ts';
import { openService, reportOnStderr, type VendorUrls } from './collateral-service.ts';
import { followFile } from './followed-file.ts';

export type CollateralOptions = VendorUrls &
  Readonly<{
    /** File with one platform's collateral, or a bundle; read again when it changes. */
    collateral?: string;
    /** Folder where what was fetched is kept. */
    data: string;
  }>;

/** Vendors' collateral as routers and clients use it; it follows its source while they run. */
export type Collateral = CollateralSource & Readonly<{ close: () => Promise<void> }>;

type CollateralSource = Readonly<{
  /** What a bundle is appraised with. @throws CodedError of kind unavailable where it cannot be had */
  endorsementsFor: (bundle: Bytes) => Promise<IntelEndorsements>;
  /** The text that goes to clients beside a bundle, for platforms that were appraised; `{}` for others. */
  textFor: (bundle: Bytes) => Promise<string>;
  /** When the first document of it ends; null where it holds none. */
  endsAt: () => UnixSeconds | null;
}>;

const PREFETCH_MS = 10 * 60_000;
const LOOK_MS = 5_000;
const PLATFORMS_MAX = 256;
const DAY_SECONDS = 86_400;
/** A file that ends in less than this is somebody's to replace. */
const WARNING_SECONDS = 5 * DAY_SECONDS;

const say = (words: string) => console.error(`collateral: ${words}`);

/**
 * @param lookMs how often a file is looked at
 * @throws CodedError USAGE_INVALID unless exactly one of file and URL is given; CONFIG_INVALID, ENDORSEMENT_MALFORMED
 */
export async function openCollateral(
  options: CollateralOptions,
  anchors: readonly TrustAnchor[],
  lookMs = LOOK_MS,
): Promise<Collateral> {
  const { collateral: file, collateralUrl: url } = options;
  if ((file === undefined) === (url === undefined)) {
    throw new CodedError('USAGE_INVALID', 'give either --collateral or --collateral-url');
  }
  if (file !== undefined) return fromFile(file, anchors, lookMs);
  const bundlePath = join(options.data, 'collateral-bundle.json');
  const service = await openService({ urls: options, anchors, bundlePath, report: reportOnStderr });
  const prefetch = () => service.prefetch().catch((error: unknown) => say(asCodedError(error).message));
  const timer = setInterval(prefetch, PREFETCH_MS);
  timer.unref();
  const close = async () => {
    clearInterval(timer);
    await service.flush();
  };
  return { ...fromService(service, anchors), close };
}

async function fromFile(file: string, anchors: readonly TrustAnchor[], lookMs: number): Promise<Collateral> {
  const followed = await followFile(file, (text) => sourceOf(text, anchors), { everyMs: lookMs, report: say });
  const source = () => followed.current();
  const warn = () => {
    const endsAt = source().endsAt();
    if (endsAt === null || endsAt - Date.now() / 1000 > WARNING_SECONDS) return;
    say(`${file} ends at ${rfc3339(endsAt)}: put a newer one in its place`);
  };
  warn();
  const timer = setInterval(warn, DAY_SECONDS * 1000);
  timer.unref();
  return {
    endorsementsFor: (bundle) => source().endorsementsFor(bundle),
    textFor: (bundle) => source().textFor(bundle),
    endsAt: () => source().endsAt(),
    close: async () => {
      clearInterval(timer);
      followed.close();
    },
  };
}

/** A bundle, or one platform's collateral under the names that Intel's clients share. */
async function sourceOf(text: string, anchors: readonly TrustAnchor[]): Promise<CollateralSource> {
  const value = parseStrictJson(text, 'collateral');
  if (isCollateralBundle(value)) {
    const service = await openService({ urls: null, anchors });
    await service.importBundle(text);
    return fromService(service, anchors);
  }
  const collateral = intelCollateralOf(value);
  const endorsements = await loadIntelEndorsements(collateral, anchors);
  const only = JSON.stringify(collateral);
  return {
    endorsementsFor: async () => endorsements,
    textFor: async () => only,
    endsAt: () => endOf(endorsements),
  };
}

function endOf({ tcbInfo, qeIdentity, rootCrl, pckCrl }: IntelEndorsements): UnixSeconds | null {
  const ends = [tcbInfo, qeIdentity].flatMap((judged) =>
    judged.state === 'ok' ? [judged.value.document.nextUpdate] : [],
  );
  ends.push(...[rootCrl, pckCrl].flatMap((judged) => (judged.state === 'ok' ? [judged.value.nextUpdate] : [])));
  return ends.length === 0 ? null : Math.min(...ends);
}

function fromService(service: CollateralService, anchors: readonly TrustAnchor[]): CollateralSource {
  const cache = new VerificationCache();
  const loaded = new BoundedMap<IntelEndorsements>(PLATFORMS_MAX);
  const appraised = new BoundedMap<IntelPlatform>(PLATFORMS_MAX);
  const nameOf = ({ fmspc, ca }: IntelPlatform) => `${fmspc}/${ca}`;
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
      appraised.set(nameOf(platform), platform);
      return endorsements;
    },
    textFor: async (bundle) => {
      try {
        const claimed = claimedIntelPlatform(parseTdxQuote(parseEvidenceBundle(bundle).quote));
        // Nobody makes us ask about a platform that was never verified.
        const platform = claimed === null ? undefined : appraised.get(nameOf(claimed));
        return platform === undefined ? '{}' : JSON.stringify(await service.getIntelCollateral(platform));
      } catch (error) {
        if (error instanceof CodedError) return '{}'; // whoever is given this evidence finds out what is wrong with it
        throw error;
      }
    },
    endsAt: () =>
      service.documents().reduce<UnixSeconds | null>((end, one) => Math.min(end ?? one.until, one.until), null),
  };
}
