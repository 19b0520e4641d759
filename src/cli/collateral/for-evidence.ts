import {
  type CollateralService,
  claimedAmdPlatform,
  intelPlatformOf,
  type TcbChannel,
} from '../../attestation/collateral/index.ts';
import {
  INTEL_SGX_ROOT,
  parseSnpReport,
  parseTdxQuote,
  type SnpLine,
  type TrustAnchor,
  VerificationCache,
} from '../../attestation/index.ts';
import { CodedError, type Json, KIND_OF_CODE, toBase64 } from '../../core/index.ts';

/** Kinds of evidence whose collateral a service has. */
export const FETCHED_KINDS = ['tdx-quote', 'snp-report'] as const;
export type FetchedKind = (typeof FETCHED_KINDS)[number];

export type CollateralAsk = Readonly<{
  kind: FetchedKind;
  evidence: Uint8Array;
  /** Null for the vendors' own. */
  anchors: readonly TrustAnchor[] | null;
  /** Of AMD; for reports that don't say it. */
  line: SnpLine | null;
  /** Which of Intel's sets of TCB levels. */
  channel: TcbChannel;
}>;

/**
 * What one piece of evidence is verified with, in the form that `chrysalis verify` takes: from the service, which asks
 * the vendor for what it has not kept. Null for evidence that says no platform of a trusted vendor: the verdict says why.
 * @throws CodedError of kind unavailable where it can't be had; USAGE_INVALID where the product line has to be given
 */
export async function collateralForEvidence(service: CollateralService, ask: CollateralAsk): Promise<Json> {
  try {
    return ask.kind === 'tdx-quote' ? await forQuote(service, ask) : await forReport(service, ask);
  } catch (error) {
    const isTheEvidence =
      error instanceof CodedError && KIND_OF_CODE[error.code] === 'rejected' && error.code.startsWith('EVIDENCE_');
    if (isTheEvidence) return null;
    throw error;
  }
}

async function forQuote(service: CollateralService, ask: CollateralAsk): Promise<Json> {
  const quote = parseTdxQuote(ask.evidence, { trailingBytes: 'report' });
  const platform = await intelPlatformOf(quote, ask.anchors ?? [INTEL_SGX_ROOT], new VerificationCache());
  if (platform === null) return null;
  return (await service.getIntelCollateral({ ...platform, channel: ask.channel })) as Json;
}

async function forReport(service: CollateralService, { evidence, line }: CollateralAsk): Promise<Json> {
  const platform = claimedAmdPlatform(parseSnpReport(evidence), line);
  const { certificates, crl } = await service.getAmdCollateral(platform);
  return { certs: certificates.map(toBase64), crls: [toBase64(crl)], line: platform.line };
}
