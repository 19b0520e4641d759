import { setTimeout as sleep } from 'node:timers/promises';
import {
  AMD_KDS_URL,
  type CollateralEvent,
  type CollateralService,
  INTEL_PCS_URL,
  intelSourceAt,
  NVIDIA_OCSP_URL,
  NVIDIA_RIM_URL,
  openCollateralService,
  serviceUrl,
} from '../../attestation/collateral/index.ts';
import { PINNED_ANCHORS, type TrustAnchor } from '../../attestation/index.ts';
import { type Clock, rfc3339 } from '../../core/index.ts';
import { readIfThere, systemRandomness, writeDurably } from './files.ts';

/** Where vendors' collateral is asked for; vendors' own services unless others are named. */
export type VendorUrls = Readonly<{
  /** Intel's PCS, or a PCCS. */
  collateralUrl?: string;
  /** AMD's KDS, or a mirror of it. */
  kdsUrl?: string;
  /** NVIDIA's manifest service and OCSP responder, or mirrors of them. */
  rimUrl?: string;
  ocspUrl?: string;
}>;

export type ServiceOptions = Readonly<{
  /** Null: nobody is asked, what bundles hold is all there is. */
  urls: VendorUrls | null;
  /** Roots of a caller in place of the vendors'; null for the vendors'. */
  anchors: readonly TrustAnchor[] | null;
  /** File where what was fetched is kept. */
  bundlePath?: string;
  /** The wall clock unless given: an archived bundle is read at its own time. */
  now?: Clock;
  report?: (event: CollateralEvent) => void;
}>;

/** The service with the real clock, network and disk. @throws CodedError CONFIG_INVALID for a URL that is none */
export function openService(options: ServiceOptions): Promise<CollateralService> {
  const { urls, anchors, bundlePath, now = Date.now, report } = options;
  const disk = {
    read: async () => readIfThere(bundlePath as string),
    write: async (text: string) => writeDurably(bundlePath as string, text),
  };
  return openCollateralService(
    {
      fetch: (input, init) => fetch(input, init),
      now,
      monotonic: () => performance.now(),
      sleep: (ms, signal) => sleep(ms, undefined, { signal }),
      randomness: systemRandomness,
      ...(report === undefined ? {} : { report }),
      ...(bundlePath === undefined ? {} : { disk }),
    },
    {
      intel: urls === null ? null : intelSourceAt(urls.collateralUrl ?? INTEL_PCS_URL),
      amdUrl: urls === null ? null : serviceUrl(urls.kdsUrl ?? AMD_KDS_URL, 'key distribution service'),
      anchors: anchors ?? PINNED_ANCHORS,
      nvidiaUrls: nvidiaUrls(urls),
    },
  );
}

function nvidiaUrls(urls: VendorUrls | null): { rim: string | null; ocsp: string | null } {
  if (urls === null) return { rim: null, ocsp: null };
  return {
    rim: serviceUrl(urls.rimUrl ?? NVIDIA_RIM_URL, 'manifest service'),
    ocsp: serviceUrl(urls.ocspUrl ?? NVIDIA_OCSP_URL, 'OCSP responder'),
  };
}

/** For whoever runs a service: documents and reasons, on stderr; what was fetched well is not worth a line. */
export function reportOnStderr(event: CollateralEvent): void {
  if (event.event === 'failed') console.error(`collateral: ${event.why} [${event.code}]`);
  reportKeptOnStderr(event);
}

/** The same for a command, which says itself what it could not have. */
export function reportKeptOnStderr(event: CollateralEvent): void {
  if (event.event === 'diskFailed') console.error(`collateral: ${event.why} [${event.code}]`);
  if (event.event === 'keptOnOutage') {
    console.error(`collateral: ${event.document} is kept until ${rfc3339(event.until)}`);
  }
}
