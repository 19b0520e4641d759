import {
  type CollateralService,
  claimedAmdPlatform,
  type IntelAsk,
  intelPlatformOf,
  type NvidiaAsk,
  type TcbChannel,
} from '../../attestation/collateral/index.ts';
import {
  type IntelCollateral,
  PINNED_ANCHORS,
  parseSnpReport,
  parseTdxQuote,
  type SnpLine,
  type TrustAnchor,
  VerificationCache,
} from '../../attestation/index.ts';
import { CodedError, type Json, KIND_OF_CODE, toBase64 } from '../../core/index.ts';
import { nvidiaAskOf, nvidiaCollateral } from '../compose/nvidia-source.ts';
import { devicesOfDocument } from '../verify/nvidia-devices.ts';

/** Kinds of evidence whose collateral a service has. */
export const FETCHED_KINDS = ['tdx-quote', 'snp-report', 'nvidia-devices'] as const;
export type FetchedKind = (typeof FETCHED_KINDS)[number];

/** Roots that a caller names may vouch for whatever is asked: NVIDIA's are told apart by what they vouch for. */
export function forAllPurposes(anchors: readonly TrustAnchor[] | null): readonly TrustAnchor[] | null {
  if (anchors === null) return null;
  const purposes = [undefined, 'nvidia-device', 'nvidia-manifest'] as const;
  return anchors.flatMap((anchor) => purposes.map((purpose) => ({ ...anchor, purpose })));
}

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
    return await FOR_KIND[ask.kind](service, ask);
  } catch (error) {
    const isTheEvidence =
      error instanceof CodedError && KIND_OF_CODE[error.code] === 'rejected' && error.code.startsWith('EVIDENCE_');
    if (isTheEvidence) return null;
    throw error;
  }
}

async function forQuote(service: CollateralService, ask: CollateralAsk): Promise<Json> {
  const quote = parseTdxQuote(ask.evidence, { trailingBytes: 'report' });
  const platform = await intelPlatformOf(quote, ask.anchors ?? PINNED_ANCHORS, new VerificationCache());
  return platform === null ? null : intelCollateralWithNext(service, { ...platform, channel: ask.channel });
}

/**
 * A platform's collateral; where that is of Intel's standard set, with the early one beside it as `next`: what will hold
 * in some weeks can be seen today. It decides nothing, so it may be absent.
 * @throws CodedError as the service does, for the set itself
 */
export async function intelCollateralWithNext(service: CollateralService, ask: IntelAsk): Promise<Json> {
  const set = await service.getIntelCollateral(ask);
  if (ask.channel !== 'standard') return set as Json;
  try {
    const early = await service.getIntelCollateral({ ...ask, channel: 'early' });
    const isOther = early.tcb_info !== set.tcb_info || early.qe_identity !== set.qe_identity;
    const next = Object.fromEntries(SET_FIELDS.map((field) => [field, early[field] as string]));
    return (isOther ? { ...set, next } : set) as Json;
  } catch (error) {
    if (error instanceof CodedError && KIND_OF_CODE[error.code] === 'unavailable') return set as Json;
    throw error;
  }
}

const SET_FIELDS = ['tcb_info', 'qe_identity'].flatMap(
  (name) => [name, `${name}_signature`, `${name}_issuer_chain`] as (keyof IntelCollateral)[],
);

async function forReport(service: CollateralService, { evidence, line }: CollateralAsk): Promise<Json> {
  const platform = claimedAmdPlatform(parseSnpReport(evidence), line);
  const { certificates, crl } = await service.getAmdCollateral(platform);
  return { certs: certificates.map(toBase64), crls: [toBase64(crl)], line: platform.line };
}

async function forDevices(service: CollateralService, { evidence, anchors }: CollateralAsk): Promise<Json> {
  const cache = new VerificationCache();
  const asks: NvidiaAsk[] = [];
  for (const device of devicesOfDocument(evidence)) {
    const ask = await nvidiaAskOf(device, anchors ?? PINNED_ANCHORS, cache);
    if (ask === null) return null;
    asks.push(ask);
  }
  return nvidiaCollateral(service, asks);
}

const FOR_KIND: Readonly<Record<FetchedKind, (service: CollateralService, ask: CollateralAsk) => Promise<Json>>> = {
  'tdx-quote': forQuote,
  'snp-report': forReport,
  'nvidia-devices': forDevices,
};
