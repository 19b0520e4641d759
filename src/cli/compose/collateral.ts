import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CollateralDeps,
  type CollateralEvent,
  type CollateralService,
  claimedIntelPlatform,
  type IntelPlatform,
  intelPlatformOf,
  intelSourceAt,
  isCollateralBundle,
  openCollateralService,
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
import { readIfThere, readText, systemRandomness, writeDurably } from './files.ts';

export type CollateralOptions = Readonly<{
  /** File with one platform's collateral, or a bundle. */
  collateral?: string;
  /** Intel's service, or a PCCS. */
  collateralUrl?: string;
  /** Folder where what was fetched is kept. */
  data: string;
}>;

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
    const path = join(options.data, 'collateral-bundle.json');
    const disk = { read: async () => readIfThere(path), write: async (text: string) => writeDurably(path, text) };
    const service = await openCollateralService({ ...systemDeps(), disk }, { intel: intelSourceAt(url), anchors });
    return fromService(service, anchors);
  }
  const text = readText(file as string);
  const value = parseStrictJson(text, 'collateral');
  if (isCollateralBundle(value)) {
    const service = await openCollateralService(systemDeps(), { intel: null, anchors });
    await service.importBundle(text);
    return fromService(service, anchors);
  }
  const collateral = intelCollateralOf(value);
  const endorsements = await loadIntelEndorsements(collateral, anchors);
  const only = JSON.stringify(collateral);
  return { endorsementsFor: async () => endorsements, textFor: () => only, close: async () => undefined };
}

function systemDeps(): CollateralDeps {
  return {
    fetch: (input, init) => fetch(input, init),
    now: Date.now,
    monotonic: () => performance.now(),
    sleep: (ms, signal) => sleep(ms, undefined, { signal }),
    randomness: systemRandomness,
    report,
  };
}

/** For whoever runs it: documents and reasons, on stderr; what was fetched well is not worth a line. */
function report(event: CollateralEvent): void {
  if (event.event === 'failed' || event.event === 'diskFailed')
    console.error(`collateral: ${event.why} [${event.code}]`);
  if (event.event === 'keptOnOutage') {
    console.error(`collateral: ${event.document} is kept until ${new Date(event.until * 1000).toISOString()}`);
  }
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
