import { join } from 'node:path';
import type { TrustAnchor } from '../../attestation/index.ts';
import { asCodedError, CodedError, rfc3339 } from '../../core/index.ts';
import { openService, reportOnStderr, type VendorUrls } from './collateral-service.ts';
import { type CollateralSource, sourceOfService, sourceOfText } from './collateral-source.ts';
import { followFile } from './followed-file.ts';

export type CollateralOptions = VendorUrls &
  Readonly<{
    /** File with one platform's collateral, `{"intel": …, "amd": …}` with one of each, or a bundle; read again when it changes. */
    collateral?: string;
    /** Folder where what was fetched is kept. */
    data: string;
  }>;

/** Vendors' collateral as routers and clients use it; it follows its source while they run. */
export type Collateral = CollateralSource & Readonly<{ close: () => Promise<void> }>;

const PREFETCH_MS = 10 * 60_000;
const LOOK_MS = 5_000;
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
  return { ...sourceOfService(service, anchors), close };
}

async function fromFile(file: string, anchors: readonly TrustAnchor[], lookMs: number): Promise<Collateral> {
  let reads = 0;
  const read = async (text: string): Promise<CollateralSource> => {
    const next = await sourceOfText(text, anchors);
    reads += 1;
    return next;
  };
  const followed = await followFile(file, read, { everyMs: lookMs, report: say });
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
    endorsementsFor: (bundle, certificates) => source().endorsementsFor(bundle, certificates),
    textFor: (bundle) => source().textFor(bundle),
    endsAt: () => source().endsAt(),
    // A bundle is asked of nobody: it changes with its file alone.
    changes: () => reads,
    close: async () => {
      clearInterval(timer);
      followed.close();
    },
  };
}
